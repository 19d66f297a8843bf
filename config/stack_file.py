"""Finds and reads a stack's file without pulumi, for whoever looks at a course or keeps its work. Opens no secrets."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.course import Course
from config.raw import course_of, mistyped, parsed, sections


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
            return there[name]
    chosen = selected(folder)
    if chosen in there:
        return there[chosen]
    if len(there) != 1:
        raise NoStack(
            f"which course? --stack names one of: {_listed(there)}."
            " `pulumi stack select`, and each `make up STACK=...`, chooses one for later"
        )
    return next(iter(there.values()))


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


def stacks(folder: Path) -> dict[str, Path]:
    """The files of a folder's stacks, by stack."""
    return {stack_of(file): file for file in sorted(folder.glob("Pulumi.*.yaml"))}


def stack_of(file: Path) -> str:
    """The stack whose file it is."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def read(file: Path) -> Course:
    """The course that a stack's file describes. Raises WrongConfiguration with every fault, NoStack if it is none."""
    return course(config(file), stack_of(file), file.parent)


def config(file: Path) -> dict[str, Any]:
    """The values of a stack's file by their whole keys, secrets as they are there. Raises NoStack if it is none."""
    try:
        tree = yaml.safe_load(file.read_text()) or {}
        found = {key: parsed(value) for key, value in (tree.get("config") or {}).items()}
        if not all(isinstance(key, str) for key in found):
            raise ValueError("a key of `config` is no text")
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise NoStack(f"{file} cannot be read: {error}") from None
    return found


def course(config: Mapping[str, Any], stack: str, folder: Path) -> Course:
    """The course that the values of a stack's file in `folder` describe. Raises WrongConfiguration with every fault."""
    given = sections(config)
    closed = {section: _closed(value) for section, value in given.items()}
    secret = frozenset(section for section in given if closed[section] != given[section])
    return course_of(closed, stack, secret, folder, mistyped(config))


def _closed(value: Any) -> Any:
    """A value in which each secret, encrypted as it is in the file, is a text that says so."""
    if isinstance(value, Mapping):
        return "a secret" if set(value) == {"secure"} else {key: _closed(inner) for key, inner in value.items()}
    return [_closed(inner) for inner in value] if isinstance(value, list) else value


def _listed(there: Iterable[str]) -> str:
    return ", ".join(there) or "none yet"
