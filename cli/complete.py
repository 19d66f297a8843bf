"""Names that a shell completes. A line that is being typed has no place for words: where none can be told, none are."""

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from cli.units import ROOT
from config.course import Course
from config.stack_file import find, read
from config.stack_file import stacks as stacks_in
from host.asked import asked
from plan.homes import workspaces_spec
from plan.keep import snapshots_spec, trash_spec
from plan.template import EMPTY


def stacks(context: typer.Context) -> list[str]:
    """The stacks that have a file."""
    return list(stacks_in(_folder(context)))


def students(context: typer.Context) -> list[str]:
    """Who has a home."""
    return _of_course(context, lambda course: _homes(course, "homes"))


def left(context: typer.Context) -> list[str]:
    """Who has a home, and is not in the roster any more."""
    return _of_course(context, lambda course: _homes(course, "left"))


def snapshots(context: typer.Context) -> list[str]:
    """The course's snapshots."""
    return _of_course(
        context,
        lambda course: (
            one["name"] for one in asked("snapshots", "observe", snapshots_spec(course.storage))["snapshots"]
        ),
    )


def trash(context: typer.Context) -> list[str]:
    """What is in the pool's trash."""
    return _of_course(
        context, lambda course: (one["entry"] for one in asked("trash", "observe", trash_spec(course))["trash"])
    )


def _homes(course: Course, key: str) -> Iterable[str]:
    names: Iterable[str] = asked("workspaces", "observe", workspaces_spec(course, EMPTY))[key]
    return names


def _of_course(context: typer.Context, names: Callable[[Course], Iterable[str]]) -> list[str]:
    try:
        return list(names(read(find(_folder(context), context.find_root().params.get("stack")))))
    except Exception:  # of whatever kind: the shell would print it into the line
        return []


def _folder(context: typer.Context) -> Path:
    return Path(context.find_root().params.get("folder") or ROOT)
