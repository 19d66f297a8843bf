"""The command line on a real pool: a semester's work, as an admin would type it."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.host.conftest import ROOT, Unit, home, must, zfs


@dataclass(frozen=True)
class Shell:
    """`coursehub` on a stack's file of its own, on a server whose Docker is off."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *argv: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "cli", "--folder", str(self.folder), *argv],
            input=typed,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            env={
                **{key: value for key, value in os.environ.items() if key != "PULUMI_STACK"},
                "COLUMNS": "200",
                "DOCKER_HOST": "unix:///nonexistent",
                **self.environment,
                **environment,
            },
        )

    def json(self, *argv: str, code: int = 0) -> Any:
        """What a listing gives to programs."""
        done = self(*argv, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def completed(self, *argv: str) -> list[str]:
        """What a shell offers for the last of the words; it may print nothing else."""
        words = " ".join(["coursehub", "--folder", str(self.folder), *argv])
        count = len(argv) + 2
        done = self(_COURSEHUB_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(count))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    def change(self, section: str, **keys: Any) -> None:
        """Change keys of a section of the stack's file."""
        file = self.folder / "Pulumi.physics.yaml"
        stack = yaml.safe_load(file.read_text())
        stack["config"].setdefault(f"coursehub:{section}", {}).update(keys)
        file.write_text(yaml.safe_dump(stack))


@pytest.fixture
def coursehub(course: Unit, tmp_path: Path) -> Shell:
    storage = {"pool": course.spec["pool"], "dataset": "userdata", "archive": str(tmp_path / "archives")}
    storage |= {"compression": "off", "dedup": False}
    (tmp_path / "archives").mkdir()
    roster = [{"name": "ada", "role": "staff"}, {"name": "bob"}]
    config = {
        "coursehub:storage": {**storage, "snapshots": {"daily": 3}},
        "coursehub:homes": {"mode": "roster", "budget": "16Mi", "roster": roster},
        "coursehub:hub": {"authentication": {"method": "dummy", "password": {"secure": "v1:xyz"}}},
        "coursehub:course": {"environment": "development"},
    }
    (tmp_path / "Pulumi.physics.yaml").write_text(yaml.safe_dump({"config": config}))
    # The cluster's unit asks Docker only where there is a kind.
    program(tmp_path / "bin" / "kind", "exit 0")
    return Shell(tmp_path, {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})


def program(file: Path, body: str) -> None:
    """A program of the shell's language, as what is really called so might behave."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_a_lost_file_comes_back(coursehub: Shell, course: Unit) -> None:
    (home(course, "ada") / "thesis.txt").write_text("monday")
    assert coursehub("snapshot", "take", "monday").stdout == "monday\n"
    (home(course, "ada") / "thesis.txt").unlink()
    done = coursehub("restore", "ada", "thesis.txt")
    assert done.returncode == 0, done.stderr
    (folder,) = home(course, "ada").glob("restored-*")
    assert folder.name in done.stdout
    assert (folder / "thesis.txt").read_text() == "monday"


def test_listings_are_tables_for_people_and_json_for_programs(coursehub: Shell, course: Unit) -> None:
    (home(course, "bob") / "big").write_bytes(os.urandom(14 << 20))
    must(course("take", name="monday"))
    assert [snapshot["name"] for snapshot in coursehub.json("snapshot", "list")["snapshots"]] == ["monday"]
    assert coursehub.json("homes")["homes"]["bob"]["used"] > 14 << 20
    lines = coursehub("homes").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["ada", "bob"]
    assert ["nearly full" in line for line in lines[1:]] == [False, True]
    assert "monday" in coursehub("snapshot", "list").stdout
    assert coursehub.json("status")["archive"] is None
    assert "2, " in coursehub("status").stdout
    assert coursehub("snapshot", "prune").returncode == 0
    assert "monday" in coursehub("snapshot", "list").stdout, "the plan prunes none that has a name of its own"
    assert coursehub.json("purge", "list") == {"trash": [], "left": []}


def test_the_end_of_a_semester(coursehub: Shell, course: Unit) -> None:
    """Archive, verify, and only then does the one who left go; not without the name typed."""
    (home(course, "bob") / "thesis.txt").write_text("done")
    coursehub.change("homes", roster=[{"name": "ada", "role": "staff"}])
    assert coursehub("purge", "student", "bob", typed="bob\n").returncode == 3
    written = coursehub("archive")
    assert written.returncode == 0, written.stderr
    checked = coursehub("verify")
    assert (checked.returncode, "is sound" in checked.stdout) == (0, True), checked.stderr
    assert coursehub.json("status")["archive"]["snapshot"] in written.stdout
    assert coursehub("purge", "student", "bob", typed="yes\n").returncode == 2
    assert home(course, "bob").is_mount()
    assert coursehub("purge", "student", "ada", typed="ada\n").returncode == 3, "ada is in the roster"
    gone = coursehub("purge", "student", "bob", typed="bob\n")
    assert gone.returncode == 0, gone.stderr
    (entry,) = coursehub.json("purge", "list")["trash"]
    soon = coursehub("purge", "trash", entry["entry"], typed=f"{entry['entry']}\n")
    assert (soon.returncode, "kept for 30 days" in soon.stderr) == (3, True)


def test_which_course_must_be_clear_and_its_faults_are_all_told(coursehub: Shell) -> None:
    (coursehub.folder / "Pulumi.other.yaml").write_text("config: {'coursehub:storage': {pool: '-rf', qota: 1Gi}}")
    unclear = coursehub("status")
    assert (unclear.returncode, "--stack names one of: other, physics" in unclear.stderr) == (2, True)
    wrong = coursehub("--stack", "other", "status")
    assert wrong.returncode == 2
    assert "'-rf' was given" in wrong.stderr and "did you mean quota?" in wrong.stderr
    assert coursehub("--stack", "nosuch", "status").returncode == 2
    assert coursehub("--stack", "physics", "status").returncode == 0


def test_the_doctor_s_page_is_complete_though_units_cannot_look(coursehub: Shell, course: Unit) -> None:
    coursehub.change("cluster", memory="900Ti")
    (home(course, "bob") / "big").write_bytes(os.urandom(14 << 20))
    zfs("zfs", "snapshot", f"{course.spec['pool']}/userdata/template@initial")
    must(course("take", name="monday"))
    page = coursehub.json("doctor", code=1)
    troubles = {trouble["part"]: trouble["what"] for trouble in page["troubles"]}
    assert set(troubles) == {"capacity", "database", "schedule", "cluster"}
    assert "cluster.memory: 921600.00 GiB is more than this server can give" in troubles["capacity"]
    assert "the snapshots' schedule: " in troubles["schedule"] and "is not there" in troubles["schedule"]
    assert "Docker does not answer" in troubles["cluster"]
    assert (page["full"], page["archive"], page["scheduled"], page["snapshot"]["name"]) == (
        ["bob"],
        None,
        False,
        "monday",
    )
    shown = coursehub("doctor")
    assert shown.returncode == 1
    for line in ("homes above 80 %: bob", "last snapshot: monday, just now", "verified archive: none yet"):
        assert line in shown.stdout


def test_the_doctor_tells_of_a_pool_that_is_not_there(coursehub: Shell) -> None:
    coursehub.change("storage", pool="nosuchpool")
    page = coursehub.json("doctor", code=1)
    troubles = {trouble["part"]: trouble["what"] for trouble in page["troubles"]}
    assert "pool nosuchpool is not there, but this stack made it: bring it back" in troubles["dataset"]
    assert {"database", "homes", "snapshots", "cluster"} <= set(troubles)
    assert (page["full"], page["snapshot"], page["archive"]) == ([], None, None)
    assert "verified archive: none yet" in coursehub("doctor").stdout


def test_the_doctor_tells_that_zfs_is_dead(coursehub: Shell, tmp_path: Path) -> None:
    for tool in ("zfs", "zpool"):
        program(tmp_path / "bin" / tool, "echo 'failed to initialize ZFS library' >&2; exit 1")
    shown = coursehub("doctor")
    assert shown.returncode == 1
    assert "ZFS does not answer; `make up` starts it" in shown.stdout
    for part in ("dataset", "database", "homes", "snapshots", "archive", "cluster"):
        assert any(line.startswith(part) for line in shown.stdout.splitlines()), part
    assert "last snapshot: none" in shown.stdout


def test_check_says_why_nothing_can_be_tried(coursehub: Shell) -> None:
    done = coursehub("check")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Docker does not answer" in done.stderr


@contextmanager
def a_hub() -> Iterator[int]:
    """Something that answers as a hub does; its port."""

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/hub/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_status_tells_whether_hub_and_cluster_are_there_and_that_docker_is_off(coursehub: Shell) -> None:
    with a_hub() as port:
        coursehub.change("cluster", hostPort=port)
        found = coursehub.json("status")
        assert f"http://127.0.0.1:{port} answers" in coursehub("status").stdout
    assert found["hub"] == {"url": f"http://127.0.0.1:{port}", "answers": True, "why": ""}
    assert (found["cluster"]["name"], found["cluster"]["running"]) == ("coursehub-physics", False)
    assert found["cluster"]["state"].startswith("cannot be seen: Docker does not answer")
    silent = coursehub.json("status")["hub"]
    assert (silent["answers"], "refused" in silent["why"]) == (False, True)
    assert "does not answer" in coursehub("status").stdout


def test_the_report_tells_what_sharing_saves(coursehub: Shell, course: Unit) -> None:
    (home(course, "ada") / "own").write_bytes(os.urandom(1 << 20))
    must(course("take", name="monday"))
    told = coursehub.json("report")
    template = 1 << 20
    assert (told["homes"], told["budget"], told["snapshots"]) == (2, 32 << 20, 1)
    assert told["copies"] == pytest.approx(2 * template + (1 << 20), rel=0.1)
    assert told["allocated"] == pytest.approx(template + (1 << 20), rel=0.25)
    assert told["saving"] == pytest.approx(told["copies"] / told["allocated"], rel=0.01)
    assert told["taken"] >= told["allocated"]
    assert (told["archives"], told["archived"], told["verified"], told["full"], told["left"]) == (0, 0, None, [], [])
    assert f"{told['saving']:.1f} times less" in coursehub("report").stdout


def test_archives_are_listed_and_the_newest_is_verified(coursehub: Shell) -> None:
    assert "no archive yet" in coursehub("archives").stdout
    folder = coursehub.folder / "archives"
    must_end(coursehub("archive", str(folder / "userdata-zzz.tar")))
    must_end(coursehub("archive", str(folder / "aaa.tar")))
    must_end(coursehub("verify"))
    listed = coursehub.json("archives")
    assert [Path(one["file"]).name for one in listed["archives"]] == ["userdata-zzz.tar", "aaa.tar"]
    assert [one["verified"] for one in listed["archives"]] == [False, True]
    assert [one["size"] for one in listed["archives"]] == [
        (folder / name).stat().st_size for name in ("userdata-zzz.tar", "aaa.tar")
    ]
    assert coursehub.json("report")["archives"] == 2
    (line,) = [line for line in coursehub("archives").stdout.splitlines() if line.startswith("aaa.tar")]
    assert line.endswith("verified")


def must_end(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def test_one_home_alone_and_what_its_snapshots_hold(coursehub: Shell, course: Unit) -> None:
    (home(course, "ada") / "big").write_bytes(os.urandom(2 << 20))
    must(course("take", name="monday"))
    (home(course, "ada") / "big").unlink()
    must(course("take", name="tuesday"))  # has zfs-fuse count at once
    lines = coursehub("homes", "ada").stdout.splitlines()
    assert (len(lines), "2, 2." in lines[1]) == (2, True)
    assert list(coursehub.json("homes", "ada")["homes"]) == ["ada"]
    nobody = coursehub("homes", "eve")
    assert (nobody.returncode, "eve has no home" in nobody.stderr) == (2, True)


def test_a_shell_completes_names_and_is_told_nothing_else(coursehub: Shell, course: Unit) -> None:
    must(course("take", name="monday"))
    assert coursehub.completed("--stack", "p") == ["physics"]
    assert coursehub.completed("restore", "a") == ["ada"]
    assert coursehub.completed("homes", "") == ["ada", "bob"]
    assert coursehub.completed("snapshot", "hold", "m") == ["monday"]
    assert coursehub.completed("restore", "ada", "--snapshot", "") == ["monday"]
    assert coursehub.completed("purge", "student", "") == [], "nobody left"
    coursehub.change("homes", roster=[{"name": "ada", "role": "staff"}])
    assert coursehub.completed("purge", "student", "") == ["bob"]
    assert coursehub.completed("purge", "trash", "") == []
    coursehub.change("storage", pool="nosuchpool")
    assert coursehub.completed("snapshot", "hold", "") == []
    coursehub.change("storage", qota="1Gi")
    assert coursehub.completed("restore", "") == []
    assert coursehub.completed("--stack", "physics", "restore", "") == []
