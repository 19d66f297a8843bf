"""What runs inside the hub: how often one may knock, and answers that people understand."""

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any, cast

import bcrypt
import pytest
from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from tornado import web

from hubside.buckets import _MOST_NAMES, Buckets
from hubside.gate import guard_spawns
from hubside.logins import guard_logins
from hubside.native import CourseNative
from hubside.refusal import Refusal
from hubside.roster import guard_roster
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
    assert asyncio.iscoroutinefunction(BaseHandler.refresh_auth)
    assert callable(BaseHandler.authenticate)
    assert callable(BaseHandler._set_cookie)
    assert asyncio.iscoroutinefunction(KubeSpawner._start)
    assert issubclass(CourseSpawner, KubeSpawner)


def refused(call: Any) -> Refusal:
    with pytest.raises(Refusal) as error:
        asyncio.run(call)
    return error.value


class Page:
    """One of the hub's pages, asked by one browser."""

    hub = SimpleNamespace(base_url="/hub/")

    def __init__(self, address: str = "192.0.2.1", cookies: dict[str, str] | None = None, **roster: Any) -> None:
        self.request = SimpleNamespace(remote_ip=address)
        self.cookies = {} if cookies is None else cookies
        lists = {"allow_all": True, "allowed_users": set(), "admin_users": set(), **roster}
        self.authenticator = SimpleNamespace(**lists)

    def get_secure_cookie(self, name: str, max_age_days: float) -> bytes | None:
        assert max_age_days <= 180
        return self.cookies[name].encode() if name in self.cookies else None

    def _set_cookie(self, name: str, value: str, **options: Any) -> None:
        assert options == {"path": "/hub/", "expires_days": 180}
        self.cookies[name] = value


ADA = SimpleNamespace(name="ada")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose servers were started through a gate that lets two through."""
    found: list[str] = []

    async def inner(self: Any, user: Any, server_name: str = "", options: Any = None) -> None:
        found.append(user.name)

    monkeypatch.setattr(BaseHandler, "spawn_single_user", inner)
    guard_spawns(2, 20)
    return found


def test_the_gate_refuses_before_anything_is_started(started: list[str]) -> None:
    for _ in range(2):
        asyncio.run(BaseHandler.spawn_single_user(Page(), ADA))
    error = refused(BaseHandler.spawn_single_user(Page(), ADA, "", options={}))
    assert (error.status_code, error.headers) == (429, {"Retry-After": "20"})
    assert "Try again in 20 seconds" in error.jupyterhub_message
    assert started == ["ada", "ada"]


def test_who_is_not_in_the_roster_starts_no_server(started: list[str]) -> None:
    error = refused(BaseHandler.spawn_single_user(Page(allow_all=False, allowed_users={"grace"}), ADA))
    assert error.status_code == 403
    assert "not in this course's roster" in error.jupyterhub_message
    assert started == []


def limit(text: str, **headers: Any) -> web.HTTPError:
    """What JupyterHub raises."""
    error: Any = web.HTTPError(429, text)
    if headers:
        error.headers = headers
    return cast(web.HTTPError, error)


@pytest.mark.parametrize(
    ("raised", "said", "seconds"),
    [
        (limit("Active user limit exceeded. Try again in a few minutes."), "All places of this course", "120"),
        (limit("Too many users trying to log in right now.", **{"Retry-After": 37}), "Many servers are starting", "37"),
    ],
)
def test_limits_of_the_hub_are_told_in_words_and_with_a_time(
    monkeypatch: pytest.MonkeyPatch, raised: web.HTTPError, said: str, seconds: str
) -> None:
    async def inner(self: Any, user: Any) -> None:
        raise raised

    monkeypatch.setattr(BaseHandler, "spawn_single_user", inner)
    guard_spawns(2, 20)
    error = refused(BaseHandler.spawn_single_user(Page(), ADA))
    assert (error.status_code, error.headers) == (429, {"Retry-After": seconds})
    assert error.jupyterhub_message.startswith(said)


def test_another_fault_of_a_start_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def inner(self: Any, user: Any) -> None:
        raise web.HTTPError(400, "pending")

    monkeypatch.setattr(BaseHandler, "spawn_single_user", inner)
    guard_spawns(2, 20)
    with pytest.raises(web.HTTPError, match="pending"):
        asyncio.run(BaseHandler.spawn_single_user(Page(), ADA))


@pytest.mark.parametrize(
    ("roster", "stays"),
    [
        ({"allow_all": False, "allowed_users": {"ada"}}, True),
        ({"allow_all": False, "admin_users": {"ada"}}, True),
        ({"allow_all": False, "allowed_users": {"grace"}}, False),
        ({"allow_all": True}, True),
    ],
)
def test_who_is_in_no_list_is_nobody(monkeypatch: pytest.MonkeyPatch, roster: dict[str, Any], stays: bool) -> None:
    async def inner(self: Any, user: Any, force: bool = False) -> Any:
        return user

    monkeypatch.setattr(BaseHandler, "refresh_auth", inner)
    monkeypatch.setattr(Authenticator, "delete_user", Authenticator.delete_user)  # taken back afterwards
    guard_roster()
    assert asyncio.run(BaseHandler.refresh_auth(Page(**roster), ADA)) == (ADA if stays else None)


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """How a login ends: with the name for the right password, None for a wrong one. Two wrong ones are let through."""

    async def inner(self: Any, data: Any = None) -> Any:
        return data["username"] if data["password"] == "right" else None

    monkeypatch.setattr(BaseHandler, "authenticate", inner)
    guard_logins(2, 30)

    def log_in(name: str, password: str, address: str = "192.0.2.1", cookies: dict[str, str] | None = None) -> Any:
        return BaseHandler.authenticate(Page(address, cookies), {"username": name, "password": password})

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
    assert asyncio.run(logins("ada", "wrong")) is None, "once in a while a name passes whatever the address did"
    assert refused(logins("ada", "wrong")).headers == {"Retry-After": "60"}
    assert asyncio.run(logins("ada", "right", "198.51.100.1")) == "ada"


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


def test_whoever_guesses_keeps_nobody_out_of_the_browser_they_logged_in_with(logins: Any) -> None:
    mine: dict[str, str] = {}
    assert asyncio.run(logins("ada", "right", cookies=mine)) == "ada"
    for _ in range(2):
        asyncio.run(logins("ada", "wrong"))
    assert "at once" in refused(logins("ada", "right")).jupyterhub_message
    assert asyncio.run(logins("ada", "right", cookies=mine)) == "ada"


def test_a_browser_is_known_for_one_name_and_guesses_no_more_often(logins: Any) -> None:
    mine: dict[str, str] = {}
    asyncio.run(logins("ada", "right", cookies=mine))
    for name in ("ada", "grace"):
        for _ in range(2):
            assert asyncio.run(logins(name, "wrong", cookies=mine)) is None
        assert refused(logins(name, "right", cookies=mine)).status_code == 429
    assert asyncio.run(logins("ada", "right")) == "ada", "others have tokens of their own"


def test_a_login_without_a_name_here_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login service, or a program that sends nonsense."""

    async def inner(self: Any, data: Any = None) -> Any:
        return None

    monkeypatch.setattr(BaseHandler, "authenticate", inner)
    guard_logins(1, 30)
    for data in (None, {}, "ada", ["ada"], {"sub": "1"}):
        for _ in range(3):
            assert asyncio.run(BaseHandler.authenticate(Page(), data)) is None


