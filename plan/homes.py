"""What the roster means for the homes, the volume that holds them, and who may log in."""

from typing import Any

from config.course import Course
from config.types import Size
from plan.volumes import StaticVolume

# All homes are folders of one volume; what each may hold is the quota of its dataset.
HOMES = StaticVolume(name="homes", folder="homes", claim="homes", size=Size(1 << 40))
UID, GID = 1000, 100  # of the students' servers in the chart


def workspaces_spec(course: Course, version: str) -> dict[str, Any]:
    """The specification of the host unit `workspaces`: one home for each of the roster and each admin, with
    its budget in bytes; of a closed course those of staff, so that all others are kept read-only.

    New ones are clones of `version` of the template.
    """
    return {
        "pool": course.storage.pool,
        "dataset": course.storage.dataset,
        "template": {"version": version},
        "students": [{"name": name, "budget": budget} for name, budget in budgets(course).items()],
        "uid": UID,
        "gid": GID,
    }


def budgets(course: Course) -> dict[str, int]:
    """How many bytes each who has a home of the roster's may write."""
    return {entry.name: int(entry.budget or course.homes.budget) for entry in course.members}


def allowed_users(course: Course) -> list[str]:
    """Who may log in: who has a home of the roster's where there is one, else those named; empty is everybody."""
    return [entry.name for entry in course.members] or list(course.hub.authentication.allowed_users)


def admin_users(course: Course) -> list[str]:
    """Who may see and stop all servers: those named, and the roster's staff."""
    staff = [entry.name for entry in course.homes.roster if entry.role == "staff"]
    return list(dict.fromkeys([*course.hub.authentication.admin_users, *staff]))
