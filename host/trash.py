"""The unit of what was taken out of use: courses and the homes of those who left, for a while, before they are deleted.

Nothing gets here unless an archive was verified that has all of it. What is here cannot be mounted, and so not be
written to. Only an explicit purge deletes it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from host.datasets import (
    ARCHIVED,
    HELD,
    LEFT,
    REPLICATED,
    TRASH,
    Course,
    checked_student,
    nowhere,
    patiently,
    read,
    root_needed,
    tag,
    unmounted,
)
from host.lock import locked
from host.run import BadSpecification, Refused, run_as_root, say
from host.verified import NO_WORK, Note, archived, lost, noted, put

VERBS = ("observe", "bury", "purge")

_WAS, _SINCE = "coursehub:was", "coursehub:trashed"
_DAY = 86400  # seconds


@dataclass(frozen=True)
class Want:
    """What is to be done. `bury` takes a student who left, `purge` an entry; both are typed twice."""

    course: Course
    keep_days: int = 30  # days in the trash before a purge
    students: tuple[str, ...] = ()  # the roster
    student: str = ""
    entry: str = ""
    confirm: str = ""


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    try:
        rest = {key: value for key, value in given.items() if key not in ("pool", "dataset", "students")}
        want = Want(Course(given["pool"], given["dataset"]), students=tuple(given.get("students", ())), **rest)
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of the trash: {error}") from None
    if type(want.keep_days) is not int or want.keep_days < 0:
        raise BadSpecification(f"{want.keep_days!r} is no number of days")
    if want.student:
        checked_student(want.student)
    return want


def observe(want: Want) -> dict[str, Any]:
    """All that coursehub put into the pool's trash, the oldest first."""
    entries, foreign = _entries(want.course.pool)
    for name in foreign:
        say(f"{name} was not put into the trash by coursehub, and is left alone")
    found = [
        {
            "entry": name.rpartition("/")[2],
            "was": values[_WAS],
            "since": int(values[_SINCE]),
            "purge_from": int(values[_SINCE]) + want.keep_days * _DAY,
            "used": int(values["used"]),
        }
        for name, values in entries.items()
    ]
    return {"trash": sorted(found, key=lambda entry: entry["since"])}


def _entries(pool: str) -> tuple[dict[str, Mapping[str, str]], list[str]]:
    """What is in the trash, by full name, and the names of what somebody else put there."""
    table = read(f"{pool}/{TRASH}", [_WAS, _SINCE, "used"], depth=1)
    there = {name: values for name, values in table.items() if name.count("/") == 2 and "@" not in name}
    foreign = [name for name, values in there.items() if "-" in (values[_WAS], values[_SINCE])]
    return {name: values for name, values in there.items() if name not in foreign}, foreign


def bury(want: Want) -> dict[str, Any]:
    """Put the home of somebody who left into the trash."""
    if want.student in want.students:
        raise Refused(f"{want.student} is in the roster: only homes of those who left it are purged")
    if not want.student or want.confirm != want.student:
        raise Refused(f"to confirm, type the student's name: {want.student!r} was named, {want.confirm!r} typed")
    return {"trash": into_trash(want.course, want.student)}


def into_trash(course: Course, student: str | None = None) -> str:
    """Put a course, or the home of one student, into the trash; its full name there.

    Raises Refused, with everything in its place, where it is in use or no verified archive has all of it.
    """
    root_needed("taking work out of use")
    path = course.home(student) if student else course.path
    with locked(course.path):
        if not read(path, ["mounted"], depth=0):
            raise Refused(f"{student} has no home in {course.path}" if student else f"{path} is not there")
        archived(course, student)
        _refuse_in_use(path)
        note = _unmounted_and_archived(course, path, student)
        entry = _moved(course.pool, path, note, unmountable=not student)
    say(f"to have it back: zfs rename {entry} {path}, then zfs inherit readonly {path}, then `make up`")
    return entry


