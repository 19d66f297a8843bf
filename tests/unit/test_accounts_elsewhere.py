"""Accounts at a login service or in a learning platform: what a course may ask for, and what follows from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from ltiauthenticator.lti13.constants import LTI13_CUSTOM_CLAIM

from config.course import Course
from config.faults import WrongConfiguration, check
from config.raw import course_of
from hubside.lti13 import CourseLti13
from hubside.refusal import Refusal
from plan.capacity import Starts
from plan.hub_values import CLIENT_SECRET, hub_values
from plan.hubside import settings
from plan.next_steps import next_steps
from plan.parts import parts
from plan.policies import ANYWHERE, DNS, HUB, Addresses, flows

OAUTH = {
    "clientId": "hub",
    "clientSecret": "hunter2",
    "authorizeUrl": "https://login.example.org/authorize?p=students",
    "tokenUrl": "https://login.example.org/token",
    "userdataUrl": "https://login.example.org:8443/userinfo",
}
LTI13 = {
    "issuer": "https://lms.example.org",
    "clientIds": ["hub-1"],
    "authorizeUrl": "https://lms.example.org/authorize",
    "jwksUrl": "https://lms.example.org/jwks",
}
ROSTER = {"roster": [{"name": "prof", "role": "staff"}, {"name": "ada"}]}
URL = "https://hub.example.org"


def raw(homes: dict[str, Any] = ROSTER, url: str | None = URL, **authentication: Any) -> dict[str, Any]:
    return {"homes": homes, "hub": {"url": url, "authentication": authentication}}


def with_oauth(**changed: Any) -> Course:
    return check(raw(method="oauth", oauth={**OAUTH, **changed}))


def with_lti13(**changed: Any) -> Course:
    return check(raw(method="lti13", lti13={**LTI13, **changed}))


def faults(given: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(WrongConfiguration) as error:
        check(given)
    return {fault.path: str(fault) for fault in error.value.faults}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (raw(method="oauth"), "hub.authentication.oauth"),
        (raw(method="lti13"), "hub.authentication.lti13"),
        (raw(method="native", oauth=OAUTH), "hub.authentication.oauth"),
        (raw(method="native", lti13=LTI13), "hub.authentication.lti13"),
        (raw(url=None, method="oauth", oauth=OAUTH), "hub.url"),
        (raw(url="http://hub.example.org", method="lti13", lti13=LTI13), "hub.url"),
        (raw({"mode": "dynamic"}, method="oauth", oauth=OAUTH), "hub.authentication.allowedUsers"),
        (
            raw(method="oauth", oauth={**OAUTH, "tokenUrl": "http://login.example.org"}),
            "hub.authentication.oauth.tokenUrl",
        ),
        (raw(method="lti13", lti13={**LTI13, "clientIds": []}), "hub.authentication.lti13.clientIds"),
        (raw(method="lti13", lti13={**LTI13, "issuer": "lms"}), "hub.authentication.lti13.issuer"),
    ],
)
def test_what_is_not_whole_or_not_safe_is_a_fault(given: dict[str, Any], path: str) -> None:
    found = faults(given)
    assert set(found) == {path}
    assert "hunter2" not in found[path]


def test_a_secret_that_stands_readable_in_the_file_is_a_fault_with_the_command_that_hides_it() -> None:
    given = {key: json.dumps(value) for key, value in raw(method="oauth", oauth=OAUTH).items()}
    with pytest.raises(WrongConfiguration) as error:
        course_of(given, "physics", frozenset(), Path("/"))
    (fault,) = error.value.faults
    assert fault.path == "hub.authentication.oauth.clientSecret"
    assert "pulumi config set --secret --path" in fault.reason
    assert "hunter2" not in str(error.value)
    assert course_of(given, "physics", frozenset({"hub"}), Path("/")).hub.authentication.method == "oauth"


def config(course: Course) -> dict[str, Any]:
    found: dict[str, Any] = hub_values(course, parts(course), {}, Starts(16, 109))["hub"]["config"]
    return found


def test_a_login_service_is_told_to_send_browsers_back_to_the_hubs_address() -> None:
    found = config(with_oauth())
    oauth = found["GenericOAuthenticator"]
    assert oauth["oauth_callback_url"] == "https://hub.example.org/hub/oauth_callback"
    assert oauth["client_secret"] == CLIENT_SECRET
    assert (oauth["username_claim"], oauth["scope"]) == ("preferred_username", ["openid", "profile"])
    assert found["JupyterHub"]["authenticator_class"] == "generic-oauth"
    assert found["Authenticator"]["allowed_users"] == ["prof", "ada"]
    assert not found["Authenticator"]["allow_all"]


def test_a_learning_platform_is_known_by_issuer_and_keys() -> None:
    lti13 = config(with_lti13())["LTI13Authenticator"]
    assert (lti13["issuer"], lti13["client_id"]) == ("https://lms.example.org", ["hub-1"])
    assert (lti13["jwks_endpoint"], lti13["username_key"]) == ("https://lms.example.org/jwks", "custom_username")
    assert settings(with_lti13())["authenticator"] == "lti13"


def outside(course: Course) -> set[tuple[str, str]]:
    return {
        (flow.source.name, port)
        for flow in flows(course, Addresses("192.0.2.1"))
        if flow.target == ANYWHERE
        for port in flow.ports
    }


def test_the_hub_reaches_the_service_that_it_asks_and_no_other_port() -> None:
    closed = {"network": {"internet": "none"}}
    names = {(DNS.name, "UDP/53"), (DNS.name, "TCP/53")}
    oauth = check({**raw(method="oauth", oauth=OAUTH), **closed})
    lti13 = check({**raw(method="lti13", lti13=LTI13), **closed})
    assert outside(oauth) == names | {(HUB.name, "TCP/443"), (HUB.name, "TCP/8443")}
    assert outside(lti13) == names | {(HUB.name, "TCP/443")}
    assert outside(check({**raw(url=None), **closed})) == set()


def test_the_next_step_says_what_to_register() -> None:
    assert "https://hub.example.org/hub/oauth_callback" in next_steps(with_oauth())
    assert "https://hub.example.org/hub/lti13/oauth_login" in next_steps(with_lti13())


@pytest.mark.parametrize(
    ("key", "token", "name"),
    [
        ("custom_username", {LTI13_CUSTOM_CLAIM: {"username": "ada"}, "sub": "7"}, "ada"),
        ("email", {"email": "ada", "sub": "7"}, "ada"),
        ("custom_username", {"sub": "ada"}, ""),
        ("custom_username", {"username": "ada"}, ""),
        ("custom_username", {LTI13_CUSTOM_CLAIM: None, "sub": "ada"}, ""),
        ("custom_username", {LTI13_CUSTOM_CLAIM: {"username": "$User.username"}}, ""),
        ("custom_username", {LTI13_CUSTOM_CLAIM: {"username": ["ada"]}}, ""),
        ("email", {"email": "", "sub": "ada"}, ""),
    ],
)
def test_a_launch_without_the_agreed_name_lets_nobody_in(key: str, token: dict[str, Any], name: str) -> None:
    authenticator = CourseLti13(username_key=key)
    if name:
        assert authenticator.get_username(token) == name
        return
    with pytest.raises(Refusal) as error:
        authenticator.get_username(token)
    assert error.value.status_code == 403
