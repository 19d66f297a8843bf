"""What somebody changed by hand is found without touching it, and mended by an apply; a loss is never papered over."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from host.datasets import patiently
from tests.host.conftest import Unit, zfs


def path(unit: Unit) -> str:
    return f"{unit.spec['pool']}/{unit.spec['dataset']}"


def observed(unit: Unit, key: str) -> list[Any]:
    done = unit("observe")
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)[key]
    return found


def test_a_sound_dataset_has_not_drifted(unit: Unit) -> None:
    unit("apply")
    assert (observed(unit, "drift"), observed(unit, "warnings")) == ([], [])


def test_a_property_changed_by_hand_is_found_and_mended(unit: Unit) -> None:
    unit("apply")
    zfs("zfs", "set", "quota=32M", path(unit))
    zfs("zfs", "set", "compression=off", path(unit))
    assert sorted(observed(unit, "drift")) == [
        f"{path(unit)}: compression off -> gzip",
        f"{path(unit)}: quota {32 << 20} -> none",
    ]
    assert zfs("zfs", "get", "-Hp", "-o", "value", "quota", path(unit)).strip() == str(32 << 20), "only looked at"
    assert unit("apply", made=True).returncode == 0
    assert observed(unit, "drift") == []


def test_a_dataset_that_is_not_mounted_is_found_and_mounted(unit: Unit) -> None:
    unit("apply")
    zfs("zfs", "unmount", path(unit))
    assert f"mounting {path(unit)}" in observed(unit, "drift")
    assert unit("apply", made=True).returncode == 0
    assert os.path.ismount(Path("/", path(unit)))


def test_a_dataset_that_was_renamed_is_never_replaced_by_an_empty_one(unit: Unit) -> None:
    unit("apply")
    (Path("/", path(unit)) / "work.txt").write_text("mine")
    elsewhere = f"{unit.spec['pool']}/elsewhere"
    zfs("zfs", "unmount", path(unit))
    patiently(["zfs", "rename", path(unit), elsewhere])
    (said,) = observed(unit, "drift")
    assert f"{path(unit)} is not there, but this stack made it" in said
    refused = unit("apply", made=True)
    assert refused.returncode == 3
    assert path(unit) not in zfs("zfs", "list", "-H", "-o", "name").split()
    patiently(["zfs", "rename", elsewhere, path(unit)])
    assert unit("apply", made=True).returncode == 0
    assert (Path("/", path(unit)) / "work.txt").read_text() == "mine"


def test_a_pool_that_was_exported_comes_back_with_the_work(unit: Unit) -> None:
    unit("apply")
    (Path("/", path(unit)) / "work.txt").write_text("mine")
    patiently(["zpool", "export", unit.spec["pool"]])
    assert observed(unit, "drift") == [f"importing pool {unit.spec['pool']}"]
    assert unit("apply", made=True).returncode == 0
    assert (Path("/", path(unit)) / "work.txt").read_text() == "mine"


def test_a_pool_whose_disk_is_gone_is_never_replaced_by_an_empty_one(unit: Unit) -> None:
    unit("apply")
    disk = Path(unit.spec["pool_file"]["path"])
    patiently(["zpool", "export", unit.spec["pool"]])
    away = disk.rename(disk.with_suffix(".away"))
    refused = unit("apply", made=True)
    assert refused.returncode == 3
    assert f"pool {unit.spec['pool']} is not there, but this stack made it" in refused.stderr
    assert not disk.exists()
    away.rename(disk)
    assert unit("apply", made=True).returncode == 0


def test_a_pool_that_fills_up_is_told(unit: Unit) -> None:
    unit("apply", compression="off", dedup=False)
    with (Path("/", path(unit)) / "big").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(os.urandom(1 << 20))
    os.sync()
    (said,) = observed(unit, "warnings")
    assert "% full" in said


def test_a_disk_that_is_missing_is_told_while_its_mirror_still_works(unit: Unit, tmp_path: Path) -> None:
    disks = [tmp_path / name for name in ("one.img", "other.img")]
    for disk in disks:
        with disk.open("wb") as file:
            file.truncate(128 << 20)
    zfs("zpool", "create", "-O", "canmount=off", unit.spec["pool"], "mirror", *map(str, disks))
    mirrored = Unit("zfs", {**unit.spec, "pool_file": None})
    assert mirrored("apply").returncode == 0
    assert observed(mirrored, "warnings") == []
    zfs("zpool", "offline", unit.spec["pool"], str(disks[1]))
    assert observed(mirrored, "warnings") == [
        f"pool {unit.spec['pool']} is DEGRADED: `zpool status {unit.spec['pool']}` tells why"
    ]
    assert observed(mirrored, "drift") == [], "no `up` can mend it"
    zfs("zpool", "online", unit.spec["pool"], str(disks[1]))


def test_a_revision_is_noted_once_the_work_is_done(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "revisions" / "dataset-zfs.json"
    monkeypatch.setenv("COURSEHUB_MARKER", str(marker))
    monkeypatch.setenv("COURSEHUB_REVISION", '{"revision": 7, "generation": 0}')
    assert unit("apply", quota="nonsense").returncode != 0
    assert not marker.exists()
    assert unit("apply").returncode == 0
    noted = json.loads(marker.read_text())
    assert (noted["revision"], noted["result"]["dataset"]) == (7, path(unit))
    assert unit("remove").returncode == 0
    assert not marker.exists()
