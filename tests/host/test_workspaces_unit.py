"""The unit of homes against a real pool in a file."""

import json
import os
import random
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.datasets import patiently, unmounted
from plan.homes_changes import Seen, Wanted, changes, refusals
from tests.host.conftest import Unit, of_folder, zfs

MIB = 1 << 20


def roster(*names: str, budget: int = 64 * MIB) -> list[dict[str, Any]]:
    return [{"name": name, "budget": budget} for name in names]


@pytest.fixture
def homes(template: Unit) -> Unit:
    """The homes' unit for ada and bob, on a course of its own that has an empty template and no home yet."""
    assert template("apply").returncode == 0
    spec = {
        "pool": template.spec["pool"],
        "dataset": "userdata",
        "template": {"version": "v1"},
        "students": roster("ada", "bob"),
        "uid": 1000,
        "gid": 100,
    }
    return Unit("workspaces", spec)


def course(homes: Unit) -> str:
    return f"{homes.spec['pool']}/userdata"


def folder(homes: Unit, student: str) -> Path:
    return Path("/", course(homes), "homes", student)


def value(homes: Unit, key: str, dataset: str) -> str:
    return zfs("zfs", "get", "-Hp", "-o", "value", key, f"{course(homes)}/{dataset}").strip()


def applied(homes: Unit, **changed: Any) -> dict[str, Any]:
    done = homes("apply", **changed)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def observed(homes: Unit, **changed: Any) -> dict[str, Any]:
    done = homes("observe", **changed)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def fill(path: Path, most: int) -> int:
    """Write until it is refused, `most` bytes at most; how many were taken."""
    written = 0
    with path.open("wb", buffering=0) as file:
        try:
            while written < most:
                written += file.write(os.urandom(MIB))
                os.fsync(file.fileno())
        except OSError as error:
            assert "quota exceeded" in str(error)
    return written


def allocated(homes: Unit) -> int:
    """Bytes the course takes from the pool, now."""
    zfs("zfs", "set", "atime=off", course(homes))  # zfs-fuse counts late; a property set makes it count
    return int(zfs("zfs", "get", "-Hp", "-o", "value", "used", course(homes)))


def version_of(template: Unit, materials: Path, size: int) -> str:
    """A version of the template with one incompressible file."""
    materials.mkdir()
    (materials / "data.bin").write_bytes(os.urandom(size))
    spec = of_folder(materials)
    assert template("apply", **spec).returncode == 0
    return str(spec["version"])


def test_every_student_gets_a_mounted_clone_with_the_budget(homes: Unit) -> None:
    assert applied(homes) == {"students": ["ada", "bob"], "left": [], "template": "v1"}
    for student in ("ada", "bob"):
        assert os.path.ismount(folder(homes, student))
        assert value(homes, "origin", f"homes/{student}") == f"{course(homes)}/template@v1"
        assert value(homes, "quota", f"homes/{student}") == str(64 * MIB)
        (folder(homes, student) / "work.txt").write_text("mine")
        assert (folder(homes, student).stat().st_uid, folder(homes, student).stat().st_gid) == (1000, 100)


def test_a_second_apply_changes_and_says_nothing(homes: Unit) -> None:
    first = homes("apply")
    again = homes("apply")
    assert (again.returncode, again.stderr, again.stdout) == (0, "", first.stdout)


def test_a_budget_stops_a_write_and_another_home_is_not_affected(homes: Unit) -> None:
    applied(homes, students=[*roster("ada", budget=16 * MIB), *roster("bob")])
    assert 15 * MIB <= fill(folder(homes, "ada") / "big", 32 * MIB) <= 16 * MIB * 1.04
    assert fill(folder(homes, "bob") / "big", 32 * MIB) == 32 * MIB


def test_a_home_that_is_not_mounted_takes_no_data(homes: Unit) -> None:
    applied(homes)
    (folder(homes, "ada") / "work.txt").write_text("mine")
    zfs("zfs", "unmount", f"{course(homes)}/homes/ada")
    with pytest.raises(OSError, match="Read-only file system"):
        (folder(homes, "ada") / "astray").write_text("lost")
    with pytest.raises(OSError, match="Read-only file system"):
        folder(homes, "eve").mkdir()
    assert "mounting: ada" in homes("apply").stderr
    assert (folder(homes, "ada") / "work.txt").read_text() == "mine"


def test_the_whole_container_is_mounted_again(homes: Unit) -> None:
    applied(homes)
    (folder(homes, "ada") / "work.txt").write_text("mine")
    zfs("zfs", "unmount", f"{course(homes)}/homes")
    applied(homes)
    assert (folder(homes, "ada") / "work.txt").read_text() == "mine"
    assert os.path.ismount(folder(homes, "bob"))


