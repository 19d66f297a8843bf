"""What runs inside the hub, in a live one: who knocks too often is told to wait, and the hub goes on for the others."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from machine.login import wait_for_login
from tests.e2e.conftest import PORT, Stack
from tests.e2e.student import LoginRefusedError, Student

URL = f"http://127.0.0.1:{PORT}"
ROSTER = [{"name": "prof", "role": "staff"}, {"name": "ada"}, {"name": "mallory"}]


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, with three of the roster."""
    stack.configure(homes={"mode": "roster", "budget": 24 << 20, "roster": ROSTER})
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "prof", stack.output("password"))
    yield stack
    stack.end_servers()
    stack.configure()


def logged_in(stack: Stack, name: str) -> Student:
    found = Student(URL, name)
    found.log_in(stack.output("password"))
    return found


def restarts(stack: Stack) -> str:
    return stack.kubectl(
        *("get", "pods", "-n", "jhub", "-l", "component=hub", "-o", "jsonpath={.items[*].status..restartCount}")
    )


def test_who_starts_servers_without_a_pause_is_told_to_wait(course: Stack) -> None:
    mallory = logged_in(course, "mallory")
    answers: list[requests.Response] = []
    for _ in range(12):
        answers.append(mallory.hub("POST", "/users/mallory/server"))
        mallory.stop_server()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused, [answer.status_code for answer in answers]
    assert 0 < int(refused[0].headers["Retry-After"]) <= 20
    assert "You started your server very often" in refused[0].json()["message"]
    assert logged_in(course, "ada").start_server() < 60, "the others are let through meanwhile"
    assert restarts(course) == "0"


def test_who_guesses_passwords_is_told_to_wait(course: Stack) -> None:
    said = []
    for _ in range(7):
        with pytest.raises(LoginRefusedError) as error:
            Student(URL, "mallory").log_in("wrong")
        said.append(str(error.value))
    assert said[0].startswith("403")
    assert said[-1].startswith("429")
    assert "Too many wrong passwords" in said[-1]
    logged_in(course, "ada")


def failed_starts(staff: Student) -> float:
    """What the hub tells its staff, as monitoring reads it."""
    answer = staff.session.get(f"{URL}/hub/metrics", timeout=30)
    answer.raise_for_status()
    metric = 'jupyterhub_server_spawn_duration_seconds_count{status="failure"}'
    (value,) = (line.removeprefix(metric) for line in answer.text.splitlines() if line.startswith(metric))
    return float(value)


@contextlib.contextmanager
def no_pods(stack: Stack) -> Iterator[None]:
    """For so long Kubernetes refuses every new pod of the course."""
    stack.kubectl("create", "quota", "nothing", "-n", "jhub", "--hard=pods=0")
    try:
        yield
    finally:
        stack.kubectl("delete", "quota", "nothing", "-n", "jhub")


def test_failed_starts_are_counted_and_restart_nothing(course: Stack) -> None:
    prof = logged_in(course, "prof")
    before = failed_starts(prof)
    with no_pods(course):
        answer = prof.hub("POST", "/users/prof/server")
        assert (answer.status_code, "Tell your lecturer: its quotas" in answer.json()["message"]) == (503, True)
        deadline = time.monotonic() + 60
        while failed_starts(prof) == before:
            assert time.monotonic() < deadline, "no failed start was counted"
            time.sleep(1)
    assert failed_starts(prof) > before
    assert restarts(course) == "0"


def test_no_other_site_may_show_the_hub_in_a_frame(course: Stack) -> None:
    headers = requests.get(f"{URL}/hub/login", timeout=30).headers
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_only_the_roster_can_make_accounts_and_staff_lets_them_in(course: Stack) -> None:
    homes: dict[str, Any] = {"mode": "roster", "budget": 24 << 20, "roster": ROSTER}
    native = {"authentication": {"method": "native"}}
    course.configure(homes=homes, course={"environment": "production"}, hub=native)
    course.must("up", "--yes", "--skip-preview")
    wait_for_login(URL, "prof", "")
    secret = "a-long-enough-passphrase"
    prof, ada, eve = Student(URL, "prof"), Student(URL, "ada"), Student(URL, "eve")
    for student in (prof, ada, eve):
        student.sign_up(secret)
    prof.log_in(secret)
    for refused in (ada, eve):
        with pytest.raises(LoginRefusedError):
            refused.log_in(secret)
    prof.let_in("ada")
    ada.log_in(secret)
    assert "eve" not in prof.session.get(f"{URL}/hub/authorize", timeout=30).text
