"""The version of the course's materials, as they are now; a folder of them is read for it."""

from pathlib import Path

from config.course import Course
from config.faults import Fault, WrongConfiguration
from host.materials import survey
from plan.template import version

ROOT = Path(__file__).resolve().parent.parent


def version_now(course: Course) -> str:
    """The name of the version of the template that new homes start from.

    Raises WrongConfiguration with all faults of the folder.
    """
    folder = course.homes.template.folder
    if folder is None:
        return version(course.homes.template)
    path = ROOT / folder
    if not path.is_dir():
        raise _faults(f"{folder!r} was given; there is no folder {path}: make it, or mend the path")
    try:
        materials = survey(path)
    except OSError as error:
        raise _faults(f"the materials cannot be read: {error}; let the user who runs pulumi read them") from None
    if materials.problems:
        raise _faults(*materials.problems)
    return version(course.homes.template, materials.digest)


def _faults(*reasons: str) -> WrongConfiguration:
    return WrongConfiguration(Fault("homes.template.folder", reason) for reason in reasons)
