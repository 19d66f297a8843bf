"""Who can talk to whom, tried with real traffic from a pod like a student's; and what a pod of the course may be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from config.faults import check
from machine.login import wait_for_login
from plan.hub_values import NAMESPACE
from plan.probes import METADATA, PUBLIC, probes
from tests.e2e.conftest import NAME, PORT, ROOT, Stack, docker
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"
COURSE = check({"homes": {"mode": "dynamic"}, "hub": {"authentication": {"adminUsers": ["prof"]}}})
TABLE = {probe.what: probe for probe in probes(COURSE)}


def tried() -> dict[str, dict[str, Any]]:
    """What the check sees, by what was tried."""
    spec = {
        "cluster": f"coursehub-{NAME}",
        "namespace": NAMESPACE,
        "addresses": {"metadata": METADATA, "public": PUBLIC},
        "table": [asdict(probe) for probe in TABLE.values()],
    }
    done = subprocess.run(
        [sys.executable, "-m", "host", "probe", "apply"],
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {row["what"]: row for row in json.loads(done.stdout)["rows"]}


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, up and running."""
    stack.configure()
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "ada", stack.output("password"))
    yield stack
    stack.configure()


@pytest.fixture(scope="module")
def seen(course: Stack) -> dict[str, dict[str, Any]]:
    return tried()


@pytest.mark.parametrize("what", TABLE)
def test_what_was_tried_was_there_to_be_reached(seen: dict[str, dict[str, Any]], what: str) -> None:
    assert seen[what]["there"], "the control: the same try succeeds from the node, which no policy holds back"


@pytest.mark.parametrize("what", TABLE)
def test_only_what_the_table_opens_is_open(seen: dict[str, dict[str, Any]], what: str) -> None:
    assert seen[what]["seen"] == TABLE[what].open


def test_nothing_of_the_check_stays(seen: dict[str, dict[str, Any]], course: Stack) -> None:
    assert seen
    assert "probe" not in course.kubectl("get", "pods", "-A", "-o", "name")
    assert METADATA not in docker("exec", NODE, "ip", "address")


def test_a_student_works_within_the_rules(course: Stack) -> None:
    student = Student(URL, "ada")
    student.log_in(course.output("password"))
    student.start_server()
    assert student.run_cell("import socket; print(socket.gethostbyname('hub') != '')").strip() == "True"
    student.stop_server()


def test_a_pod_that_is_not_restricted_is_refused(course: Stack) -> None:
    run = ("exec", NODE, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "run", "x", "-n", NAMESPACE)
    done = subprocess.run(
        ["docker", *run, "--image=coursehub/hub:5.5.4", "--dry-run=server"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def test_the_rules_survive_a_restart_of_the_node(course: Stack) -> None:
    docker("restart", NODE)
    course.must("up", "--yes", "--skip-preview")
    wait_for_login(URL, "ada", course.output("password"))
    again = tried()
    assert {what: row["seen"] for what, row in again.items()} == {what: probe.open for what, probe in TABLE.items()}


def test_students_without_internet_reach_none(course: Stack) -> None:
    course.configure(network={"internet": "none"})
    course.must("up", "--yes", "--skip-preview")
    again = tried()
    assert again["the internet: the web"]["there"]
    assert not again["the internet: the web"]["seen"]
    assert again["the hub, by its service"]["seen"]
