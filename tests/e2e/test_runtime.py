"""Students in gVisor, on a real node: a kernel of their own, homes and budgets as ever, and never on a mere promise."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machine.login import wait_for_login
from tests.e2e.conftest import NAME, POOL, PORT, ROOT, Stack, docker
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"
CONFIG, PROVEN = "/etc/containerd/config.toml", "/etc/containerd/coursehub-runtime"
HOMES = {"mode": "roster", "budget": 24 << 20, "roster": [{"name": "ada"}]}
KERNEL = "print(open('/proc/version').read())"
# Writes until it may not, then tells how far it came.
FILL = """
import errno, os
try:
    with open('big', 'wb') as file:
        for written in range(100):
            file.write(os.urandom(1 << 20)); file.flush(); os.fsync(file.fileno())
except OSError as error:
    print(errno.errorcode[error.errno], written)
"""
KNOCK = """
import socket
for host, port in (('hub', 8081), ('kubernetes.default', 443), ('{node}', 6443)):
    try:
        socket.create_connection((host, port), 3).close(); print(port, 'open')
    except OSError:
        print(port, 'closed')
"""


def hub(runtime: str, timeout: int = 3600) -> dict[str, Any]:
    memory = {"guarantee": "128Mi", "limit": "1Gi"}
    return {"student": {"memory": memory, "runtime": runtime}, "cull": {"timeout": timeout}}


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, its students in gVisor."""
    done = subprocess.run([sys.executable, "-m", "machine", "gvisor"], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    stack.configure(hub=hub("gvisor"), homes=HOMES)
    up = stack.up()
    assert up.returncode == 0, up.stdout
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


def revision(course: Stack) -> int:
    """How often the release was changed."""
    found = json.loads(course.kubectl("-n", "jhub", "get", "secrets", "-l", "owner=helm", "-o", "json"))
    return max(int(secret["metadata"]["labels"]["version"]) for secret in found["items"])


def test_a_student_sees_another_kernel_than_the_servers(ada: Student) -> None:
    seen = ada.run_cell(KERNEL).strip()
    assert seen.startswith("Linux version")
    assert seen != Path("/proc/version").read_text().strip()
    assert "gVisor" in ada.run_cell("import subprocess; print(subprocess.check_output(['dmesg'], text=True))")


def test_work_is_in_the_students_own_dataset(ada: Student) -> None:
    assert ada.write_file("from-lab.txt", "mine").status_code == 201
    assert ada.run_cell("open('from-kernel.txt', 'w').write('too')").strip() == "3"
    home = Path(f"/{POOL}/userdata/homes/ada")
    assert ((home / "from-lab.txt").read_text(), (home / "from-kernel.txt").read_text()) == ("mine", "too")


def test_the_budget_holds(ada: Student) -> None:
    code, _, mebibytes = ada.run_cell(FILL).strip().partition(" ")
    assert code == "EDQUOT"
    assert 10 <= int(mebibytes) <= 24
    ada.run_cell("import os; os.remove('big')")


def test_the_policies_hold(ada: Student) -> None:
    address = docker("inspect", "-f", '{{(index .NetworkSettings.Networks "kind").IPAddress}}', NODE).strip()
    assert ada.run_cell(KNOCK.format(node=address)).split("\n")[:3] == ["8081 open", "443 closed", "6443 closed"]


def test_nothing_is_left_to_do(course: Stack) -> None:
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_sandbox_that_is_none_is_refused_and_the_release_stays(course: Stack) -> None:
    """Its name is given to the runtime without a sandbox; the hub is changed in the same update."""
    before, text = revision(course), docker("exec", NODE, "cat", CONFIG)
    promise = text.replace("io.containerd.runsc.v1", "io.containerd.runc.v2", 1)
    _give_containerd(re.sub(r"TypeUrl = .*\n\s*ConfigPath = .*", "SystemdCgroup = true", promise))
    docker("exec", NODE, "rm", PROVEN)
    course.configure(hub=hub("gvisor", timeout=3000), homes=HOMES)
    try:
        done = course.up()
        assert done.returncode != 0
        assert f"the pod runs on this server's own kernel: {Path('/proc/version').read_text().strip()}" in done.stdout
        assert "set hub.student.runtime to default" in done.stdout
        assert revision(course) == before
    finally:
        _give_containerd(text)
    course.must("up", "--yes", "--skip-preview")
    assert revision(course) == before + 1


def _give_containerd(config: str) -> None:
    inside = ["docker", "exec", "-i", NODE, "sh", "-c", f"cat > {CONFIG} && systemctl restart containerd"]
    subprocess.run(inside, input=config, text=True, check=True)


def test_limits_that_vanish_are_refused_with_the_figures(course: Stack) -> None:
    """gVisor without its setting for how the kubelet names groups starts, and no limit holds: it must be seen."""
    config, without = docker("exec", NODE, "cat", CONFIG), "/etc/containerd/without.toml"
    docker("exec", NODE, "sh", "-c", f"echo '[runsc_config]' > {without}")
    _give_containerd(config.replace("/etc/containerd/runsc.toml", without))
    try:
        done = _unit(course)
        assert done.returncode == 3, done.stderr
        assert "a limit of 0.5 cores does not hold" in done.stderr
        assert "a limit of 64 MiB of memory does not hold" in done.stderr
    finally:
        _give_containerd(config)
    again = _unit(course)
    assert again.returncode == 0, again.stderr


def _unit(course: Stack) -> subprocess.CompletedProcess[str]:
    """The unit by itself, told what the stack tells it."""
    state = json.loads(course.must("stack", "export"))
    (proof,) = (r for r in state["deployment"]["resources"] if r["urn"].endswith("::runtime-proof"))
    argv = [sys.executable, "-m", "host", "runtime", "apply"]
    given = proof["inputs"]["stdin"]
    return subprocess.run(argv, input=given, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


def test_kata_is_refused_where_the_node_has_none(course: Stack) -> None:
    before = revision(course)
    course.configure(hub=hub("kata", timeout=3000), homes=HOMES)
    done = course.up()
    assert done.returncode != 0
    assert f"{NODE} has no Kata Containers" in done.stdout
    assert revision(course) == before
    course.configure(hub=hub("gvisor", timeout=3000), homes=HOMES)
    course.must("up", "--yes", "--skip-preview")


def test_after_a_restart_of_the_node_it_is_there_and_proven(course: Stack, ada: Student) -> None:
    docker("restart", NODE)
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    wait_for_login(URL, "ada", course.output("password"))
    ada.start_server()  # it came back by itself: this waits until the hub has found it again
    assert ada.run_cell(KERNEL).strip() != Path("/proc/version").read_text().strip()
    assert ada.read_file("work.txt") == "mine"
