"""Homes that are clones of a template, with a budget that holds, seen from within the students' servers."""

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machine.login import wait_for_login
from tests.e2e.conftest import NAME, POOL, PORT, Stack, docker
from tests.e2e.student import LoginRefusedError, Student
from tests.host.conftest import zfs

URL = f"http://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"
HOMES = f"{POOL}/userdata/homes"
STUDENTS = [f"student{number:02}" for number in range(1, 13)]
BUDGET = 24 << 20
WRITE = "subprocess.run('head -c 64M /dev/urandom > big', shell=True, capture_output=True, text=True).stderr"


def roster(*students: str, budget: int = BUDGET) -> dict[str, object]:
    return {"mode": "roster", "budget": budget, "roster": [{"name": name} for name in students]}


def student(stack: Stack, name: str) -> Student:
    found = Student(URL, name)
    found.log_in(stack.output("password"))
    found.start_server()
    return found


def python(who: Student, expression: str) -> str:
    return who.run_cell(f"import os, pathlib, shutil, subprocess\n{expression}")


def value(key: str, dataset: str) -> str:
    return zfs("zfs", "get", "-Hp", "-o", "value", key, dataset).strip()


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, with twelve students."""
    stack.configure(homes=roster(*STUDENTS))
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "student02", stack.output("password"))
    yield stack
    stack.end_servers()


def test_every_student_has_a_home_with_the_budget(course: Stack) -> None:
    assert {f"{HOMES}/{s}" for s in STUDENTS} <= set(zfs("zfs", "list", "-H", "-o", "name", "-r", HOMES).split())
    for name in STUDENTS:
        assert value("quota", f"{HOMES}/{name}") == str(BUDGET)
        assert value("mounted", f"{HOMES}/{name}") == "yes"


def test_a_second_up_changes_nothing(course: Stack) -> None:
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_the_roster_alone_gets_in(course: Stack) -> None:
    with pytest.raises(LoginRefusedError):
        Student(URL, "mallory").log_in(course.output("password"))


@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_sees_the_own_budget_as_the_disk(course: Stack, name: str) -> None:
    who = student(course, name)
    said = python(who, "print(*subprocess.run(['df', '/home/jovyan'], capture_output=True, text=True).stdout.split())")
    dataset, kib = said.split()[-6:-4]
    assert dataset == f"{HOMES}/{name}"
    assert BUDGET * 0.96 <= int(kib) * 1024 <= BUDGET * 1.04, "the budget, and what is shared with the template"
    if name not in STUDENTS[:4]:
        who.stop_server()


def test_a_write_past_the_budget_stops_and_lands_nowhere_else(course: Stack) -> None:
    beside = outside_of_homes()
    assert "Disk quota exceeded" in python(student(course, "student01"), WRITE)
    written = (Path("/", HOMES, "student01") / "big").stat().st_size
    assert BUDGET * 0.9 <= written <= BUDGET * 1.04
    assert outside_of_homes() == beside
    assert int(value("used", f"{HOMES}/student02")) < 1 << 20


def outside_of_homes() -> dict[str, int]:
    """Bytes in what contains the homes, counted as they are now: zfs-fuse counts late, unless something is set."""
    found = {}
    for dataset in (f"{POOL}/userdata", HOMES):
        zfs("zfs", "set", "coursehub-test:counted=now", dataset)
        found[dataset] = int(value("usedbydataset", dataset))
        zfs("zfs", "inherit", "coursehub-test:counted", dataset)
    return found


def test_another_home_is_out_of_reach(course: Stack) -> None:
    (Path("/", HOMES, "student02") / "secret.txt").write_text("mine")
    find = "subprocess.run('find / -name secret.txt 2>/dev/null', shell=True, capture_output=True, text=True).stdout"
    assert "/home/jovyan/secret.txt" in python(student(course, "student02"), find), "the control: whose it is, sees it"
    who = student(course, "student03")
    assert python(who, find) == "''"
    assert python(who, "os.listdir('/home')") == "['jovyan']"


def test_a_full_home_is_the_students_own_affair(course: Stack) -> None:
    restarts = ("get", "pods", "-n", "jhub", "-l", "component=hub", "-o", "jsonpath={.items[*].status..restartCount}")
    who = student(course, "student01")
    who.stop_server()
    assert who.start_server() < 30
    assert python(who, "1 + 1") == "2"
    assert python(who, "os.environ['HOME_IS_FULL']") == "'1'"
    assert who.write_file("new.txt", "no room").status_code == 500
    python(who, "pathlib.Path('big').unlink()")
    assert who.write_file("new.txt", "room again").status_code == 201
    assert course.kubectl(*restarts) == "0"


def test_a_student_is_shown_the_own_budget(course: Stack) -> None:
    who = student(course, "student02")
    assert '"name": "coursehub-home"' in who.get("/lab").text
    assert who.get("/lab/extensions/coursehub-home/static/remoteEntry.js").status_code == 200
    said = who.get("/coursehub/home").json()
    assert said["budget"] == BUDGET, "as the hub knows it, to the byte"
    assert (said["own"], said["full"]) == (True, False)


def test_a_home_that_fills_up_while_its_server_runs_starts_kernels(course: Stack) -> None:
    who = student(course, "student04")
    # As if no kernel had ever run: it could not make its folder any more.
    assert "Disk quota exceeded" in python(who, f"shutil.rmtree('/home/jovyan/.ipython')\n{WRITE}")
    assert python(who, "1 + 1") == "2"
    said = _until_full(who)
    assert said["largest"][0]["path"] == "big"
    python(who, "pathlib.Path('big').unlink()")
    assert who.write_file("new.txt", "room again").status_code == 201
    assert not who.get("/coursehub/home").json()["full"]


def test_a_change_of_lab_restarts_nothing(course: Stack) -> None:
    pods = ("get", "pods", "-n", "jhub", "-o", "jsonpath={.items[*].metadata.uid}")
    before = course.kubectl(*pods)
    with (course.folder / "lab" / "coursehub_home" / "__init__.py").open("a") as module:
        module.write("# changed\n")
    assert "1 updated" in course.must("up", "--yes", "--skip-preview")
    assert "# changed" in course.kubectl("get", "configmap", "lab", "-n", "jhub", "-o", "yaml")
    assert course.kubectl(*pods) == before


def test_a_home_with_room_keeps_everything(course: Stack) -> None:
    assert python(student(course, "student02"), "'HOME_IS_FULL' in os.environ") == "False"


def test_after_a_restart_of_the_node_every_home_is_a_dataset_of_its_own_again(course: Stack) -> None:
    docker("restart", NODE)
    wait_for_login(URL, "student02", course.output("password"))
    who = student(course, "student02")
    assert BUDGET * 0.96 <= int(python(who, "shutil.disk_usage('/home/jovyan').total")) <= BUDGET * 1.04
    assert "Disk quota exceeded" in python(who, WRITE)
    python(who, "pathlib.Path('big').unlink()")
    folders = [f"/var/local-path-provisioner/homes/{name}" for name in STUDENTS]
    inside = docker("exec", NODE, "stat", "--format=%d", "/var/local-path-provisioner/homes", *folders).split()
    assert len(set(inside)) == len(STUDENTS) + 1, "to the node, each is a file system of its own"


def test_who_leaves_keeps_the_home_and_who_comes_gets_one(course: Stack) -> None:
    course.configure(homes=roster(*STUDENTS[1:], "newcomer", budget=BUDGET * 2))
    said = course.must("up", "--yes", "--skip-preview")
    assert " created" not in said.rpartition("Resources:")[2], "their number does not depend on the students"
    left, new = f"{HOMES}/student01", f"{HOMES}/newcomer"
    assert (Path("/", left) / "new.txt").read_text() == "room again"
    assert value("readonly", left) == "on" or not _writes(Path("/", left))
    assert (value("quota", new), value("mounted", new)) == (str(BUDGET * 2), "yes")
    with pytest.raises(LoginRefusedError):
        Student(URL, "student01").log_in(course.output("password"))


def test_new_students_begin_with_the_materials_and_may_change_them(course: Stack) -> None:
    materials = course.folder / "materials" / "week1"
    materials.mkdir(parents=True)
    (materials / "intro.txt").write_text("welcome")
    template = {"template": {"folder": "materials/"}}
    course.configure(homes={**roster(*STUDENTS[1:], "newcomer", "late", budget=BUDGET * 2), **template})
    said = course.must("preview")
    assert "will be made from materials/" in said
    assert re.search("will get a home from version [0-9a-f]{12}: .*late", said)
    course.must("up", "--yes", "--skip-preview")
    late = student(course, "late")
    assert python(late, "pathlib.Path('week1/intro.txt').read_text()") == "'welcome'"
    assert python(late, "pathlib.Path('week1/intro.txt').write_text('mine')") == "4"
    assert not Path("/", HOMES, "student02", "week1").exists(), "homes that are there keep their version"


def test_the_same_materials_of_two_students_cost_the_pool_once(course: Stack) -> None:
    size = 50 << 20
    materials = course.folder / "materials" / "week2"
    materials.mkdir(parents=True)
    (materials / "data.bin").write_bytes(random.Random(4).randbytes(size))
    before = _allocated()
    two = ("first", "second")
    course.configure(homes={**roster(*STUDENTS[1:], *two), "template": {"folder": "materials/"}})
    course.must("up", "--yes", "--skip-preview")
    assert all(Path("/", HOMES, name, "week2", "data.bin").stat().st_size == size for name in two)
    assert size * 0.9 < _allocated() - before < size * 1.1


def _allocated() -> int:
    """Bytes of the whole course, counted as they are now."""
    outside_of_homes()
    return int(value("used", f"{POOL}/userdata"))


def _until_full(who: Student) -> dict[str, Any]:
    """What the server says once the home is full. Where zfs-fuse stands in, `df` is up to half a minute late."""
    deadline = time.monotonic() + 60
    while not (said := who.get("/coursehub/home").json())["full"]:
        assert time.monotonic() < deadline, said
        time.sleep(1)
    found: dict[str, Any] = said
    return found


def _writes(folder: Path) -> bool:
    try:
        (folder / "probe").write_text("x")
    except OSError:
        return False
    return True
