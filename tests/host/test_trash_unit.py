"""What it takes to be rid of students' work: a verified archive, a confirmation, time, and a confirmation again."""

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.datasets import patiently
from tests.host.conftest import Unit, home, must, zfs


@pytest.fixture
def dataset(unit: Unit) -> Unit:
    """The course's dataset, whose destruction was confirmed in the configuration."""
    return replace(unit, spec={**unit.spec, "compression": "off", "dedup": False, "destroy": True})


@pytest.fixture
def trash(course: Unit) -> Unit:
    """The unit of the trash, without a time that things are kept for."""
    return Unit("trash", {**course.spec, "keep_days": 0})


@pytest.fixture
def archived(course: Unit, tmp_path: Path) -> Unit:
    """Ada's work in a verified archive."""
    (home(course, "ada") / "work.txt").write_text("mine")
    archive = Unit("archive", {**course.spec, "file": str(tmp_path / "course.tar")})
    must(archive("write"))
    must(archive("verify"))
    return archive


def datasets(course: Unit) -> list[str]:
    return zfs("zfs", "list", "-H", "-o", "name", "-t", "filesystem", "-r", course.spec["pool"]).split()


def in_place(course: Unit) -> bool:
    return home(course, "ada").is_mount() and home(course, "bob").is_mount()


def test_nothing_is_destroyed_without_an_archive(dataset: Unit, course: Unit) -> None:
    done = dataset("remove")
    assert (done.returncode, "never archived and verified" in done.stderr) == (3, True)
    assert in_place(course)


@pytest.mark.parametrize("student", ["ada", "bob"])
def test_nothing_is_destroyed_that_was_written_to_since(
    dataset: Unit, course: Unit, archived: Unit, student: str
) -> None:
    (home(course, student) / "later.txt").write_text("x")
    done = dataset("remove")
    assert (done.returncode, f"homes/{student}" in done.stderr) == (3, True)
    assert in_place(course)
    assert (home(course, student) / "later.txt").read_text() == "x"


def test_a_home_made_since_is_work_too(dataset: Unit, course: Unit, archived: Unit) -> None:
    pool = course.spec["pool"]
    zfs("zfs", "create", f"{pool}/userdata/new")
    done = dataset("remove")
    assert (done.returncode, "since the archive" in done.stderr) == (3, True)


def test_nothing_is_destroyed_that_is_in_use(dataset: Unit, course: Unit, archived: Unit) -> None:
    server = subprocess.Popen(["sleep", "60"], cwd=home(course, "ada"))
    try:
        done = dataset("remove")
        assert (done.returncode, f"in use by sleep ({server.pid})" in done.stderr) == (3, True), done.stderr
        assert in_place(course)
    finally:
        server.kill()
        server.wait()


def test_a_confirmed_course_with_a_verified_archive_is_in_the_trash_and_can_come_back(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit
) -> None:
    entry = must(dataset("remove"))["trash"]
    assert f"{course.spec['pool']}/userdata" not in datasets(course)
    assert f"{entry}/homes/ada" in datasets(course)
    zfs("zfs", "mount", "-a")
    mounted = zfs("zfs", "get", "-H", "-r", "-o", "value", "mounted", entry).split()
    assert "yes" not in mounted, "nothing in the trash can be written to"
    (listed,) = must(trash("observe"))["trash"]
    assert listed["was"] == f"{course.spec['pool']}/userdata"
    assert dataset("remove").returncode == 0, "what is gone is gone"
    patiently(["zfs", "rename", entry, listed["was"]])
    zfs("zfs", "inherit", "readonly", listed["was"])
    must(dataset("apply"))
    zfs("zfs", "mount", "-a")
    assert (home(course, "ada") / "work.txt").read_text() == "mine"


def test_a_new_course_of_the_same_name_does_not_meet_the_old_one(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit
) -> None:
    must(dataset("remove"))
    must(dataset("apply"))
    assert not home(course, "ada").exists()
    assert len(must(trash("observe"))["trash"]) == 1


