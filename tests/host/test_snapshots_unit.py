"""The unit of snapshots against a real pool in a file."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.host.conftest import Unit, home, must, zfs

KEEP = {"hourly": 1, "daily": 1, "weekly": 1}


def path(course: Unit) -> str:
    return f"{course.spec['pool']}/userdata"


def listed(course: Unit) -> dict[str, dict[str, Any]]:
    return {snapshot["name"]: snapshot for snapshot in must(course("observe"))["snapshots"]}


def snapshots(course: Unit) -> set[str]:
    return {name for name in zfs("zfs", "list", "-H", "-o", "name", "-t", "snapshot").split() if path(course) in name}


def test_a_snapshot_has_every_home_and_is_listed(course: Unit) -> None:
    assert must(course("take", name="before-exam")) == {"snapshot": "before-exam"}
    found = listed(course)["before-exam"]
    assert (found["homes"], found["held"], found["scheduled"]) == (2, False, False)
    assert {f"{path(course)}@before-exam", f"{path(course)}/homes/ada@before-exam"} <= snapshots(course)
    assert "v1" not in listed(course), "a version of the template is no snapshot of the course"


def test_what_was_deleted_since_is_what_a_snapshot_costs(course: Unit) -> None:
    (home(course, "ada") / "big").write_bytes(bytes(range(256)) * 4096 * 4)
    must(course("take", name="one"))
    (home(course, "ada") / "big").unlink()
    must(course("take", name="two"))
    assert 4 << 20 <= listed(course)["one"]["used"] < 5 << 20


def test_a_name_is_taken_once_and_those_of_the_schedule_by_it_alone(course: Unit) -> None:
    must(course("take", name="one"))
    again = course("take", name="one")
    assert (again.returncode, "already" in again.stderr) == (3, True)
    assert course("take", name="coursehub-20200101T000000Z").returncode == 3


def test_the_schedule_prunes_its_own_alone_and_no_held_one(course: Unit) -> None:
    for day in (1, 2, 3):
        zfs("zfs", "snapshot", "-r", f"{path(course)}@coursehub-2020010{day}T000000Z")
    zfs("zfs", "snapshot", "-r", f"{path(course)}@before-exam")
    assert must(course("hold", name="coursehub-20200101T000000Z"))["held"]
    done = must(course("rotate", keep=KEEP))
    assert done["pruned"] == ["coursehub-20200102T000000Z", "coursehub-20200103T000000Z"]
    assert set(listed(course)) == {"coursehub-20200101T000000Z", "before-exam", done["snapshot"]}
    assert f"{path(course)}/template@v1" in snapshots(course)


def test_a_held_snapshot_cannot_be_destroyed_until_it_is_released(course: Unit) -> None:
    must(course("take", name="one"))
    assert must(course("hold", name="one")) == must(course("hold", name="one")) == {"snapshot": "one", "held": True}
    destroy = ["zfs", "destroy", "-r", f"{path(course)}@one"]
    assert subprocess.run(destroy, check=False, capture_output=True).returncode != 0
    assert must(course("release", name="one")) == must(course("release", name="one"))
    zfs(*destroy)
    assert listed(course) == {}


def test_a_snapshot_that_a_clone_needs_stays_and_the_others_go(course: Unit) -> None:
    for day in (1, 2, 3):
        zfs("zfs", "snapshot", "-r", f"{path(course)}@coursehub-2020010{day}T000000Z")
    zfs("zfs", "clone", f"{path(course)}/homes/ada@coursehub-20200101T000000Z", f"{course.spec['pool']}/other")
    done = course("prune", keep=KEEP)
    assert must(done)["pruned"] == ["coursehub-20200102T000000Z"]
    assert "coursehub-20200101T000000Z stays" in done.stderr
    assert Path("/", course.spec["pool"], "other", "data.bin").exists()
    zfs("zfs", "unmount", f"{course.spec['pool']}/other")


def test_an_unknown_snapshot_is_told_with_those_there(course: Unit) -> None:
    must(course("take", name="one"))
    done = course("hold", name="two")
    assert (done.returncode, "there are: one" in done.stderr) == (3, True)


def test_a_missing_course_is_told(course: Unit) -> None:
    done = course("observe", dataset="elsewhere")
    assert (done.returncode, "elsewhere is not there" in done.stderr) == (3, True)


def test_whatever_is_taken_is_of_this_moment(course: Unit) -> None:
    """Two within a second are two: an older one would not have what was written in between."""
    taken = []
    for text in ("one", "two", "three"):
        (home(course, "ada") / "work.txt").write_text(text)
        taken.append(must(course("take"))["snapshot"])
    assert len(set(taken)) == 3


def test_a_snapshot_that_was_killed_is_whole_or_not_there(course: Unit) -> None:
    moments, killed = random.Random(20261127), 0
    (home(course, "ada") / "work.txt").write_text("mine")
    for _ in range(8):
        process = course.start("take")
        time.sleep(moments.uniform(0.05, 0.6))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed > 0, "no run was slow enough to be killed: the test proves nothing"
    last = must(course("take"))["snapshot"]
    assert {(snapshot["homes"], snapshot["held"]) for snapshot in listed(course).values()} == {(2, False)}
    assert last in listed(course)
    assert (home(course, "ada") / "work.txt").read_text() == "mine"
