"""The course's materials as the program sees them: a change of their content changes the graph."""

import pulumi

from components.template import version_now
from config.course import Course
from config.faults import WrongConfiguration


def template_version(course: Course) -> str:
    """The name of the version of the template that new homes start from; reads a folder of materials for it.

    Raises pulumi.RunError with all faults of the folder, in the words of a wrong configuration.
    """
    try:
        return version_now(course)
    except WrongConfiguration as error:
        raise pulumi.RunError(str(error)) from None
