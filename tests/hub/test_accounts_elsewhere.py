"""Accounts at a login service and in a learning platform, with a real hub: who gets in, and who does not."""

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from config.faults import check
from host import certificate
from tests.hub.real_hub import Browser, real_hub

PUBLIC = "https://hub.example.org"
SECRET = "known-to-both"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


class Elsewhere(ThreadingHTTPServer):
    """A login service and a learning platform in one: each code stands for who it names."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        made = certificate.apply(certificate.parse({"names": ["localhost"]}))
        self.trusted, key = folder / "trusted.pem", folder / "key.pem"
        self.trusted.write_text(made["certificate"])
        key.write_text(made["key"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.trusted, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://localhost:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.challenges: dict[str, str] = {}


class _Answers(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_POST(self) -> None:
        form = {key: value[0] for key, value in parse_qs(self._body()).items()}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        sound = (
            form["client_secret"] == SECRET
            and form["redirect_uri"] == f"{PUBLIC}/hub/oauth_callback"
            and base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.server.challenges[form["code"]]
        )
        self._answer({"access_token": form["code"], "token_type": "Bearer"} if sound else {"error": "invalid_grant"})

    def do_GET(self) -> None:
        if self.path.startswith("/jwks"):
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key(), as_dict=True)
            self._answer({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]})
        else:
            self._answer({"sub": "1", "preferred_username": self.headers["Authorization"].removeprefix("Bearer ")})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _body(self) -> str:
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def _answer(self, thing: dict[str, Any]) -> None:
        body = json.dumps(thing).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with Elsewhere(tmp_path_factory.mktemp("elsewhere")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def course(**authentication: Any) -> Any:
    roster = [{"name": "prof", "role": "staff"}, {"name": "ada"}, {"name": "7"}]
    return check({"homes": {"roster": roster}, "hub": {"url": PUBLIC, "authentication": authentication}})


def asked(answer: requests.Response) -> dict[str, str]:
    """What a browser is sent elsewhere with."""
    assert answer.status_code == 302, answer.text
    return {key: value[0] for key, value in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def who(session: requests.Session, hub: str) -> str:
    """Whom the hub takes this browser for; empty for nobody."""
    answer = session.get(f"{hub}/hub/home", allow_redirects=False, timeout=30)
    text = answer.text if answer.ok and answer.status_code == 200 else ""
    return text.partition('user: "')[2].partition('"')[0]


# A login service


@pytest.fixture(scope="module")
def oauth_hub(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    oauth = {
        "clientId": "hub",
        "clientSecret": SECRET,
        "authorizeUrl": f"{elsewhere.url}/authorize",
        "tokenUrl": f"{elsewhere.url}/token",
        "userdataUrl": f"{elsewhere.url}/userinfo",
    }
    secrets, folder = {"client_secret": SECRET}, tmp_path_factory.mktemp("oauth")
    with real_hub(course(method="oauth", oauth=oauth), secrets, folder, elsewhere.trusted) as url:
        yield url


def log_in(elsewhere: Elsewhere, hub: str, name: str) -> tuple[requests.Session, requests.Response]:
    session = Browser()
    sent = asked(session.get(f"{hub}/hub/oauth_login", allow_redirects=False, timeout=30))
    assert sent["redirect_uri"] == f"{PUBLIC}/hub/oauth_callback"
    elsewhere.challenges[name] = sent["code_challenge"]
    back = {"code": name, "state": sent["state"]}
    return session, session.get(f"{hub}/hub/oauth_callback", params=back, allow_redirects=False, timeout=30)


@pytest.mark.parametrize(("said", "name"), [("ada", "ada"), ("Ada", "ada"), ("prof", "prof")])
def test_whom_the_login_service_knows_and_the_roster_has_gets_in(
    elsewhere: Elsewhere, oauth_hub: str, said: str, name: str
) -> None:
    session, answer = log_in(elsewhere, oauth_hub, said)
    assert answer.status_code == 302
    assert who(session, oauth_hub) == name
    assert all(cookie.secure for cookie in iter(session.cookies))


@pytest.mark.parametrize("name", ["eve", "ada@example.org", "../ada"])
def test_whom_the_roster_does_not_have_stays_outside(elsewhere: Elsewhere, oauth_hub: str, name: str) -> None:
    session, answer = log_in(elsewhere, oauth_hub, name)
    assert answer.status_code == 403
    assert who(session, oauth_hub) == ""


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(elsewhere: Elsewhere, oauth_hub: str) -> None:
    other = asked(requests.get(f"{oauth_hub}/hub/oauth_login", allow_redirects=False, timeout=30))
    session = Browser()
    back = {"code": "ada", "state": other["state"]}
    assert session.get(f"{oauth_hub}/hub/oauth_callback", params=back, timeout=30).status_code == 400
    assert who(session, oauth_hub) == ""


# A learning platform


@pytest.fixture(scope="module")
def lti_hub(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    lti13 = {
        "issuer": elsewhere.url,
        "clientIds": ["hub-1"],
        "authorizeUrl": f"{elsewhere.url}/authorize",
        "jwksUrl": f"{elsewhere.url}/jwks",
    }
    folder = tmp_path_factory.mktemp("lti13")
    with real_hub(course(method="lti13", lti13=lti13), {}, folder, elsewhere.trusted) as url:
        yield url


def launch(elsewhere: Elsewhere, hub: str, key: Any = None, **changed: Any) -> tuple[requests.Session, Any]:
    session = Browser()
    hints = {
        "iss": elsewhere.url,
        "login_hint": "7",
        "client_id": "hub-1",
        "target_link_uri": f"{PUBLIC}/hub",
    }
    first = session.post(f"{hub}/hub/lti13/oauth_login", data=hints, allow_redirects=False, timeout=30)
    assert "SameSite=None" in first.headers["Set-Cookie"]
    sent = asked(first)
    assert sent["redirect_uri"].startswith("https://")
    token = {
        "iss": elsewhere.url,
        "aud": "hub-1",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        "nonce": sent["nonce"],
        "sub": "7",
        f"{CLAIM}version": "1.3.0",
        f"{CLAIM}message_type": "LtiResourceLinkRequest",
        f"{CLAIM}deployment_id": "1",
        f"{CLAIM}target_link_uri": f"{PUBLIC}/hub",
        f"{CLAIM}roles": [],
        f"{CLAIM}resource_link": {"id": "1"},
        f"{CLAIM}custom": {"username": "ada"},
        **changed,
    }
    signed = jwt.encode(token, key or elsewhere.key, algorithm="RS256", headers={"kid": "k1"})
    form = {"id_token": signed, "state": sent["state"]}
    answer = session.post(f"{hub}/hub/lti13/oauth_callback", data=form, allow_redirects=False, timeout=30)
    return session, answer


def test_whom_the_platform_sends_and_the_roster_has_gets_in(elsewhere: Elsewhere, lti_hub: str) -> None:
    session, answer = launch(elsewhere, lti_hub)
    assert answer.status_code == 302, answer.text
    assert who(session, lti_hub) == "ada"


def test_the_platforms_own_number_of_a_user_is_never_taken_for_a_name(elsewhere: Elsewhere, lti_hub: str) -> None:
    """Student 7 of the roster is not user 7 of the platform."""
    session, answer = launch(elsewhere, lti_hub, **{f"{CLAIM}custom": {}})
    assert answer.status_code == 403
    assert "Your learning platform did not say who you are" in answer.text
    assert who(session, lti_hub) == ""


def test_whom_the_roster_does_not_have_stays_outside_whatever_the_platform_says(
    elsewhere: Elsewhere, lti_hub: str
) -> None:
    session, answer = launch(elsewhere, lti_hub, **{f"{CLAIM}custom": {"username": "eve"}})
    assert answer.status_code == 403
    assert who(session, lti_hub) == ""


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"iss": "https://other.example.org"}, 400),
        ({"aud": "another-tool"}, 401),
        ({"exp": 1}, 400),
        ({"nonce": "old"}, 400),
    ],
    ids=["of another platform", "for another tool", "too old", "said before"],
)
def test_a_launch_that_is_not_meant_for_now_and_here_is_refused(
    elsewhere: Elsewhere, lti_hub: str, changed: dict[str, Any], status: int
) -> None:
    session, answer = launch(elsewhere, lti_hub, **changed)
    assert answer.status_code == status
    assert who(session, lti_hub) == ""


def test_a_launch_that_somebody_else_signed_is_refused(elsewhere: Elsewhere, lti_hub: str) -> None:
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    session, answer = launch(elsewhere, lti_hub, key=forged)
    assert answer.status_code == 400
    assert who(session, lti_hub) == ""
