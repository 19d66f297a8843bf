"""The unit of the course's dataset: pool in a file where asked for, dataset, properties, mount.

The pool is never made on, or taken from, real disks. `steps` decides from facts alone; `apply` runs one step, looks
again, and so on until nothing is left to do, which is why a run that was killed anywhere is finished by the next one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import archive, snapshots, trash
from host.datasets import Course, gone, openzfs
from host.lock import locked
from host.run import Argv, BadSpecification, CommandFailed, Refused, run_as_root, say, which
from host.state import is_new, was_made

_FULL_PERCENT = 80  # above it ZFS slows down and little room is left to react
_STACK = "coursehub:stack"  # the property that says whose the dataset is
_IDENTITY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_FEATURES = {"lz4": "lz4_compress", "zstd": "zstd_compress"}
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
        if not name or not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") or name[0] in "-_":
            raise BadSpecification(f"{name!r} is no name for a pool or dataset: lower-case letters, digits, - and _")
    return want


def properties(want: Want, have: Facts) -> dict[str, str]:
    """The properties the dataset is to have here, in the words of `zfs get -Hp`."""
    there = want.compression in have.compressions or want.compression not in _FEATURES
    return {
        "atime": "off",
        "canmount": "on",
        "compression": want.compression if there else "gzip",
        "dedup": "on" if want.dedup else "off",
        "mountpoint": want.mountpoint,
        "quota": str(want.quota or 0),
        **({_STACK: want.stack} if want.stack else {}),
    }


def steps(want: Want, have: Facts) -> list[Argv]:
    """Commands that make `have` into `want`, in order; empty when there is nothing to do.

    Raises Refused where that cannot be done without losing something, or at all.
    """
    if grown := _disk_steps(want, have):
        return grown
    if want.pool not in have.pools:
        return _pool_steps(want, have)
    wanted = properties(want, have)
    if have.properties is None:
        # Not mounted until its bare mountpoint is guarded.
        options = [f"-o{key}={value}" for key, value in wanted.items() if key not in ("canmount", "quota")]
        quota = [f"-oquota={want.quota}"] if want.quota else []
        return [["zfs", "create", "-p", "-ocanmount=noauto", *options, *quota, want.path]]
    used = int(have.properties["used"])
    # A course that is full, with the quota that it had, is no reason not to mount it.
    if want.quota is not None and want.quota < used and have.properties["quota"] != wanted["quota"]:
        raise Refused(
            f"{want.path} already holds {used:,} bytes, more than the {want.quota:,} of storage.quota:"
            " raise the quota, or delete something first"
        )
    changes: list[Argv] = [
        ["zfs", "set", f"{key}={_written(key, value)}", want.path]
        for key, value in wanted.items()
        if have.properties[key] != value
    ]
    return changes if have.properties["mounted"] == "yes" else [*_guard_steps(want, have), *changes, _mount(want)]


def _written(key: str, value: str) -> str:
    """A value as `zfs set` takes it: a quota of 0, as it is read, is refused by zfs-fuse."""
    return "none" if (key, value) == ("quota", "0") else value


def _disk_steps(want: Want, have: Facts) -> list[Argv]:
    """The pool's file as large as it is to be. Raises Refused where it would have to shrink."""
    file = want.pool_file
    if file is None or have.pool_file is None or have.pool_disk is None or file.size == have.pool_file:
        return []
    if file.size < have.pool_file:
        raise Refused(
            f"{file.path} has {have.pool_file:,} bytes, more than the {file.size:,} of storage.poolFile.size, and ZFS"
            " makes no disk smaller: set that to what the file has, or more"
        )
    return [["truncate", "-s", str(file.size), file.path]]


def _pool_steps(want: Want, have: Facts) -> list[Argv]:
    file = want.pool_file
    if file is None:
        there = ", ".join(sorted(have.pools)) or "none"
        raise Refused(
            f"there is no ZFS pool {want.pool} on this server (pools here: {there}): set storage.pool to one of them,"
            f" import it (`zpool import {want.pool}`), or make it on a free disk (`zpool create {want.pool} /dev/...`)"
        )
    if have.importable:
        return [["zpool", "import", "-d", str(Path(file.path).parent), want.pool]]
    # Without -f: zpool refuses a file that holds another pool. The pool's own root stays unmounted, so that the
    # dataset's bare mountpoint lies on the server's disk, where it can be guarded.
    create: Argv = ["zpool", "create", "-O", "canmount=off", want.pool, file.path]
    folder: list[Argv] = [] if have.pool_folder else [["mkdir", "-p", str(Path(file.path).parent)]]
    disk: list[Argv] = [] if have.pool_file is not None else [["truncate", "-s", str(file.size), file.path]]
    return [*folder, *disk, create]


