"""HTTPS at the hub's own port: a student works through it, and nothing is said in plain text."""

import ssl
from collections.abc import Iterator
from http.cookiejar import Cookie
from pathlib import Path

import pytest
import requests

from host import certificate
from host.run import run
from machine.login import wait_for_login
from tests.e2e.conftest import NAME, PORT, Stack, inspect, state_text
from tests.e2e.student import Student

URL = f"https://127.0.0.1:{PORT}"
NODE = f"coursehub-{NAME}-control-plane"


def shown() -> str:
    """The certificate that the port shows."""
    return ssl.get_server_certificate(("127.0.0.1", PORT))


@pytest.fixture(scope="module")
def course(stack: Stack) -> Iterator[Stack]:
    """The tests' course with plain HTTP, and then with a certificate that the stack makes."""
    stack.configure()
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(f"http://127.0.0.1:{PORT}", "ada", stack.output("password"))
    before = inspect(NODE)["Id"]
    stack.configure(hub={"https": {"selfSigned": True}})
    stack.must("up", "--yes", "--skip-preview")
    assert inspect(NODE)["Id"] == before, "HTTPS needs no other cluster"
    wait_for_login(stack.output("here"), "ada", stack.output("password"))
    yield stack
    stack.end_servers()
    stack.configure()


@pytest.fixture(scope="module")
def trusted(course: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the certificate, for those who trust no other."""
    assert course.output("url") == URL
    file = tmp_path_factory.mktemp("trusted") / "certificate.pem"
    file.write_text(shown())
    return str(file)


@pytest.fixture
def ada(course: Stack, trusted: str) -> Iterator[Student]:
    student = Student(URL, "ada")
    student.session.verify, student.session.trust_env = trusted, False
    student.log_in(course.output("password"))
    yield student
    student.stop_server()


def test_a_student_works_through_https(ada: Student) -> None:
    ada.start_server()
    assert ada.run_cell("print(6 * 7)") == "42\n"


def test_no_login_is_sent_without_https(ada: Student) -> None:
    ada.start_server()
    cookies: list[Cookie] = [*iter(ada.session.cookies)]
    assert {"jupyterhub-session-id", "jupyterhub-hub-login", "jupyterhub-user-ada"} <= {c.name for c in cookies}
    # The one of the student's own server is a token against forged forms, worth nothing without the login.
    assert {(cookie.name, cookie.path) for cookie in cookies if not cookie.secure} <= {("_xsrf", "/user/ada/")}


def test_the_port_says_nothing_in_plain_text(course: Stack) -> None:
    assert course
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{PORT}/hub/login", timeout=30)


def test_the_certificate_stays_and_its_key_is_nowhere_in_plain_text(course: Stack) -> None:
    before = shown()
    course.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert shown() == before
    assert "BEGIN PRIVATE KEY" not in state_text(course)


def test_a_certificate_of_ones_own_takes_its_place(course: Stack, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"{kind}.pem" for kind in ("certificate", "key")}
    want = certificate.parse({"names": ["127.0.0.1"]})
    run(certificate.request(want, files["key"], files["certificate"]))
    course.configure(hub={"https": {kind: str(file) for kind, file in files.items()}})
    course.must("up", "--yes", "--skip-preview")
    wait_for_login(URL, "ada", course.output("password"))
    assert shown().strip() == files["certificate"].read_text().strip()
    answer = requests.get(f"{URL}/hub/login", timeout=30, verify=str(files["certificate"]))
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    for text in files["key"].read_text().splitlines()[1:-1]:
        assert text not in state_text(course)