def test_the_trash_is_purged_by_its_full_name_alone_and_not_before_its_time(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit
) -> None:
    entry = must(dataset("remove"))["trash"].rpartition("/")[2]
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"entry": entry}, "to confirm"),
        ({"entry": entry, "confirm": "yes"}, "to confirm"),
        ({"entry": "userdata", "confirm": "userdata"}, "is not in the trash"),
        ({"entry": "../userdata", "confirm": "../userdata"}, "is not in the trash"),
        ({"entry": entry, "confirm": entry, "keep_days": 30}, "is kept for 30 days"),
    )
    for wrong, told in cases:
        done = trash("purge", **wrong)
        assert (done.returncode, told in done.stderr) == (3, True), done.stderr
    assert must(trash("purge", entry=entry, confirm=entry)) == {"purged": entry}
    assert must(trash("observe"))["trash"] == []


def test_a_purge_stops_at_a_clone_elsewhere(dataset: Unit, course: Unit, archived: Unit, trash: Unit) -> None:
    pool = course.spec["pool"]
    zfs("zfs", "clone", f"{pool}/userdata/template@v1", f"{pool}/elsewhere")
    entry = must(dataset("remove"))["trash"].rpartition("/")[2]
    assert trash("purge", entry=entry, confirm=entry).returncode == 4
    assert {f"{pool}/elsewhere", f"{pool}/coursehub-trash/{entry}/homes/ada"} <= set(datasets(course))
    zfs("zfs", "unmount", f"{pool}/elsewhere")


def test_only_a_student_who_left_is_buried_and_only_that_one(course: Unit, archived: Unit, trash: Unit) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"student": "ada", "confirm": "ada", "students": ["ada", "bob"]}, "is in the roster"),
        ({"student": "ada", "confirm": "", "students": ["bob"]}, "to confirm"),
        ({"student": "eve", "confirm": "eve", "students": ["bob"]}, "has no home"),
    )
    for wrong, told in cases:
        done = trash("bury", **wrong)
        assert (done.returncode, told in done.stderr) == (3, True), done.stderr
    (home(course, "bob") / "later.txt").write_text("bob's work goes on")
    must(trash("bury", student="ada", confirm="ada", students=["bob"]))
    assert not home(course, "ada").is_mount()
    assert (home(course, "bob") / "later.txt").exists()
    entry = must(trash("observe"))["trash"][0]["entry"]
    assert entry.startswith("userdata.homes.ada.")
    must(trash("purge", entry=entry, confirm=entry))
    assert f"{course.spec['pool']}/userdata/homes/bob" in datasets(course)


def test_a_student_whose_work_is_in_no_archive_is_not_buried(course: Unit, archived: Unit, trash: Unit) -> None:
    (home(course, "ada") / "later.txt").write_text("x")
    done = trash("bury", student="ada", confirm="ada", students=[])
    assert (done.returncode, "written to since" in done.stderr) == (3, True)
    assert in_place(course)


def moved_away(archived: Unit) -> Path:
    """The verified archive, which is not where it was any more."""
    file = Path(archived.spec["file"])
    return file.rename(file.with_name("elsewhere.tar"))


def test_nothing_is_given_up_without_the_very_archive_that_was_verified(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit
) -> None:
    elsewhere, file = moved_away(archived), Path(archived.spec["file"])
    gone = dataset("remove")
    assert (gone.returncode, f"{file} is not there: bring it back" in gone.stderr) == (3, True), gone.stderr
    must(archived("write"))
    another = trash("bury", student="ada", confirm="ada", students=["bob"])
    assert (another.returncode, "is not the archive that was verified" in another.stderr) == (3, True), another.stderr
    assert in_place(course)
    elsewhere.rename(file)
    must(dataset("remove"))


@pytest.mark.parametrize("student", ["ada", ""])
def test_the_trash_is_not_purged_while_the_archive_is_away(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit, student: str
) -> None:
    buried = trash("bury", student=student, confirm=student) if student else dataset("remove")
    entry = must(buried)["trash"].rpartition("/")[2]
    elsewhere, before = moved_away(archived), datasets(course)
    done = trash("purge", entry=entry, confirm=entry)
    assert (done.returncode, "is not there: bring it back" in done.stderr) == (3, True), done.stderr
    assert datasets(course) == before
    elsewhere.rename(archived.spec["file"])
    must(trash("purge", entry=entry, confirm=entry))


