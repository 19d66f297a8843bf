"""`python3 -m machine VERB`: `ready` makes the server ready, `way` tells where parts are from, `parts` gets them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from machine import engine, makers, packages, zfs
from machine.shell import NotReady, say
from machine.way import VARIABLE, way


def ready() -> None:
    """Packages, ZFS, Docker and the parts."""
    packages.install(packages.ALWAYS)
    zfs.ready()
    engine.ready()
    parts()


def parts() -> None:
    """The tools and images, by the way that this server can go."""
    chosen = way()
    say(f"parts: from {'their makers' if chosen == 'makers' else 'package registries'} (set {VARIABLE} to choose)")
    if chosen == "makers":
        makers.tools(cache())
        return
    from offline.__main__ import main as build_all  # only this way needs it

    packages.install(packages.FOR_REGISTRIES)
    if build_all() != 0:
        raise NotReady("the parts could not be built; run it again to go on from there")


def cache() -> Path:
    """Where tools are kept: $COURSEHUB_CACHE, else ~/.cache/coursehub."""
    return Path(os.environ.get("COURSEHUB_CACHE", "~/.cache/coursehub")).expanduser()


VERBS: dict[str, Callable[[], None]] = {"ready": ready, "parts": parts, "way": lambda: print(way())}


def main(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0] not in VERBS:
        print(f"usage: python3 -m machine {{{','.join(VERBS)}}}", file=sys.stderr)
        return 2
    try:
        VERBS[argv[0]]()
    except NotReady as error:
        print(f"this server is not ready: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
