"""The dataset's planner: a table of facts to commands, the hostile cases among them."""

from dataclasses import replace
from typing import Any

import pytest

from host.run import BadSpecification, Refused
from host.zfs import Facts, PoolFile, Want, parse, properties, steps

WANT = Want("jhub-pool", "userdata", "lz4", True, None, None, False)
FILE = replace(WANT, pool_file=PoolFile("/srv/pools/jhub.img", 1 << 30))
SOUND = {
    "atime": "off",
    "canmount": "on",
    "compression": "lz4",
    "dedup": "on",
    "mounted": "yes",
    "mountpoint": "/jhub-pool/userdata",
    "quota": "0",
    "used": "4096",
}
POOL = Facts(openzfs=True, lz4=True, pools=frozenset({"jhub-pool"}), mountpoint=True, guarded=True)
THERE = replace(POOL, properties=SOUND)


def having(**changed: str) -> Facts:
    return replace(THERE, properties={**SOUND, **changed})


def test_nothing_is_done_where_all_is_as_wanted() -> None:
    assert steps(WANT, THERE) == []


@pytest.mark.parametrize(
    ("want", "have", "commands"),
    [
        (WANT, having(dedup="off"), [["zfs", "set", "dedup=on", "jhub-pool/userdata"]]),
        (WANT, having(quota="99"), [["zfs", "set", "quota=none", "jhub-pool/userdata"]]),
        (replace(WANT, quota=8192), THERE, [["zfs", "set", "quota=8192", "jhub-pool/userdata"]]),
        (replace(WANT, compression="off"), THERE, [["zfs", "set", "compression=off", "jhub-pool/userdata"]]),
    ],
)
def test_only_what_differs_is_changed(want: Want, have: Facts, commands: list[list[str]]) -> None:
    assert steps(want, have) == commands


def test_a_new_dataset_is_not_mounted_before_its_mountpoint_is_guarded() -> None:
    ((*create, path),) = steps(replace(WANT, quota=8192), replace(POOL, properties=None))
    assert create[:4] == ["zfs", "create", "-p", "-ocanmount=noauto"]
    assert {"-odedup=on", "-ocompression=lz4", "-oquota=8192", "-oatime=off"} <= set(create)
    assert path == "jhub-pool/userdata"


@pytest.mark.parametrize(
    ("have", "commands"),
    [
        (replace(POOL, mountpoint=False, guarded=False), ["mkdir", "chattr", "zfs"]),
        (replace(POOL, guarded=False), ["chattr", "zfs"]),
        (replace(POOL, guarded=False, guardable=False), ["zfs"]),
        (POOL, ["zfs"]),
    ],
)
def test_an_unmounted_dataset_is_mounted_on_a_guarded_mountpoint(have: Facts, commands: list[str]) -> None:
    found = steps(WANT, replace(have, properties={**SOUND, "mounted": "no"}))
    assert [argv[0] for argv in found] == commands
    assert found[-1] == ["zfs", "mount", "jhub-pool/userdata"]


def test_files_below_an_unmounted_dataset_are_never_hidden() -> None:
    have = replace(having(mounted="no"), mountpoint_in_use=True)
    with pytest.raises(Refused, match="move them away first"):
        steps(WANT, have)


def test_a_quota_below_what_is_used_is_refused_with_the_figures() -> None:
    with pytest.raises(Refused, match=r"already holds 4,096 bytes, more than the 1,024 of storage\.quota"):
        steps(replace(WANT, quota=1024), THERE)


def test_a_missing_pool_is_refused_and_those_there_are_named() -> None:
    with pytest.raises(Refused, match=r"no ZFS pool jhub-pool on this server \(pools here: tank\)"):
        steps(WANT, Facts(True, True, frozenset({"tank"})))


@pytest.mark.parametrize(
    ("have", "commands"),
    [
        (Facts(True, True), ["mkdir", "truncate", "zpool create"]),
        (Facts(True, True, pool_folder=True), ["truncate", "zpool create"]),
        (Facts(True, True, pool_folder=True, pool_file=True), ["zpool create"]),
        (Facts(True, True, pool_folder=True, pool_file=True, importable=True), ["zpool import"]),
    ],
)
def test_a_pool_in_a_file_goes_on_from_where_it_is(have: Facts, commands: list[str]) -> None:
    found = steps(FILE, have)
    assert [" ".join(argv[:2]) if argv[0] == "zpool" else argv[0] for argv in found] == commands
    assert not any("-f" in argv for argv in found), "another pool in the file must stop it"


def test_no_real_disk_is_ever_formatted() -> None:
    have = Facts(True, True, pool_folder=True)
    assert next(argv for argv in steps(FILE, have) if argv[0] == "zpool")[-1] == "/srv/pools/jhub.img"


@pytest.mark.parametrize(
    ("wanted", "lz4", "given"),
    [("lz4", False, "gzip"), ("zstd", False, "gzip"), ("lz4", True, "lz4"), ("off", False, "off")],
)
def test_compression_is_what_this_zfs_has(wanted: str, lz4: bool, given: str) -> None:
    assert properties(replace(WANT, compression=wanted), replace(THERE, lz4=lz4))["compression"] == given


SPEC: dict[str, Any] = {
    "pool": "jhub-pool",
    "dataset": "userdata",
    "compression": "lz4",
    "dedup": True,
    "quota": None,
    "pool_file": None,
    "destroy": False,
}


def test_a_specification_is_read() -> None:
    assert parse(SPEC) == WANT


@pytest.mark.parametrize("name", ["..", "-rf", "a b", "a;b", "$(id)", "", "/etc", "a//b", "Ä", "a@b", "a%b"])
@pytest.mark.parametrize("key", ["pool", "dataset"])
def test_the_unit_trusts_no_name(key: str, name: str) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, key: name})


@pytest.mark.parametrize("wrong", [{}, {**SPEC, "more": 1}, {k: v for k, v in SPEC.items() if k != "quota"}])
def test_an_unknown_or_missing_key_is_no_specification(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)
