"""The command line without a course: what it says of itself, and what it makes of what units tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from cli.__main__ import app
from cli.health import Trouble, late, parts_of, told, tried
from cli.hub import cluster_state
from cli.show import age
from config.course import Course
from config.faults import check
from host import asked
from host.materials import survey


def commands(group: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All commands with what they say that they do, those of groups by both names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} ")
        else:
            yield f"{path}{name}", command.help


COMMANDS = dict(commands(typer.main.get_command(app)))


def helped(command: str) -> str:
    return CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"}).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_says_what_it_does(command: str) -> None:
    (example,) = [line for line in helped(command).splitlines() if "Example: coursehub" in line]
    assert f" {command}" in example
    assert COMMANDS[command].endswith(".")


def test_every_listing_is_given_to_programs_too() -> None:
    listings = {"status", "homes", "report", "doctor", "check", "archives", "snapshot list", "purge list"}
    assert listings <= set(COMMANDS)
    assert [listing for listing in listings if "--json" not in helped(listing)] == []


def test_a_unit_that_cannot_look_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    (words,) = asked.asked("snapshots", "observe", {"pool": "-rf", "dataset": "x"})["warnings"]
    assert "'-rf' is no pool's or dataset's name" in words
    monkeypatch.setattr(asked, "PATIENCE", 0.01)
    (words,) = asked.asked("snapshots", "observe", {"pool": "a", "dataset": "x"})["warnings"]
    assert words.startswith("snapshots: no answer within")


def test_the_words_of_a_unit_that_could_not_look_are_a_trouble_like_others() -> None:
    found: dict[str, dict[str, Any]] = {
        "dataset": {"warnings": ["zfs: ZFS does not answer"]},
        "homes": {"drift": ["mounting: ada"], "warnings": ["two"], "left": ["bob"]},
        "node": {"running": True},
    }
    assert told(found) == [
        Trouble("dataset", "zfs: ZFS does not answer"),
        Trouble("homes", "mounting: ada"),
        Trouble("homes", "two"),
    ]


def test_materials_that_are_not_there_are_a_trouble_and_homes_are_looked_at_all_the_same() -> None:
    troubles, parts = parts_of(course(template={"folder": "/nonexistent"}))
    assert "there is no folder /nonexistent" in {trouble.part: trouble.what for trouble in troubles}["materials"]
    assert parts["homes"][0] == "workspaces"


def test_homes_are_held_against_the_version_that_new_ones_begin_with(tmp_path: Path) -> None:
    (tmp_path / "week1.md").write_text("read this")
    _, parts = parts_of(course(template={"folder": str(tmp_path)}))
    assert parts["homes"][1]["template"] == {"version": survey(tmp_path).digest}


HOUR = 3600


@pytest.mark.parametrize(
    ("schedule", "installed", "taken", "is_late"),
    [
        ("hourly", True, [1, 97], True),
        ("hourly", True, [99], False),
        ("daily", True, [97], False),
        ("daily", True, [1], True),
        ("hourly", False, [1], False),  # said already: it is not installed
        ("hourly", True, [], False),  # installed just now
    ],
)
def test_a_schedule_that_takes_nothing_is_told(schedule: str, installed: bool, taken: list[int], is_late: bool) -> None:
    snapshots = [{"time": hour * HOUR, "scheduled": True} for hour in taken]
    by_hand = {"time": 100 * HOUR, "scheduled": False}
    found: dict[str, dict[str, Any]] = {
        "schedule": {"installed": installed},
        "snapshots": {"snapshots": [*snapshots, by_hand]},
    }
    assert bool(late(course(snapshots={"schedule": schedule}), found, 100 * HOUR)) is is_late


def test_nothing_is_late_where_nothing_was_planned() -> None:
    assert late(course(), {"snapshots": {"warnings": ["no pool"]}}, 0) == []


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ({"there": True, "running": True, "gone": False, "warnings": []}, "runs"),
        ({"there": True, "running": False, "gone": False, "warnings": []}, "is stopped"),
        ({"there": False, "running": False, "gone": True, "warnings": ["port 80 is taken"]}, "is not there"),
        ({"there": False, "running": False, "gone": False, "warnings": ["Docker is off"]}, "cannot be seen: Docker is"),
        ({"warnings": ["kind: no answer"]}, "cannot be seen: kind: no answer"),
    ],
)
def test_the_cluster_in_a_few_words(found: dict[str, Any], state: str) -> None:
    assert cluster_state(found).startswith(state)


@pytest.mark.parametrize(
    ("open_", "seen", "there", "is_", "marked"),
    [
        (True, True, True, "open", ""),
        (False, False, True, "closed", ""),
        (False, False, False, "nothing there", "unproven"),
        (True, False, True, "closed", "[bold red]WRONG[/]"),
        (True, False, False, "closed", "[bold red]WRONG[/]"),
        (False, True, True, "open", "[bold red]WRONG[/]"),
    ],
)
def test_what_a_try_showed(open_: bool, seen: bool, there: bool, is_: str, marked: str) -> None:
    row = tried({"what": "etcd", "port": 2379, "open": open_, "seen": seen, "there": there})
    assert row[:2] == ("etcd", "2379")
    assert row[3:] == (is_, marked)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (60, "1 minute ago"), (7300, "2 hours ago"), (86400, "1 day ago"), (400 * 86400, "400 days ago")],
)
def test_how_long_ago(seconds: int, text: str) -> None:
    assert age(seconds) == text


def course(*, template: Any = None, **storage: Any) -> Course:
    roster = [{"name": "ada", "role": "staff"}]
    return check({"storage": storage, "homes": {"roster": roster, "template": template or {}}})