def answer(message: str) -> str:
    return json.dumps({"kind": "Status", "message": message, "code": 403})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, answer('pods "x" is forbidden: exceeded quota: students, requested: pods=1'), "All places"),
        (403, answer('pods "x" is forbidden: violates PodSecurity "restricted:v1.34"'), "Pod Security"),
        (403, answer("maximum memory usage per Container is 1Gi, but limit is 2Gi"), "its limits"),
        (403, "exceeded quota: students, in plain text", "All places"),
        (403, answer('pods "x" is forbidden: exceeded quota: course, requested: requests.storage=1'), "its quotas"),
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


def native(*accounts: tuple[str, bool]) -> CourseNative:
    """The authenticator of native accounts; those there are, with whether staff has let them in."""
    found = CourseNative.__new__(CourseNative)
    found.allow_all, found.allowed_users, found.admin_users = False, {"ada", "grace"}, {"prof", "dean"}
    password = bcrypt.hashpw(b"right", bcrypt.gensalt(4))
    there = {
        name: SimpleNamespace(username=name, is_authorized=authorized, password=password)
        for name, authorized in accounts
    }
    found.get_user = there.get
    return found


def test_only_the_roster_can_sign_up() -> None:
    with pytest.raises(Refusal, match="Only names of this course's roster"):
        native().create_user("mallory", "a-long-password")


def test_the_first_of_staff_needs_nobody_and_lets_in_the_others() -> None:
    assert native().get_authed_users() == {"prof", "dean"}
    assert native(("ada", True), ("dean", False)).get_authed_users() == {"prof", "dean"}
    assert native(("prof", True)).get_authed_users() == set()


@pytest.mark.parametrize(
    ("name", "password", "found"),
    [("ada", "right", "ada"), ("ada", "wrong", None), ("eve", "right", None), ("ada", "right" * 20, None)],
)
def test_a_password_is_the_accounts_or_wrong(name: str, password: str, found: str | None) -> None:
    data = {"username": name, "password": password}
    assert asyncio.run(native(("ada", True)).authenticate(None, data)) == found


def test_who_waits_for_staff_is_told_so_for_the_right_password_alone() -> None:
    waiting = native(("ada", False))
    assert "waits" in refused(waiting.authenticate(None, {"username": "ada", "password": "right"})).jupyterhub_message
    assert asyncio.run(waiting.authenticate(None, {"username": "ada", "password": "wrong"})) is None


def test_the_hub_goes_on_while_it_looks_at_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has one thread for all of its pages."""
    looking, page_was_shown = threading.Event(), threading.Event()

    def slow(*_: bytes) -> bool:
        looking.set()
        return page_was_shown.wait(30)

    async def show_a_page() -> None:
        while not looking.is_set():
            await asyncio.sleep(0)
        page_was_shown.set()

    async def both() -> Any:
        data = {"username": "ada", "password": "right"}
        return await asyncio.gather(native(("ada", True)).authenticate(None, data), show_a_page())

    monkeypatch.setattr("bcrypt.checkpw", slow)
    assert asyncio.run(both()) == ["ada", None]
