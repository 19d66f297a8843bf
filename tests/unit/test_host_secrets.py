"""A course's secrets are drawn once and never again."""

import json

import pytest

from host.secrets import apply, parse

WANT = parse({"proxy_token": 32, "password": 6})


def test_they_are_as_long_as_asked_and_differ() -> None:
    drawn = apply(WANT)
    assert {name: len(value) for name, value in drawn.items()} == {"proxy_token": 64, "password": 12}
    assert apply(WANT) != drawn


def test_what_was_drawn_before_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = apply(WANT)
    monkeypatch.setenv("PULUMI_COMMAND_STDOUT", json.dumps(drawn))
    assert apply(WANT) == drawn


def test_a_secret_that_is_new_is_drawn_beside_those_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_COMMAND_STDOUT", '{"password": "old"}')
    drawn = apply(WANT)
    assert drawn["password"] == "old"
    assert len(drawn["proxy_token"]) == 64
