"""Waits until the hub lets somebody in: the proof that a course works."""

import http.cookiejar
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from machine.shell import NotReady, say

_SECONDS = 120


def wait_for_login(url: str, name: str, password: str) -> None:
    """Log in at `url` by name, or only see the login page where there is no common password.

    Raises NotReady after two minutes, with the last answer.
    """
    deadline = time.monotonic() + _SECONDS
    while reason := _refusal(url, name, password):
        if time.monotonic() > deadline:
            raise NotReady(
                f"nobody can log in at {url} after {_SECONDS} s: {reason}; `./coursehub doctor` looks at all its parts"
            )
        time.sleep(1)
    say(f"{'a login works' if password else 'the login page is there'}: {url}")


def _refusal(url: str, name: str, password: str) -> str:
    """Why nobody gets in; empty if somebody does."""
    # Cookies come back over plain HTTP too: from this very server, where a proxy in front of the hub speaks HTTPS.
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https")))
    # Asked by its own address, the server shows a certificate of its name, or one that the stack made.
    https = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    browser = urllib.request.build_opener(https, urllib.request.HTTPCookieProcessor(jar))
    try:
        browser.open(f"{url}/hub/login", timeout=10).read()
        if not password:
            return ""
        token = next((cookie.value or "" for cookie in jar if cookie.name == "_xsrf"), "")
        form = urllib.parse.urlencode({"username": name, "password": password, "_xsrf": token})
        # To the hub's own page: logging in must not start a server.
        browser.open(f"{url}/hub/login?next=%2Fhub%2Fhome", form.encode(), timeout=30).read()
    except (OSError, urllib.error.URLError) as error:
        return str(error)
    return "" if any(cookie.name == "jupyterhub-hub-login" for cookie in jar) else "the password was refused"
