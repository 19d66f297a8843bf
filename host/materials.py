"""A folder of course materials: what is in it, told by a hash, and what in it no student may be given.

Root copies it into the homes of a whole course. So only plain files, folders and links within the folder pass. What git
keeps for itself (`.git`) is no material: it holds what was deleted, such as last year's solutions. Nor is the marker of
an older version, which comes along where somebody works on the materials in a home.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

MARKER = ".coursehub-materials"  # the last file of a version in time: whatever changed later is a student's
LEFT_OUT = (".git", MARKER)
_DIGITS = 12  # of the hash: 48 bits keep a course's versions apart
_SHOWN = 5  # problems told one by one
_SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


@dataclass(frozen=True)
class Entry:
    """One thing in the folder."""

    path: str  # from the folder; empty for the folder itself
    status: os.stat_result  # of a link, not of what it leads to
    target: str = ""  # of a link

    @property
    def kind(self) -> int:
        """File, folder, link, or what else the file system knows."""
        return stat.S_IFMT(self.status.st_mode)


@dataclass(frozen=True)
class Materials:
    """What is in a folder. The digest tells names, kinds, contents and what is a program; not dates and owners."""

    digest: str  # 12 hexadecimal digits
    files: int
    size: int  # bytes
    problems: tuple[str, ...] = ()


def survey(folder: Path) -> Materials:
    """Read the whole folder; changes nothing. Raises OSError where something cannot be read."""
    folder = Path(os.path.realpath(folder))
    entries = list(walk(folder))
    found = list(problems(folder, entries))
    more = [f"and {len(found) - _SHOWN} more of this kind"] if len(found) > _SHOWN else []
    files = [entry for entry in entries if entry.kind == stat.S_IFREG]
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(_told(folder, entry))
    return Materials(
        digest=digest.hexdigest()[:_DIGITS],
        files=len(files),
        size=sum(entry.status.st_size for entry in files),
        problems=(*found[:_SHOWN], *more),
    )


def walk(folder: Path) -> Iterator[Entry]:
    """The folder itself and all that is in it, in an order that depends on names alone. Follows no link."""
    yield from _walk(folder, "")


def _walk(folder: Path, path: str) -> Iterator[Entry]:
    yield Entry(path, os.lstat(folder / path))
    with os.scandir(folder / path) as found:
        names = sorted(entry.name for entry in found)
    for name in names:
        if name in LEFT_OUT:
            continue
        below = f"{path}/{name}" if path else name
        status = os.lstat(folder / below)
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(folder, below)
        else:
            yield Entry(below, status, str((folder / below).readlink()) if stat.S_ISLNK(status.st_mode) else "")


def problems(folder: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """What may not be given to students, each with its remedy."""
    root = os.path.realpath(folder)
    for entry in entries:
        # In a message a name may hold no line break and no byte that is no text.
        name = f"{entry.path!a}"
        if entry.kind in _SPECIAL:
            yield f"{name} is {_SPECIAL[entry.kind]}: remove it, only files, folders and links can be given to students"
        elif entry.kind == stat.S_IFLNK and _leads_out(root, entry):
            yield f"{name} is a link to {entry.target!a}, outside the materials: copy what it leads to, or remove it"


def _leads_out(root: str, entry: Entry) -> bool:
    """Whether a link leads out of the folder, here or wherever the folder is copied to."""
    target = PurePath(entry.path).parent / entry.target
    if target.is_absolute():
        return True
    written = os.path.normpath(target)
    # What is written may stay inside, and yet lead out by way of another link.
    led = os.path.realpath(root / target)
    return written == ".." or written.startswith("../") or os.path.commonpath([root, led]) != root


def _told(folder: Path, entry: Entry) -> bytes:
    """One thing as the digest takes it. Each part has an end that cannot be part of it."""
    match entry.kind:
        case stat.S_IFREG:
            content = _content(folder / entry.path)
            told = f"{'program' if entry.status.st_mode & 0o111 else 'file'} {content}"
        case stat.S_IFLNK:
            told = f"link {hashlib.sha256(os.fsencode(entry.target)).hexdigest()}"
        case stat.S_IFDIR:
            told = "folder"
        case other:
            told = f"special {other}"
    return told.encode() + b" " + os.fsencode(entry.path) + b"\0"


def _content(path: Path) -> str:
    # Neither a link nor a pipe that took the file's place in the meantime is followed or waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
