"""What lies in the folder storage.archive: a course's archives, by what they say of themselves, not by their names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.course import Storage
from host.archive_file import Reader
from host.run import Refused

_PARTIAL = ".partial"


@dataclass(frozen=True)
class Archive:
    """One that is complete."""

    file: str
    snapshot: str
    size: int  # bytes
    written: str  # when, as ISO 8601 has it
    verified: bool  # it is the one that was verified last


@dataclass(frozen=True)
class Folder:
    """What is there of one course."""

    archives: tuple[Archive, ...] = ()  # oldest first
    damaged: Mapping[str, str] = field(
        default_factory=dict
    )  # by file, why it cannot be read; of files called after the course
    unfinished: str | None = None  # the newest one that a run left before its end, by the name it is to have


def seen(storage: Storage, verified: Mapping[str, str] | None = None) -> Folder:
    """What is there of a course; nothing where no folder is set.

    `verified` is what the course itself notes of the archive that was verified last.
    """
    if storage.archive is None:
        return Folder()
    folder = Path(storage.archive)
    archives, damaged = [], {}
    for file in sorted(folder.glob("*.tar")):
        try:
            reader = Reader(file)
        except Refused as error:
            if file.name.startswith(f"{label(storage)}-"):
                damaged[str(file)] = str(error)
            continue
        told = reader.manifest
        if told["course"] == storage.path:
            safe = verified is not None and verified["sha256"] == reader.seal
            archives.append(Archive(str(file), told["snapshot"], file.stat().st_size, told["written"], safe))
    return Folder(tuple(sorted(archives, key=lambda one: one.written)), damaged, _unfinished(storage, folder))


def label(storage: Storage) -> str:
    """How names of the course's archives begin, unless somebody chose another."""
    return storage.dataset.replace("/", ".")


def _unfinished(storage: Storage, folder: Path) -> str | None:
    found = [file for file in folder.glob(f"*.tar{_PARTIAL}") if _begun_for(file.with_suffix("")) == storage.path]
    return str(max(found, key=lambda file: file.stat().st_mtime).with_suffix("")) if found else None


def _begun_for(file: Path) -> str | None:
    """The course that the journal of an archive in the making names."""
    try:
        head = json.loads(file.with_name(f"{file.name}.journal").read_text().partition("\n")[0])
        return str(head["course"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
