"""The lock-out: wrong passwords cost tokens, of the name that is guessed at and of the address that guesses.

It is the only one, and it forgets: who has to wait is told for how long. All ways to a password, the login page and a
program that asks for a token, go through the method that is wrapped.

An address has more tokens than a name: a whole class may sit behind one, and behind a node port or a proxy all do (the
hub sees the node's own address). So each name passes an address without tokens once in a while: else one who guesses
at names without a pause would keep everybody out. A right password gives a name's tokens back.

A browser that somebody has logged in with keeps a signed cookie, and has tokens of its own for that name: whoever
guesses at the name from elsewhere cannot keep it out.
"""

import secrets
from typing import Any

from jupyterhub.handlers.base import BaseHandler

from hubside.buckets import Buckets
from hubside.refusal import Refusal

CLASS = 20  # times as many tries as for one name are let through for one address
_KNOWN = "coursehub-known"  # the cookie
_KNOWN_DAYS = 180


def guard_logins(burst: int, seconds: float) -> None:
    """Let each name be guessed at `burst` times at once, and once more every `seconds`."""
    names, addresses = Buckets(burst, seconds), Buckets(burst * CLASS, seconds / CLASS)
    passes = Buckets(1, burst * seconds)
    inner = BaseHandler.authenticate

    async def authenticate(self: Any, data: Any = None) -> Any:
        name = _name(data)
        if not name:
            return await inner(self, data)
        known, address = _known(self, name), str(self.request.remote_ip)
        wait = names.wait(known or name)
        if not wait and not known and addresses.wait(address):
            wait = passes.take(name)
        if wait:
            raise Refusal(429, _told(wait, known), wait)
        # Before the password is looked at: guesses at the same time are counted too.
        names.take(known or name)
        taken = not known and addresses.take(address) == 0
        if found := await inner(self, data):
            names.fill(known or name)
            if not known:
                passes.fill(name)
                _remember(self, name)
            if taken:
                addresses.give_back(address)
        return found

    BaseHandler.authenticate = authenticate


def _told(wait: int, known: str) -> str:
    elsewhere = "" if known else " A browser in which you have logged in before lets you in at once."
    return f"Too many wrong passwords. Try again in {wait} seconds.{elsewhere}"


def _name(data: Any) -> str:
    """Who wants to log in, as JupyterHub knows names; empty where somebody else says who it is."""
    return str(data.get("username") or "")[:64].lower() if isinstance(data, dict) else ""


def _known(handler: Any, name: str) -> str:
    """What tells this browser from all others, if `name` has logged in with it; else empty."""
    cookie = (handler.get_secure_cookie(_KNOWN, max_age_days=_KNOWN_DAYS) or b"").decode()
    return cookie if cookie.rpartition(":")[0] == name else ""


def _remember(handler: Any, name: str) -> None:
    cookie = f"{name}:{secrets.token_hex(8)}"
    handler._set_cookie(_KNOWN, cookie, path=handler.hub.base_url, expires_days=_KNOWN_DAYS)