def _guard_steps(want: Want, have: Facts) -> list[Argv]:
    """A bare mountpoint that refuses writes: no home can take data beside the dataset while it is not mounted."""
    if have.mountpoint_in_use:
        raise Refused(
            f"{want.path} is not mounted, but the folder {want.mountpoint} holds files that would be hidden by it:"
            " move them away first"
        )
    found: list[Argv] = []
    if not have.mountpoint:
        found.append(["mkdir", "-p", want.mountpoint])
    if have.guardable and not have.guarded:
        found.append(["chattr", "+i", want.mountpoint])
    return found


def _mount(want: Want) -> Argv:
    return ["zfs", "mount", want.path]


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
        pool_disk=_used_of(disk, want.pool) if disk is not None and file_size else None,
        properties=found,
        mountpoint=bare.is_dir(),
        mountpoint_in_use=not mounted and bare.is_dir() and any(bare.iterdir()),
        guardable=attributes is not None or not bare.is_dir(),
        guarded=attributes is not None and "i" in attributes,
    )


def observe(want: Want) -> dict[str, Any]:
    """What is there now, for people and for `preview`; what `apply` would do; what an admin has to see to."""
    have = facts(want)
    return {
        "dataset": want.path,
        "there": have.properties is not None,
        **(have.properties or {}),
        "drift": drift(want, have),
        "warnings": [*_health(want), *_unused(want, have)] if want.pool in have.pools else [],
    }


def drift(want: Want, have: Facts) -> list[str]:
    """What `apply` would do to a dataset that was made before, or why it would refuse."""
    try:
        refuse_to_begin_anew(want, have)
        todo = [_in_words(argv, have) for argv in steps(want, have)]
        return [*todo, f"growing pool {want.pool} by {have.idle:,} bytes"] if _can_grow(want, have) else todo
    except Refused as refusal:
        return [str(refusal)]


def refuse_to_begin_anew(want: Want, have: Facts) -> None:
    """Raise Refused where a dataset that was made before is not there: an empty one would hide that work is missing."""
    if have.importable or (want.pool in have.pools and have.properties is not None):
        return
    missing = want.path if want.pool in have.pools else f"pool {want.pool}"
    raise Refused(
        f"{missing} is not there, but this stack made it: bring it back (`zpool import {want.pool}`, or `zfs rename`"
        f" where it has another name now; `zfs list -r {want.pool}` shows all). To begin with an empty one, give up the"
        " old one first: `pulumi destroy`"
    )


def refuse_anothers(want: Want, have: Facts) -> None:
    """Raise Refused where the dataset is another stack's, whose students would be taken for leavers of this one."""
    whose = (have.properties or {}).get(_STACK, "")
    if want.stack is None or whose in ("", want.stack):
        return
    course, _, stack = whose.partition("/")
    raise Refused(
        f"{want.path} is the dataset of the course {course}, of the stack {stack}: give this course one of its own,"
        " with another storage.dataset. Only where that stack is no more, or was renamed to this one, hand it over with"
        f" all its work: `zfs set {_STACK}={want.stack} {want.path}`"
    )


def _can_grow(want: Want, have: Facts) -> bool:
    """Whether the pool takes what its file grew by while it is in use; zfs-fuse says so and does not."""
    return have.openzfs and want.pool in have.pools and have.idle > 0


def _unused(want: Want, have: Facts) -> list[str]:
    """What an admin has to do so that the pool uses all of its file."""
    file = want.pool_file
    if file is not None and have.pool_file is not None and have.pool_disk is None and file.size != have.pool_file:
        return [f"{file.path} is not the disk of pool {want.pool}: storage.poolFile.size changes nothing"]
    if file is None or not have.idle or have.openzfs:
        return []
    return [
        f"pool {want.pool} does not use {have.idle:,} bytes that {file.path} grew by: this ZFS does so when it imports"
        f" the pool: `make down`, `zpool export {want.pool}`, `make up`"
    ]


def _health(want: Want) -> list[str]:
    _, health, capacity = run_as_root(["zpool", "list", "-H", "-o", "name,health,capacity", want.pool]).split()
    used = int(capacity.removesuffix("%"))
    found = [f"pool {want.pool} is {health}: `zpool status {want.pool}` tells why"] if health != "ONLINE" else []
    if used >= _FULL_PERCENT:
        found.append(
            f"pool {want.pool} is {used} % full: a full pool takes no snapshots and no new homes; delete or add a disk"
        )
    return found


