"""The spawn gate: who may not start a server, or does so without a pause, is told before anything is started.

What is raised within a start counts as a failure of the hub's; here it does not: all starts, from pages and from the
API, go through the method that is wrapped. It is no documented extension point, so a test holds it in place.
"""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado import web

from hubside.buckets import Buckets
from hubside.refusal import NO_PLACE, Refusal
from hubside.roster import listed

_FULL_SECONDS = 120  # until a place may be free again: servers are stopped by hand, or by the culler


def guard_spawns(burst: int, seconds: float) -> None:
    """Let each user start `burst` servers at once, and a further one every `seconds`."""
    buckets, inner = Buckets(burst, seconds), BaseHandler.spawn_single_user

    async def spawn_single_user(self: Any, user: Any, *rest: Any, **named: Any) -> Any:
        if not listed(self.authenticator, user.name):
            raise Refusal(403, f"{user.name} is not in this course's roster: nobody can start this server.")
        if wait := buckets.take(user.name):
            raise Refusal(429, f"You started your server very often. Try again in {wait} seconds.", wait)
        try:
            return await inner(self, user, *rest, **named)
        except web.HTTPError as error:
            if error.status_code != 429:
                raise
            raise in_words(error) from None

    BaseHandler.spawn_single_user = spawn_single_user


def in_words(error: web.HTTPError) -> Refusal:
    """JupyterHub's two limits: of servers that start at a time, which says when to come back, and of all, which does
    not."""
    if wait := int(getattr(error, "headers", {}).get("Retry-After", 0)):
        return Refusal(429, f"Many servers are starting at this moment. Try again in {wait} seconds.", wait)
    return Refusal(429, NO_PLACE, _FULL_SECONDS)
