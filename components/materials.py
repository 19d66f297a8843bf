"""The course's materials as the program sees them: a change of their content changes the graph."""

from components.drift import ROOT
from config.course import Course
from config.faults import Fault, WrongConfiguration
from host.materials import survey
from plan.template import version


def template_version(course: Course) -> str:
    """The name of the version of the template that new homes start from; reads a folder of materials for it.

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
