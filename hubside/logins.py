"""The login throttle: wrong passwords cost tokens, of the name that is guessed at and of the address that guesses.

An address has more tokens than a name: a whole class may sit behind one, and behind a node port or a proxy all do (the
hub sees the node's own address). So it never holds back a name that nobody has guessed at lately: else one who guesses
at names without a pause would keep everybody out. A right password gives a name's tokens back.
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
        if wait := 0 if names.is_full(name) else max(names.wait(name), addresses.wait(address)):
            raise Refusal(429, f"Too many wrong passwords. Try again in {wait} seconds.", wait)
        if not name:
            return await inner(self, data)
        # Before the password is looked at: guesses at the same time are counted too.
        names.take(name)
        taken = addresses.take(address) == 0
        if user := await inner(self, data):
            names.fill(name)
            if taken:
                addresses.give_back(address)
        return user

    BaseHandler.login_user = login_user
