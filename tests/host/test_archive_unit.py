"""Archives of a whole course: written, broken off, damaged, verified and brought back, with real pools in files."""

import hashlib
import json
import os
import random
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import Unit, home, must, zfs

MIB = 1 << 20


@pytest.fixture
def archive(course: Unit, tmp_path: Path) -> Unit:
    """The unit of archives; ada and bob have work of their own, and the template a second version."""
    (home(course, "ada") / "thesis.txt").write_text("mine")
    (home(course, "bob") / "big").write_bytes(os.urandom(2 * MIB))
    (home(course, "bob") / "link").symlink_to("/etc/passwd")
    (home(course, "bob") / "data.bin").unlink()
    template = Path("/", course.spec["pool"], "userdata", "template")
    (template / "week2.txt").write_text("new")
    zfs("zfs", "snapshot", f"{course.spec['pool']}/userdata/template@v2")
    return Unit("archive", {**course.spec, "file": str(tmp_path / "course.tar")})


def written(archive: Unit) -> Path:
    return Path(must(archive("write"))["file"])


def noted(archive: Unit) -> str:
    path = f"{archive.spec['pool']}/userdata"
    return zfs("zfs", "get", "-Hp", "-o", "value", "coursehub:verified", path).strip()


def scratch_pools(archive: Unit) -> list[str]:
    """The pool that this archive, and no other, is verified in."""
    name = f"coursehub-verify-{hashlib.sha256(archive.spec['file'].encode()).hexdigest()[:12]}"
    return [pool for pool in zfs("zpool", "list", "-H", "-o", "name").split() if pool == name]


def test_an_archive_is_verified_and_that_is_noted_on_the_course(archive: Unit) -> None:
    snapshot = must(archive("write"))["snapshot"]
    done = must(archive("verify"))
    assert (done["snapshot"], done["noted"]) == (snapshot, True)
    assert done["files"] > 8
    assert json.loads(noted(archive))["snapshot"] == snapshot
    assert scratch_pools(archive) == [], "the pool that it was received into is gone"


