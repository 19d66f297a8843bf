"""A snapshot's files, to read: a clone for a moment, mounted where root alone gets. zfs-fuse shows no `.zfs` folder."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.datasets import LOOK, Course, patiently, read, unmounted
from host.lock import locked
from host.run import Refused, run_as_root

_FOLDER = Path("/run/coursehub")
_MARK = "coursehub:look"


@contextmanager
def looking_into(course: Course, snapshot: str) -> Iterator[Path]:
    """The folder of a snapshot's files, read-only, for as long as the context lasts; one at a time for each course.

    A look that was killed is ended by the next one: the clone's name tells whose it was.
    """
    clone = f"{course.pool}/{LOOK}.{course.label}"
    folder = _FOLDER / f"{course.pool}.{course.label}"
    with locked(clone):
        _FOLDER.mkdir(mode=0o700, exist_ok=True)
        _end(course, clone, folder)
        try:
            options = [f"mountpoint={folder}", "readonly=on", f"{_MARK}={course.path}"]
            run_as_root(["zfs", "clone", *(word for option in options for word in ("-o", option)), snapshot, clone])
            if not folder.is_mount():
                raise Refused(f"{clone}, a clone of {snapshot}, could not be mounted at {folder}: `zfs mount {clone}`")
            yield folder
        finally:
            _end(course, clone, folder)


def _end(course: Course, clone: str, folder: Path) -> None:
    found = read(clone, [_MARK], depth=0)
    if not found:
        return
    if found[clone][_MARK] != course.path:
        raise Refused(f"{clone} is in the way, and not coursehub's: rename it")
    unmounted(clone)
    patiently(["zfs", "destroy", clone])
    with contextlib.suppress(FileNotFoundError):  # OpenZFS takes the empty mountpoint away itself
        folder.rmdir()
