"""What is asked before a course is taken down: it refuses, or archives, and moves nothing."""

import os
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
def leaving(course: Unit) -> Unit:
    """The unit for a course whose destruction was confirmed, with a hub that has a database."""
    zfs("zfs", "create", f"{course.spec['pool']}/userdata/hub")
    return Unit("leaving", {**course.spec, "destroy": True, "archive": None, "cluster": "coursehub-nobody"})


@pytest.fixture
def archived(leaving: Unit, course: Unit, tmp_path: Path) -> Path:
    """Everything in a verified archive."""
    archive = Unit("archive", {**course.spec, "file": str(tmp_path / "course.tar")})
    must(archive("write"))
    must(archive("verify"))
    return tmp_path / "course.tar"


def archives(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".tar" in path.name)


def test_what_is_kept_may_go_at_any_time(leaving: Unit, course: Unit) -> None:
    must(leaving("apply"))
    assert must(leaving("observe")) == must(leaving("remove", destroy=False)) == {}
    assert must(course("observe"))["snapshots"] == []


def test_what_is_in_no_archive_may_not_go(leaving: Unit, course: Unit) -> None:
    done = leaving("remove")
    assert (done.returncode, "never archived and verified" in done.stderr) == (3, True)
    assert home(course, "ada").is_mount()


def test_nobody_may_work_but_the_hub(leaving: Unit, course: Unit, archived: Path) -> None:
    """The hub still runs, and writes to its database; a student's server is another matter."""
    database = home(course, "ada").parents[1] / "hub"
    (database / "jupyterhub.sqlite").write_text("written since")
    hub = subprocess.Popen(["sleep", "60"], cwd=database)
    server = subprocess.Popen(["sleep", "60"], cwd=home(course, "ada"))
    try:
        done = leaving("remove")
        assert (done.returncode, f"in use by sleep ({server.pid})" in done.stderr) == (3, True), done.stderr
        assert str(hub.pid) not in done.stderr
        server.kill()
        server.wait()
        must(leaving("remove"))
        assert home(course, "ada").is_mount(), "nothing is moved as long as the hub is there"
        (home(course, "ada") / "later.txt").write_text("x")
        assert "homes/ada" in leaving("remove").stderr
    finally:
        for process in (hub, server):
            process.kill()
            process.wait()


def test_a_course_is_archived_while_its_servers_run_and_once(
    leaving: Unit, course: Unit, unit: Unit, tmp_path: Path
) -> None:
    server = subprocess.Popen(["sleep", "60"], cwd=home(course, "ada"))
    folder = tmp_path / "backup"
    folder.mkdir()
    try:
        must(leaving("remove", destroy=False, archive=str(folder)))
    finally:
        server.kill()
        server.wait()
    assert len(archives(folder)) == 1
    must(unit("remove", archive=str(folder)))
    assert len(archives(folder)) == 1, "nothing was written since"
    (home(course, "ada") / "last.txt").write_text("as the server ended")
    must(unit("remove", archive=str(folder)))
    assert len(archives(folder)) == 2


def test_an_archive_that_was_broken_off_is_finished_first(leaving: Unit, course: Unit, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    taking_down = replace(leaving, spec={**leaving.spec, "destroy": False, "archive": str(folder)})
    process = taking_down.start("remove")
    while not any(name.endswith(".partial") for name in archives(folder)):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (broken_off,) = (name for name in archives(folder) if name.endswith(".partial"))
    must(taking_down("remove"))
    assert archives(folder) == [broken_off.removesuffix(".partial")], "nothing was written since it was begun"


@pytest.mark.parametrize("unit_name", ["leaving", "zfs"])
@pytest.mark.parametrize("changed", [{"destroy": True}, {"destroy": False, "archive": "/tmp"}])
def test_work_on_a_pool_that_is_not_there_may_not_go(
    leaving: Unit, course: Unit, unit: Unit, unit_name: str, changed: dict[str, Any]
) -> None:
    pool = course.spec["pool"]
    patiently(["zpool", "export", pool])
    try:
        done = {"leaving": leaving, "zfs": unit}[unit_name]("remove", **changed)
        assert (done.returncode, f"zpool import {pool}" in done.stderr) == (3, True), done.stderr
    finally:
        zfs("zpool", "import", "-d", str(Path(unit.spec["pool_file"]["path"]).parent), pool)


@pytest.mark.parametrize("changed", [{"archive": "relative"}, {"archive": 7}, {"pool": "-rf"}, {"more": 1}])
def test_what_is_no_specification_is_refused(leaving: Unit, changed: dict[str, Any]) -> None:
    done = leaving("remove", **changed)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
