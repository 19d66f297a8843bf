"""The login throttle: wrong passwords cost tokens, of the name that is guessed at and of the address that guesses.

An address has more tokens than a name: a whole class may sit behind one. A right password gives a name's tokens back.
"""

from typing import Any

from jupyterhub.handlers.base import BaseHandler

from hubside.buckets import Buckets
from hubside.refusal import Refusal

_CLASS = 20  # times as many wrong passwords as for one name are let through for one address


def guard_logins(burst: int, seconds: float) -> None:
    """Let each name be guessed at `burst` times at once, and once more every `seconds`."""
    names, addresses = Buckets(burst, seconds), Buckets(burst * _CLASS, seconds / _CLASS)
    inner = BaseHandler.login_user

    async def login_user(self: Any, data: Any = None) -> Any:
        name = str((data or {}).get("username", ""))[:64].lower()
        address = str(self.request.remote_ip)
        if wait := max(names.wait(name) if name else 0, addresses.wait(address)):
            raise Refusal(429, f"Too many wrong passwords. Try again in {wait} seconds.", wait)
        user = await inner(self, data)
        if user:
            names.fill(name)
        elif name:
            names.take(name)
            addresses.take(address)
        return user

    BaseHandler.login_user = login_user
