"""What a student's server says of a home, of real homes in a pool in a file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from coursehub_home.space import report

from tests.host.conftest import Unit, must, of_folder, zfs

MIB = 1 << 20
BUDGET = 16 * MIB
MATERIALS = 24 * MIB  # more than the budget: they are shared with the template, and cost a student nothing


@pytest.fixture
def home(template: Unit, tmp_path: Path) -> Path:
    """Ada's home, a clone of a template with one large file."""
    materials = tmp_path / "materials"
    materials.mkdir()
    (materials / "data.bin").write_bytes(os.urandom(MATERIALS))
    version = must(template("apply", **of_folder(materials)))["version"]
    students = [{"name": "ada", "budget": BUDGET}]
    spec = {key: template.spec[key] for key in ("pool", "dataset", "uid", "gid")}
    homes = replace(template, name="workspaces", spec={**spec, "template": {"version": version}, "students": students})
    must(homes("apply"))
    return Path("/", template.spec["pool"], "userdata", "homes", "ada")


def told(home: Path) -> dict[str, Any]:
    """What the server says once ZFS has counted: a property that is set makes zfs-fuse count at once."""
    os.sync()
    zfs("zfs", "set", "atime=off", str(home).lstrip("/"))
    return report(home, BUDGET)


def fill(path: Path) -> None:
    """Write until the budget stops it."""
    with pytest.raises(OSError, match="quota exceeded"), path.open("wb", buffering=0) as file:
        for _ in range(2 * BUDGET // MIB):
            file.write(os.urandom(MIB))
            os.fsync(file.fileno())


def test_a_fresh_home_of_a_template_larger_than_the_budget_is_as_good_as_empty(home: Path) -> None:
    said = told(home)
    assert (said["budget"], said["nearlyFull"], said["largest"]) == (BUDGET, False, [])
    assert said["used"] < MIB


def test_a_full_home_names_the_students_own_file_and_not_the_materials(home: Path) -> None:
    fill(home / "mine.bin")
    said = told(home)
    assert said["full"]
    assert [one["path"] for one in said["largest"]] == ["mine.bin"]
    assert said["held"] < MIB


def test_what_snapshots_hold_is_said_and_deleting_frees_it_once_they_go(home: Path) -> None:
    # In a home that is full to the last byte ZFS refuses to delete what a snapshot holds.
    (home / "mine.bin").write_bytes(os.urandom(14 * MIB))
    snapshot = f"{str(home).lstrip('/')}@monday"
    zfs("zfs", "snapshot", snapshot)
    (home / "mine.bin").unlink()
    said = told(home)
    assert said["nearlyFull"]
    assert said["largest"] == []
    assert 14 * MIB <= said["held"] <= said["used"]
    zfs("zfs", "destroy", snapshot)
    assert told(home)["used"] < MIB
