"""The spawn gate: who starts servers without a pause is told to wait, before anything is started.

What is raised within a start counts as a failure of the hub's; here it does not: all starts, from pages and from the
API, go through the method that is wrapped. It is no documented extension point, so a test holds it in place.
"""

from typing import Any

from jupyterhub.handlers.base import BaseHandler

from hubside.buckets import Buckets
from hubside.refusal import Refusal


def guard_spawns(burst: int, seconds: float) -> None:
    """Let each user start `burst` servers at once, and a further one every `seconds`."""
    buckets, inner = Buckets(burst, seconds), BaseHandler.spawn_single_user

    async def spawn_single_user(self: Any, user: Any, *rest: Any, **named: Any) -> Any:
        if wait := buckets.take(user.name):
            raise Refusal(429, f"You started your server very often. Try again in {wait} seconds.", wait)
        return await inner(self, user, *rest, **named)

    BaseHandler.spawn_single_user = spawn_single_user
