"""What the units that keep and restore work are told."""

from typing import Any

from config.course import Storage


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
