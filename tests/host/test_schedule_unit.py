"""The schedule of snapshots as it is installed on this server: what it says is run, as cron or systemd would."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import Unit, must

KEEP = {"hourly": 2, "daily": 1, "weekly": 1}


@pytest.fixture
def schedule(course: Unit) -> Iterator[Unit]:
    """The unit of the schedule on a course; what it installs is taken away afterwards."""
    unit = Unit("schedule", {**course.spec, "every": "hourly", "keep": KEEP})
    yield unit
    unit("remove")


def test_what_is_installed_takes_and_prunes_snapshots(schedule: Unit, course: Unit) -> None:
    installed = [Path(file) for file in must(schedule("apply"))["files"]]
    assert must(schedule("observe"))["installed"]
    # The line of cron; the service's lines where systemd runs.
    (line,) = [line for line in _text(installed) if " root " in line] or _service(installed)
    subprocess.run(["/bin/sh", "-c", line.partition(" root ")[2] or line], check=True, cwd="/", env={})
    (snapshot,) = must(course("observe"))["snapshots"]
    assert (snapshot["scheduled"], snapshot["homes"]) == (True, 2)


def test_a_second_apply_says_nothing_and_a_change_is_installed(schedule: Unit) -> None:
    must(schedule("apply"))
    assert schedule("apply").stderr == ""
    assert not must(schedule("observe", every="daily"))["installed"]
    must(schedule("apply", every="daily"))
    assert must(schedule("observe", every="daily"))["installed"]


def test_one_that_was_taken_away_by_hand_is_drift_until_it_is_back(schedule: Unit) -> None:
    (missing,) = must(schedule("observe"))["drift"]
    assert "installing the schedule, hourly" in missing
    for file in must(schedule("apply"))["files"]:
        assert must(schedule("observe"))["drift"] == []
        Path(file).unlink()
        assert must(schedule("observe"))["drift"] == [missing]
        must(schedule("apply"))


def test_it_is_taken_away_and_the_snapshots_stay(schedule: Unit, course: Unit) -> None:
    installed = must(schedule("apply"))["files"]
    must(course("rotate", keep=KEEP))
    assert must(schedule("remove"))["removed"] == installed
    assert not any(Path(file).exists() for file in installed)
    assert len(must(course("observe"))["snapshots"]) == 1
    assert must(schedule("remove"))["removed"] == []


def _text(files: list[Path]) -> list[str]:
    return [line for file in files for line in file.read_text().splitlines()]


def _service(files: list[Path]) -> list[str]:
    keys = dict(line.split("=", 1) for line in _text(files) if "=" in line)
    return [f"cd {keys['WorkingDirectory']} && {keys['ExecStart']} < {keys['StandardInput'].removeprefix('file:')}"]
