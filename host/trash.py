"""The unit of what was taken out of use: courses and the homes of those who left, for a while, before they are deleted.

Nothing gets here unless an archive was verified that has all of it. What is here cannot be mounted, and so not be
written to. Only an explicit purge deletes it.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from host.archive import changed_since, verified
from host.datasets import (
    ARCHIVED,
    HELD,
    LEFT,
    TRASH,
    Course,
    checked_student,
    patiently,
    read,
    required,
    root_needed,
    tag,
    unmounted,
)
from host.lock import locked
from host.run import BadSpecification, Refused, run_as_root, say
from host.snapshots import leave

VERBS = ("observe", "bury", "purge")

_WAS, _SINCE = "coursehub:was", "coursehub:trashed"
_DAY = 86400  # seconds
# The hub writes to its database as long as it runs; no student's work is in it.
_NO_WORK = ("hub",)


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
    """All that is in the pool's trash, the oldest first."""
    found = [
        {
            "entry": name.rpartition("/")[2],
            "was": values[_WAS],
            "since": int(values[_SINCE]),
            "purge_from": int(values[_SINCE]) + want.keep_days * _DAY,
            "used": int(values["used"]),
        }
        for name, values in _entries(want.course.pool).items()
    ]
    return {"trash": sorted(found, key=lambda entry: entry["since"])}


def _entries(pool: str) -> dict[str, Mapping[str, str]]:
    table = read(f"{pool}/{TRASH}", [_WAS, _SINCE, "used"], depth=1)
    return {name: values for name, values in table.items() if name.count("/") == 2 and "@" not in name}


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
    if path not in required(course, ["mounted"]):
        raise Refused(f"{student} has no home in {course.path}")
    if users := sorted(set(_users(path))):
        raise Refused(f"{path} is in use by {', '.join(users[:5])}: stop the servers first")
    _archived(course, student)
    with locked(course.path):
        entry = _moved(course.pool, path, unmountable=not student)
    say(f"to have it back: zfs rename {entry} {path}, then zfs inherit readonly {path}, then `make up`")
    return entry


def _moved(pool: str, path: str, *, unmountable: bool) -> str:
    now = datetime.now(UTC)
    label = path.removeprefix(f"{pool}/").replace("/", ".")
    entry = f"{pool}/{TRASH}/{label}.{now.strftime('%Y%m%dT%H%M%SZ')}"
    if not read(f"{pool}/{TRASH}", ["mounted"], depth=0):
        run_as_root(["zfs", "create", "-o", "mountpoint=none", "-o", "canmount=off", f"{pool}/{TRASH}"])
    run_as_root(["zfs", "set", f"{_WAS}={path}", path])
    run_as_root(["zfs", "set", f"{_SINCE}={int(now.timestamp())}", path])
    unmounted(path)
    if unmountable:
        # Before it moves: nothing in the trash may ever be mounted where a new course of this name would be.
        run_as_root(["zfs", "set", "mountpoint=none", path])
    patiently(["zfs", "rename", path, entry])
    run_as_root(["zfs", "set", "readonly=on", entry])
    return entry


def _archived(course: Course, student: str | None) -> None:
    """Raises Refused unless a verified archive has everything as it is now."""
    remedy = "`coursehub archive`, then `coursehub verify`"
    note = verified(course)
    if note is None:
        raise Refused(f"{course.path} was never archived and verified: {remedy}")
    changed = changed_since(course, note["snapshot"], leave(course))
    if student:
        changed = [name for name in changed if f"{name}/".startswith(f"homes/{student}/")]
    changed = [name for name in changed if name not in _NO_WORK]
    if changed:
        named = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise Refused(f"written to since the archive of {note['snapshot']} was verified: {named}. {remedy}")


def _users(path: str) -> Iterator[str]:
    """Processes that work in a dataset, or in one below it, in whatever container they are."""
    mounted = [name for name, values in read(path, ["mounted"]).items() if values["mounted"] == "yes"]
    devices = {_device(Path("/", name)) for name in mounted} - {None}
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
    """Delete one entry of the trash for good. Raises Refused before its time, or where it was not typed twice."""
    path = f"{want.course.pool}/{TRASH}/{want.entry}"
    entries = _entries(want.course.pool)
    if path not in entries:
        there = ", ".join(name.rpartition("/")[2] for name in entries) or "nothing"
        raise Refused(f"{want.entry!r} is not in the trash; there is: {there}")
    if want.confirm != want.entry:
        raise Refused(f"to confirm, type the entry's name once more: {want.entry}")
    until = int(entries[path][_SINCE]) + want.keep_days * _DAY
    if time.time() < until:
        day = datetime.fromtimestamp(until, UTC).date()
        raise Refused(f"{want.entry} is kept for {want.keep_days} days, until {day}: nothing was deleted")
    with locked(path):
        for name, values in read(path, ["userrefs"]).items():
            if name.startswith(f"{path}@") and int(values["userrefs"]):
                for why in (HELD, ARCHIVED, LEFT):
                    tag("release", why, name)
        # -r takes its own snapshots and children; it refuses where clones live elsewhere. Never -R.
        patiently(["zfs", "destroy", "-r", path])
    return {"purged": want.entry}
