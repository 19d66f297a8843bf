"""What the units that keep and restore work are told."""

from typing import Any

from config.course import Course, Storage
from plan.homes import GID, UID

TRASH_DAYS = 30  # how long what was taken out of use can be had back


def course_spec(storage: Storage) -> dict[str, Any]:
    """Which course: what every such unit's specification begins with."""
    return {"pool": storage.pool, "dataset": storage.dataset}


def schedule_spec(storage: Storage) -> dict[str, Any] | None:
    """The specification of the host unit `schedule`; None where no snapshots are to be taken."""
    snapshots = storage.snapshots
    if snapshots is None:
        return None
    keep = {"hourly": snapshots.hourly, "daily": snapshots.daily, "weekly": snapshots.weekly}
    return {**course_spec(storage), "every": snapshots.schedule, "keep": keep}


def restore_spec(course: Course, student: str, snapshot: str, path: str) -> dict[str, Any]:
    """The specification of the host unit `restore`."""
    wanted = {"student": student, "snapshot": snapshot, "path": path}
    return {**course_spec(course.storage), **wanted, "uid": UID, "gid": GID}


def archive_spec(storage: Storage, file: str, snapshot: str | None = None) -> dict[str, Any]:
    """The specification of the host unit `archive`."""
    return {**course_spec(storage), "file": file, "snapshot": snapshot}


def replica_spec(storage: Storage, pool: str) -> dict[str, Any]:
    """The specification of the host unit `replica`: the course once more, in another pool."""
    return {**course_spec(storage), "to": pool}


def leaving_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `leaving`."""
    storage = course.storage
    return {
        **course_spec(storage),
        "destroy": storage.on_destroy == "destroy",
        "archive": storage.archive if storage.on_destroy == "archive" else None,
        "cluster": course.cluster_name,
    }


def trash_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `trash`, without what it is to do."""
    students = [entry.name for entry in course.participants]
    return {**course_spec(course.storage), "keep_days": TRASH_DAYS, "students": students}


def snapshots_spec(storage: Storage, name: str | None = None) -> dict[str, Any]:
    """The specification of the host unit `snapshots`, with the retention plan where there is one."""
    schedule = schedule_spec(storage)
    return {**course_spec(storage), "name": name, "keep": schedule and schedule["keep"]}
