"""How full a home is, and what fills it."""

import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

BUDGET = "HOME_BUDGET"  # in the environment, in bytes: what the hub knows of the home's budget
MARKER = ".coursehub-materials"  # the last file that the course's materials came with
NEARLY_FULL = 0.8
_PROBE_BYTES = 1 << 18  # as in the start of the server
_SHOWN = 5
_ENTRIES = 100_000
_SECONDS = 2.0
_HOME = PurePath()


class File(NamedTuple):
    """A file below the home, by relative path, and the bytes that it takes on the disk."""

    folder: PurePath
    name: str
    bytes: int
    changed: int = 0  # when it, or its name, owner or mode, changed last: nanoseconds since 1970


class Found(NamedTuple):
    """What a walk through a home found, and whether it saw everything."""

    files: list[File]
    complete: bool


def report(home: Path, given: int = 0) -> dict[str, Any]:
    """The home's space in bytes, whether anything can still be written, and when nearly full, why.

    `given` is the budget as the hub knew it when the server started; 0: there is none. `held` is what counts as used
    and is in none of the student's files; None where that cannot be told. `own` is false where the home is a folder of
    a disk that others use too: the figures are then that disk's.
    """
    disk = os.statvfs(home)
    free = disk.f_bavail * disk.f_frsize
    # With more free than that, the budget was raised since. The size of the file system has to do then: of a home in
    # ZFS that is the budget and the materials, which are shared with others, less what snapshots hold.
    known = given >= free and given > 0
    budget = given if known else disk.f_blocks * disk.f_frsize
    used = budget - free
    nearly_full = used >= budget * NEARLY_FULL
    found = students_own(files(home, _ENTRIES, _SECONDS)) if nearly_full else Found([], complete=False)
    return {
        "used": used,
        "budget": budget,
        "free": free,
        "own": is_own(os.path.realpath(home), Path("/proc/self/mountinfo").read_text()),
        # Tried, not computed: what the file system counts as free may be neither free nor up to date.
        "full": nearly_full and not has_room(home),
        "nearlyFull": nearly_full,
        "held": max(0, used - sum(file.bytes for file in found.files)) if known and found.complete else None,
        "largest": largest(found.files),
    }


def has_room(home: Path) -> bool:
    """Whether a small file can be written: random bytes, since others would be compressed away."""
    try:
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(os.urandom(_PROBE_BYTES))
    except OSError:
        return False
    return True


def is_own(home: str, mountinfo: str) -> bool:
    """Whether the home is a file system of its own, by /proc/self/mountinfo (proc(5)): mounted there from its root."""
    roots = {fields[4]: fields[3] for fields in map(str.split, mountinfo.splitlines())}
    return roots.get(home) == "/"


def files(home: Path, entries: int, seconds: float) -> Found:
    """The files below a home; those near the top come first.

    Ends after so many entries or seconds. Follows no symbolic link and stays on the home's own file system.
    """
    until = time.monotonic() + seconds
    device = home.stat().st_dev
    folders = deque([_HOME])
    seen: list[File] = []
    complete = True
    while folders:
        folder = folders.popleft()
        try:
            found = list(os.scandir(home / folder))
        except OSError:  # gone meanwhile, or not to be read
            complete = False
            continue
        for entry in found:
            entries -= 1
            if entries < 0 or time.monotonic() > until:
                return Found(seen, complete=False)
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                complete = False
                continue
            if entry.is_dir(follow_symlinks=False) and stat.st_dev == device:
                folders.append(folder / entry.name)
            elif entry.is_file(follow_symlinks=False):
                seen.append(File(folder, entry.name, stat.st_blocks * 512, stat.st_ctime_ns))
    return Found(seen, complete)


def students_own(found: Found) -> Found:
    """Without the files that came with the materials: the budget does not count them, and deleting them frees nothing.

    The marker was written after them. What changed later is the student's. Without a marker all is.
    """
    came = next((file.changed for file in found.files if (file.folder, file.name) == (_HOME, MARKER)), None)
    return found if came is None else Found([file for file in found.files if file.changed > came], found.complete)


def largest(found: Iterable[File]) -> list[dict[str, Any]]:
    """What to delete first: the largest files, and folders of many smaller ones.

    Below the first level, what is less than a twentieth of all is not named by itself and counts for its folder. No
    byte counts twice: a folder stands for what is below it and not named itself. A folder's name ends with a slash.
    What is next to nothing beside the first is left out.
    """
    every = list(found)
    least = sum(file.bytes for file in every) / 20
    folders = {file.folder for file in every}
    rest = {above: 0 for folder in folders for above in (folder, *folder.parents)}
    named = []
    for folder, name, size, _ in every:
        if size >= least or folder == _HOME:
            named.append((size, str(folder / name)))
        else:
            rest[folder] += size
    for folder in sorted(rest.keys() - {_HOME}, key=lambda one: -len(one.parts)):
        if rest[folder] >= least or folder.parent == _HOME:
            named.append((rest[folder], f"{folder}/"))
        else:
            rest[folder.parent] += rest[folder]
    shown = sorted(named, reverse=True)[:_SHOWN]
    return [{"path": path, "bytes": size} for size, path in shown if size > shown[0][0] / 20]
