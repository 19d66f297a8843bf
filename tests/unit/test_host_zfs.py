"""The dataset's planner: a table of facts to commands, the hostile cases among them."""

from dataclasses import replace
from typing import Any

import pytest

from host.run import BadSpecification, Refused
from host.zfs_facts import Facts, PoolFile, Want, parse
from host.zfs_steps import properties, refuse_anothers, steps

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
POOL = Facts(
    openzfs=True, compressions=frozenset({"lz4"}), pools=frozenset({"jhub-pool"}), mountpoint=True, guarded=True
)
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


def test_a_course_that_is_fuller_than_its_quota_is_mounted_all_the_same() -> None:
    full = replace(WANT, quota=1024)
    assert steps(full, having(quota="1024")) == []
    assert steps(full, having(quota="1024", mounted="no")) == [["zfs", "mount", "jhub-pool/userdata"]]


def test_whose_it_is_is_noted() -> None:
    mine = replace(WANT, stack="physics/prod")
    (create,) = steps(mine, replace(POOL, properties=None))
    assert "-ocoursehub:stack=physics/prod" in create
    for before in ("", "physics/old"):
        assert steps(mine, having(**{"coursehub:stack": before})) == [
            ["zfs", "set", "coursehub:stack=physics/prod", "jhub-pool/userdata"]
        ]
    assert steps(mine, having(**{"coursehub:stack": "physics/prod"})) == []


def test_another_stacks_dataset_is_refused_with_both_ways_out() -> None:
    mine = replace(WANT, stack="physics/prod")
    for own in ("", "physics/prod"):
        refuse_anothers(mine, having(**{"coursehub:stack": own}))
    refuse_anothers(WANT, having(**{"coursehub:stack": "chem/dev"}))
    refuse_anothers(mine, POOL)
    with pytest.raises(Refused) as refusal:
        refuse_anothers(mine, having(**{"coursehub:stack": "chem/dev"}))
    assert "of the course chem, of the stack dev" in str(refusal.value)
    assert "another storage.dataset" in str(refusal.value)
    assert "`zfs set coursehub:stack=physics/prod jhub-pool/userdata`" in str(refusal.value)


def sized(pool: Facts, file: int, disk: int | None) -> Facts:
    return replace(pool, pool_folder=True, pool_file=file, pool_disk=disk)


@pytest.mark.parametrize("pool", [THERE, replace(THERE, pools=frozenset(), properties=None, importable=True)])
def test_a_pools_file_grows_before_all_else(pool: Facts) -> None:
    grow = ["truncate", "-s", str(1 << 30), "/srv/pools/jhub.img"]
    assert steps(FILE, sized(pool, 1 << 29, 1 << 29)) == [grow]
    assert grow not in steps(FILE, sized(pool, 1 << 30, 1 << 29))


def test_a_pools_file_never_shrinks() -> None:
    with pytest.raises(Refused, match="ZFS makes no disk smaller"):
        steps(FILE, sized(THERE, 1 << 31, 1 << 31))


def test_a_file_that_is_not_the_pools_disk_is_left_alone() -> None:
    have = sized(THERE, 1 << 20, None)
    assert steps(FILE, have) == []


@pytest.mark.parametrize(("disk", "idle"), [(1 << 29, 1 << 29), ((1 << 30) - 4096, 0), (1 << 30, 0), (None, 0)])
def test_what_a_pool_does_not_use_of_its_file(disk: int | None, idle: int) -> None:
    assert sized(THERE, 1 << 30, disk).idle == idle


def test_a_missing_pool_is_refused_and_those_there_are_named() -> None:
    with pytest.raises(Refused, match=r"no ZFS pool jhub-pool on this server \(pools here: tank\)"):
        steps(WANT, Facts(True, pools=frozenset({"tank"})))


@pytest.mark.parametrize(
    ("have", "commands"),
    [
        (Facts(True), ["mkdir", "truncate", "zpool create"]),
        (Facts(True, pool_folder=True), ["truncate", "zpool create"]),
        (Facts(True, pool_folder=True, pool_file=1 << 30), ["zpool create"]),
        (Facts(True, pool_folder=True, pool_file=1 << 30, importable=True), ["zpool import"]),
    ],
)
def test_a_pool_in_a_file_goes_on_from_where_it_is(have: Facts, commands: list[str]) -> None:
    found = steps(FILE, have)
    assert [" ".join(argv[:2]) if argv[0] == "zpool" else argv[0] for argv in found] == commands
    assert not any("-f" in argv for argv in found), "another pool in the file must stop it"


def test_no_real_disk_is_ever_formatted() -> None:
    have = Facts(True, pool_folder=True)
    assert next(argv for argv in steps(FILE, have) if argv[0] == "zpool")[-1] == "/srv/pools/jhub.img"


@pytest.mark.parametrize(
    ("wanted", "there", "given"),
    [
        ("lz4", (), "gzip"),
        ("zstd", (), "gzip"),
        ("zstd", ("lz4",), "gzip"),
        ("zstd", ("lz4", "zstd"), "zstd"),
        ("lz4", ("lz4",), "lz4"),
        ("off", (), "off"),
    ],
)
def test_compression_is_what_this_pool_has(wanted: str, there: tuple[str, ...], given: str) -> None:
    have = replace(THERE, compressions=frozenset(there))
    assert properties(replace(WANT, compression=wanted), have)["compression"] == given


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


@pytest.mark.parametrize("stack", ["dev", "a b/c", "a/b\n", "/", "-o x/y", 1, "a/b/c"])
def test_the_unit_trusts_no_stack(stack: Any) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, "stack": stack})


@pytest.mark.parametrize("wrong", [{}, {**SPEC, "more": 1}, {k: v for k, v in SPEC.items() if k != "quota"}])
def test_an_unknown_or_missing_key_is_no_specification(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)