def apply(want: Want) -> dict[str, Any]:
    """Make the dataset what it is to be. Raises Refused or CommandFailed; running it again goes on from there."""
    with locked(want.path):
        have = facts(want)
        if was_made():
            refuse_to_begin_anew(want, have)
        if is_new():
            refuse_anothers(want, have)
        last: Argv = []
        while todo := steps(want, have):
            if todo[0] == last:
                raise Refused(
                    f"`{' '.join(last)}` ended well but changed nothing; `zfs get all {want.path}` may tell why"
                )
            last = todo[0]
            say(_in_words(last, have))
            run_as_root(last)
            have = facts(want)
        if want.pool_file is not None and _can_grow(want, have):
            say(f"growing pool {want.pool} by {have.idle:,} bytes")
            run_as_root(["zpool", "online", "-e", want.pool, want.pool_file.path])
        for line in _unused(want, have):
            say(line)
        wanted = properties(want, have)
        if wanted["compression"] != want.compression:
            say(f"this ZFS has no {want.compression}: new data is compressed by {wanted['compression']}")
        return {"dataset": want.path, "zfs": "OpenZFS" if have.openzfs else "zfs-fuse", **wanted}


def remove(want: Want) -> dict[str, Any]:
    """Keep the dataset with a held snapshot, archived where asked for; if confirmed, put it into the trash instead.

    Raises Refused, with everything in its place, where work could be lost.
    """
    course = Course(want.pool, want.dataset)
    if want.archive:
        archive.safe(course, Path(want.archive))
    found = facts(want).properties
    if found is None:
        if want.destroy:
            gone(course)  # or refused
        say(f"{want.path} is not there any more")
        return {"dataset": want.path, "kept": False}
    if want.destroy:
        entry = trash.into_trash(course)
        say(f"{want.path} is now {entry}, as storage.confirmDestroy asked; `coursehub purge` deletes it for good")
        return {"dataset": want.path, "kept": False, "trash": entry}
    if not want.archive:
        _leave(course)
    say(f"kept {want.path}, mounted at {found['mountpoint']}: {int(found['used']):,} bytes of students' work")
    return {"dataset": want.path, "kept": True}


def _leave(course: Course) -> None:
    """A held snapshot; a pool that is full, or failing, keeps what it has all the same."""
    try:
        with locked(course.path):
            snapshots.leave(course)
    except CommandFailed as error:
        say(f"no snapshot of {course.path} could be taken: {error}")


def _properties(want: Want) -> dict[str, str] | None:
    names = ["atime", "canmount", "compression", "dedup", "mounted", "mountpoint", "quota", "used", "available", _STACK]
    if want.path not in run_as_root(["zfs", "list", "-H", "-o", "name", "-r", want.pool]).splitlines():
        return None
    table = run_as_root(["zfs", "get", "-Hp", "-o", "property,value,source", ",".join(names), want.path])
    found = {key: (value, source) for key, value, source in (row.split("\t") for row in table.splitlines())}
    values = {key: "0" if value == "none" else value for key, (value, _) in found.items()}
    # What a dataset above is noted as says nothing of this one.
    return {**values, _STACK: values[_STACK] if found[_STACK][1] in ("local", "received") else ""}


def _compressions(pool: str) -> frozenset[str]:
    """Which compressions of those that not every OpenZFS has, this pool has."""
    return frozenset(name for name, feature in _FEATURES.items() if _has(pool, feature))


def _has(pool: str, feature: str) -> bool:
    try:
        state = run_as_root(["zpool", "get", "-H", "-o", "value", f"feature@{feature}", pool]).strip()
    except CommandFailed:
        return False  # an OpenZFS that does not know the feature
    return state in ("enabled", "active")


def _used_of(disk: Path, pool: str) -> int | None:
    """How many bytes of a file a pool uses, as its label says; None where it is not this pool's disk."""
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


def _in_words(argv: Argv, have: Facts) -> str:
    """What a step does, as the user would say it."""
    match argv[:2]:
        case ["zpool", "create"]:
            return f"making pool {argv[-2]} in {argv[-1]}"
        case ["zpool", "import"]:
            return f"importing pool {argv[-1]}"
        case ["zfs", "create"]:
            return f"creating dataset {argv[-1]}"
        case ["truncate", *_]:
            return f"making {argv[-1]} {int(argv[2]):,} bytes large"
        case ["zfs", "set"] if argv[2].startswith(f"{_STACK}="):
            return f"noting that {argv[3]} is that of {argv[2].partition('=')[2]}"
        case ["zfs", "set"]:
            key, _, value = argv[2].partition("=")
            return f"{argv[3]}: {key} {(have.properties or {}).get(key)} -> {value}"
        case ["zfs", "mount"]:
            return f"mounting {argv[-1]}"
        case _:
            return " ".join(argv)
