"""The unit that brings files back, against a real pool in a file."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import Unit, home, must, zfs

MIB = 1 << 20


@pytest.fixture
def restore(course: Unit) -> Unit:
    """Ada's home with all kinds of files, in the snapshot `monday`; since then all of it was lost or changed."""
    work = home(course, "ada") / "work"
    (work / "deep").mkdir(parents=True)
    (work / "thesis.txt").write_text("monday")
    (work / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (work / "deep" / "run.sh").chmod(0o750)
    (work / "link").symlink_to("/etc/passwd")
    (work / "folder-link").symlink_to("deep")
    os.mkfifo(work / "pipe")
    os.utime(work / "thesis.txt", (1e9, 1e9))
    must(course("take", name="monday"))
    (work / "thesis.txt").write_text("tuesday, all wrong")
    (work / "deep" / "run.sh").unlink()
    return Unit("restore", {**course.spec, "student": "ada", "snapshot": "monday", "path": "", "uid": 1000, "gid": 100})


def restored(restore: Unit, **changed: Any) -> Path:
    return home(restore, "ada") / str(must(restore("apply", **changed))["folder"])


def no_trace(restore: Unit) -> bool:
    clones = [name for name in zfs("zfs", "list", "-H", "-o", "name", "-r", _pool(restore)).split() if "look" in name]
    folders = list(Path("/run/coursehub").glob(f"{_pool(restore)}.*"))
    return not clones and not folders and not [path for path in home(restore, "ada").iterdir() if "restor" in path.name]


def _pool(restore: Unit) -> str:
    return str(restore.spec["pool"])


def test_a_whole_home_comes_back_beside_what_was_written_since(restore: Unit) -> None:
    folder = restored(restore)
    assert (folder / "work" / "thesis.txt").read_text() == "monday"
    assert (home(restore, "ada") / "work" / "thesis.txt").read_text() == "tuesday, all wrong"
    assert (folder / "data.bin").read_bytes() == (home(restore, "ada") / "data.bin").read_bytes()


def test_a_large_file_is_counted_while_it_is_copied(restore: Unit, course: Unit) -> None:
    with (home(course, "ada") / "large").open("wb") as file:
        file.truncate(40 * MIB)  # a hole: it takes nothing
    must(course("take", name="tuesday"))
    said = restore("apply", snapshot="tuesday", path="large").stderr.splitlines()
    assert [line for line in said if line.startswith("[")] == ["[16/40] MiB copied", "[32/40] MiB copied"]


def test_everything_is_the_students_with_mode_and_time(restore: Unit) -> None:
    folder = restored(restore)
    for path in (folder, *folder.rglob("*")):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (1000, 100), path
    assert (folder / "work" / "deep" / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (folder / "work" / "thesis.txt").stat().st_mtime == 1e9
    assert folder.stat().st_mode & 0o777 == 0o755


def test_links_come_back_as_links(restore: Unit) -> None:
    folder = restored(restore, path="work")
    assert str((folder / "work" / "link").readlink()) == "/etc/passwd"
    assert str((restored(restore, path="work/link") / "link").readlink()) == "/etc/passwd"
    assert Path("/etc/passwd").stat().st_uid == 0


def test_one_file_comes_back_alone(restore: Unit) -> None:
    folder = restored(restore, path="work/deep/run.sh")
    assert [path.name for path in folder.iterdir()] == ["run.sh"]


@pytest.mark.parametrize("path", ["..", "../bob", "work/../../bob", "/etc/passwd", "work//deep", "./work", "a\0b", 7])
def test_no_path_leads_out_of_the_home(restore: Unit, path: str) -> None:
    done = restore("apply", path=path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert no_trace(restore)


@pytest.mark.parametrize("path", ["work/folder-link/run.sh", "work/link/x"])
def test_no_link_is_followed_on_the_way(restore: Unit, path: str) -> None:
    done = restore("apply", path=path)
    assert (done.returncode, "is a symbolic link" in done.stderr) == (3, True)
    assert no_trace(restore)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"path": "work/nothing"}, "there is no work/nothing in the snapshot"),
        ({"snapshot": "sunday"}, "has no snapshot sunday; there are: monday"),
        ({"student": "eve"}, "eve has no home"),
    ],
)
def test_what_is_not_there_is_told(restore: Unit, changed: dict[str, Any], told: str) -> None:
    done = restore("apply", **changed)
    assert (done.returncode, told in done.stderr) == (3, True), done.stderr
    assert no_trace(restore)


def test_what_does_not_fit_the_budget_is_told_before_anything_is_written(restore: Unit, course: Unit) -> None:
    (home(course, "ada") / "big").write_bytes(os.urandom(6 * MIB))
    must(course("take", name="full"))
    (home(course, "ada") / "more").write_bytes(os.urandom(6 * MIB))
    done = restore("apply", snapshot="full")
    assert done.returncode == 3
    assert "ada has" in done.stderr and "raise the budget" in done.stderr
    assert no_trace(restore)


def test_holes_take_none_of_the_budget(restore: Unit, course: Unit) -> None:
    with (home(course, "ada") / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    must(course("take", name="sparse"))
    assert (restored(restore, snapshot="sparse", path="sparse") / "sparse").stat().st_size == 1 << 30


def test_who_left_gets_nothing_until_back(restore: Unit) -> None:
    zfs("zfs", "set", "readonly=on", f"{_pool(restore)}/userdata/homes/ada")
    done = restore("apply")
    assert (done.returncode, "into the roster again" in done.stderr) == (3, True), done.stderr
    zfs("zfs", "set", "readonly=off", f"{_pool(restore)}/userdata/homes/ada")


def test_observing_tells_sizes_and_changes_nothing(restore: Unit) -> None:
    found = must(restore("observe", path="work"))
    assert (found["files"], found["available"] > found["size"]) == (5, True)
    assert no_trace(restore)


def test_a_student_who_lays_links_redirects_nothing(restore: Unit, tmp_path: Path) -> None:
    """What looks like an unfinished run, but is the student's own, is neither followed nor removed."""
    trap = tmp_path / "precious"
    trap.mkdir()
    (trap / "file").write_text("mine")
    (home(restore, "ada") / ".restoring-restored-20200101T000000Z").symlink_to(trap)
    restored(restore)
    assert (trap / "file").read_text() == "mine"


def test_killed_anywhere_nothing_stays_behind_after_the_next_run(restore: Unit, course: Unit) -> None:
    for number in range(200):
        (home(course, "ada") / f"file{number}").write_bytes(os.urandom(1 << 14))
    must(course("take", name="many"))
    many = Unit("restore", {**restore.spec, "snapshot": "many"})
    killed = 0
    for number in range(12):
        process = many.start("apply")
        time.sleep(0.05 + number * 0.04)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        for done in home(course, "ada").glob("restored-*"):
            subprocess.run(["rm", "-r", str(done)], check=True)
    assert killed > 3, "too few runs were slow enough to be killed"
    folder = restored(many)
    assert len(list(folder.glob("file*"))) == 200
    subprocess.run(["rm", "-r", str(folder)], check=True)
    assert no_trace(restore)
