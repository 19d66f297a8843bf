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


def test_what_was_taken_away_or_changed_by_hand_is_found_and_mended(schedule: Unit) -> None:
    installed = [Path(file) for file in must(schedule("apply"))["files"]]
    assert must(schedule("observe"))["drift"] == []
    installed[0].unlink()
    installed[1].write_text("# nothing\n")
    assert must(schedule("observe"))["drift"] == [
        f"the snapshots' schedule: {installed[0]} is not there",
        f"the snapshots' schedule: {installed[1]} is another one",
    ]
    assert not installed[0].exists(), "only looked at"
    must(schedule("apply", made=True))
    assert must(schedule("observe"))["drift"] == []


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
