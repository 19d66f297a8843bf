"""The course's dataset and its pool, as a specification wants them and as the machine has them; reading both."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from host.datasets import is_name, openzfs
from host.run import BadSpecification, CommandFailed, Refused, run_as_root, which

STACK = "coursehub:stack"  # the property that says whose the dataset is
FEATURES = {"lz4": "lz4_compress", "zstd": "zstd_compress"}  # what a pool has to have for a compression
_IDENTITY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_LABELS = 9 << 19  # bytes of a disk that ZFS keeps for its labels
_ROUNDED = 1 << 20  # bytes at the end of a disk that are too few to be used


@dataclass(frozen=True)
class PoolFile:
    """A file that serves as the pool's disk."""

    path: str
    size: int  # bytes


@dataclass(frozen=True)
class Want:
    """What the dataset is to be."""

    pool: str
    dataset: str  # without the pool
    compression: str
    dedup: bool
    quota: int | None  # bytes; None leaves the pool as the limit
    pool_file: PoolFile | None
    destroy: bool  # put the data into the trash on `remove`
    archive: str | None = None  # the folder that `remove` archives into
    stack: str | None = None  # whose it is, `course/stack`; None where it is only looked at

    @property
    def path(self) -> str:
        """The full name, `pool/dataset`."""
        return f"{self.pool}/{self.dataset}"

    @property
    def mountpoint(self) -> str:
        """Where it is mounted on the server."""
        return f"/{self.path}"


@dataclass(frozen=True)
class Facts:
    """What the machine has. Properties as `zfs get -Hp` prints them."""

    openzfs: bool
    compressions: frozenset[str] = frozenset()  # lz4 and zstd, as far as the pool has them
    pools: frozenset[str] = frozenset()
    importable: bool = False  # the pool is in its file, but not imported
    pool_folder: bool = False  # the folder of the pool's file is there
    pool_file: int | None = None  # bytes of the pool's file; None: there is none
    pool_disk: int | None = None  # bytes of it that the pool uses; None: it is not this pool's
    properties: Mapping[str, str] | None = None  # of the dataset; None: there is none
    # Of the bare mountpoint, while the dataset is not mounted on it:
    mountpoint: bool = False
    mountpoint_in_use: bool = False
    guardable: bool = True
    guarded: bool = False

    @property
    def idle(self) -> int:
        """Bytes of the pool's file that the pool does not use, since the file grew."""
        unused = (self.pool_file or 0) - (self.pool_disk or 0) if self.pool_disk else 0
        return unused if unused > _ROUNDED else 0


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if a key is missing, unknown or of the wrong kind."""
    try:
        file = given["pool_file"]
        want = Want(**{**given, "pool_file": file and PoolFile(**file)})
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a dataset: {error}") from None
    if want.archive is not None and not Path(want.archive).is_absolute():
        raise BadSpecification(f"{want.archive!r} is no absolute path of a folder for archives")
    if want.stack is not None and not (isinstance(want.stack, str) and _IDENTITY.fullmatch(want.stack)):
        raise BadSpecification(f"{want.stack!r} is no course/stack: letters, digits, . - and _")
    for name in (want.pool, *want.dataset.split("/")):
        # The configuration has an allow-list of its own; this one holds for whoever calls the unit.
        if not is_name(name):
            raise BadSpecification(f"{name!r} is no name for a pool or dataset: lower-case letters, digits, - and _")
    return want


def facts(want: Want) -> Facts:
    """Read the machine; changes nothing. Raises Refused where there is no ZFS, or none that answers."""
    if which("zfs") is None:
        raise Refused("there is no ZFS on this server: `make up` installs it, or `apt-get install zfsutils-linux`")
    try:
        pools = frozenset(run_as_root(["zpool", "list", "-H", "-o", "name"]).split())
    except CommandFailed as error:
        raise Refused(f"ZFS does not answer; `make up` starts it, or `modprobe zfs`:\n{error}") from None
    disk = None if want.pool_file is None else Path(want.pool_file.path)
    file_size = disk.stat().st_size if disk is not None and disk.exists() else None
    bare = Path(want.mountpoint)
    found = _properties(want) if want.pool in pools else None
    mounted = found is not None and found["mounted"] == "yes"
    attributes = None if mounted or not bare.is_dir() else _attributes(bare)
    return Facts(
        openzfs=openzfs(),
        compressions=_compressions(want.pool) if openzfs() and want.pool in pools else frozenset(),
        pools=pools,
        importable=want.pool not in pools and _importable(want),
        pool_folder=disk is not None and disk.parent.is_dir(),
        pool_file=file_size,
        pool_disk=_used_of(disk, want.pool, file_size, want.pool in pools) if disk is not None and file_size else None,
        properties=found,
        mountpoint=bare.is_dir(),
        mountpoint_in_use=not mounted and bare.is_dir() and any(bare.iterdir()),
        guardable=attributes is not None or not bare.is_dir(),
        guarded=attributes is not None and "i" in attributes,
    )


def _properties(want: Want) -> dict[str, str] | None:
    names = ["atime", "canmount", "compression", "dedup", "mounted", "mountpoint", "quota", "used", "available", STACK]
    if want.path not in run_as_root(["zfs", "list", "-H", "-o", "name", "-r", want.pool]).splitlines():
        return None
    table = run_as_root(["zfs", "get", "-Hp", "-o", "property,value,source", ",".join(names), want.path])
    found = {key: (value, source) for key, value, source in (row.split("\t") for row in table.splitlines())}
    values = {key: "0" if value == "none" else value for key, (value, _) in found.items()}
    # What a dataset above is noted as says nothing of this one.
    return {**values, STACK: values[STACK] if found[STACK][1] in ("local", "received") else ""}


def _compressions(pool: str) -> frozenset[str]:
    """Which compressions of those that not every OpenZFS has, this pool has."""
    return frozenset(name for name, feature in FEATURES.items() if _has(pool, feature))


def _has(pool: str, feature: str) -> bool:
    try:
        state = run_as_root(["zpool", "get", "-H", "-o", "value", f"feature@{feature}", pool]).strip()
    except CommandFailed:
        return False  # an OpenZFS that does not know the feature
    return state in ("enabled", "active")


@cache
def _used_of(disk: Path, pool: str, disk_size: int, imported: bool) -> int | None:
    """How many bytes of a file a pool uses, as its label says; None where it is not this pool's disk.

    It takes a tenth of a second to read, so it is read again only once the file has another size, or the pool comes.
    """
    try:
        label = run_as_root(["zdb", "-l", str(disk)])
    except (CommandFailed, Refused):
        return None
    name, size = (re.search(rf"^ +{key}: (.+)$", label, re.MULTILINE) for key in ("name", "asize"))
    return int(size[1]) + _LABELS if name and size and name[1] == f"'{pool}'" else None


def _importable(want: Want) -> bool:
    if want.pool_file is None or not Path(want.pool_file.path).exists():
        return False
    try:
        found = run_as_root(["zpool", "import", "-d", str(Path(want.pool_file.path).parent)])
    except CommandFailed:
        return False  # how zpool says that there is nothing to import
    return any(line.split() == ["pool:", want.pool] for line in found.splitlines())


def _attributes(folder: Path) -> str | None:
    """The folder's flags as lsattr prints them; None where its file system has none."""
    try:
        return run_as_root(["lsattr", "-d", str(folder)]).split()[0]
    except CommandFailed:
        return None
