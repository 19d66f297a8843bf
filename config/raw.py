"""From the values of a stack, as its file or pulumi gives them, to the course."""

import contextlib
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from config.course import Course
from config.faults import Fault, check
from config.roster import with_roster

_PROJECT = "coursehub"  # whose values are ours: the project's name in Pulumi.yaml
_ALIKE = 0.8  # as difflib counts; `kubernetes` and `pulumi` have less than 0.3
OURS = "coursehub"  # the project's name, which pulumi puts before each of its keys
_ALIKE = 0.8  # as difflib counts; `kubernetes` and `pulumi` have less than 0.3
_SECRET = ("hub", "authentication", "oauth", "clientSecret")


def sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is ours of a stack's values, by section: `coursehub:hub` is the section `hub`."""
    prefix = f"{OURS}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def mistyped(config: Iterable[str]) -> list[Fault]:
    """A fault for each key of a namespace that looks like ours: without it the whole section would be passed over."""
    names = [(key, *key.partition(":")[::2]) for key in config]
    return [
        Fault(key, f"there is no such namespace; did you mean {OURS}:{section}?")
        for key, namespace, section in names
        if namespace != OURS and difflib.get_close_matches(namespace.lower(), [OURS], cutoff=_ALIKE)
    ]


def course_of(
    given: Mapping[str, Any], stack: str, secret: frozenset[str], folder: Path, known: Iterable[Fault] = ()
) -> Course:
    """The course that a stack's sections describe; it is called after the stack unless `course.name` is given.

    Paths of files are relative to `folder`, where the stack's file is. `known` are faults that were found before.

    Raises WrongConfiguration with every fault; nothing of a section in `secret` is echoed.
    """
    raw = {key: parsed(text) for key, text in given.items()}
    identity = raw.setdefault("course", {})
    if isinstance(identity, dict):
        identity.setdefault("name", stack)
    resolved, faults = with_roster(raw, folder, secret)
    return check(resolved, secret, [*known, *faults, *_readable(raw, secret)])


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


def parsed(text: Any) -> Any:
    """A section comes as JSON, a plain value as it is. What is no JSON is a fault of its section."""
    if isinstance(text, str) and text[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text
