"""Which archives of a course a folder has, by what they say of themselves, never by their names alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from host.archive_file import JOURNAL, Reader, unfinished
from host.datasets import Course
from host.run import Refused


@dataclass(frozen=True)
class Archive:
    """One that is whole."""

    file: Path
    snapshot: str
    size: int  # bytes
    written: str  # when, as ISO 8601 has it
    seal: str  # tells it from any other file


@dataclass(frozen=True)
class Archives:
    """What is there of one course."""

    whole: tuple[Archive, ...] = ()  # the oldest first
    damaged: Mapping[Path, str] = field(default_factory=dict)  # why they cannot be read
    unfinished: Path | None = None  # what the newest one that was broken off is called once it is whole

    @property
    def newest(self) -> Path | None:
        """The whole one that was written last."""
        return self.whole[-1].file if self.whole else None


def name(course: Course, moment: datetime) -> str:
    """What an archive that is begun at this moment is called."""
    return f"{course.label}-{moment.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}.tar"


def look(course: Course, folder: Path) -> Archives:
    """What a folder has. Raises Refused where there is no such folder."""
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder} for archives: make it, or mount it")
    whole, damaged = [], {}
    for file in sorted(folder.glob("*.tar")):
        try:
            reader = Reader(file)
        except Refused as error:
            # What cannot be read says nothing of itself; no dataset's name has capitals, as the time in a name does.
            if re.fullmatch(rf"{re.escape(course.label)}-\d{{8}}T\d{{6}}Z\.tar", file.name):
                damaged[file] = str(error)
            continue
        told = reader.manifest
        if told["course"] == course.path:
            whole.append(Archive(file, told["snapshot"], file.stat().st_size, told["written"], reader.seal))
    return Archives(tuple(sorted(whole, key=lambda one: one.written)), damaged, _unfinished(course, folder))


def _unfinished(course: Course, folder: Path) -> Path | None:
    journals = sorted(folder.glob(f"*.tar{JOURNAL}"), key=lambda file: file.stat().st_mtime, reverse=True)
    return next((file for one in journals if _begun_for(file := one.with_suffix("")) == course.path), None)


def _begun_for(file: Path) -> str | None:
    found = unfinished(file)
    return str(found.head["course"]) if found else None
