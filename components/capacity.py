"""What a course leaves open is decided for the server on which it runs."""

import pulumi

from components import server
from config.course import Course
from plan.capacity import fitted, warning


def on_this_server(course: Course) -> Course:
    """The course with the memory of its cluster and the number of its servers.

    Raises WrongConfiguration where it asks for more than the server has.
    """
    found = fitted(course, server.this_server())
    if told := warning(found):
        pulumi.log.warn(told)
    return found
