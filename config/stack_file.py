"""Reads a stack's file without pulumi, for whoever looks at a course or keeps its work. Secrets are not opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from config.course import Course
from config.raw import course_of, mistyped, parsed, sections


class NoStack(Exception):
    """Which stack is meant is not clear, or its file cannot be read; the text says what to do."""


def find(folder: Path, stack: str | None = None) -> Path:
    """The file of a stack, or of the only one there is. Raises NoStack where that is not one file."""
    if stack is not None:
        file = folder / f"Pulumi.{stack}.yaml"
        if not file.is_file():
            raise NoStack(f"there is no {file.name} in {folder}; there is: {_listed(folder) or 'none'}")
        return file
    found = sorted(folder.glob("Pulumi.*.yaml"))
    if len(found) != 1:
        raise NoStack(f"which course? --stack names one of: {_listed(folder) or 'none yet'}")
    return found[0]


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


def _listed(folder: Path) -> str:
    return ", ".join(sorted(file.name.split(".")[1] for file in folder.glob("Pulumi.*.yaml")))
