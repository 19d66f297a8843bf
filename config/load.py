"""The only reader of Pulumi's configuration."""

import json
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env

from config.course import Course
from config.faults import WrongConfiguration, check


def load() -> Course:
    """The course of the selected stack; it is called after the stack unless `course.name` is given.

    Raises pulumi.RunError, which ends the program without a traceback, with every fault of the configuration.
    """
    prefix = f"{pulumi.get_project()}:"
    given = {
        key.removeprefix(prefix): value
        for key, value in {**get_config_env(), **CONFIG.get()}.items()
        if key.startswith(prefix)
    }
    secret = frozenset(key.removeprefix(prefix) for key in get_config_secret_keys_env() if key.startswith(prefix))
    raw = {key: _value(text) for key, text in given.items()}
    identity = raw.setdefault("course", {})
    if isinstance(identity, dict):
        identity.setdefault("name", pulumi.get_stack())
    try:
        return check(raw, secret)
    except WrongConfiguration as error:
        raise pulumi.RunError(str(error)) from None


def _value(text: Any) -> Any:
    """A section comes as JSON, a plain value as it is."""
    if isinstance(text, str) and text[:1] in "{[":
        return json.loads(text)
    return text
