"""The command line on a real pool: a semester's work, as an admin would type it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.host.conftest import ROOT, Unit, home, must


@dataclass(frozen=True)
class Shell:
    """`coursehub` on a stack's file of its own."""

    folder: Path

    def __call__(self, *argv: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "cli", "--folder", str(self.folder), *argv],
            input=typed,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            env={**os.environ, "COLUMNS": "200"},
        )

    def json(self, *argv: str) -> Any:
        """What a listing gives to programs."""
        done = self(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def coursehub(course: Unit, tmp_path: Path) -> Shell:
    storage = {"pool": course.spec["pool"], "dataset": "userdata", "archive": str(tmp_path / "archives")}
    (tmp_path / "archives").mkdir()
    roster = [{"name": "ada", "role": "staff"}, {"name": "bob"}]
    config = {
        "coursehub:storage": {**storage, "snapshots": {"daily": 3}},
        "coursehub:homes": {"mode": "roster", "budget": "16Mi", "roster": roster},
        "coursehub:hub": {"authentication": {"method": "dummy", "password": {"secure": "v1:xyz"}}},
        "coursehub:course": {"environment": "development"},
    }
    (tmp_path / "Pulumi.physics.yaml").write_text(yaml.safe_dump({"config": config}))
    return Shell(tmp_path)


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
    file = coursehub.folder / "Pulumi.physics.yaml"
    stack = yaml.safe_load(file.read_text())
    del stack["config"]["coursehub:homes"]["roster"][1]
    file.write_text(yaml.safe_dump(stack))
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


@pytest.mark.parametrize("command", ["status", "homes", "restore", "archive", "verify", "snapshot take", "purge trash"])
def test_every_command_has_an_example(coursehub: Shell, command: str) -> None:
    assert (
        f"coursehub {'--stack physics ' if command == 'status' else ''}{command}"
        in coursehub(*command.split(), "--help").stdout
    )
