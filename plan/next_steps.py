"""What a user is told once the course is up."""

from config.course import Course
from plan.homes import allowed_users


def url(course: Course) -> str:
    """Where students go. An address that stands for all of the server's is shown as this server's own."""
    address = course.cluster.listen_address
    host = "localhost" if address.is_unspecified else str(address)
    return f"http://{host}:{course.cluster.host_port}"


def somebody(course: Course) -> str:
    """The name of one who may log in: the first of those listed, or any where everybody may."""
    return next(iter(allowed_users(course)), "somebody")


def next_steps(course: Course) -> str:
    """The next thing to do, in a sentence or two."""
    if course.hub.authentication.method == "dummy":
        return (
            "Log in with any name and the password that `pulumi stack output password --show-secrets` prints."
            " This is a development stack: let no students in."
        )
    return (
        f"Sign up at {url(course)}/hub/signup as {course.hub.authentication.admin_users[0]}, then let students in at"
        f" {url(course)}/hub/authorize."
    )
