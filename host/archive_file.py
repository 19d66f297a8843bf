"""The one file that an archive is: a plain tar of compressed streams, so that it can be read without coursehub.

    0001.zfs.zst     a stream of `zfs send`; the manifest tells of what, and on which other it is built
    0001.files.gz    what is in it, by listing.py: lines with + are added to those of the base, with - taken away
    manifest.json    what the archive is of, and the sha256 of every member
    manifest.sha256

While it grows it is called `<name>.partial`, beside a journal of its whole members: a run that was killed goes on after
the last one. It gets its name when it is complete and on the disk.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from host.run import Refused, say

JOURNAL = ".journal"  # after the archive's name, from the moment that it is begun until it is whole

_BLOCK = 1 << 20  # bytes
_RECORD = 512  # bytes; tar writes nothing smaller
_END = 2 * _RECORD
_MANIFEST, _SEAL = "manifest.json", "manifest.sha256"


@dataclass(frozen=True)
class Member:
    """A file within the archive."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Unfinished:
    """What a killed run left of an archive."""

    head: dict[str, Any]  # what it is of
    whole: int  # how many entries are whole


def unfinished(path: Path) -> Unfinished | None:
    """What there is of an archive that was begun under this name; None where nothing was."""
    lines = _whole_lines(_journal(path))
    return Unfinished(lines[0], len(lines) - 1) if lines else None


class Writer:
    """An archive that is being written. `head` says what it is of; a killed run with the same is gone on with, and any
    other is forgotten."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.head = head
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._journal = _journal(path)
        lines = _whole_lines(self._journal)
        lines = lines if lines[:1] == [head] and self._partial.exists() else [head]
        self.done: list[dict[str, Any]] = [line["entry"] for line in lines[1:]]
        # First, and at once: whatever is killed here, the next run finds what was begun, with all that is whole.
        new = self._journal.with_name(f"{self._journal.name}.new")
        new.unlink(missing_ok=True)
        for line in lines:
            self._note(line, new)
        new.rename(self._journal)
        self._file: BinaryIO = self._partial.open("r+b" if self._partial.exists() else "w+b")
        os.fchmod(self._file.fileno(), 0o600)  # it holds everybody's work
        self._file.truncate(lines[-1]["end"] if self.done else 0)
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _named(self._partial):
            self._file.close()

    def add(self, name: str, blocks: Iterable[bytes]) -> Member:
        """Write a member."""
        start = self._file.tell()
        self._write(bytes(_RECORD))
        found, size = hashlib.sha256(), 0
        for block in blocks:
            self._write(block)
            found.update(block)
            size += len(block)
        self._write(bytes(-size % _RECORD))
        end = self._file.tell()
        with _named(self._partial):
            self._file.seek(start)
        self._write(_header(name, size))
        with _named(self._partial):
            self._file.seek(end)
        return Member(name, size, found.hexdigest())

    def note(self, entry: dict[str, Any]) -> None:
        """Remember that everything up to here is whole and on the disk."""
        self._flush()
        self._note({"end": self._file.tell(), "entry": entry}, self._journal)
        self.done.append(entry)

    def finish(self, manifest: dict[str, Any]) -> int:
        """Add the manifest and give the archive its name; its size in bytes."""
        text = json.dumps(manifest, sort_keys=True).encode()
        self.add(_MANIFEST, [text])
        self.add(_SEAL, [hashlib.sha256(text).hexdigest().encode()])
        self._write(bytes(_END))
        self._flush()
        size = self._file.tell()
        self._partial.rename(self._path)
        self._journal.unlink()
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return size

    def _write(self, block: bytes) -> None:
        with _named(self._partial):
            self._file.write(block)

    def _flush(self) -> None:
        with _named(self._partial):
            self._file.flush()
            os.fsync(self._file.fileno())

    @staticmethod
    def _note(line: dict[str, Any], file: Path) -> None:
        with _named(file), file.open("a") as journal:
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            os.fsync(journal.fileno())


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Say in an error of which file it is: Python does not where one is open."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}{JOURNAL}")


def _whole_lines(journal: Path) -> list[dict[str, Any]]:
    """What a killed run noted; its last line may be torn."""
    text = journal.read_text() if journal.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


class Reader:
    """A complete archive. Raises Refused if it is not one, or its manifest was changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with tarfile.open(path, "r:") as tar:
                self._places = {info.name: (info.offset_data, info.size) for info in tar}
        except (OSError, tarfile.TarError) as error:
            raise Refused(f"{path} is no archive of coursehub: {error}") from None
        if not {_MANIFEST, _SEAL} <= set(self._places):
            raise Refused(f"{path} is no complete archive of coursehub: it has no whole {_MANIFEST}")
        text = self._bytes(_MANIFEST)
        if hashlib.sha256(text).hexdigest().encode() != self._bytes(_SEAL):
            raise Refused(f"{path} is damaged: its manifest is not the one that was written")
        self.seal = hashlib.sha256(text).hexdigest()
        self.manifest: dict[str, Any] = json.loads(text)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The contents of a member."""
        start, left = self._places[name]
        with self._path.open("rb", buffering=0) as file:
            file.seek(start)
            while left and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                yield block

    def damaged(self, members: Iterable[Member]) -> list[str]:
        """What is not as it was written: members by their names, and whatever lies between and after them."""
        found, todo = [], list(members)
        for number, member in enumerate(todo):
            say(f"[{number + 1}/{len(todo)}] hashing {member.name}")
            if not self._sound(member):
                found.append(member.name)
        return found if self._filled_with_zeros() else [*found, "the space between the members"]

    def _sound(self, member: Member) -> bool:
        if self._places.get(member.name, (0, -1))[1] != member.size:
            return False
        found = hashlib.sha256()
        for block in self.blocks(member.name):
            found.update(block)
        return found.hexdigest() == member.sha256

    def _filled_with_zeros(self) -> bool:
        with self._path.open("rb") as file:
            for start, size in self._places.values():
                file.seek(start + size)
                if any(file.read(-size % _RECORD)):
                    return False
            return file.read() == bytes(_END)

    def _bytes(self, name: str) -> bytes:
        return b"".join(self.blocks(name))
