"""What students hold can never be missing to the hub; nothing grows without an end, on a real node."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from config.faults import check
from host.probe import probe_pod
from machine.login import wait_for_login
from plan.capacity import STUDENT_CLASS
from plan.hub_values import NAMESPACE
from plan.parts import parts
from tests.e2e.conftest import NAME, PORT, Stack, docker, inspect
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"
IMAGES = ("ctr", "--namespace=k8s.io", "images")
ONE_AT_A_TIME = {"activeServers": 1, "student": {"memory": {"guarantee": "128Mi", "limit": "1Gi"}}}
# Threads are processes to the kernel: starts as many as it may, at most 3000, and tells how many.
FORK_BOMB = """
import threading
stop, threads = threading.Event(), []
try:
    for _ in range(3000):
        threads.append(threading.Thread(target=stop.wait, daemon=True))
        threads[-1].start()
except RuntimeError:
    threads.pop()
stop.set()
print(len(threads))
"""


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, where one server may run at a time, in a cluster with 6 GiB."""
    stack.configure(hub=ONE_AT_A_TIME, cluster={"memory": "6Gi"})
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "ada", stack.output("password"))
    yield stack
    stack.configure()


@pytest.fixture(scope="module")
def ada(course: Stack) -> Iterator[Student]:
    student = Student(URL, "ada")
    student.log_in(course.output("password"))
    student.start_server()
    yield student
    student.stop_server()


def kubectl(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Ask the cluster, from within its node; what it refuses too."""
    inside = ["docker", "exec", "-i", NODE, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "-n", NAMESPACE]
    return subprocess.run([*inside, *argv], input=stdin, capture_output=True, text=True, check=False)


def found(*argv: str) -> Any:
    done = kubectl("get", *argv, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def create(name: str, student: bool) -> subprocess.CompletedProcess[str]:
    """A pod that does nothing, of the students' share or of the hub's."""
    chosen = check(
        {"parts": "registries", "homes": {"mode": "dynamic"}, "hub": {"authentication": {"adminUsers": ["x"]}}}
    )
    thing = probe_pod(name, NAMESPACE, parts(chosen).images["hub"], ["sleep", "300"])
    if student:
        thing["spec"]["priorityClassName"] = STUDENT_CLASS
    return kubectl("create", "-f", "-", stdin=json.dumps(thing))


def test_the_node_has_no_more_memory_than_configured(course: Stack) -> None:
    assert course
    assert inspect(NODE)["HostConfig"]["Memory"] == 6 << 30


def test_the_kubelet_protects_the_node(course: Stack) -> None:
    said = json.loads(course.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/configz"))["kubeletconfig"]
    assert (said["podPidsLimit"], said["seccompDefault"]) == (2048, True)
    assert said["evictionHard"]["nodefs.available"] == "1Gi"
    assert said["systemReserved"] == {"memory": "702Mi"}


def memory_threshold(course: Stack) -> int:
    """Below how many bytes of free memory the kubelet acts, as it runs."""
    said = json.loads(course.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/configz"))["kubeletconfig"]
    return int(said["evictionHard"]["memory.available"].removesuffix("Mi")) << 20


def left_of_the_cluster(course: Stack, memory: int) -> int:
    """How many bytes of a cluster's share are free when its kubelet acts, which takes all of the server's for it."""
    return memory - (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - memory_threshold(course))


def test_the_kubelet_acts_before_the_clusters_memory_is_used_up(course: Stack) -> None:
    assert 512 << 20 <= left_of_the_cluster(course, 6 << 30) < 513 << 20
    status = json.loads(course.kubectl("get", "node", NODE, "-o", "json"))["status"]
    assert int(status["allocatable"]["memory"].removesuffix("Ki")) << 10 < 6 << 30, "what the scheduler goes by"


def wait_for_an_empty_share() -> None:
    """Kubernetes takes a moment to count what is gone."""
    deadline = time.monotonic() + 60
    while found("resourcequota", "students")["status"]["used"]["pods"] != "0":
        assert time.monotonic() < deadline
        time.sleep(1)


def test_who_finds_the_students_share_full_is_told_so_in_words(course: Stack) -> None:
    """Behind the hub's own limit, so before any server runs: pods that the hub knows nothing of hold the share."""
    grace = Student(URL, "grace")
    grace.log_in(course.output("password"))
    try:
        assert [create(name, student=True).returncode for name in ("one", "two")] == [0, 0]
        grace.hub("POST", "/users/grace/server")
        page = what_became_of_the_start(grace)
    finally:
        kubectl("delete", "pod", "--ignore-not-found", "--now", "one", "two")
        wait_for_an_empty_share()
    assert "All places of this course are taken" in page
    assert "exceeded quota" not in page


def what_became_of_the_start(who: Student) -> str:
    """The page on which a student waits for the server, once the start has ended."""
    deadline = time.monotonic() + 30
    while (page := who.session.get(f"{URL}/hub/spawn-pending/{who.name}", timeout=30)).ok:
        assert time.monotonic() < deadline, page.text
        time.sleep(0.5)
    return page.text


def oom_score(pod: str) -> int:
    """The worst that the kernel holds against a process of a pod; what only keeps the pod's place is not meant."""
    uid = found("pod", pod)["metadata"]["uid"]
    each = f"grep -qsE 'pod({uid}|{uid.replace('-', '_')})' $p/cgroup && echo $(cat $p/comm $p/oom_score_adj)"
    lines = docker("exec", NODE, "sh", "-c", f"cd /proc; for p in [0-9]*; do {each}; done; true").splitlines()
    scores = [int(line.split()[-1]) for line in lines if not line.startswith("pause ")]
    assert scores, lines
    return max(scores)


def test_the_kernel_ends_a_students_server_before_hub_and_proxy(ada: Student) -> None:
    pods = [pod["metadata"]["name"] for pod in found("pods", "-l", "component in (hub, proxy)")["items"]]
    assert len(pods) == 2
    student = oom_score(f"jupyter-{ada.name}")
    assert student > 900
    assert all(oom_score(pod) < student - 900 for pod in pods)


def test_a_students_server_counts_as_a_students(ada: Student) -> None:
    assert found("pod", f"jupyter-{ada.name}")["spec"]["priorityClassName"] == STUDENT_CLASS
    assert found("resourcequota", "students")["status"]["used"]["pods"] == "1"
    assert found("resourcequota", "hub")["status"]["used"]["pods"] == "2"


def test_every_container_has_requests_and_limits(ada: Student) -> None:
    assert ada
    containers = [c for each in found("pods")["items"] for c in each["spec"]["containers"]]
    assert len(containers) == 3
    for container in containers:
        for kind in ("requests", "limits"):
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][kind])


