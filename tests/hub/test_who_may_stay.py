"""The roster changes, and the hub comes back with the same database: what cookies and tokens are worth then."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from config.course import Course
from config.faults import check
from tests.hub.real_hub import api, log_in, real_hub


def course(**roles: str) -> Course:
    return check(
        {
            "course": {"environment": "development"},
            "homes": {"roster": [{"name": name, "role": role} for name, role in roles.items()]},
            "hub": {"authentication": {"method": "dummy"}},
        }
    )


@dataclass
class Person:
    """Who logged in before the roster changed: with a browser, and a program with a token."""

    name: str
    browser: requests.Session
    token: str
    was_admin: bool

    def asks(self, hub: str, method: str, path: str) -> requests.Response:
        """Ask the hub's API with the token alone."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, f"{hub}/hub/api{path}", headers=headers, timeout=60)


def arrive(hub: str, name: str) -> Person:
    browser = log_in(hub, name, "right")
    made = api(hub, browser, "POST", f"/users/{name}/tokens")
    assert made.status_code == 201, made.text
    person = Person(name, browser, made.json()["token"], False)
    person.was_admin = person.asks(hub, "GET", "/user").json()["admin"]
    return person


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Person]]]:
    """A hub after the roster changed, and who was in it before: bob left, prof is a student now, and ada is staff."""
    folder: Path = tmp_path_factory.mktemp("hub")
    secrets = {"password": "right"}
    before = course(prof="staff", ada="student", bob="student", grace="student")
    after = course(prof="student", ada="staff", grace="student")
    with real_hub(before, secrets, folder) as hub:
        people = {name: arrive(hub, name) for name in ("prof", "ada", "bob", "grace")}
    assert [name for name, person in people.items() if person.was_admin] == ["prof"]
    with real_hub(after, secrets, folder) as hub:
        yield hub, people


def is_in(hub: str, browser: requests.Session) -> bool:
    answer = browser.get(f"{hub}/hub/home", allow_redirects=False, timeout=60)
    assert answer.status_code in (200, 302), answer.text
    return answer.status_code == 200


def test_who_left_the_roster_is_logged_out(later: tuple[str, dict[str, Person]]) -> None:
    hub, people = later
    assert not is_in(hub, people["bob"].browser)
    assert is_in(hub, people["grace"].browser)


def test_who_left_the_roster_has_a_token_for_nothing(later: tuple[str, dict[str, Person]]) -> None:
    hub, people = later
    answers = {name: person.asks(hub, "GET", "/user").status_code for name, person in people.items()}
    assert answers == {"prof": 200, "ada": 200, "bob": 403, "grace": 200}


def test_nobody_starts_a_server_of_one_who_left(later: tuple[str, dict[str, Person]]) -> None:
    hub, people = later
    assert people["bob"].asks(hub, "POST", "/users/bob/server").status_code == 403
    refused = people["ada"].asks(hub, "POST", "/users/bob/server")
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("bob is not in this course's roster")
    assert people["grace"].asks(hub, "POST", "/users/grace/server").status_code == 202


def test_staff_is_whom_the_roster_calls_so_now(later: tuple[str, dict[str, Person]]) -> None:
    hub, people = later
    users: Any = people["ada"].asks(hub, "GET", "/users").json()
    assert {user["name"]: user["admin"] for user in users} == {"prof": False, "ada": True, "bob": False, "grace": False}
    assert people["ada"].asks(hub, "GET", "/users/grace").status_code == 200
    assert people["prof"].asks(hub, "GET", "/users/grace").status_code == 404, "no rights are left with the old token"


def test_who_is_deleted_in_the_hub_stays_in_the_roster(later: tuple[str, dict[str, Person]]) -> None:
    hub, people = later
    deleted = people["ada"].asks(hub, "DELETE", "/users/prof")
    assert deleted.status_code == 204, deleted.text
    assert people["prof"].asks(hub, "GET", "/user").status_code == 403, "the token went with the user"
    assert is_in(hub, log_in(hub, "prof", "right"))
