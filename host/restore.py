"""The unit that brings a student's files back from a snapshot, into a folder of their own in the student's home.

Never by a rollback: what was written since stays. The student, whose programs may be running, can neither reach nor
redirect what root writes: the folder is root's until it is whole, and is only ever named by its descriptor.
"""

import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from host.datasets import Course, checked_snapshot, checked_student, read, required, root_needed
from host.look import looking_into
from host.run import BadSpecification, Refused, say

VERBS = ("observe", "apply")

_UNFINISHED = ".restoring-"
_DEEPEST = 200  # folders within each other
_BLOCK = 1 << 20  # bytes copied at a time
_ENTRY = 1 << 10  # bytes that a name and its attributes take at most, beside the contents
_PROGRESS = 16 << 20  # bytes between two lines of progress


@dataclass(frozen=True)
class Want:
    """What comes back, from where, and to whom."""

    course: Course
    student: str
    snapshot: str
    path: str  # within the home; empty: all of it
    uid: int
    gid: int

    @property
    def home(self) -> str:
        """The student's dataset."""
        return self.course.home(self.student)

    @property
    def source(self) -> str:
        """The snapshot of the student's home."""
        return f"{self.home}@{self.snapshot}"


@dataclass(frozen=True)
class Found:
    """What a restoration is about to copy."""

    files: int
    size: int  # bytes it takes in the home
    length: int  # bytes in all files, whatever they take on a disk


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification for what is no name, or a path that leads out of the home."""
    try:
        rest = {key: value for key, value in given.items() if key not in ("pool", "dataset")}
        want = Want(Course(given["pool"], given["dataset"]), **rest)
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a restoration: {error}") from None
    checked_student(want.student)
    checked_snapshot(want.snapshot)
    parts = want.path.split("/") if isinstance(want.path, str) and want.path else []
    if not isinstance(want.path, str) or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise BadSpecification(f"{want.path!r} is no path within a home: name it as seen from there, without . and ..")
    if any(type(number) is not int or number <= 0 for number in (want.uid, want.gid)):
        raise BadSpecification("uid and gid must be numbers, and not root's")
    return want


def observe(want: Want) -> dict[str, Any]:
    """What would come back, and whether there is room; changes nothing."""
    with _looking(want) as source:
        found = _measured(source)
        return {"files": found.files, "size": found.size, "available": _available(want)}


def apply(want: Want) -> dict[str, Any]:
    """Copy it into `restored-<time>` in the home. Raises Refused, before anything is written, where it does not fit."""
    with _looking(want) as source:
        found, available = _measured(source), _available(want)
        if found.size > available:
            raise Refused(
                f"{want.path or 'the home'} takes {found.size:,} bytes, {want.student} has {available:,} left:"
                f" raise the budget, restore a part of it, or let {want.student} delete something"
            )
        say(f"restoring {found.files:,} files, {found.size:,} bytes, of {want.student} from {want.snapshot}")
        with _folder(Path("/", want.home)) as home:
            name = _restored(want, source, home, found)
    return {"folder": name, "files": found.files, "size": found.size}


@contextmanager
def _looking(want: Want) -> Iterator[Path]:
    """What is to come back, as it is in the snapshot."""
    root_needed("restoring a student's files")
    datasets = required(want.course, ["mounted", "readonly"])
    if want.home not in datasets:
        raise Refused(f"{want.student} has no home in {want.course.path}")
    if want.source not in datasets:
        names = sorted(name.partition("@")[2] for name in datasets if name.startswith(f"{want.home}@"))
        raise Refused(f"{want.student}'s home has no snapshot {want.snapshot}; there are: {', '.join(names) or 'none'}")
    if datasets[want.home]["mounted"] != "yes":
        raise Refused(f"the home of {want.student} is not mounted: `make up` mounts it")
    with looking_into(want.course, want.source) as root:
        try:
            yield _within(root, want)
        except OSError as error:
            raise Refused(f"{want.source} cannot be read: {error}") from None


def _within(root: Path, want: Want) -> Path:
    """The wanted path below `root`, where no folder on the way is a symbolic link."""
    found = root
    for part in want.path.split("/") if want.path else []:
        if found.is_symlink():
            raise Refused(f"{found.relative_to(root)} is a symbolic link: name the folder that it leads to")
        found = found / part
        if not os.path.lexists(found):
            raise Refused(f"there is no {found.relative_to(root)} in the snapshot {want.snapshot} of {want.student}")
    return found


def _available(want: Want) -> int:
    """Bytes that the student may still write; none in a home that is kept read-only."""
    # The clone that is being looked at was made just now, and zfs-fuse counts late only until the next such change.
    values = read(want.home, ["available", "readonly"], depth=0)[want.home]
    status = os.statvfs(f"/{want.home}")
    if values["readonly"] == "on" or status.f_flag & os.ST_RDONLY or not _writable(Path("/", want.home)):
        raise Refused(
            f"the home of {want.student}, who is not in the roster, is kept read-only:"
            " put the student into the roster again, `make up`, then restore"
        )
    return int(values["available"])


def _writable(home: Path) -> bool:
    """Whether it takes a change: zfs-fuse mounts what is read-only as writable, and says so nowhere else."""
    try:
        os.utime(home, ns=(home.stat().st_atime_ns, home.stat().st_mtime_ns))
    except OSError:
        return False
    return True


def _measured(source: Path) -> Found:
    files = size = length = 0
    todo = [(source, 0)]
    while todo:
        path, depth = todo.pop()
        status = path.lstat()
        files += not stat.S_ISDIR(status.st_mode)
        size += status.st_blocks * 512 + _ENTRY
        length += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if stat.S_ISDIR(status.st_mode):
            if depth == _DEEPEST:
                raise Refused(f"more than {_DEEPEST} folders lie within each other: restore those further in by name")
            todo += [(entry, depth + 1) for entry in path.iterdir()]
    return Found(files, size, length)


@contextmanager
def _folder(path: str | Path, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _restored(want: Want, source: Path, home: int, found: Found) -> str:
    """Copy, then hand over in one step; the name of the folder. What is unfinished is taken away, now or next time."""
    _forget_unfinished(home)
    name = _free_name(home)
    unfinished = f"{_UNFINISHED}{name}"
    os.mkdir(unfinished, 0o700, dir_fd=home)
    try:
        with _folder(unfinished, home) as target:
            if os.fstat(target).st_uid != os.geteuid():
                raise Refused(f"{want.student} is changing the home at this moment: try again")
            copy = _Copy(want.uid, want.gid, found.length)
            if source.is_dir() and not source.is_symlink() and not want.path:
                copy.contents(source, target)
            else:
                copy.entry(source, target)
            os.fchmod(target, 0o755)
            os.rename(unfinished, name, src_dir_fd=home, dst_dir_fd=home)
            os.fchown(target, want.uid, want.gid)
    except OSError as error:
        _forget_unfinished(home)
        raise Refused(f"nothing was restored: {error.strerror}: {error.filename or 'the home'}") from None
    if copy.skipped:
        say(f"{copy.skipped} pipes, sockets or devices were left out")
    return name


def _free_name(home: int) -> str:
    name = datetime.now(UTC).strftime("restored-%Y%m%dT%H%M%SZ")
    there = set(os.listdir(home))
    return next(one for one in itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2))) if one not in there)


def _forget_unfinished(home: int) -> None:
    """Take away what a killed run left. A student can make no folder that is root's."""
    for name in os.listdir(home):
        if name.startswith(_UNFINISHED):
            status = os.lstat(name, dir_fd=home)
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                shutil.rmtree(name, dir_fd=home)


