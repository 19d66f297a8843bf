"""Who is no longer in the roster is a stranger at the next request, whatever cookie or token is brought along.

JupyterHub asks its list at a login alone, and a cookie lasts for days, a token for months. All requests go through the
method that is wrapped. It is no documented extension point, so a test holds it in place.

And who is in the roster stays so: whoever is deleted in the hub's admin page, with all tokens, may come back.
JupyterHub would take the name from its list, until the hub starts again and nobody knows why it lets the student in.
"""

from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler


def listed(authenticator: Any, name: str) -> bool:
    """Whether `name` may be here: one of those allowed or of staff, or anybody where there is no list."""
    return bool(authenticator.allow_all) or name in {*authenticator.allowed_users, *authenticator.admin_users}


def guard_roster() -> None:
    """Take those who are not listed for nobody, and leave the list as it is."""
    inner = BaseHandler.refresh_auth

    async def refresh_auth(self: Any, user: Any, force: bool = False) -> Any:
        return await inner(self, user, force) if listed(self.authenticator, user.name) else None

    BaseHandler.refresh_auth = refresh_auth
    Authenticator.delete_user = lambda self, user: None
