"""A server that is too old is stopped although its student's program runs, and the work is there at the next start."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from machine.login import wait_for_login
from tests.e2e.conftest import PORT, Stack
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
STUDENT = {"memory": {"guarantee": "128Mi", "limit": "1Gi"}}
# It says something all the time: activity, as the hub sees it.
BUSY = "import time\nwhile True:\n    print('.', end='', flush=True)\n    time.sleep(1)"
_SECONDS = 150  # its age, one look every 10 s, and the time that it takes to stop


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course, where no server gets older than a minute."""
    stack.configure(hub={"student": STUDENT, "cull": {"timeout": 3600, "every": 10, "maxAge": 60}})
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "ada", stack.output("password"))
    yield stack
    stack.configure()


def servers(course: Stack) -> str:
    return course.kubectl("get", "pods", "-n", "jhub", "-l", "component=singleuser-server", "-o", "name")


def test_a_busy_server_ends_at_its_age_and_the_work_stays(course: Stack) -> None:
    ada = Student(URL, "ada")
    ada.log_in(course.output("password"))
    ada.start_server()
    started = time.monotonic()
    assert ada.write_file("kept.txt", "mine").status_code == 201
    kernel = ada.new_kernel()

    def work() -> None:
        with contextlib.suppress(Exception):  # its end is what is waited for
            ada.execute(kernel, BUSY)

    threading.Thread(target=work, daemon=True).start()
    time.sleep(5)
    assert ada.get(f"/api/kernels/{kernel}").json()["execution_state"] == "busy"
    while servers(course):
        assert time.monotonic() - started < _SECONDS, "a server outlives its age"
        time.sleep(2)
    assert time.monotonic() - started > 30, "the control: it was its age that ended it"
    ada.start_server()
    assert ada.read_file("kept.txt") == "mine"
    ada.stop_server()
