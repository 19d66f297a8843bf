"""What a course leaves open is decided for the server on which it runs."""

import pulumi

from components import server
from config.course import Course
from config.faults import WrongConfiguration
from plan.capacity import fitted, warning


def on_this_server(course: Course) -> Course:
    """The course with the memory of its cluster and the number of its servers.

    Raises pulumi.RunError, which ends the program without a traceback, where it asks for more than the server has.
    """
    try:
        found = fitted(course, server.this_server())
    except WrongConfiguration as error:
        raise pulumi.RunError(str(error)) from None
    if told := warning(found):
        pulumi.log.warn(told)
    return found
