"""Finds and reads a stack's file without pulumi, for whoever looks at a course or keeps its work. Opens no secrets."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from config.course import Course
from config.raw import course_of

_PREFIX = "coursehub:"


class NoStack(Exception):
    """Which stack is meant is not clear, or its file cannot be read; the text says what to do."""


def find(folder: Path, stack: str | None = None) -> Path:
    """The file of a stack: of this one, or that of PULUMI_STACK, or the one that pulumi has selected, or the only one.

    Raises NoStack where that is not one file.
    """
    there = stacks(folder)
    for name, said_by in ((stack, ""), (os.environ.get("PULUMI_STACK"), "PULUMI_STACK is set, but ")):
        if name:
            if name not in there:
                raise NoStack(f"{said_by}there is no Pulumi.{name}.yaml in {folder}; there is: {_listed(there)}")
            return _file(folder, name)
    chosen = selected(folder)
    if chosen in there:
        return _file(folder, chosen)
    if len(there) != 1:
        raise NoStack(
            f"which course? --stack names one of: {_listed(there)}."
            " `pulumi stack select`, and each `make up STACK=...`, chooses one for later"
        )
    return _file(folder, there[0])


def stacks(folder: Path) -> list[str]:
    """The stacks that have a file in a folder."""
    return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in folder.glob("Pulumi.*.yaml"))


def selected(folder: Path) -> str:
    """The stack that pulumi has selected for the project in a folder, by the file it keeps of it; empty if none.

    The file is called after the project and the sha1 of its path: sdk/go/common/workspace of pulumi.
    """
    project = folder / "Pulumi.yaml"
    try:
        name = yaml.safe_load(project.read_text())["name"]
        file = _pulumi_home() / "workspaces" / f"{name}-{hashlib.sha1(bytes(project)).hexdigest()}-workspace.json"
        # Where states are kept in a folder, a name may be organization/<project>/<stack>.
        return str(json.loads(file.read_text())["stack"]).rpartition("/")[2]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ""


def _pulumi_home() -> Path:
    """As env.sh has it."""
    cache = os.environ.get("COURSEHUB_CACHE") or "~/.cache/coursehub"
    return Path(os.environ.get("PULUMI_HOME") or f"{cache}/pulumi").expanduser()


def read(file: Path) -> Course:
    """The course that a stack's file describes. Raises WrongConfiguration with every fault, NoStack if it is none."""
    try:
        tree = yaml.safe_load(file.read_text()) or {}
        config = tree.get("config") or {}
        given = {key.removeprefix(_PREFIX): value for key, value in config.items() if key.startswith(_PREFIX)}
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise NoStack(f"{file} cannot be read: {error}") from None
    closed = {section: _closed(value) for section, value in given.items()}
    secret = frozenset(section for section in given if closed[section] != given[section])
    return course_of(closed, file.name.removeprefix("Pulumi.").removesuffix(".yaml"), secret, file.parent)


def _closed(value: Any) -> Any:
    """A value in which each secret, encrypted as it is in the file, is a text that says so."""
    if isinstance(value, Mapping):
        return "a secret" if set(value) == {"secure"} else {key: _closed(inner) for key, inner in value.items()}
    return [_closed(inner) for inner in value] if isinstance(value, list) else value


def _file(folder: Path, stack: str) -> Path:
    return folder / f"Pulumi.{stack}.yaml"


def _listed(there: list[str]) -> str:
    return ", ".join(there) or "none yet"
