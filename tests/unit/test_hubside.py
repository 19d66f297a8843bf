"""What runs inside the hub: how often one may knock, and answers that people understand."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.handlers.base import BaseHandler
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner

from hubside.buckets import _MOST_NAMES, Buckets
from hubside.gate import guard_spawns
from hubside.logins import guard_logins
from hubside.native import CourseNative
from hubside.refusal import Refusal
from hubside.spawner import CourseSpawner, words


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_let_through_and_then_one_at_a_time(clock: Clock) -> None:
    buckets = Buckets(3, 20, clock)
    assert [buckets.take("ada") for _ in range(4)] == [0, 0, 0, 20]
    clock.now += 19.5
    assert buckets.take("ada") == 1
    clock.now += 0.5
    assert [buckets.take("ada"), buckets.take("ada")] == [0, 20]


def test_names_do_not_take_each_others_tokens(clock: Clock) -> None:
    buckets = Buckets(1, 20, clock)
    assert [buckets.take("ada"), buckets.take("grace"), buckets.take("ada")] == [0, 0, 20]


def test_to_knock_in_vain_does_not_prolong_the_wait(clock: Clock) -> None:
    buckets = Buckets(1, 20, clock)
    buckets.take("ada")
    for _ in range(100):
        buckets.take("ada")
    clock.now += 20
    assert buckets.take("ada") == 0


def test_a_bucket_never_holds_more_than_the_burst(clock: Clock) -> None:
    buckets = Buckets(2, 1, clock)
    clock.now += 10_000
    assert [buckets.take("ada"), buckets.take("ada"), buckets.take("ada") > 0] == [0, 0, True]


def test_invented_names_fill_no_memory(clock: Clock) -> None:
    buckets = Buckets(1, 20, clock)
    for number in range(_MOST_NAMES + 50):
        buckets.take(f"name{number}")
    assert len(buckets._levels) == _MOST_NAMES


def test_what_is_wrapped_in_jupyterhub_and_kubespawner_is_there() -> None:
    """None of these is a documented extension point: a version without them must not go unnoticed."""
    assert asyncio.iscoroutinefunction(BaseHandler.spawn_single_user)
    assert asyncio.iscoroutinefunction(BaseHandler.login_user)
    assert asyncio.iscoroutinefunction(KubeSpawner._start)
    assert issubclass(CourseSpawner, KubeSpawner)


def refused(call: Any) -> Refusal:
    with pytest.raises(Refusal) as error:
        asyncio.run(call)
    return error.value


def test_the_gate_refuses_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    async def inner(self: Any, user: Any, server_name: str = "", options: Any = None) -> None:
        started.append(user.name)

    monkeypatch.setattr(BaseHandler, "spawn_single_user", inner)
    guard_spawns(2, 20)
    ada = SimpleNamespace(name="ada")
    for _ in range(2):
        asyncio.run(BaseHandler.spawn_single_user(None, ada))
    error = refused(BaseHandler.spawn_single_user(None, ada, "", options={}))
    assert (error.status_code, error.headers) == (429, {"Retry-After": "20"})
    assert "Try again in 20 seconds" in error.jupyterhub_message
    assert started == ["ada", "ada"]


class Handler:
    """A login page that one address asks."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.request = SimpleNamespace(remote_ip=address)


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """How a login ends: with the name for the right password, None for a wrong one. Two wrong ones are let through."""

    async def inner(self: Any, data: Any = None) -> Any:
        return data["username"] if data["password"] == "right" else None

    monkeypatch.setattr(BaseHandler, "login_user", inner)
    guard_logins(2, 30)

    def log_in(name: str, password: str, address: str = "192.0.2.1") -> Any:
        return BaseHandler.login_user(Handler(address), {"username": name, "password": password})

    return log_in


def test_guessing_at_a_name_is_slowed_down_also_from_many_addresses(logins: Any) -> None:
    for number in range(2):
        assert asyncio.run(logins("ada", "wrong", f"192.0.2.{number}")) is None
    error = refused(logins("Ada", "wrong", "192.0.2.9"))
    assert (error.status_code, error.headers["Retry-After"]) == (429, "30")


def test_a_right_password_gives_the_tokens_back(logins: Any) -> None:
    asyncio.run(logins("ada", "wrong"))
    assert asyncio.run(logins("ada", "right")) == "ada"
    for _ in range(2):
        assert asyncio.run(logins("ada", "wrong")) is None


def test_a_class_behind_one_address_has_twenty_times_as_many(logins: Any) -> None:
    for number in range(40):
        assert asyncio.run(logins(f"student{number}", "wrong")) is None
    assert refused(logins("student39", "wrong")).status_code == 429
    assert asyncio.run(logins("student39", "right", "198.51.100.1")) == "student39"


def test_a_class_that_logs_in_takes_nothing_from_its_address(logins: Any) -> None:
    for number in range(100):
        assert asyncio.run(logins(f"student{number}", "right"))
    asyncio.run(logins("ada", "wrong"))
    assert asyncio.run(logins("ada", "right")) == "ada"


def test_one_who_guesses_without_a_pause_keeps_nobody_else_out(logins: Any) -> None:
    """Behind a node port all have one address."""
    for number in range(200):
        asyncio.run(logins(f"invented{number}", "wrong"))
    assert refused(logins("invented199", "wrong")).status_code == 429
    assert asyncio.run(logins("ada", "right")) == "ada"


def answer(message: str) -> str:
    return json.dumps({"kind": "Status", "message": message, "code": 403})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, answer('pods "x" is forbidden: exceeded quota: students, requested: pods=1'), "All places"),
        (403, answer('pods "x" is forbidden: violates PodSecurity "restricted:v1.34"'), "Pod Security"),
        (403, answer("maximum memory usage per Container is 1Gi, but limit is 2Gi"), "its limits"),
        (403, "exceeded quota, in plain text", "All places"),
        (403, answer("something else"), ""),
        (500, answer("exceeded quota"), ""),
    ],
)
def test_a_refusal_of_kubernetes_is_told_in_words(status: int, body: str, said: str) -> None:
    found = words(status, body)
    assert said in found
    assert bool(said) == bool(found)


def test_the_student_reads_why_a_start_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Any) -> None:
        error: Any = ApiException(status=403)
        error.body = answer("exceeded quota: students")
        raise error

    monkeypatch.setattr(KubeSpawner, "_start", refuse)
    error = refused(CourseSpawner._start(SimpleFake()))
    assert error.status_code == 503
    assert "All places of this course are taken" in error.jupyterhub_message


class SimpleFake(CourseSpawner):
    """A spawner without a cluster."""

    def __init__(self) -> None:
        self.__dict__["_fake"] = True

    user = SimpleNamespace(name="ada")
    log = SimpleNamespace(warning=lambda *words: None)


def test_a_server_is_told_the_budget_of_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KubeSpawner, "get_env", lambda self: {"JUPYTERHUB_USER": "ada"})
    spawner = SimpleFake()
    assert CourseSpawner.get_env(spawner) == {"JUPYTERHUB_USER": "ada"}, "without a roster"
    spawner.budgets = {"ada": "2147483648", "grace": "1"}
    assert CourseSpawner.get_env(spawner) == {"JUPYTERHUB_USER": "ada", "HOME_BUDGET": "2147483648"}


def test_only_the_roster_can_sign_up_and_waits_for_staff() -> None:
    authenticator = CourseNative.__new__(CourseNative)
    authenticator.allowed_users, authenticator.admin_users = {"ada", "grace"}, {"prof"}
    assert CourseNative.create_user(authenticator, "mallory", "a-long-password") is None
    assert authenticator.get_authed_users() == {"prof"}
