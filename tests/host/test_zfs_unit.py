"""The dataset unit against a real pool in a file."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from host.datasets import patiently
from tests.host.conftest import POOL_BYTES, Unit, zfs


def path(unit: Unit) -> str:
    return f"{unit.spec['pool']}/{unit.spec['dataset']}"


def mountpoint(unit: Unit) -> Path:
    return Path("/", path(unit))


def value(unit: Unit, key: str) -> str:
    return zfs("zfs", "get", "-Hp", "-o", "value", key, path(unit)).strip()


def test_the_dataset_is_made_with_its_pool_and_mounted(unit: Unit) -> None:
    done = unit("apply")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mountpoint"] == str(mountpoint(unit))
    assert (value(unit, "dedup"), value(unit, "compression"), value(unit, "mounted")) == ("on", "gzip", "yes")
    assert os.path.ismount(mountpoint(unit))


def test_a_second_apply_changes_nothing(unit: Unit) -> None:
    unit("apply")
    again = unit("apply")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_quota_and_compression_change_in_place_and_the_data_stays(unit: Unit) -> None:
    unit("apply")
    (mountpoint(unit) / "work.txt").write_text("mine")
    done = unit("apply", quota=64 << 20, compression="off")
    assert done.returncode == 0, done.stderr
    assert (value(unit, "quota"), value(unit, "compression")) == (str(64 << 20), "off")
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"
    assert "quota" in done.stderr


def test_a_quota_truly_stops_a_write(unit: Unit) -> None:
    unit("apply", quota=16 << 20, compression="off", dedup=False)
    written = 0
    with (mountpoint(unit) / "big").open("wb", buffering=0) as file, pytest.raises(OSError, match="quota exceeded"):
        while written < 32 << 20:
            written += file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    assert written <= 17 << 20


def test_a_quota_below_what_is_used_is_refused(unit: Unit) -> None:
    unit("apply", compression="off")
    (mountpoint(unit) / "big").write_bytes(os.urandom(8 << 20))
    zfs("zfs", "snapshot", f"{path(unit)}@flush")  # zfs-fuse counts late; a snapshot makes it count
    done = unit("apply", quota=1 << 20)
    assert done.returncode == 3
    assert "raise the quota" in done.stderr
    assert value(unit, "quota") == "0"


def test_remove_keeps_the_data_and_holds_it_as_it_was_left(unit: Unit) -> None:
    unit("apply")
    (mountpoint(unit) / "work.txt").write_text("mine")
    for _ in range(2):
        done = unit("remove")
        assert done.returncode == 0
        assert "kept" in done.stderr
        time.sleep(1)  # snapshots are named by the second
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"
    held = zfs("zfs", "get", "-Hp", "-r", "-o", "value", "userrefs", path(unit)).split()
    assert held == ["-", "0", "1"], "the last one alone is held"


def test_a_pool_that_takes_no_snapshot_keeps_its_data_and_nothing_else_is_done_with_it(
    unit: Unit, tmp_path: Path
) -> None:
    unit("apply", compression="off", dedup=False, quota=None)
    with (mountpoint(unit) / "big").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(os.urandom(1 << 20))
    done = unit("remove")
    assert done.returncode == 0, done.stderr
    assert (mountpoint(unit) / "big").exists()
    for changed in ({"archive": str(tmp_path)}, {"destroy": True}):
        refused = unit("remove", **changed)
        assert (refused.returncode, "no snapshot" in refused.stderr) == (3, True), refused.stderr
    assert not list(tmp_path.glob("*.tar*"))
    assert os.path.ismount(mountpoint(unit))


def test_remove_archives_first_where_asked(unit: Unit, tmp_path: Path) -> None:
    unit("apply")
    (mountpoint(unit) / "work.txt").write_text("mine")
    done = unit("remove", archive=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("userdata-*.tar"))) == 1
    assert "coursehub:verified" in zfs("zfs", "get", "-H", "all", path(unit))
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"
    assert unit("remove", archive="relative").returncode == 2


def test_a_bare_mountpoint_refuses_writes(unit: Unit) -> None:
    unit("apply")
    zfs("zfs", "unmount", path(unit))
    with pytest.raises(PermissionError):
        (mountpoint(unit) / "astray").write_text("lost")
    assert unit("apply").returncode == 0
    assert os.path.ismount(mountpoint(unit))


def test_an_exported_pool_is_found_again(unit: Unit) -> None:
    unit("apply")
    (mountpoint(unit) / "work.txt").write_text("mine")
    patiently(["zpool", "export", unit.spec["pool"]])
    done = unit("apply")
    assert done.returncode == 0, done.stderr
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"


def test_a_file_that_holds_another_pool_is_left_alone(unit: Unit, tmp_path: Path) -> None:
    unit("apply")
    other = unit("apply", pool="otherpool")
    assert other.returncode == 4
    assert "otherpool" not in zfs("zpool", "list", "-H", "-o", "name").split()
    assert value(unit, "mounted") == "yes"


def test_a_missing_pool_is_told_with_the_remedy(unit: Unit) -> None:
    done = unit("apply", pool_file=None)
    assert done.returncode == 3
    assert f"there is no ZFS pool {unit.spec['pool']} on this server" in done.stderr
    assert "zpool create" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["..", "-rf", "a b", "a;b", "$(id)", "@x", "/etc"])
def test_hostile_names_touch_nothing(unit: Unit, name: str) -> None:
    for key in ("pool", "dataset"):
        changed: dict[str, Any] = {key: name}
        done = unit("apply", **changed)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert unit.spec["pool"] not in zfs("zpool", "list", "-H", "-o", "name").split()
    assert not Path(unit.spec["pool_file"]["path"]).exists()


def test_observing_changes_nothing(unit: Unit) -> None:
    done = unit("observe")
    assert done.returncode == 0
    assert json.loads(done.stdout)["there"] is False
    assert not Path(unit.spec["pool_file"]["path"]).exists()


def test_killed_anywhere_the_next_apply_finishes_the_work(unit: Unit) -> None:
    """Twenty kills at random moments of an apply that takes about 0.3 s; afterwards all is as after one whole apply."""
    moments = random.Random(20261123)
    killed = 0
    for _ in range(20):
        process = unit.start("apply")
        time.sleep(moments.uniform(0.02, 0.3))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if killed % 5 == 4:
            # Back to the start, so that kills fall on every step.
            subprocess.run(["zfs", "destroy", path(unit)], check=False, capture_output=True)
    assert killed > 0, "no apply was slow enough to be killed: the test proves nothing"
    done = unit("apply")
    assert done.returncode == 0, done.stderr
    assert (value(unit, "mounted"), value(unit, "canmount"), value(unit, "dedup")) == ("yes", "on", "on")
    assert unit("apply").stderr == ""


def test_two_at_once_do_not_interleave(unit: Unit) -> None:
    processes = [unit.start("apply") for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert value(unit, "mounted") == "yes"


def test_a_compression_that_this_zfs_has_not_is_said_and_replaced(unit: Unit) -> None:
    for wanted in ("lz4", "zstd"):
        done = unit("apply", compression=wanted)
        assert done.returncode == 0, done.stderr
        has = value(unit, "compression")
        assert has in (wanted, "gzip")
        said = f"this ZFS has no {wanted}: new data is compressed by gzip" in done.stderr
        assert said == (has == "gzip")


def test_a_larger_pool_file_grows_and_a_smaller_one_is_refused(unit: Unit) -> None:
    unit("apply", quota=None)
    (mountpoint(unit) / "work.txt").write_text("mine")
    file = Path(unit.spec["pool_file"]["path"])
    larger = {"path": str(file), "size": 2 * POOL_BYTES}
    assert json.loads(unit("observe", pool_file=larger).stdout)["drift"] == [
        f"making {file} {2 * POOL_BYTES:,} bytes large"
    ]
    assert file.stat().st_size == POOL_BYTES, "only looked at"
    grown = unit("apply", pool_file=larger)
    assert grown.returncode == 0, grown.stderr
    if zpool_size(unit) < POOL_BYTES:  # zfs-fuse grows a pool only as it imports it, and that is told
        assert "when it imports the pool" in grown.stderr
        (said,) = json.loads(unit("observe", pool_file=larger).stdout)["warnings"]
        assert f"`zpool export {unit.spec['pool']}`" in said
        patiently(["zpool", "export", unit.spec["pool"]])
        assert unit("apply", pool_file=larger).returncode == 0
    assert zpool_size(unit) > 1.9 * POOL_BYTES
    seen = json.loads(unit("observe", pool_file=larger).stdout)
    assert (seen["drift"], seen["warnings"]) == ([], [])
    refused = unit("apply")
    assert (refused.returncode, "ZFS makes no disk smaller" in refused.stderr) == (3, True)
    assert file.stat().st_size == 2 * POOL_BYTES
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"


def zpool_size(unit: Unit) -> float:
    """Bytes of the pool, as zpool rounds them for people; zfs-fuse knows no other way."""
    text = zfs("zpool", "list", "-H", "-o", "size", unit.spec["pool"]).strip()
    return float(text[:-1]) * {"M": 1 << 20, "G": 1 << 30}[text[-1]]


def test_a_full_course_is_mounted_all_the_same(unit: Unit) -> None:
    unit("apply", compression="off", dedup=False)
    (mountpoint(unit) / "big").write_bytes(os.urandom(8 << 20))
    zfs("zfs", "snapshot", f"{path(unit)}@flush")  # zfs-fuse counts late; a snapshot makes it count
    used = int(value(unit, "used"))
    zfs("zfs", "set", f"quota={used}", path(unit))
    zfs("zfs", "unmount", path(unit))
    # Deduplication and late accounting may put `used` above a quota that holds.
    done = unit("apply", compression="off", dedup=False, quota=used)
    assert done.returncode == 0, done.stderr
    assert value(unit, "mounted") == "yes"


def test_another_stacks_dataset_is_refused_before_anything_is_changed(unit: Unit) -> None:
    assert unit("apply", new=True, stack="physics/prod").returncode == 0
    (mountpoint(unit) / "work.txt").write_text("mine")
    assert value(unit, "coursehub:stack") == "physics/prod"
    refused = unit("apply", new=True, stack="chem/dev", quota=64 << 20)
    assert refused.returncode == 3
    assert f"`zfs set coursehub:stack=chem/dev {path(unit)}`" in refused.stderr
    assert (value(unit, "coursehub:stack"), value(unit, "quota")) == ("physics/prod", "0")
    zfs("zfs", "set", "coursehub:stack=chem/dev", path(unit))
    assert unit("apply", new=True, stack="chem/dev").returncode == 0, "it was handed over"
    assert (mountpoint(unit) / "work.txt").read_text() == "mine"


def test_a_stack_whose_state_was_lost_has_its_dataset_again_without_a_word(unit: Unit) -> None:
    unit("apply", new=True, stack="physics/prod")
    again = unit("apply", new=True, stack="physics/prod")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_stack_that_was_renamed_keeps_its_dataset(unit: Unit) -> None:
    unit("apply", new=True, stack="physics/prod")
    assert unit("apply", made=True, stack="physics/main").returncode == 0
    assert value(unit, "coursehub:stack") == "physics/main"


def test_a_dataset_that_is_nobodys_is_taken_also_below_anothers(unit: Unit) -> None:
    unit("apply", stack=None)
    assert value(unit, "coursehub:stack") == "-"
    assert unit("apply", new=True, stack="physics/prod").returncode == 0
    zfs("zfs", "create", f"{path(unit)}/inner")
    inner = unit("apply", new=True, stack="chem/dev", dataset="userdata/inner")
    assert inner.returncode == 0, inner.stderr
    assert zfs("zfs", "get", "-H", "-o", "value", "coursehub:stack", f"{path(unit)}/inner").strip() == "chem/dev"
    zfs("zfs", "unmount", f"{path(unit)}/inner")
