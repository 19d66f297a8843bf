"""From the values of a stack, as its file or pulumi gives them, to the course."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.course import Course
from config.faults import Fault, check
from config.roster import with_roster

_SECRET = ("hub", "authentication", "oauth", "clientSecret")


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
    return check(resolved, secret, [*faults, *_readable(raw, secret)])


def _readable(raw: Mapping[str, Any], secret: frozenset[str]) -> Iterator[Fault]:
    """A secret that others gave us must not stand in a file that is kept under version control."""
    found: Any = raw
    for key in _SECRET:
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is not None and _SECRET[0] not in secret:
        path = ".".join(_SECRET)
        yield Fault(
            path, f"it stands readable in the stack's file: `pulumi config set --secret --path '{path}'` hides it"
        )


def _value(text: Any) -> Any:
    """A section comes as JSON, a plain value as it is. What is no JSON is a fault of its section."""
    if isinstance(text, str) and text[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text