class _Copy:
    """Copies into folders that are named by descriptors alone. Links stay links; owner and group are the student's."""

    def __init__(self, uid: int, gid: int, length: int) -> None:
        self.skipped = 0
        self._owner = (uid, gid)
        self._length = length
        self._copied = 0

    def contents(self, source: Path, target: int) -> None:
        """All that is in a folder."""
        for entry in sorted(source.iterdir()):
            self.entry(entry, target)

    def entry(self, source: Path, target: int) -> None:
        """One file, link or folder, under its own name."""
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            os.symlink(source.readlink(), source.name, dir_fd=target)
            os.chown(source.name, *self._owner, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISDIR(status.st_mode):
            os.mkdir(source.name, 0o700, dir_fd=target)
            with _folder(source.name, target) as folder:
                self.contents(source, folder)
                self._finish(folder, status)
        elif stat.S_ISREG(status.st_mode):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(source.name, flags, 0o600, dir_fd=target), "wb") as file:
                self._write(source, file)
                self._finish(file.fileno(), status)
        else:
            self.skipped += 1

    def _write(self, source: Path, target: BinaryIO) -> None:
        with source.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                if block.count(0) == len(block):
                    target.seek(len(block), os.SEEK_CUR)  # a hole takes none of the budget
                else:
                    target.write(block)
                self._tell(len(block))
            target.truncate(file.tell())

    def _tell(self, count: int) -> None:
        before, self._copied = self._copied, self._copied + count
        if before // _PROGRESS != self._copied // _PROGRESS:
            say(f"[{self._copied >> 20}/{self._length >> 20}] MiB copied")

    def _finish(self, descriptor: int, status: os.stat_result) -> None:
        os.fchown(descriptor, *self._owner)
        os.fchmod(descriptor, status.st_mode & 0o777)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