def test_files_below_an_unmounted_home_are_never_hidden(homes: Unit) -> None:
    applied(homes)
    for student in ("ada", "bob"):
        zfs("zfs", "unmount", f"{course(homes)}/homes/{student}")
    zfs("zfs", "set", "readonly=off", f"{course(homes)}/homes")
    for student in ("ada", "bob"):
        (folder(homes, student) / "astray").write_text("found")
    done = homes("apply")
    assert done.returncode == 3
    assert done.stderr.count("move them away first") == 2
    assert (folder(homes, "ada") / "astray").read_text() == "found"


def test_the_template_costs_the_pool_once(homes: Unit, template: Unit, tmp_path: Path) -> None:
    version = version_of(template, tmp_path / "materials", 20 * MIB)
    before = allocated(homes)
    applied(homes, students=roster("ada", "bob", "cleo", "dan"), template={"version": version})
    for student in ("ada", "bob", "cleo", "dan"):
        assert (folder(homes, student) / "data.bin").stat().st_size == 20 * MIB
    assert allocated(homes) - before < MIB


def test_a_home_keeps_its_version_and_a_new_one_gets_the_current(homes: Unit, template: Unit, tmp_path: Path) -> None:
    applied(homes, students=roster("ada"))
    version = version_of(template, tmp_path / "materials", MIB)
    applied(homes, template={"version": version})
    assert not (folder(homes, "ada") / "data.bin").exists()
    assert (folder(homes, "bob") / "data.bin").stat().st_uid == 1000
    seen = observed(homes)["homes"]
    assert (seen["ada"]["template"], seen["bob"]["template"]) == ("v1", version)


def test_a_preview_tells_what_the_units_see(homes: Unit, template: Unit) -> None:
    def told(**changed: Any) -> list[str]:
        spec = {**homes.spec, **changed}
        want = Wanted({s["name"]: s["budget"] for s in spec["students"]}, spec["template"]["version"], "nothing")
        seen = Seen.from_units(json.loads(template("observe").stdout), observed(homes, **changed))
        return [*changes(want, seen), *refusals(seen)]

    assert told() == ["2 students will get a home from version v1: ada, bob"]
    applied(homes)
    assert told() == []
    zfs("chown", "0:0", str(folder(homes, "ada")))
    assert told() == ["to do on this server: handing over to 1000:100: ada"]
    fill(folder(homes, "bob") / "work", 2 * MIB)
    applied(homes, students=roster("ada"))
    assert told(students=roster("ada")) == []
    zfs("zfs", "unmount", f"{course(homes)}/homes/ada")
    assert told(students=roster("ada", "bob", budget=32 * MIB)) == [
        "1 student back in the roster, the home becomes writable again: bob",
        "budget 64Mi -> 32Mi: ada, bob",
        "1 student without a mounted home, it will be mounted: ada",
    ]
    refusal = told(students=roster("ada", "bob", budget=MIB))[-1]
    assert "bob already holds 2," in refusal


def test_a_version_that_is_not_there_is_waited_for(homes: Unit) -> None:
    done = homes("apply", template={"version": "v2"})
    assert done.returncode == 3
    assert "the template's version" in done.stderr
    assert not folder(homes, "ada").exists()
    assert observed(homes, template={"version": "v2"})["problems"] == [], "the unit `template` makes it before"


def test_what_an_admins_table_needs_is_observed(homes: Unit, template: Unit, tmp_path: Path) -> None:
    version = version_of(template, tmp_path / "materials", 20 * MIB)
    applied(homes, template={"version": version}, students=roster("ada", "bob", budget=10 * MIB))
    fill(folder(homes, "ada") / "kept", 5 * MIB)
    zfs("zfs", "snapshot", f"{course(homes)}/homes/ada@monday")
    zfs("zfs", "snapshot", f"{course(homes)}/homes/ada@tuesday")
    (folder(homes, "ada") / "kept").unlink()
    fill(folder(homes, "ada") / "more", 4 * MIB)
    applied(homes, template={"version": version}, students=roster("ada", budget=10 * MIB))
    asked = {"template": {"version": version}, "students": roster("ada", "cleo", budget=10 * MIB)}
    assert "snapshots" not in observed(homes, **asked)["homes"]["ada"], "counted only where somebody asks"
    seen = observed(homes, **asked, count_snapshots=True)
    ada, bob = seen["homes"]["ada"], seen["homes"]["bob"]
    assert 9 * MIB <= ada["used"] <= 9.4 * MIB
    assert 5 * MIB <= ada["bySnapshots"] <= 5.2 * MIB
    assert 20 * MIB <= ada["shared"] <= 20.2 * MIB
    assert 20 * MIB <= bob["shared"] <= 20.2 * MIB
    assert bob["used"] < MIB
    assert (ada["snapshots"], bob["snapshots"]) == (2, 0)
    assert (ada["budget"], ada["template"], ada["mounted"]) == (10 * MIB, version, True)
    assert (ada["readonly"], ada["left"], bob["readonly"], bob["left"]) == (False, False, True, True)
    assert (seen["nearlyFull"], seen["missing"], seen["left"]) == (["ada"], ["cleo"], ["bob"])


