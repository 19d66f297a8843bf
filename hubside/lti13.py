"""Accounts of a learning platform, which starts the hub as a tool by LTI 1.3."""

from typing import Any

from ltiauthenticator.lti13.auth import LTI13Authenticator
from ltiauthenticator.lti13.constants import LTI13_CUSTOM_CLAIM
from ltiauthenticator.lti13.handlers import LTI13LoginInitHandler

from hubside.refusal import Refusal

_CUSTOM = "custom_"


class CourseLogin(LTI13LoginInitHandler):  # type: ignore[misc] # it has no types
    """The first of a launch's two requests."""

    def _set_oauth_cookie(self, key: str, value: str) -> None:
        """A cookie that comes back with the second, which is a form that the platform's page sends.

        Browsers leave out others than those of SameSite=None there; all the hub's other cookies stay stricter.
        """
        self._set_cookie(key, value, expires_days=1, encrypted=True, samesite="None", secure=True)


class CourseLti13(LTI13Authenticator):  # type: ignore[misc] # it has no types
    """LTI13Authenticator for a roster: a launch without the name that was agreed upon lets nobody in.

    The original would take the platform's own number of the user instead, which may be another student's name.
    """

    login_handler = CourseLogin

    def get_username(self, token: dict[str, Any]) -> str:
        """The name in the launch. Raises Refusal where there is none."""
        key = self.username_key
        claims = token.get(LTI13_CUSTOM_CLAIM) or {} if key.startswith(_CUSTOM) else token
        name = claims.get(key.removeprefix(_CUSTOM))
        # A platform that does not know a variable sends it as it is.
        if not isinstance(name, str) or not name or name.startswith("$"):
            raise Refusal(403, "Your learning platform did not say who you are. Tell your lecturer: LTI user name.")
        return name
