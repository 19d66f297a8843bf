"""Whether a verified archive has all of a course's work as it is now: what must be so before any of it may go.

Which archive was verified stands on the dataset itself. It counts only while that very file is there.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from host.archive_file import Reader
from host.datasets import Course, read, required
from host.pipes import read_from
from host.run import CommandFailed, Refused, run_as_root
from host.snapshots import leave

# The hub writes to its database as long as it runs; no student's work is in it.
NO_WORK = ("hub",)

_NOTE = "coursehub:verified"
_UNCHANGED = 624  # bytes of a stream between two snapshots that do not differ: its first and last record alone


@dataclass(frozen=True)
class Note:
    """What is known of a verified archive."""

    snapshot: str  # of the course
    at: str  # when it was verified
    sha256: str  # the archive's seal
    file: str = ""  # where it is; empty where an older coursehub verified it


def noted(dataset: str) -> Note | None:
    """What stands on a dataset; None where nothing was verified, or there is no such dataset."""
    found = read(dataset, [_NOTE], depth=0)
    text = found[dataset][_NOTE] if found else "-"
    return None if text == "-" else Note(**json.loads(text))


def put(note: Note, dataset: str) -> None:
    """Have it stand on a dataset."""
    run_as_root(["zfs", "set", f"{_NOTE}={json.dumps(asdict(note))}", dataset])


def lost(note: Note) -> str:
    """Why the archive is not there as it was verified; empty if it is. Its manifest alone is hashed."""
    if not note.file:
        return f"it is not known in which file the archive of {note.snapshot} is"
    if not Path(note.file).is_file():
        return f"the verified archive {note.file} is not there: bring it back, or mount the disk that it is on"
    try:
        seal = Reader(Path(note.file)).seal
    except Refused as refusal:
        return str(refusal)
    return "" if seal == note.sha256 else f"{note.file} is not the archive that was verified: bring that one back"


def left(course: Course) -> str:
    """A held snapshot of the course as it is now. Raises Refused where the pool takes none. The caller has the lock."""
    try:
        return leave(course)
    except CommandFailed as error:
        raise Refused(
            f"no snapshot of {course.path} can be taken, so that nothing can tell what is in no archive: delete"
            f" something first, or destroy snapshots (`coursehub snapshot list`)\n{error}"
        ) from None


def lacking(course: Course, now: str, student: str | None = None) -> str:
    """Why no verified archive has all work that is in a snapshot, of one student or of all; empty if one has."""
    note = noted(course.path)
    if note is None:
        return f"{course.path} was never archived and verified"
    if why := lost(note):
        return why
    if changed := changed_since(course, note.snapshot, now, student):
        named = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        return f"written to since the archive of {note.snapshot} was verified: {named}"
    return ""


def archived(course: Course, student: str | None = None) -> Note:
    """The archive that has everything as it is now. Raises Refused unless there is one. The caller has the lock."""
    why = lacking(course, left(course), student)
    note = noted(course.path)
    if why or note is None:
        raise Refused(f"{why}. `coursehub archive`, then `coursehub verify`")
    return note


def changed_since(course: Course, snapshot: str, now: str, student: str | None = None) -> list[str]:
    """Datasets with work, of one student or all, that differ between two snapshots or are not in the former."""
    table = required(course, ["creation"])
    top = course.home(student) if student else course.path
    no_work = [f"{course.path}/{name}" for name in NO_WORK]
    datasets = [
        name for name in table if f"{name}@{now}" in table and f"{name}/".startswith(f"{top}/") and name not in no_work
    ]
    return [
        name.removeprefix(f"{course.path}/")
        for name in datasets
        if f"{name}@{snapshot}" not in table or _differ(f"{name}@{snapshot}", f"{name}@{now}")
    ]


def _differ(before: str, after: str) -> bool:
    # zfs-fuse has no `written`; what would be sent tells the same, and reading stops at its first change.
    sent = 0
    for block in read_from(["zfs", "send", "-i", before, after]):
        sent += len(block)
        if sent > _UNCHANGED:
            return True
    return False