def test_who_leaves_keeps_the_work_read_only_and_can_come_back(homes: Unit) -> None:
    applied(homes)
    (folder(homes, "bob") / "work.txt").write_text("mine")
    assert applied(homes, students=roster("ada")) == {"students": ["ada"], "left": ["bob"], "template": "v1"}
    assert (folder(homes, "bob") / "work.txt").read_text() == "mine"
    with pytest.raises(OSError, match="Read-only file system"):
        (folder(homes, "bob") / "more.txt").write_text("no")
    (folder(homes, "ada") / "work.txt").write_text("yes")
    assert homes("apply", students=roster("ada")).stderr == ""
    assert applied(homes)["left"] == []
    (folder(homes, "bob") / "more.txt").write_text("again")


def test_budgets_below_what_is_used_are_refused_together_with_the_figures(homes: Unit) -> None:
    applied(homes)
    for student in ("ada", "bob"):
        fill(folder(homes, student) / "big", 8 * MIB)
    done = homes("apply", students=[*roster("ada", "bob", budget=4 * MIB), *roster("cleo")])
    assert done.returncode == 3
    for student in ("ada", "bob"):
        assert f"{student} already holds 8," in done.stderr
        assert value(homes, "quota", f"homes/{student}") == str(64 * MIB)
    assert "more than the budget of 4,194,304" in done.stderr
    assert not folder(homes, "cleo").exists(), "nothing was changed"


def test_what_snapshots_hold_is_said_where_a_budget_is_too_low(homes: Unit) -> None:
    applied(homes)
    fill(folder(homes, "ada") / "big", 8 * MIB)
    zfs("zfs", "snapshot", f"{course(homes)}/homes/ada@monday")
    (folder(homes, "ada") / "big").unlink()
    done = homes("apply", students=[*roster("ada", budget=4 * MIB), *roster("bob")])
    assert done.returncode == 3
    assert re.search(r"ada already holds 8,\d{3},\d{3} bytes, 8,\d{3},\d{3} of them in snapshots", done.stderr)


def test_a_home_that_was_there_is_never_replaced_by_an_empty_one(
    homes: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEHUB_MARKER", str(tmp_path / "marker.json"))
    monkeypatch.setenv("COURSEHUB_REVISION", "{}")
    home, away = f"{course(homes)}/homes/ada", f"{course(homes)}/away"

    def rename(source: str, target: str) -> None:
        unmounted(source)
        patiently(["zfs", "rename", source, target])

    applied(homes)
    (folder(homes, "ada") / "work.txt").write_text("mine")
    rename(home, away)
    done = homes("apply")
    assert done.returncode == 3
    assert "not any more: ada" in done.stderr
    assert "not any more: ada" in observed(homes)["problems"][0], "a preview says so too"
    rename(away, home)
    applied(homes)
    assert (folder(homes, "ada") / "work.txt").read_text() == "mine"
    rename(home, away)
    applied(homes, students=roster("bob"))
    applied(homes)
    assert list(folder(homes, "ada").iterdir()) == [], "begun anew on purpose"


def test_what_somebody_set_by_hand_is_put_right(homes: Unit) -> None:
    applied(homes)
    zfs("zfs", "set", f"refquota={MIB}", f"{course(homes)}/homes/ada")
    zfs("zfs", "set", "canmount=noauto", f"{course(homes)}/homes/bob")
    assert len(observed(homes)["drift"]) == 2
    applied(homes)
    assert value(homes, "refquota", "homes/ada") in ("0", "none")
    assert value(homes, "canmount", "homes/bob") == "on"
    assert homes("apply").stderr == ""


def test_a_name_that_is_no_text_ends_no_run_in_an_error_of_ours(homes: Unit) -> None:
    applied(homes)
    zfs("zfs", "unmount", f"{course(homes)}/homes/ada")
    zfs("zfs", "set", "readonly=off", f"{course(homes)}/homes")
    (folder(homes, "ada") / os.fsdecode(b"J\xfcrgen")).touch()
    done = homes("apply")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "move them away first" in done.stderr
    assert observed(homes)["problems"]


def test_what_was_just_deleted_counts_at_once_for_a_lower_budget(homes: Unit) -> None:
    applied(homes)
    fill(folder(homes, "ada") / "big", 8 * MIB)
    (folder(homes, "ada") / "big").unlink()
    applied(homes, students=[*roster("ada", budget=4 * MIB), *roster("bob")])
    assert value(homes, "quota", "homes/ada") == str(4 * MIB)


def test_a_budget_changes_in_place(homes: Unit) -> None:
    applied(homes)
    done = homes("apply", students=[*roster("ada", budget=99 * MIB), *roster("bob")])
    assert f"changing budgets: ada {64 * MIB} -> {99 * MIB}" in done.stderr
    assert value(homes, "quota", "homes/ada") == str(99 * MIB)


def test_remove_keeps_every_home(homes: Unit) -> None:
    applied(homes)
    (folder(homes, "ada") / "work.txt").write_text("mine")
    done = homes("remove", students=roster("ada"))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"kept": 2})
    assert "kept 2 homes" in done.stderr
    assert (folder(homes, "ada") / "work.txt").read_text() == "mine"


