"""What a user is told once the course is up."""

from config.course import Course
from plan.homes import admin_users, allowed_users


def url(course: Course) -> str:
    """Where students go."""
    return course.hub.url or here(course)


def here(course: Course) -> str:
    """Where the hub is from this server. An address that stands for all of the server's is shown as its own."""
    address = course.cluster.listen_address
    host = "localhost" if address.is_unspecified else str(address)
    return f"{course.scheme}://{host}:{course.cluster.host_port}"


def somebody(course: Course) -> str:
    """The name of one who may log in: the first of those listed, or any where everybody may."""
    return next(iter(allowed_users(course)), "somebody")


def next_steps(course: Course) -> str:
    """The next thing to do, in a sentence or two."""
    if course.hub.authentication.method == "dummy":
        who = f"as {_some(allowed_users(course))}" if allowed_users(course) else "with any name"
        return (
            f"Log in {who}, with the password that `make password` prints."
            " This is a development stack: let no students in."
        )
    if course.hub.authentication.method == "oauth":
        return (
            f"Register {url(course)}/hub/oauth_callback as a callback at the login service; then students log in at"
            f" {url(course)}."
        )
    if course.hub.authentication.method == "lti13":
        return (
            f"Register the hub as a tool in the learning platform, with {url(course)}/hub/lti13/oauth_login for logins"
            f" and {url(course)}/hub/lti13/oauth_callback as redirect; then students start it from their course."
        )
    return (
        f"Sign up at {url(course)}/hub/signup as {admin_users(course)[0]} before anybody else knows the address: the"
        f" first account of staff needs nobody's consent. It lets in all others at {url(course)}/hub/authorize."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} or another of the roster's {len(names)}"
