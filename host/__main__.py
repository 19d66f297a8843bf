"""`python3 -m host UNIT VERB`: a JSON specification on stdin, one JSON object on stdout, progress and errors on stderr.

Verbs: `observe` reads, `apply` converges, `remove` obeys the retain policy; a unit with others lists them as VERBS.
Exit codes: 0 done, 2 bad specification, 3 refused for safety, 4 a command failed.
"""

import errno
import json
import os
import sys
from importlib import import_module
from pathlib import Path

from host.before import MARKER
from host.run import BadSpecification, CommandFailed, Refused

UNITS = (
    *("zfs", "volume", "template", "workspaces", "kind", "node", "probe", "runtime", "secrets", "certificate"),
    *("snapshots", "restore", "archive", "replica", "trash", "schedule", "leaving"),
)
VERBS = ("observe", "apply", "remove")

_ROOM = "free some space there, or name another place; then run it again"
_MOUNT = "the disk or mount that it is on does not answer: `make up` mends the course's own; then run it again"
_RIGHTS = "run this as root, or let this user have it"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.ENOTCONN: _MOUNT,
    errno.EIO: _MOUNT,
    errno.ESTALE: _MOUNT,
    errno.EROFS: "it is mounted read-only: mount it anew, or name another place",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}


def main(argv: list[str]) -> int:
    # Only the unit that is asked for is imported: an `up` runs ten of them, and each would wait for all of them.
    module = import_module(f"host.{argv[0]}") if argv and argv[0] in UNITS else None
    verbs = getattr(module, "VERBS", VERBS)
    if module is None or len(argv) != 2 or argv[1] not in verbs:
        print(f"usage: python3 -m host {{{','.join(UNITS)}}} {{{','.join(verbs)}}} < specification", file=sys.stderr)
        return 2
    unit, verb = argv
    try:
        result = getattr(module, verb)(module.parse(_specification()))
        _note(verb, result)
    except BadSpecification as error:
        print(f"{unit}: {error}", file=sys.stderr)
        return 2
    except Refused as error:
        print(f"{unit}: {error}", file=sys.stderr)
        return 3
    except CommandFailed as error:
        print(f"{unit}: {error}", file=sys.stderr)
        return 4
    except OSError as error:
        print(f"{unit}: {in_words(error)}", file=sys.stderr)
        return 4
    print(json.dumps(result, sort_keys=True))
    return 0


def in_words(error: OSError) -> str:
    """What this server refused: the file, the reason and the remedy."""
    remedy = _REMEDIES.get(error.errno or 0, "put that right, then run it again")
    return f"{error.filename or 'a file of this server'}: {error.strerror or error}: {remedy}"


def _note(verb: str, result: dict[str, object]) -> None:
    """Keep revision and result in the file that the caller named: `components/drift.py` says what for."""
    if not (file := os.environ.get(MARKER)):
        return
    marker = Path(file)
    if verb == "remove":
        marker.unlink(missing_ok=True)
    elif verb == "apply":
        _replace(marker, json.dumps({**json.loads(os.environ["COURSEHUB_REVISION"]), "result": result}))


def _replace(file: Path, text: str) -> None:
    """Write a file that is either the old one or the whole new one, wherever a power cut comes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    growing = file.with_suffix(".new")
    with growing.open("w") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    growing.replace(file)


def _specification() -> dict[str, object]:
    try:
        given = json.load(sys.stdin)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise BadSpecification("the specification on stdin is not a JSON object")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