def test_observing_changes_nothing(homes: Unit) -> None:
    before = zfs("zfs", "list", "-H", "-o", "name", "-r", course(homes))
    done = homes("observe")
    assert (done.returncode, json.loads(done.stdout)["missing"]) == (0, ["ada", "bob"])
    assert zfs("zfs", "list", "-H", "-o", "name", "-r", course(homes)) == before


def test_a_missing_course_is_told(homes: Unit) -> None:
    done = homes("apply", dataset="elsewhere")
    assert done.returncode == 3
    assert "elsewhere is not there" in done.stderr


@pytest.mark.parametrize("name", ["..", "-rf", "a b", "a;b", "$(id)", "ada\n", "Ada", "\u0430da", "a" * 200])
def test_hostile_names_touch_nothing(homes: Unit, name: str) -> None:
    done = homes("apply", students=roster("ada", name))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{course(homes)}/homes" not in zfs("zfs", "list", "-H", "-o", "name").split()


def test_progress_is_told(homes: Unit) -> None:
    done = homes("apply", students=roster(*(f"student{n}" for n in range(60))))
    assert "50 of 60 homes" in done.stderr


def test_killed_anywhere_the_next_apply_finishes_the_work_and_nothing_is_lost(homes: Unit) -> None:
    """Twenty kills of an apply for 200 students, ten of them before the last home is made; students work in between."""
    names = [f"student{n:03}" for n in range(200)]
    many = replace(homes, spec={**homes.spec, "students": roster(*names)})
    moments = random.Random(20261123)
    killed, latest = 0, 0.8  # seconds
    written: dict[Path, str] = {}
    while killed < 20:
        process = many.start("apply")
        if killed < 10:
            _wait_for_more_homes(homes, moments.randint(0, 12), process)
        else:
            time.sleep(moments.uniform(0.05, latest))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        else:
            latest *= 0.8
        process.wait()
        if killed <= 10:
            there = zfs("zfs", "list", "-H", "-o", "name", "-r", course(homes)).split()
            assert f"{course(homes)}/homes/{names[-1]}" not in there, "this kill came too late"
        for student in names:
            work = folder(homes, student) / f"work{killed}.txt"
            if os.path.ismount(work.parent) and moments.random() < 0.1:
                work.write_text(student)
                written[work] = student
        if killed > 10:
            # Kills are to fall on mounting homes again, too.
            subprocess.run(["zfs", "unmount", f"{course(homes)}/homes"], check=False, capture_output=True)
    assert len(applied(many)["students"]) == 200
    for student in names:
        assert os.path.ismount(folder(homes, student))
        assert folder(homes, student).stat().st_uid == 1000
    table = zfs("zfs", "get", "-Hp", "-r", "-o", "value", "quota", f"{course(homes)}/homes").split()
    assert table.count(str(64 * MIB)) == 200
    assert written
    assert {work: work.read_text() for work in written} == written
    assert many("apply").stderr == ""
    with pytest.raises(OSError, match="Read-only file system"):
        folder(homes, "astray").mkdir()


def _wait_for_more_homes(homes: Unit, number: int, process: subprocess.Popen[str]) -> None:
    """Until so many more homes are mounted, or the process ends."""

    def mounted() -> int:
        return Path("/proc/self/mountinfo").read_text().count(f" /{course(homes)}/homes/")

    enough = mounted() + number
    while mounted() < enough and process.poll() is None:
        time.sleep(0.002)
