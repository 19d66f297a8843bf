"""A real Jupyter server with the folder lab/, in a home that fills up while it runs."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.student import Student

LAB = Path(__file__).resolve().parents[2] / "lab"
BUDGET = 16 << 20
_FILES = 500
TOKEN = "only-for-the-tests"
_SECONDS = 60


@dataclass(frozen=True)
class Desk:
    """A student with a server and the home that it runs in."""

    student: Student
    home: Path

    def space(self) -> dict[str, Any]:
        """What the server says of the home."""
        answer = self.student.get("/coursehub/home")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def fill(self) -> None:
        """Write until there is no room for a byte, nor for a folder, as in a dataset at its quota."""
        with pytest.raises(OSError, match="No space left"), (self.home / "big").open("wb", buffering=0) as big:
            while True:
                big.write(os.urandom(1 << 16))
        (self.home / "many").mkdir()
        with pytest.raises(OSError, match="No space left"):
            for number in range(_FILES):
                (self.home / "many" / str(number)).touch()

    def empty(self) -> None:
        """Take away what filled the home."""
        (self.home / "big").unlink(missing_ok=True)
        shutil.rmtree(self.home / "many", ignore_errors=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own with a size that holds."""
    folder = tmp_path_factory.mktemp("home")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={BUDGET},nr_inodes={_FILES}", "tmpfs", str(folder)], check=True
    )
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def desk(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """JupyterLab, with lab/ laid out by links as Kubernetes mounts a ConfigMap."""
    base = tmp_path_factory.mktemp("server")
    shutil.copytree(LAB, base / "lab" / "..1", ignore=shutil.ignore_patterns("__pycache__"))
    (base / "lab" / "..data").symlink_to("..1")
    for part in (base / "lab" / "..1").iterdir():
        (base / "lab" / part.name).symlink_to(Path("..data", part.name))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))},
        "HOME": str(home),
        "JUPYTER_PATH": str(base / "lab"),
        "JUPYTER_CONFIG_PATH": str(base / "lab"),
        "JUPYTER_RUNTIME_DIR": str(base / "scratch"),
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--port={port}"]
    argv += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.base_url=/user/ada/", f"--ServerApp.root_dir={home}"]
    with (base / "log").open("w") as log, subprocess.Popen(argv, env=environment, cwd=home, stderr=log) as server:
        student = Student(f"http://127.0.0.1:{port}", "ada")
        try:
            _enter(student, server, base / "log")
            yield Desk(student, home)
        finally:
            server.terminate()


def _enter(student: Student, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            student.session.get(f"{student.url}/user/ada/lab?token={TOKEN}", timeout=_SECONDS).raise_for_status()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture(autouse=True)
def room(desk: Desk) -> None:
    """Every test begins with room."""
    desk.empty()


def where(desk: Desk) -> str:
    """Where a new kernel keeps its history."""
    return desk.student.run_cell("import IPython; print(IPython.paths.get_ipython_dir())").strip()


def test_the_page_lists_the_extension_and_serves_it(desk: Desk) -> None:
    page = desk.student.get("/lab").text
    assert '"load": "static/remoteEntry.js", "name": "coursehub-home"' in page
    script = desk.student.get("/lab/extensions/coursehub-home/static/remoteEntry.js")
    assert script.status_code == 200
    assert script.text == (LAB / "labextensions/coursehub-home/static/remoteEntry.js").read_text()


def test_a_stranger_is_told_nothing(desk: Desk) -> None:
    stranger = Student(desk.student.url, "ada")
    assert stranger.get("/coursehub/home").status_code == 403


def test_asking_does_not_keep_a_server_from_being_stopped(desk: Desk) -> None:
    desk.student.get("/api/contents")
    before = desk.student.get("/api/status").json()["last_activity"]
    desk.space()
    assert desk.student.get("/api/status").json()["last_activity"] == before


def test_a_home_with_room_keeps_its_kernels_history(desk: Desk) -> None:
    said = desk.space()
    assert (said["budget"], said["own"], said["full"], said["largest"]) == (BUDGET, True, False, [])
    assert where(desk) == f"{desk.home}/.ipython"
    assert (desk.home / ".ipython/profile_default/history.sqlite").is_file()


def test_a_full_home_says_so_and_what_fills_it(desk: Desk) -> None:
    desk.fill()
    said = desk.space()
    assert (said["full"], said["nearlyFull"], said["free"]) == (True, True, 0)
    assert said["largest"][0]["path"] == "big"
    assert said["largest"][0]["bytes"] >= BUDGET * 0.8


def test_kernels_start_in_a_full_home_where_none_ever_ran(desk: Desk) -> None:
    shutil.rmtree(desk.home / ".ipython")
    desk.fill()
    assert desk.student.run_cell("1 + 1") == "2"
    assert not where(desk).startswith(str(desk.home))


def test_a_kernel_that_runs_goes_on_when_the_home_fills_up(desk: Desk) -> None:
    who = desk.student
    with who.kernel() as kernel:
        assert who.execute(kernel, "1 + 1") == "2"
        desk.fill()
        assert who.execute(kernel, "2 + 2") == "4"
        who.restart(kernel)
        assert who.execute(kernel, "3 + 3") == "6"


def test_deleting_helps_at_once(desk: Desk) -> None:
    desk.fill()
    assert desk.student.write_file("new.txt", "no room").status_code == 500
    desk.empty()
    assert desk.student.write_file("new.txt", "room again").ok
    assert desk.student.read_file("new.txt") == "room again"
    assert not desk.space()["full"]
    assert where(desk) == f"{desk.home}/.ipython"
