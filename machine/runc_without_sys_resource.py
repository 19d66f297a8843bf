#!/usr/bin/env python3
"""An OCI runtime for servers whose root lacks CAP_SYS_RESOURCE: runc, asked for that capability never.

runc cannot grant what it has not, so a privileged container would not start at all. This takes the capability out of
the container's config.json (create, run) or of the process file (exec) and becomes runc.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LACKING = "CAP_SYS_RESOURCE"


def without(process: dict[str, Any]) -> dict[str, Any]:
    """The OCI process with LACKING in none of its capability sets."""
    sets = process.get("capabilities") or {}
    return {**process, "capabilities": {name: [c for c in caps if c != LACKING] for name, caps in sets.items()}}


def option(argv: list[str], names: tuple[str, ...]) -> str | None:
    """The value of a command line option, as `--name value` or `--name=value`."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else argv[place + 1]
    return None


def main(argv: list[str]) -> None:
    if "create" in argv or "run" in argv:
        bundle = option(argv, ("--bundle", "-b")) or "."
        rewrite(Path(bundle, "config.json"), lambda spec: {**spec, "process": without(spec["process"])})
    elif "exec" in argv and (path := option(argv, ("--process", "-p"))):
        rewrite(Path(path), without)
    os.execvp("runc", ["runc", *argv])


def rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


if __name__ == "__main__":
    main(sys.argv[1:])
