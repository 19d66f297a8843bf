"""How full a home is, and what fills it."""

import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

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


def report(home: Path) -> dict[str, Any]:
    """The home's space in bytes, as `df` would say, whether anything can still be written, and when nearly full, why.

    `own` is false where the home is a folder of a disk that others use too: the figures are then that disk's.
    """
    disk = os.statvfs(home)
    budget, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    used = budget - free
    nearly_full = used >= budget * NEARLY_FULL
    return {
        "used": used,
        "budget": budget,
        "free": free,
        "own": is_own(os.path.realpath(home), Path("/proc/self/mountinfo").read_text()),
        # Tried, not computed: what the file system counts as free may be neither free nor up to date.
        "full": nearly_full and not has_room(home),
        "nearlyFull": nearly_full,
        "largest": largest(files(home, _ENTRIES, _SECONDS)) if nearly_full else [],
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


def files(home: Path, entries: int, seconds: float) -> Iterator[File]:
    """The files below a home; those near the top come first.

    Ends after so many entries or seconds. Follows no symbolic link and stays on the home's own file system.
    """
    until = time.monotonic() + seconds
    device = home.stat().st_dev
    folders = deque([_HOME])
    while folders:
        folder = folders.popleft()
        try:
            found = list(os.scandir(home / folder))
        except OSError:  # gone meanwhile, or not to be read
            continue
        for entry in found:
            entries -= 1
            if entries < 0 or time.monotonic() > until:
                return
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False) and stat.st_dev == device:
                folders.append(folder / entry.name)
            elif entry.is_file(follow_symlinks=False):
                yield File(folder, entry.name, stat.st_blocks * 512)


def largest(found: Iterator[File]) -> list[dict[str, Any]]:
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
    for folder, name, size in every:
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
