"""The dataset of the hub's database against a real pool in a file."""

from pathlib import Path

import pytest

from host.datasets import patiently
from tests.host.conftest import Unit, must, zfs

MIB = 1 << 20


@pytest.fixture
def database(unit: Unit) -> Unit:
    """The unit on a course that has no such dataset yet."""
    assert unit("apply").returncode == 0
    spec = {"pool": unit.spec["pool"], "dataset": "userdata", "name": "hub", "quota": 8 * MIB, "uid": 1000, "gid": 1000}
    return Unit("volume", spec)


def path(database: Unit) -> str:
    return f"{database.spec['pool']}/userdata/hub"


def value(database: Unit, key: str) -> str:
    return zfs("zfs", "get", "-Hp", "-o", "value", key, path(database)).strip()


def test_it_is_made_mounted_and_handed_over(database: Unit) -> None:
    assert database("apply").returncode == 0
    assert (value(database, "mounted"), value(database, "quota")) == ("yes", str(8 * MIB))
    status = Path("/", path(database)).stat()
    assert (status.st_uid, status.st_gid) == (1000, 1000)


def test_a_second_apply_does_nothing(database: Unit) -> None:
    database("apply")
    again = database("apply")
    assert (again.returncode, again.stderr) == (0, "")


def test_its_quota_changes_in_place_and_never_below_its_use(database: Unit) -> None:
    database("apply")
    Path("/", path(database), "data").write_bytes(bytes(range(256)) * 4096 * 3)
    assert database("apply", quota=16 * MIB).returncode == 0
    assert value(database, "quota") == str(16 * MIB)
    zfs("zfs", "set", "atime=off", path(database))  # has zfs-fuse count
    refused = database("apply", quota=4096)
    assert refused.returncode == 3
    assert "already holds" in refused.stderr


def test_its_bare_mountpoint_takes_no_data_of_the_hubs(database: Unit) -> None:
    database("apply")
    zfs("zfs", "unmount", path(database))
    bare = Path("/", path(database))
    assert (bare.stat().st_uid, bare.stat().st_mode & 0o777) == (0, 0o555)
    (bare / "astray").write_text("x")
    refused = database("apply")
    assert refused.returncode == 3
    assert "files lie in the folder" in refused.stderr
    (bare / "astray").unlink()
    assert database("apply").returncode == 0
    assert value(database, "mounted") == "yes"


@pytest.mark.parametrize("name", ["..", "-rf", "a/b", "", "hub\n"])
def test_hostile_names_are_refused(database: Unit, name: str) -> None:
    assert database("apply", name=name).returncode == 2


def test_remove_keeps_it(database: Unit) -> None:
    database("apply")
    assert database("remove").returncode == 0
    assert value(database, "mounted") == "yes"


def test_one_that_was_made_and_is_gone_is_never_replaced_by_an_empty_one(database: Unit) -> None:
    assert database("apply", new=True).returncode == 0
    Path("/", path(database), "jupyterhub.sqlite").write_text("accounts")
    elsewhere = f"{path(database)}-old"
    zfs("zfs", "unmount", path(database))
    patiently(["zfs", "rename", path(database), elsewhere])  # zfs-fuse is busy once after an unmount
    refused = database("apply", made=True)
    assert refused.returncode == 3
    assert "is not there, but this stack made it" in refused.stderr
    assert refused.stderr.removeprefix("volume: ").strip() in must(database("observe"))["drift"]
    assert path(database) not in zfs("zfs", "list", "-H", "-o", "name").split()
    patiently(["zfs", "rename", elsewhere, path(database)])
    assert database("apply", made=True).returncode == 0
    assert Path("/", path(database), "jupyterhub.sqlite").read_text() == "accounts"


def test_one_that_was_made_by_hand_to_begin_anew_is_taken(database: Unit) -> None:
    zfs("zfs", "create", path(database))
    assert database("apply", made=True).returncode == 0
    assert (value(database, "mounted"), value(database, "quota")) == ("yes", str(8 * MIB))
    assert Path("/", path(database)).stat().st_uid == 1000
