"""The unit that is asked first when a course is taken down, while its hub and everybody's server still run.

Were the dataset's own unit the first to look, students would already be without a hub when it refuses. What may not go,
or takes an archive, is told or made here; what is written from here on is seen by `zfs remove`, which looks once more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import archive, kind, trash
from host.datasets import Course, gone
from host.run import BadSpecification, say


@dataclass(frozen=True)
class Want:
    """What is to become of the course's work: neither of the two keeps it as it is."""

    course: Course
    destroy: bool
    archive: Path | None  # the folder to archive into
    cluster: str


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    try:
        folder = given["archive"]
        want = Want(
            Course(given["pool"], given["dataset"]), given["destroy"], folder and Path(folder), given["cluster"]
        )
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of what becomes of a course: {error}") from None
    if unknown := set(given) - {"pool", "dataset", "destroy", "archive", "cluster"}:
        raise BadSpecification(f"not a specification of what becomes of a course: unknown {', '.join(sorted(unknown))}")
    if want.archive is not None and not want.archive.is_absolute():
        raise BadSpecification(f"{folder!r} is no absolute path of a folder for archives")
    return want


def observe(want: Want) -> dict[str, Any]:
    """Nothing of it is on the server."""
    return {}


def apply(want: Want) -> dict[str, Any]:
    """Nothing is to be done before the course is taken down."""
    return {}


def remove(want: Want) -> dict[str, Any]:
    """Let the course be taken down. Raises Refused, with everything still running, where its work may not go yet."""
    if want.destroy:
        if not gone(want.course):
            trash.may_go(want.course)
    elif want.archive:
        say(f"archiving {want.course.path} before anything is taken down")
        archive.safe(want.course, want.archive)
    # Pulumi forgets what is in the cluster before the cluster is deleted. Killed in between, the next `up` would find a
    # sound cluster, and the release in it that nobody knows.
    kind.give_up(want.cluster)
    return {}
