"""Which archives of a course a folder has: the newest one, and one that is unfinished."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from host.archive_file import Reader, unfinished
from host.datasets import Course
from host.run import Refused

_PARTIAL = ".partial"


@dataclass(frozen=True)
class Archives:
    """What is there of a course."""

    newest: Path | None
    unfinished: Path | None  # what it is called once it is whole


def name(course: Course, moment: datetime) -> str:
    """What an archive that is begun at this moment is called."""
    return f"{course.label}-{moment.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}.tar"


def of_course(course: Course, names: Iterable[str], suffix: str = "") -> list[str]:
    """Of the names of files, those that a course's archives have, the newest first; `suffix` follows them.

    None of a course whose own name only begins alike: no dataset's name has capitals.
    """
    pattern = re.compile(rf"{re.escape(course.label)}-\d{{8}}T\d{{6}}Z\.tar{re.escape(suffix)}")
    return sorted((one for one in names if pattern.fullmatch(one)), reverse=True)


def look(course: Course, folder: Path) -> Archives:
    """What a folder has. Raises Refused where there is no such folder."""
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder} for archives: make it, or mount it")
    names = [path.name for path in folder.iterdir()]
    whole = [folder / one for one in of_course(course, names)]
    broken_off = [folder / one.removesuffix(_PARTIAL) for one in of_course(course, names, _PARTIAL)]
    return Archives(_first(whole, course, _archived), _first(broken_off, course, _begun))


def _first(files: Iterable[Path], course: Course, course_of: Callable[[Path], str | None]) -> Path | None:
    # A course of the same name in another pool may have the same folder. What cannot be read is told when it is used.
    return next((file for file in files if course_of(file) in (course.path, None)), None)


def _archived(file: Path) -> str | None:
    """The course that an archive is of; None where that cannot be read."""
    try:
        return str(Reader(file).manifest["course"])
    except Refused:
        return None


def _begun(file: Path) -> str | None:
    """The course that an unfinished archive is of; None where that was not written yet."""
    found = unfinished(file)
    return str(found.head["course"]) if found else None
