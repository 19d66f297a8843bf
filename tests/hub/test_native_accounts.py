"""Accounts with passwords of their own, in a real hub: who can sign up, who lets them in, what passwords must be."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from config.faults import check
from tests.hub.real_hub import Browser, form, log_in, real_hub

PASSWORD = "a-long-enough-passphrase"
STUDENTS = ("ada", "bob", "eva", "max")
ROSTER = [*({"name": name, "role": "staff"} for name in ("prof", "dean")), *({"name": name} for name in STUDENTS)]


def hub_of(folder: Path, **sections: Any) -> Any:
    return real_hub(check({"homes": {"roster": ROSTER}, **sections}), {}, folder)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub in which prof, of staff, was the first to sign up."""
    with hub_of(tmp_path_factory.mktemp("native")) as url:
        assert "You can now go to the home page and log in" in sign_up(url, "prof").text
        yield url


def sign_up(hub: str, name: str, password: str = PASSWORD) -> requests.Response:
    fields = {"username": name, "signup_password": password, "signup_password_confirmation": password}
    return form(hub, Browser(), "signup", **fields)


def try_to_log_in(hub: str, name: str, password: str = PASSWORD) -> requests.Response:
    return form(hub, Browser(), "login", username=name, password=password)


def let_in(hub: str, staff: requests.Session, name: str, answer: str = "yes") -> requests.Response:
    return form(hub, staff, f"authorize/{name}", let_in=answer)


def state(hub: str, staff: requests.Session, name: str) -> str:
    """What the page says of an account; empty where it is not there."""
    page = staff.get(f"{hub}/hub/authorize", timeout=60).text
    row = re.search(rf'<tr id="{name}">.*?<td>(yes|waits for you)</td>', page, re.DOTALL)
    return row.group(1) if row else ""


@pytest.mark.parametrize("name", ["ada", "dean"])
def test_whoever_signs_up_waits_until_staff_lets_them_in(hub: str, name: str) -> None:
    """Staff too: whoever is quickest would be staff otherwise."""
    assert "Your account is there. You can log in once" in sign_up(hub, name).text
    waits = try_to_log_in(hub, name)
    assert waits.status_code == 403
    assert "Your account waits" in waits.text
    assert "Invalid username or password" in try_to_log_in(hub, name, "wrong").text
    assert let_in(hub, log_in(hub, "prof", PASSWORD), name).status_code == 302
    log_in(hub, name, PASSWORD)


def test_a_link_that_staff_opens_lets_nobody_in_and_deletes_nothing(hub: str) -> None:
    """Also the form of another site: it does not know the page's token."""
    prof = log_in(hub, "prof", PASSWORD)
    sign_up(hub, "eva")
    for page in ("authorize", "discard"):
        assert prof.get(f"{hub}/hub/{page}/eva", timeout=60).ok
        assert prof.post(f"{hub}/hub/{page}/eva", data={"let_in": "yes"}, timeout=60).status_code == 403
    assert try_to_log_in(hub, "eva").status_code == 403
    assert state(hub, prof, "eva") == "waits for you"


def test_staff_keeps_somebody_out_again_and_deletes_an_account_that_waits(hub: str) -> None:
    prof = log_in(hub, "prof", PASSWORD)
    sign_up(hub, "eva")
    for _ in range(2):
        let_in(hub, prof, "eva")
        assert state(hub, prof, "eva") == "yes", "said twice, it stays so"
    let_in(hub, prof, "eva", "no")
    assert try_to_log_in(hub, "eva").status_code == 403
    assert form(hub, prof, "discard/eva").status_code == 302
    assert state(hub, prof, "eva") == ""


def test_students_let_nobody_in(hub: str) -> None:
    prof = log_in(hub, "prof", PASSWORD)
    sign_up(hub, "eva")
    sign_up(hub, "max")
    let_in(hub, prof, "eva")
    eva = log_in(hub, "eva", PASSWORD)
    assert eva.get(f"{hub}/hub/authorize", timeout=60).status_code == 403
    fields = {"let_in": "yes", "_xsrf": eva.cookies["_xsrf"]}
    assert eva.post(f"{hub}/hub/authorize/max", data=fields, timeout=60).status_code == 403
    assert state(hub, prof, "max") == "waits for you"


def test_whom_the_roster_does_not_have_is_told_so(hub: str) -> None:
    refused = sign_up(hub, "eve")
    assert refused.status_code == 403
    assert "Only names of this course&#39;s roster can sign up" in refused.text


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short", "at least 10 characters"),
        ("1234567890", "is not too common"),
        ("ä" * 40, "This password is too long"),
    ],
)
def test_a_password_that_will_not_do_is_told(hub: str, password: str, told: str) -> None:
    assert told in sign_up(hub, "bob", password).text
    assert try_to_log_in(hub, "bob", password).status_code == 403


def test_the_old_password_cannot_be_guessed_at_without_a_pause(hub: str) -> None:
    prof = log_in(hub, "prof", PASSWORD)
    new = {"new_password": "another-passphrase", "new_password_confirmation": "another-passphrase"}
    answers = [form(hub, prof, "change-password", old_password="wrong", **new) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "Your current password was incorrect" in answers[0].text
    assert 0 < int(answers[5].headers["Retry-After"]) <= 30


def test_a_login_page_that_was_open_for_too_long_says_so(hub: str) -> None:
    answer = requests.post(f"{hub}/hub/login", data={"username": "prof", "password": PASSWORD}, timeout=60)
    assert answer.status_code == 403
    assert "Login form invalid or expired. Try again." in answer.text


def test_a_wrong_password_after_another_keeps_a_name_out_for_seconds_that_are_told(tmp_path: Path) -> None:
    throttle = {"throttle": {"wrongPasswords": 3, "wrongPasswordSeconds": 5}}
    with hub_of(tmp_path, hub=throttle) as hub:
        sign_up(hub, "prof")
        answers = [try_to_log_in(hub, "prof", "wrong").status_code for _ in range(3)]
        assert answers == [403] * 3
        told = try_to_log_in(hub, "prof")
        while told.status_code == 429:
            wait = int(told.headers["Retry-After"])
            assert 0 < wait <= 5
            assert "Too many wrong passwords. Try again in" in told.text
            time.sleep(wait)
            told = try_to_log_in(hub, "prof")
        assert told.status_code == 302


def test_without_a_roster_accounts_are_not_made_without_end(tmp_path: Path) -> None:
    hub = {"authentication": {"adminUsers": ["prof"]}, "throttle": {"wrongPasswords": 1, "wrongPasswordSeconds": 3600}}
    with hub_of(tmp_path, homes={"mode": "dynamic"}, hub=hub) as url:
        answers = [sign_up(url, f"student{number}", "short").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]
