"""Wrong passwords, at once and by every way there is, to a real hub."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from config.faults import check
from tests.hub.real_hub import Browser, form, log_in, real_hub

GUESSES = 40
COURSE = {
    "course": {"environment": "development"},
    "homes": {"roster": [{"name": "prof", "role": "staff"}, {"name": "ada"}]},
    "hub": {"authentication": {"method": "dummy"}, "throttle": {"wrongPasswords": 5, "wrongPasswordSeconds": 600}},
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    with real_hub(check(COURSE), {"password": "right"}, tmp_path) as url:
        yield url


def ready(hub: str) -> requests.Session:
    """A browser that has the login page open."""
    session = Browser()
    session.get(f"{hub}/hub/login", timeout=30).raise_for_status()
    return session


def guess(hub: str, session: requests.Session, name: str, password: str) -> int:
    data = {"username": name, "password": password, "_xsrf": session.cookies["_xsrf"]}
    return session.post(f"{hub}/hub/login", data=data, allow_redirects=False, timeout=60).status_code


def ask_for_a_token(hub: str, name: str, password: str) -> int:
    """A program's way to log in."""
    auth = {"username": name, "password": password}
    return requests.post(f"{hub}/hub/api/users/{name}/tokens", json={"auth": auth}, timeout=60).status_code


def test_guesses_at_once_are_no_more_than_one_by_one(hub: str) -> None:
    sessions = [ready(hub) for _ in range(GUESSES)]
    with ThreadPoolExecutor(GUESSES) as all_at_once:
        answers = Counter(all_at_once.map(lambda session: guess(hub, session, "ada", "wrong"), sessions))
    assert answers == {403: 5, 429: GUESSES - 5}
    assert guess(hub, ready(hub), "prof", "right") == 302, "others are let through"


def test_who_knows_the_password_is_never_held_back(hub: str) -> None:
    assert Counter(guess(hub, ready(hub), "ada", "right") for _ in range(GUESSES)) == {302: GUESSES}


def test_guesses_of_programs_are_counted_with_the_others(hub: str) -> None:
    assert ask_for_a_token(hub, "ada", "right") == 201, "it is a way to log in"
    assert Counter(ask_for_a_token(hub, "ada", "wrong") for _ in range(6)) == {403: 6}
    assert ask_for_a_token(hub, "ada", "right") == 403
    assert guess(hub, ready(hub), "ada", "right") == 429
    assert ask_for_a_token(hub, "prof", "right") == 201


def test_whoever_guesses_keeps_nobody_out_of_the_browser_they_logged_in_with(hub: str) -> None:
    known = log_in(hub, "ada", "right")
    known.cookies.pop("jupyterhub-hub-login")
    for _ in range(7):
        guess(hub, ready(hub), "ada", "wrong")
    told = form(hub, Browser(), "login", username="ada", password="right")
    assert told.status_code == 429
    assert 0 < int(told.headers["Retry-After"]) <= 600
    assert "Try again in " in told.text
    log_in(hub, "ada", "right", known)


def test_a_known_browser_may_not_guess_more_often_than_others(hub: str) -> None:
    known = log_in(hub, "ada", "right")
    known.cookies.pop("jupyterhub-hub-login")
    known.get(f"{hub}/hub/login", timeout=30).raise_for_status()
    assert Counter(guess(hub, known, "ada", "wrong") for _ in range(7)) == {403: 5, 429: 2}