def test_an_archive_can_be_read_without_coursehub(archive: Unit) -> None:
    with tarfile.open(written(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
    keys = [entry["part"]["dataset"] for entry in manifest["parts"]]
    assert keys.index("template") < keys.index("homes/ada")
    assert {entry["part"]["base"] for entry in manifest["parts"]} == {"", "template@v1", "template@v2"}, (
        "v2 has no clone yet"
    )


def test_an_archive_is_nobody_elses_to_read_and_never_overwritten(archive: Unit) -> None:
    file = written(archive)
    assert file.stat().st_mode & 0o077 == 0
    before = file.read_bytes()
    assert archive("write").returncode == 3
    assert file.read_bytes() == before


def test_a_course_comes_back_on_another_server(archive: Unit, other_pool: str, course: Unit) -> None:
    zfs("zfs", "set", "coursehub:stack=physics/prod", f"{course.spec['pool']}/userdata")
    file = written(archive)
    elsewhere = Unit("archive", {"pool": other_pool, "dataset": "userdata", "file": str(file)})
    must(elsewhere("restore"))
    for student in ("ada", "bob"):
        there = Path("/", other_pool, "userdata", "homes", student)
        same = subprocess.run(
            ["diff", "-r", "--no-dereference", str(home(course, student)), str(there)], capture_output=True, text=True
        )
        assert same.returncode == 0, same.stdout
    values = zfs("zfs", "get", "-Hp", "-o", "value", "quota,origin", f"{other_pool}/userdata/homes/ada").split()
    assert values == [str(16 << 20), f"{other_pool}/userdata/template@v1"], "a clone of the template as before"
    assert "coursehub-restoring" not in zfs("zfs", "list", "-H", "-o", "name", "-r", other_pool)
    whose = zfs("zfs", "get", "-H", "-o", "value", "coursehub:stack", f"{other_pool}/userdata").strip()
    assert whose == "-", "whichever stack comes there may have it"
    again = elsewhere("restore")
    assert (again.returncode, "nothing is ever restored over a course" in again.stderr) == (3, True)


def test_a_restoration_that_was_killed_goes_on(archive: Unit, other_pool: str) -> None:
    file = written(archive)
    elsewhere = Unit("archive", {"pool": other_pool, "dataset": "userdata", "file": str(file)})
    killed = 0
    for number in range(10):
        process = elsewhere.start("restore")
        time.sleep(0.15 + number * 0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed > 1, "too few runs were slow enough to be killed"
    done = elsewhere("restore")
    assert done.returncode == 0 or "nothing is ever restored over a course" in done.stderr, done.stderr
    table = zfs("zfs", "get", "-H", "-r", "-o", "value", "mounted", f"{other_pool}/userdata").split()
    assert "no" not in table
    assert Path("/", other_pool, "userdata", "homes", "ada", "thesis.txt").read_text() == "mine"
    assert Path("/", other_pool, "userdata", "homes", "bob", "big").stat().st_size == 2 * MIB


def test_any_single_flipped_bit_is_found(archive: Unit) -> None:
    file = written(archive)
    whole = file.read_bytes()
    places = random.Random(20261124)
    with tarfile.open(file) as tar:
        inside = [info.offset_data + places.randrange(info.size) for info in tar if info.size]
    for place in [*inside, *(places.randrange(len(whole)) for _ in range(20)), 0, len(whole) - 1]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << places.randrange(8)
        file.write_bytes(flipped)
        done = archive("verify")
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), f"byte {place}: {done.stderr}"
    assert noted(archive) == "-"


def test_what_is_no_archive_or_was_cut_off_is_told(archive: Unit) -> None:
    file = written(archive)
    whole = file.read_bytes()
    for wrong in (b"", b"no tar", whole[: len(whole) // 2], whole[:-512], whole + b"x"):
        file.write_bytes(wrong)
        done = archive("verify")
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr


def test_killed_anywhere_the_next_run_goes_on_after_the_last_whole_part(archive: Unit, course: Unit) -> None:
    file = Path(archive.spec["file"])
    killed, noted_parts = 0, 0
    for number in range(8):
        process = archive.start("write")
        time.sleep(0.25 + number * 0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        assert not file.exists() or not file.with_name("course.tar.partial").exists()
        journal = file.with_name("course.tar.journal")
        if journal.exists():
            now = len(journal.read_text().splitlines()) - 1
            assert now >= noted_parts, "whole parts were written anew"
            noted_parts = now
    assert killed > 1, "too few runs were slow enough to be killed"
    # What was written since does not get into it: it is of one snapshot.
    (home(course, "ada") / "later.txt").write_text("later")
    if not file.exists():
        written(archive)
    assert sorted(path.name for path in file.parent.iterdir() if "course" in path.name) == ["course.tar"]
    must(archive("verify"))
    (snapshot,) = must(course("observe"))["snapshots"]
    assert must(archive("observe"))["snapshot"] == snapshot["name"], "no run took another one"


def test_a_killed_verification_leaves_nothing_after_the_next(archive: Unit) -> None:
    written(archive)
    process = archive.start("verify")
    time.sleep(0.9)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    must(archive("verify"))
    assert scratch_pools(archive) == []
    assert not list(Path(archive.spec["file"]).parent.glob("*.img"))


def test_fifty_homes_cost_the_template_once(unit: Unit, tmp_path: Path) -> None:
    """At most 1.1 times the template and what is each student's own."""
    assert unit("apply", compression="off", dedup=False).returncode == 0
    pool = unit.spec["pool"]
    zfs("zfs", "create", f"{pool}/userdata/template")
    for number in range(100):
        Path(f"/{pool}/userdata/template/file{number}").write_bytes(os.urandom(MIB // 5))
    zfs("chown", "-R", "1000:100", f"/{pool}/userdata/template")
    zfs("zfs", "snapshot", f"{pool}/userdata/template@v1")
    students = [{"name": f"student{number}", "budget": 16 * MIB} for number in range(50)]
    homes = {"template": {"version": "v1"}, "students": students, "uid": 1000, "gid": 100}
    must(Unit("workspaces", {"pool": pool, "dataset": "userdata", **homes})("apply"))
    for student in students:
        Path(f"/{pool}/userdata/homes/{student['name']}/own").write_bytes(os.urandom(MIB // 5))
    archive = Unit("archive", {"pool": pool, "dataset": "userdata", "file": str(tmp_path / "fifty.tar")})
    size = must(archive("write"))["size"]
    unique = 100 * (MIB // 5) + 50 * (MIB // 5)
    assert unique < size <= 1.1 * unique
    assert must(archive("verify"))["files"] > 50 * 100
    subprocess.run(["zfs", "unmount", f"{pool}/userdata"], check=False, capture_output=True)


def test_a_run_that_began_nothing_is_in_nobodys_way(archive: Unit, course: Unit) -> None:
    assert archive("write", snapshot="nosuch").returncode == 3
    assert archive("write", dataset="nosuch").returncode == 3
    must(course("take", name="monday"))
    assert must(archive("write", snapshot="monday"))["snapshot"] == "monday"


def test_what_does_not_exist_is_told_and_leaves_no_file(archive: Unit) -> None:
    folder = Path(archive.spec["file"]).parent
    before = sorted(folder.iterdir())
    done = archive("write", snapshot="typo")
    assert (done.returncode, "has no snapshot typo" in done.stderr) == (3, True)
    assert sorted(folder.iterdir()) == before
    written(archive)


def test_a_partial_of_another_course_is_neither_chosen_nor_touched(archive: Unit, course: Unit, tmp_path: Path) -> None:
    """`userdata-lab` begins as `userdata` does."""
    zfs("zfs", "create", f"{course.spec['pool']}/userdata-lab")
    lab = Unit("archive", {**archive.spec, "dataset": "userdata-lab", "file": str(tmp_path)})
    files = {name: must(unit("folder", file=str(tmp_path))) for name, unit in (("own", archive), ("lab", lab))}
    assert [(found["archives"], found["unfinished"]) for found in files.values()] == [([], None)] * 2
    must(lab("write", file=files["lab"]["new"]))
    Path(f"{files['lab']['new']}.partial").write_bytes(b"theirs")
    assert must(archive("folder", file=str(tmp_path)))["unfinished"] is None
    assert must(archive("folder", file=str(tmp_path)))["archives"] == []
    assert [one["file"] for one in must(lab("folder"))["archives"]] == [files["lab"]["new"]]
    must(archive("write", file=files["own"]["new"]))
    assert [one["file"] for one in must(archive("folder", file=str(tmp_path)))["archives"]] == [files["own"]["new"]]
    assert Path(f"{files['lab']['new']}.partial").read_bytes() == b"theirs"


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(archive: Unit, course: Unit) -> None:
    backup = f"{course.spec['pool']}/backup"
    (home(course, "bob") / "more").write_bytes(os.urandom(8 * MIB))
    zfs("zfs", "create", "-o", "quota=2m", backup)
    file = Path("/", backup, "course.tar")
    try:
        done = archive("write", file=str(file))
        assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
        assert f"{file}.partial: " in done.stderr and "free some space there" in done.stderr
        zfs("zfs", "set", "quota=none", backup)
        assert must(archive("write", file=str(file)))["file"] == str(file)
    finally:
        subprocess.run(["zfs", "unmount", backup], check=False, capture_output=True)


def test_an_archive_tells_what_made_it_and_keeps_the_templates_commit(archive: Unit, other_pool: str) -> None:
    pool = archive.spec["pool"]
    zfs("zfs", "snapshot", "-o", "coursehub:commit=abc", f"{pool}/userdata/template@v3")
    file = written(archive)
    assert set(must(archive("observe"))["versions"]) == {"coursehub", "zfs", "python"}
    must(archive("restore", pool=other_pool, file=str(file)))
    ask = ["zfs", "get", "-H", "-o", "value", "coursehub:commit"]
    commits = [zfs(*ask, f"{other_pool}/userdata/template@{version}").strip() for version in ("v1", "v3")]
    assert commits == ["-", "abc"]


def test_an_archive_is_brought_back_under_two_names_at_once(archive: Unit, other_pool: str) -> None:
    written(archive)
    names = ["one", "two"]
    specs = [{**archive.spec, "pool": other_pool, "dataset": name} for name in names]
    runs = [Unit("archive", spec).start("restore") for spec in specs]
    assert [run.wait() for run in runs] == [0, 0]
    for name in names:
        assert Path("/", other_pool, name, "homes", "ada", "thesis.txt").read_text() == "mine"
        subprocess.run(["zfs", "unmount", f"{other_pool}/{name}"], check=False, capture_output=True)
    assert "coursehub-restoring" not in zfs("zfs", "list", "-H", "-o", "name", "-r", other_pool)


def test_an_archived_snapshot_is_let_go_by_a_newer_verified_archive_or_by_hand(archive: Unit, course: Unit) -> None:
    must(course("take", name="monday"))
    must(archive("write", snapshot="monday"))
    must(archive("verify"))
    held = {one["name"]: one["held"] for one in must(course("observe"))["snapshots"]}
    assert held == {"monday": True}
    assert must(course("release", name="monday")) == {"snapshot": "monday", "held": False}
    must(course("take", name="friday"))
    for name in ("friday", None):
        time.sleep(1.1)  # snapshots tell their time by the second
        file = f"{archive.spec['file']}.{name}"
        last = must(archive("write", snapshot=name, file=file))["snapshot"]
        must(archive("verify", file=file))
    held = {one["name"]: one["held"] for one in must(course("observe"))["snapshots"]}
    assert held == {"monday": False, "friday": False, last: True}


@pytest.mark.parametrize("changed", [{"file": "relative.tar"}, {"file": 7}, {"snapshot": "a@b"}, {"more": 1}])
def test_what_is_no_specification_is_refused(archive: Unit, changed: dict[str, Any]) -> None:
    done = archive("write", **changed)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