@pytest.mark.parametrize("student", ["ada", ""])
def test_what_was_written_between_the_look_and_the_unmount_is_seen(
    dataset: Unit,
    course: Unit,
    archived: Unit,
    trash: Unit,
    student: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = home(course, "ada") / "late.txt"
    wrapper = tmp_path / "bin" / "zfs"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = unmount ] && echo late > {late}\nexec {shutil.which("zfs")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    done = trash("bury", student=student, confirm=student) if student else dataset("remove")
    assert (done.returncode, "written to since" in done.stderr) == (3, True), done.stderr
    assert in_place(course), "it is mounted again"
    assert late.read_text() == "late\n"


def test_what_somebody_else_put_into_the_trash_is_left_alone(
    course: Unit, archived: Unit, trash: Unit, dataset: Unit
) -> None:
    must(dataset("remove"))
    zfs("zfs", "create", f"{course.spec['pool']}/coursehub-trash/mine")
    done = trash("observe")
    assert [entry["was"] for entry in must(done)["trash"]] == [f"{course.spec['pool']}/userdata"]
    assert "coursehub-trash/mine was not put into the trash by coursehub" in done.stderr
    assert trash("purge", entry="mine", confirm="mine").returncode == 3


def killed_at_random(unit: Unit, verb: str, most: float, tries: int) -> int:
    """How often a verb could be killed, at moments within so many seconds, before it was done."""
    moments = random.Random(20261127)
    killed = 0
    for _ in range(tries):
        process = unit.start(verb)
        time.sleep(moments.uniform(0.1, most))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    return killed


def found(course: Unit, student: str, file: str, folder: Path) -> list[str]:
    """What a file of a student's has, in the course and in the trash; a clone is mounted in a folder to see it."""
    pool, texts = course.spec["pool"], []
    for name in datasets(course):
        if name.endswith(f"homes/{student}") or f".homes.{student}." in name:
            zfs("zfs", "snapshot", f"{name}@look")
            zfs("zfs", "clone", "-o", f"mountpoint={folder}", f"{name}@look", f"{pool}/look")
            texts.append((folder / file).read_text())
            zfs("zfs", "unmount", f"{pool}/look")
    return texts


def test_a_burial_that_was_killed_is_finished_by_the_next(
    course: Unit, archived: Unit, trash: Unit, tmp_path: Path
) -> None:
    burial = replace(trash, spec={**trash.spec, "student": "ada", "confirm": "ada", "students": ["bob"]})
    assert killed_at_random(burial, "bury", most=1.5, tries=6) > 0
    done = burial("bury")
    assert done.returncode == 0 or "ada has no home" in done.stderr, done.stderr
    assert found(course, "ada", "work.txt", tmp_path / "look") == ["mine"]
    assert len(must(trash("observe"))["trash"]) == 1
    assert home(course, "bob").is_mount()


def test_a_destruction_that_was_killed_is_finished_by_the_next(
    dataset: Unit, course: Unit, archived: Unit, trash: Unit, tmp_path: Path
) -> None:
    assert killed_at_random(dataset, "remove", most=2.5, tries=6) > 0
    must(dataset("remove"))
    assert found(course, "ada", "work.txt", tmp_path / "look") == ["mine"]
    assert len(must(trash("observe"))["trash"]) == 1


def test_a_purge_that_was_killed_is_finished_by_the_next_and_takes_nothing_else(
    course: Unit, archived: Unit, trash: Unit
) -> None:
    (home(course, "bob") / "later.txt").write_text("bob's")
    entry = must(trash("bury", student="ada", confirm="ada"))["trash"].rpartition("/")[2]
    purge = replace(trash, spec={**trash.spec, "entry": entry, "confirm": entry})
    assert killed_at_random(purge, "purge", most=0.6, tries=4) > 0
    done = purge("purge")
    assert done.returncode == 0 or "is not in the trash" in done.stderr, done.stderr
    assert must(trash("observe"))["trash"] == []
    assert (home(course, "bob") / "later.txt").read_text() == "bob's"
    must(archived("verify"))
