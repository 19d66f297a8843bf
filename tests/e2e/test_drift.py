"""What somebody did to the server by hand: told by a preview, mended by one up, without a change at the next."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.datasets import patiently
from machine.login import wait_for_login
from tests.e2e.conftest import NAME, POOL, PORT, ROOT, Stack, docker
from tests.e2e.student import Student
from tests.host.conftest import zfs

URL = f"http://127.0.0.1:{PORT}"
COURSE = f"{POOL}/userdata"
CLUSTER = f"coursehub-{NAME}"
NODE = f"{CLUSTER}-control-plane"
ROSTER = [{"name": "ada", "role": "staff"}, {"name": "grace"}]


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, with two of the roster, one of whom has work."""
    stack.configure(homes={"mode": "roster", "budget": 24 << 20, "roster": ROSTER})
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "ada", stack.output("password"))
    assert logged_in(stack).write_file("work.txt", "mine").status_code == 201
    yield stack
    stack.configure()


def logged_in(stack: Stack) -> Student:
    student = Student(URL, "ada")
    student.log_in(stack.output("password"))
    student.start_server()
    return student


def value(key: str, dataset: str) -> str:
    return zfs("zfs", "get", "-Hp", "-o", "value", key, dataset).strip()


def nothing_is_left_to_do(stack: Stack) -> None:
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def coursehub(stack: Stack, *argv: str) -> tuple[int, dict[str, Any]]:
    """How a listing of the command line ended, and what it gives to programs."""
    command = [sys.executable, "-m", "cli", "--folder", str(stack.folder), "--stack", NAME, *argv, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_the_doctor_has_nothing_to_say_of_a_sound_course(course: Stack) -> None:
    code, page = coursehub(course, "doctor")
    assert (code, page["troubles"]) == (0, [])
    _, status = coursehub(course, "status")
    assert status["hub"] == {"url": URL, "answers": True, "why": ""}
    assert (status["cluster"]["running"], status["cluster"]["state"]) == (True, "runs")
    code, tried = coursehub(course, "check")
    assert (code, tried["wrong"]) == (0, 0)


def test_the_doctor_tells_of_a_hub_that_does_not_answer(course: Stack) -> None:
    course.kubectl("-n", "jhub", "scale", "deployment/hub", "--replicas=0")
    course.kubectl("-n", "jhub", "wait", "--for=delete", "pod", "-l", "component=hub", "--timeout=60s")
    code, page = coursehub(course, "doctor")
    course.kubectl("-n", "jhub", "scale", "deployment/hub", "--replicas=1")
    course.kubectl("-n", "jhub", "rollout", "status", "deployment/hub", "--timeout=120s")
    assert (code, {trouble["part"] for trouble in page["troubles"]}) == (1, {"hub"})


def test_a_quota_lifted_by_hand_is_told_and_set_again(course: Stack) -> None:
    zfs("zfs", "set", "quota=none", COURSE)
    assert f"to do on this server: {COURSE}: quota 0 -> {3 << 30}" in course.must("preview")
    assert value("quota", COURSE) == "0", "a preview changes nothing"
    course.must("up", "--yes", "--skip-preview")
    assert value("quota", COURSE) == str(3 << 30)
    nothing_is_left_to_do(course)


def test_a_budget_lifted_by_hand_is_set_again(course: Stack) -> None:
    zfs("zfs", "set", "quota=none", f"{COURSE}/homes/ada")
    course.must("up", "--yes", "--skip-preview")
    assert value("quota", f"{COURSE}/homes/ada") == str(24 << 20)
    nothing_is_left_to_do(course)


def test_a_home_unmounted_by_hand_is_mounted_again(course: Stack) -> None:
    zfs("zfs", "unmount", f"{COURSE}/homes/grace")
    course.must("up", "--yes", "--skip-preview")
    assert value("mounted", f"{COURSE}/homes/grace") == "yes"
    nothing_is_left_to_do(course)


def test_an_enforcer_of_policies_that_does_not_run_is_started(course: Stack) -> None:
    docker("exec", NODE, "systemctl", "stop", "kube-router.path", "kube-router.service")
    assert "kube-router.service does not run" in course.must("preview")
    assert "starting kube-router.service" in course.must("up", "--yes", "--skip-preview")
    assert docker("exec", NODE, "systemctl", "is-active", "kube-router").strip() == "active"


def test_a_cluster_deleted_by_hand_is_made_anew_with_students_work_and_users(course: Stack) -> None:
    token = logged_in(course).new_token()
    subprocess.run(["kind", "delete", "cluster", "--name", CLUSTER], check=True, capture_output=True)
    said = course.must("preview")
    assert f"cluster {CLUSTER} is not there any more" in said
    assert "to replace" in said
    course.must("up", "--yes", "--skip-preview")
    student = logged_in(course)
    assert student.read_file("work.txt") == "mine"
    assert student.is_known_by(token)
    assert student.hub("GET", "/user").json()["admin"] is True
    nothing_is_left_to_do(course)


def test_a_renamed_dataset_is_told_and_never_replaced_by_an_empty_one(course: Stack) -> None:
    logged_in(course).stop_server()
    docker("stop", NODE)
    patiently(["zfs", "unmount", COURSE])
    patiently(["zfs", "rename", COURSE, f"{POOL}/elsewhere"])
    done = course.up()
    assert done.returncode != 0
    assert "is not there, but this stack made it" in done.stdout or "is not mounted" in done.stdout
    assert COURSE not in zfs("zfs", "list", "-H", "-o", "name").split()
    patiently(["zfs", "rename", f"{POOL}/elsewhere", COURSE])
    course.must("up", "--yes", "--skip-preview")
    wait_for_login(URL, "ada", course.output("password"))
    assert logged_in(course).read_file("work.txt") == "mine"
    assert (Path("/", COURSE, "homes", "ada") / "work.txt").read_text() == "mine"
