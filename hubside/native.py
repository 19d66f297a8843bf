"""Accounts with passwords of their own, for those of the roster alone."""

from typing import Any

from nativeauthenticator import NativeAuthenticator


class CourseNative(NativeAuthenticator):  # type: ignore[misc] # it has no types
    """Who is not in the roster cannot sign up; who is waits until staff lets them in.

    NativeAuthenticator would let anybody of the roster in at once: whoever signs up first under a name would be it.
    """

    def create_user(self, username: str, password: str, **rest: Any) -> Any:
        """The new account, or None where the name is not in the roster."""
        listed = {*self.allowed_users, *self.admin_users}
        if self.allowed_users and self.normalize_username(username) not in listed:
            return None
        return super().create_user(username, password, **rest)

    def get_authed_users(self) -> set[str]:
        """Who needs nobody's consent: staff."""
        return set(self.admin_users)
