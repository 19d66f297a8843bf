"""From the values of a stack, as its file or pulumi gives them, to the course."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.course import Course
from config.faults import check
from config.roster import with_roster


def course_of(given: Mapping[str, Any], stack: str, secret: frozenset[str], folder: Path) -> Course:
    """The course that a stack's values describe; it is called after the stack unless `course.name` is given.

    Paths of files are relative to `folder`, where the stack's file is.

    Raises WrongConfiguration with every fault; nothing of a section in `secret` is echoed.
    """
    raw = {key: _value(text) for key, text in given.items()}
    identity = raw.setdefault("course", {})
    if isinstance(identity, dict):
        identity.setdefault("name", stack)
    resolved, faults = with_roster(raw, folder, secret)
    return check(resolved, secret, faults)


def _value(text: Any) -> Any:
    """A section comes as JSON, a plain value as it is. What is no JSON is a fault of its section."""
    if isinstance(text, str) and text[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text