def test_one_more_than_may_run_is_told_to_come_back_by_the_hub_itself(course: Stack, ada: Student) -> None:
    assert ada
    grace = Student(URL, "grace")
    grace.log_in(course.output("password"))
    answer = grace.hub("POST", "/users/grace/server")
    assert answer.status_code == requests.codes.too_many
    assert "All places of this course are taken" in answer.json()["message"]
    assert int(answer.headers["Retry-After"]) > 0


def test_a_fork_bomb_ends_at_the_pods_own_bound(ada: Student) -> None:
    assert 500 < int(ada.run_cell(FORK_BOMB)) < 2048


def test_a_full_share_of_the_students_leaves_the_hub_its_own(ada: Student) -> None:
    assert ada
    try:
        assert create("spare", student=True).returncode == 0, "the control: there is room for the spare one"
        refused = create("too-many", student=True)
        assert refused.returncode != 0
        assert "exceeded quota: students" in refused.stderr
        assert create("of-the-hub", student=False).returncode == 0
        assert kubectl("rollout", "restart", "deployment/hub").returncode == 0
        rolled = kubectl("rollout", "status", "deployment/hub", "--timeout=120s")
        assert rolled.returncode == 0, rolled.stderr
    finally:
        kubectl("delete", "pod", "--ignore-not-found", "--now", "spare", "too-many", "of-the-hub")


@pytest.mark.parametrize(
    "argv", [("service", "loadbalancer", "x", "--tcp=80"), ("job", "x", "--image=x")], ids=["balancer", "job"]
)
def test_what_no_course_needs_cannot_be_made(course: Stack, argv: tuple[str, ...]) -> None:
    assert course
    done = kubectl("create", *argv)
    assert done.returncode != 0
    assert "exceeded quota: course" in done.stderr


def test_the_memory_of_the_cluster_is_changed_in_place_and_by_hand_is_mended(course: Stack) -> None:
    before = inspect(NODE)["Id"]
    course.configure(hub=ONE_AT_A_TIME, cluster={"memory": "7Gi"})
    course.must("up", "--yes", "--skip-preview")
    assert (inspect(NODE)["Id"], inspect(NODE)["HostConfig"]["Memory"]) == (before, 7 << 30)
    assert 512 << 20 <= left_of_the_cluster(course, 7 << 30) < 513 << 20
    docker("update", f"--memory={8 << 30}", f"--memory-swap={8 << 30}", NODE)
    assert "to do on this server: letting cluster" in course.must("preview")
    course.must("up", "--yes", "--skip-preview")
    assert inspect(NODE)["HostConfig"]["Memory"] == 7 << 30
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_kubelet_that_was_told_otherwise_by_hand_is_told_again(course: Stack) -> None:
    write = "sed -i 's/memory.available: .*/memory.available: 100Mi/' /var/lib/kubelet/config.yaml"
    docker("exec", NODE, "sh", "-c", f"{write} && systemctl restart kubelet")
    assert "memory.available 100Mi -> " in course.must("preview")
    course.must("up", "--yes", "--skip-preview")
    assert 512 << 20 <= left_of_the_cluster(course, 7 << 30) < 513 << 20
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_an_image_that_the_node_lost_is_loaded_again(course: Stack) -> None:
    (image,) = [name for name in docker("exec", NODE, *IMAGES, "list", "-q").split() if "coursehub/singleuser" in name]
    docker("exec", NODE, *IMAGES, "rm", image)
    assert "into the node, which lacks it" in course.must("preview")
    course.must("up", "--yes", "--skip-preview")
    assert image in docker("exec", NODE, *IMAGES, "list", "-q").split()


def test_a_course_that_does_not_fit_is_refused_before_anything_is_touched(course: Stack) -> None:
    course.configure(hub={**ONE_AT_A_TIME, "activeServers": 90}, cluster={"memory": "7Gi"})
    done = course.pulumi("preview")
    assert done.returncode != 0
    assert "90 students x 0.12 GiB" in done.stdout
    assert "lower hub.activeServers to" in done.stdout
