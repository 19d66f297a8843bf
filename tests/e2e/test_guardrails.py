"""Who can talk to whom, tried with real traffic from a pod like a student's; and what a pod of the course may be."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.faults import check
from host.probe import TRY, parse, targets
from machine.login import wait_for_login
from plan.hub_values import NAMESPACE
from plan.probes import METADATA, probe_spec, probes
from tests.e2e.conftest import NAME, PORT, ROOT, Stack, docker
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"
COURSE = check({"homes": {"mode": "dynamic"}, "hub": {"authentication": {"adminUsers": ["prof"]}}})
TABLE = {probe.what: probe for probe in probes(COURSE)}
SPEC = {**probe_spec(COURSE), "cluster": f"coursehub-{NAME}"}
AS_IT_MUST_BE = {what: probe.open for what, probe in TABLE.items()}
KUBECTL = ("docker", "exec", "-i", NODE, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf")
MISTAKE = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "a-mistake", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
}

OPENED_BY_MISTAKE = {
    "the hub beyond its port",
    "another student's own port",
    "the proxy's control",
    "the API server, by its node",
    "a cloud's metadata server",
    "the internet: another port",
}


def tried() -> dict[str, dict[str, Any]]:
    """What the check sees, by what was tried."""
    done = subprocess.run(
        [sys.executable, "-m", "host", "probe", "apply"],
        input=json.dumps(SPEC),
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


def opened(rows: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """Which ways are open, by what was tried; all of it was there to be reached."""
    assert all(row["there"] for row in rows.values()), [what for what, row in rows.items() if not row["there"]]
    return {what: row["seen"] for what, row in rows.items()}


def test_a_second_check_at_once_has_its_controls_too(seen: dict[str, dict[str, Any]]) -> None:
    assert seen
    assert opened(tried()) == AS_IT_MUST_BE


def test_every_namespace_denies_everything(course: Stack) -> None:
    denied = json.loads(course.kubectl("get", "networkpolicies", "--all-namespaces", "-o", "json"))["items"]
    there = json.loads(course.kubectl("get", "namespaces", "-o", "json"))["items"]
    assert {each["metadata"]["name"] for each in there} == {
        each["metadata"]["namespace"]
        for each in denied
        if each["metadata"]["name"] == "default-deny" and each["spec"]["podSelector"] == {}
    }


def test_the_check_finds_a_policy_that_opens_everything(course: Stack) -> None:
    subprocess.run([*KUBECTL, "apply", "-f", "-"], input=json.dumps(MISTAKE), text=True, check=True)
    try:
        wrong = until(lambda wrong: wrong >= OPENED_BY_MISTAKE)
    finally:
        course.kubectl("-n", NAMESPACE, "delete", "networkpolicy", "a-mistake")
    assert wrong >= OPENED_BY_MISTAKE
    assert "a pod of another namespace" not in wrong, "its own namespace still lets nobody in"
    assert until(lambda wrong: not wrong) == set()


def until(enough: Callable[[set[str]], bool]) -> set[str]:
    """What is open and should not be, or the other way round; the enforcer takes a moment to learn of a change."""
    deadline = time.monotonic() + 60
    while True:
        wrong = {what for what, row in tried().items() if row["seen"] != row["open"]}
        if enough(wrong) or time.monotonic() > deadline:
            return wrong


def test_nothing_of_the_check_stays(seen: dict[str, dict[str, Any]], course: Stack) -> None:
    assert seen
    assert "probe" not in course.kubectl("get", "pods", "-A", "-o", "name")
    assert METADATA not in docker("exec", NODE, "ip", "address")
    assert "systemd-socket-activate" not in docker("exec", NODE, "ps", "-e", "-o", "args")
    assert "socketserver" not in docker("exec", NODE, "ps", "-e", "-o", "args"), "in the hub's own pod"


def test_a_student_works_within_the_rules(course: Stack) -> None:
    student = Student(URL, "ada")
    student.log_in(course.output("password"))
    student.start_server()
    assert student.run_cell("import socket; print(socket.gethostbyname('hub') != '')").strip() == "True"
    # The table again, not from a pod that only looks like a student's.
    with targets(parse(SPEC)) as found:
        said = student.run_cell(f"import sys; sys.argv = ['', {json.dumps(found)!r}]\n{TRY}")
    assert dict(zip(TABLE, json.loads(said), strict=True)) == AS_IT_MUST_BE
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
    wait_for_login(URL, "ada", course.output("password"))
    # Before any `up`, which would start an enforcer that is down.
    assert opened(tried()) == AS_IT_MUST_BE
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_students_without_internet_reach_none(course: Stack) -> None:
    course.configure(network={"internet": "none"})
    course.must("up", "--yes", "--skip-preview")
    again = tried()
    assert again["the internet: the web"]["there"]
    assert not again["the internet: the web"]["seen"]
    assert again["the hub, by its service"]["seen"]
