"""Accounts with passwords of their own, for those of the roster alone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bcrypt
from jupyterhub.handlers.login import LoginHandler
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator import handlers as native

from hubside.buckets import Buckets
from hubside.consent import Accounts, Consent, Discard
from hubside.logins import CLASS
from hubside.refusal import Refusal
from hubside.roster import listed

# To look at a password takes a third of a second on purpose. The hub's only thread goes on meanwhile; one at a time,
# since it has one core.
_PASSWORDS = ThreadPoolExecutor(1, "passwords")
_MOST_BYTES = 72  # bcrypt takes no more


class CourseLogin(native.LoginHandler):  # type: ignore[misc] # it has no types
    """The library's page with JupyterHub's own answer: its own looks at each wrong password a second time."""

    post = LoginHandler.post

    def _render(self, login_error: str | None = None, username: str | None = None, **more: Any) -> Any:
        """The page; for a refusal JupyterHub's own. The library's fails there, and browsers showed an empty one."""
        page = LoginHandler if more else native.LoginHandler
        return page._render(self, login_error, username, **more)


class CourseSignUp(native.SignUpHandler):  # type: ignore[misc] # it has no types
    """The page that makes accounts."""

    def get_result_message(self, user: Any, *rest: Any) -> tuple[str, str]:
        """Kind and text of the answer. The original would tell all staff that they can log in now."""
        if user is None or user.is_authorized:
            found: tuple[str, str] = super().get_result_message(user, *rest)
            return found
        return "alert-info", "Your account is there. You can log in once the course's staff has let you in."


class CourseNative(NativeAuthenticator):  # type: ignore[misc] # it has no types
    """Who is not in the roster cannot sign up; who is waits until staff lets them in.

    NativeAuthenticator would let anybody of the roster in at once: whoever signs up first under a name would be it.
    """

    async def authenticate(self, handler: Any, data: Any) -> str | None:
        """The name, where the password is the account's. Raises Refusal where staff has not let it in yet."""
        account, password = self.get_user(data["username"]), data["password"].encode()
        if account is None or len(password) > _MOST_BYTES:
            return None
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(_PASSWORDS, bcrypt.checkpw, password, account.password):
            return None
        if not account.is_authorized:
            raise Refusal(403, "Your account waits until the course's staff lets you in.")
        return str(account.username)

    def create_user(self, username: str, password: str, **rest: Any) -> Any:
        """The new account, or None where the password is too weak. Raises Refusal for who is not in the roster."""
        if not listed(self, self.normalize_username(username)):
            raise Refusal(403, "Only names of this course's roster can sign up. Ask your lecturer which one is yours.")
        return super().create_user(username, password, **rest)

    def is_password_strong(self, password: str) -> bool:
        """Whether it is long enough and not a common one. Raises Refusal where it is too long."""
        if len(password.encode()) > _MOST_BYTES:
            raise Refusal(400, f"This password is too long: {_MOST_BYTES} letters at most, fewer with umlauts.")
        return bool(super().is_password_strong(password))

    def get_authed_users(self) -> set[str]:
        """Who needs nobody's consent: the first of staff. They let in the others."""
        accounts = [self.get_user(name) for name in self.admin_users]
        return set() if any(account and account.is_authorized for account in accounts) else set(self.admin_users)

    def get_handlers(self, app: Any) -> list[tuple[str, Any]]:
        """The library's pages, those with answers of our own instead of its."""
        own = {
            "/login": CourseLogin,
            "/signup": CourseSignUp,
            "/authorize": Accounts,
            "/authorize/([^/]*)": Consent,
            "/discard/([^/]*)": Discard,
        }
        return [(path, own.get(path, handler)) for path, handler in super().get_handlers(app)]


def guard_accounts(burst: int, seconds: float) -> None:
    """Let each user try to change the password `burst` times at once, and once more every `seconds`.

    Where there is no roster to bound them, new accounts are counted by address, as many as a class makes.
    """
    names, addresses = Buckets(burst, seconds), Buckets(burst * CLASS, seconds / CLASS)
    change, sign_up = native.ChangePasswordHandler.post, native.SignUpHandler.post

    async def change_slowly(self: Any) -> None:
        if self.current_user and (wait := names.take(self.current_user.name)):
            raise Refusal(429, f"You tried to change your password very often. Try again in {wait} seconds.", wait)
        await change(self)

    async def sign_up_slowly(self: Any) -> None:
        if self.authenticator.allow_all and (wait := addresses.take(str(self.request.remote_ip))):
            raise Refusal(429, f"Many sign up at this moment. Try again in {wait} seconds.", wait)
        await sign_up(self)

    native.ChangePasswordHandler.post = change_slowly
    native.SignUpHandler.post = sign_up_slowly
