"""What is left to do for the course's dataset: from what is wanted and what is there, to commands. Pure."""

from pathlib import Path

from host.run import Argv, Refused
from host.zfs_facts import FEATURES, STACK, Facts, Want


def properties(want: Want, have: Facts) -> dict[str, str]:
    """The properties the dataset is to have here, in the words of `zfs get -Hp`."""
    there = want.compression in have.compressions or want.compression not in FEATURES
    return {
        "atime": "off",
        "canmount": "on",
        "compression": want.compression if there else "gzip",
        "dedup": "on" if want.dedup else "off",
        "mountpoint": want.mountpoint,
        "quota": str(want.quota or 0),
        **({STACK: want.stack} if want.stack else {}),
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
    whose = (have.properties or {}).get(STACK, "")
    if want.stack is None or whose in ("", want.stack):
        return
    course, _, stack = whose.partition("/")
    raise Refused(
        f"{want.path} is the dataset of the course {course}, of the stack {stack}: give this course one of its own,"
        " with another storage.dataset. Only where that stack is no more, or was renamed to this one, hand it over with"
        f" all its work: `zfs set {STACK}={want.stack} {want.path}`"
    )


def can_grow(want: Want, have: Facts) -> bool:
    """Whether the pool takes what its file grew by while it is in use; zfs-fuse says so and does not."""
    return have.openzfs and want.pool in have.pools and have.idle > 0


def unused(want: Want, have: Facts) -> list[str]:
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


def in_words(argv: Argv, have: Facts) -> str:
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
        case ["zfs", "set"] if argv[2].startswith(f"{STACK}="):
            return f"noting that {argv[3]} is that of {argv[2].partition('=')[2]}"
        case ["zfs", "set"]:
            key, _, value = argv[2].partition("=")
            return f"{argv[3]}: {key} {(have.properties or {}).get(key)} -> {value}"
        case ["zfs", "mount"]:
            return f"mounting {argv[-1]}"
        case _:
            return " ".join(argv)
