"""What is only configured holds in a real hub: cookies, tokens, headers, limits."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests
from tornado.web import create_signed_value

from config.faults import check
from tests.hub.real_hub import Browser, api, form, log_in, real_hub

DAY = 86_400
COOKIE = "jupyterhub-hub-login"
SECRETS = {"password": "right", "cookie_secret": "0d" * 32}
COURSE = {
    "course": {"environment": "development"},
    "homes": {"roster": [{"name": "prof", "role": "staff"}, {"name": "ada"}, {"name": "bob"}]},
    "hub": {"authentication": {"method": "dummy"}, "activeServers": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[str]:
    with real_hub(check(COURSE), SECRETS, folder) as url:
        yield url


def test_browsers_forget_a_login_after_a_week(hub: str) -> None:
    answer = form(hub, Browser(), "login", username="ada", password="right")
    expiry = {cookie.name: cookie.expires for cookie in answer.cookies}[COOKIE]
    assert expiry is not None
    assert 6 * DAY < expiry - time.time() <= 7 * DAY


@pytest.mark.parametrize(("days", "status"), [(6, 200), (8, 302)])
def test_the_hub_takes_no_login_that_is_older_than_a_week(hub: str, folder: Path, days: int, status: int) -> None:
    """Whatever a browser, or a thief, still has."""
    log_in(hub, "ada", "right")
    with contextlib.closing(sqlite3.connect(folder / "hub.sqlite")) as database:
        ((known,),) = database.execute("select cookie_id from users where name = 'ada'")
    secret = bytes.fromhex(SECRETS["cookie_secret"])
    old = create_signed_value(secret, COOKIE, known, clock=lambda: time.time() - days * DAY)
    cookies = {COOKIE: old.decode()}
    assert requests.get(f"{hub}/hub/home", cookies=cookies, allow_redirects=False, timeout=60).status_code == status


def test_no_token_lasts_longer_than_a_semester(hub: str) -> None:
    ada = log_in(hub, "ada", "right")
    made = api(hub, ada, "POST", "/users/ada/tokens").json()
    lasts = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created"])
    assert lasts.total_seconds() == pytest.approx(180 * DAY, abs=60)
    year = api(hub, ada, "POST", "/users/ada/tokens", json={"expires_in": 365 * DAY})
    assert year.status_code == 400
    assert "must not exceed" in year.json()["message"]


def test_nobody_has_a_second_server(hub: str) -> None:
    refused = api(hub, log_in(hub, "ada", "right"), "POST", "/users/ada/servers/second")
    assert (refused.status_code, refused.json()["message"]) == (400, "Named servers are not enabled.")


def test_pages_tell_browsers_to_be_careful(hub: str) -> None:
    headers = requests.get(f"{hub}/hub/login", timeout=60).headers
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_who_finds_no_place_is_told_when_to_come_back(hub: str) -> None:
    """The first server never answers: it takes the course's only place until the test is over."""
    assert api(hub, log_in(hub, "bob", "right"), "POST", "/users/bob/server").status_code == 202
    ada = log_in(hub, "ada", "right")
    refused = api(hub, ada, "POST", "/users/ada/server")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "120")
    assert refused.json()["message"].startswith("All places of this course are taken.")
    page = ada.get(f"{hub}/hub/spawn", allow_redirects=False, timeout=60)
    assert page.status_code == 429
    assert "All places of this course are taken." in page.text
