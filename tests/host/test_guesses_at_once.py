"""Passwords that come all at once, to a real hub."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from config.faults import check
from tests.host.real_hub import Browser, real_hub

GUESSES = 40
COURSE = {
    "course": {"environment": "development"},
    "homes": {"roster": [{"name": "prof", "role": "staff"}, {"name": "ada"}]},
    "hub": {"authentication": {"method": "dummy"}, "throttle": {"wrongPasswords": 5, "wrongPasswordSeconds": 600}},
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    nobody = tmp_path / "trusted.pem"
    nobody.touch()
    with real_hub(check(COURSE), {"password": "right"}, tmp_path, nobody) as url:
        yield url


def ready(hub: str) -> requests.Session:
    """A browser that has the login page open."""
    session = Browser()
    session.get(f"{hub}/hub/login", timeout=30).raise_for_status()
    return session


def log_in(hub: str, session: requests.Session, name: str, password: str) -> int:
    form = {"username": name, "password": password, "_xsrf": session.cookies["_xsrf"]}
    return session.post(f"{hub}/hub/login", data=form, allow_redirects=False, timeout=60).status_code


def test_guesses_at_once_are_no_more_than_one_by_one(hub: str) -> None:
    sessions = [ready(hub) for _ in range(GUESSES)]
    with ThreadPoolExecutor(GUESSES) as all_at_once:
        answers = Counter(all_at_once.map(lambda session: log_in(hub, session, "ada", "wrong"), sessions))
    assert answers == {403: 5, 429: GUESSES - 5}
    assert log_in(hub, ready(hub), "prof", "right") == 302, "others are let through"


def test_who_knows_the_password_is_never_held_back(hub: str) -> None:
    assert Counter(log_in(hub, ready(hub), "ada", "right") for _ in range(GUESSES)) == {302: GUESSES}
