"""`coursehub rollover`, as it is typed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.__main__ import app
from config.stack_file import read

OLD = """
encryptionsalt: v1:salt
config:
  kubernetes:context: {secure: v1:other}
  coursehub:course: {environment: development}
  coursehub:storage: {dataset: physics}
  coursehub:homes: {roster: [{name: prof, role: staff}, {name: ada}]}
  coursehub:hub:
    url: https://physics.example.org
    authentication:
      method: oauth
      oauth:
        clientId: physics
        clientSecret: {secure: v1:hunter2}
        authorizeUrl: https://login.example.org/authorize
        tokenUrl: https://login.example.org/token
        userdataUrl: https://login.example.org/userinfo
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one stack's file, and next semester's roster."""
    (tmp_path / "Pulumi.physics.yaml").write_text(OLD)
    (tmp_path / "participants.csv").write_text("name,role\nprof,staff\n0123,student\n")
    return tmp_path


def rollover(folder: Path, *argv: str) -> Any:
    return CliRunner().invoke(app, ["--folder", str(folder), "--stack", "physics", "rollover", *argv])


def test_the_next_stack_is_written_and_needs_its_secrets_alone(folder: Path) -> None:
    done = rollover(folder, "physics-2027", "--roster", "participants.csv")
    assert done.exit_code == 0, done.output
    file = folder / "Pulumi.physics-2027.yaml"
    assert "secure" not in file.read_text() and "salt" not in file.read_text()
    assert "config set --secret --path 'hub.authentication.oauth.clientSecret' --stack physics-2027" in done.output
    assert "config set --secret --path 'kubernetes:context' --stack physics-2027" in done.output
    tree = yaml.safe_load(file.read_text())
    tree["config"]["coursehub:hub"]["authentication"]["oauth"]["clientSecret"] = {"secure": "v1:new"}
    file.write_text(yaml.safe_dump(tree))
    course = read(file)
    assert (course.course.name, course.storage.path) == ("physics-2027", "jhub-pool/physics-2027")
    assert [entry.name for entry in course.participants] == ["prof", "0123"]
    assert (folder / "Pulumi.physics.yaml").read_text() == OLD


def test_a_file_that_is_there_is_never_overwritten(folder: Path) -> None:
    (folder / "Pulumi.next.yaml").write_text("config: {}")
    done = rollover(folder, "next")
    assert (done.exit_code, (folder / "Pulumi.next.yaml").read_text()) == (2, "config: {}")


@pytest.mark.parametrize("argv", [["Next"], ["../next"], ["next", "--roster", "nowhere.csv"], ["physics"]])
def test_what_would_not_be_sound_is_not_written(folder: Path, argv: list[str]) -> None:
    before = sorted(file.name for file in folder.parent.rglob("*"))
    done = rollover(folder, *argv)
    assert done.exit_code == 2
    assert sorted(file.name for file in folder.parent.rglob("*")) == before