def may_go(course: Course) -> None:
    """Raises Refused where a course, whose hub may still run, could not go into the trash. Moves nothing."""
    root_needed("taking work out of use")
    with locked(course.path):
        archived(course)
        _refuse_in_use(course.path, besides=[f"{course.path}/{name}" for name in NO_WORK])


def _refuse_in_use(path: str, besides: Iterable[str] = ()) -> None:
    if users := sorted(set(_users(path, besides))):
        raise Refused(f"{path} is in use by {', '.join(users[:5])}: stop the servers first")


def _unmounted_and_archived(course: Course, path: str, student: str | None) -> Note:
    """Unmount it, and only then look for the last time: from here on nobody can write. Refused, it is mounted again."""
    mounted = _mounted(path)
    try:
        unmounted(path)
        return archived(course, student)
    except BaseException:
        for name in sorted(set(mounted) - set(_mounted(path))):
            run_as_root(["zfs", "mount", name])
        raise


def _mounted(path: str) -> list[str]:
    return [name for name, values in read(path, ["mounted"]).items() if values["mounted"] == "yes"]


def _moved(pool: str, path: str, note: Note, *, unmountable: bool) -> str:
    now = datetime.now(UTC)
    label = path.removeprefix(f"{pool}/").replace("/", ".")
    entry = f"{pool}/{TRASH}/{label}.{now.strftime('%Y%m%dT%H%M%SZ')}"
    nowhere(f"{pool}/{TRASH}")
    run_as_root(["zfs", "set", f"{_WAS}={path}", path])
    run_as_root(["zfs", "set", f"{_SINCE}={int(now.timestamp())}", path])
    put(note, path)
    if unmountable:
        # Before it moves: nothing in the trash may ever be mounted where a new course of this name would be.
        run_as_root(["zfs", "set", "mountpoint=none", path])
    patiently(["zfs", "rename", path, entry])
    run_as_root(["zfs", "set", "readonly=on", entry])
    return entry


def _users(path: str, besides: Iterable[str]) -> Iterator[str]:
    """Processes that work in a dataset, or in one below it but for some, in whatever container they are."""
    devices = {_device(Path("/", name)) for name in set(_mounted(path)) - set(besides)} - {None}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                held = [process / "cwd", process / "root", *(process / "fd").iterdir()]
                if any(_device(link) in devices for link in held):
                    yield f"{(process / 'comm').read_text().strip()} ({process.name})"
            except OSError:
                continue  # it has ended


def _device(link: Path) -> int | None:
    try:
        return link.stat().st_dev
    except OSError:
        return None


def purge(want: Want) -> dict[str, Any]:
    """Delete one entry of the trash for good.

    Raises Refused before its time, where it was not typed twice, or where the archive that has all of it is not there.
    """
    root_needed("deleting work for good")
    path = f"{want.course.pool}/{TRASH}/{want.entry}"
    entries, _ = _entries(want.course.pool)
    if path not in entries:
        there = ", ".join(name.rpartition("/")[2] for name in entries) or "nothing"
        raise Refused(f"{want.entry!r} is not in the trash; there is: {there}")
    if want.confirm != want.entry:
        raise Refused(f"to confirm, type the entry's name once more: {want.entry}")
    until = int(entries[path][_SINCE]) + want.keep_days * _DAY
    if time.time() < until:
        day = datetime.fromtimestamp(until, UTC).date()
        raise Refused(f"{want.entry} is kept for {want.keep_days} days, until {day}: nothing was deleted")
    note = noted(path)
    if why := lost(note) if note else "it is not known which archive has it":
        raise Refused(f"{want.entry} stays: {why}. To be rid of it all the same: zfs destroy -r {path}")
    with locked(path):
        for name, values in read(path, ["userrefs"]).items():
            if name.startswith(f"{path}@") and int(values["userrefs"]):
                for why in (HELD, ARCHIVED, REPLICATED, LEFT):
                    tag("release", why, name)
        # -r takes its own snapshots and children; it refuses where clones live elsewhere. Never -R.
        patiently(["zfs", "destroy", "-r", path])
    return {"purged": want.entry}
