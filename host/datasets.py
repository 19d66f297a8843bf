"""The course's datasets as ZFS tells them, and what every unit that keeps work does with them."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeGuard

from host.run import BadSpecification, CommandFailed, Refused, run_as_root, succeeds, which

_PART = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SNAPSHOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BUSY_WAITS = (0.02, 0.1, 0.2, 0.5, 1, 1, 2, 2, 2)  # seconds

# What coursehub makes beside the course, always with a dot or this beginning: no course and no student has such a name.
LOOK = "coursehub-look"
TRASH = "coursehub-trash"
RESTORING = "coursehub-restoring"
REPLICA = "coursehub-replica"

# Why a snapshot is held: somebody asked for it; it is in an archive, or in a replica; it is how a course was left.
HELD, ARCHIVED, REPLICATED, LEFT = "coursehub", "coursehub-archive", "coursehub-replica", "coursehub-left"


@dataclass(frozen=True)
class Course:
    """Which course: its pool, and its dataset without the pool."""

    pool: str
    dataset: str

    def __post_init__(self) -> None:
        parts = self.dataset.split("/") if isinstance(self.dataset, str) else [self.dataset]
        for name in (self.pool, *parts):
            if not is_name(name):
                raise BadSpecification(f"{name!r} is no pool's or dataset's name: lower-case letters, digits, - and _")

    @property
    def path(self) -> str:
        """The dataset's full name, `pool/dataset`."""
        return f"{self.pool}/{self.dataset}"

    @property
    def label(self) -> str:
        """The dataset as one name; no two courses of a pool have the same, since none has a dot."""
        return self.dataset.replace("/", ".")

    def home(self, student: str) -> str:
        """The dataset of one student."""
        return f"{self.path}/homes/{student}"


def is_name(name: object) -> TypeGuard[str]:
    """Whether a part of a dataset's name may reach a command."""
    return isinstance(name, str) and _PART.fullmatch(name) is not None


def is_snapshot(name: object) -> TypeGuard[str]:
    """Whether a snapshot's name, such as a version of the template, may reach a command."""
    return isinstance(name, str) and _SNAPSHOT.fullmatch(name) is not None


def checked_student(name: object) -> str:
    """The name of a student that may reach a command. Raises BadSpecification for any other."""
    if not is_name(name):
        raise BadSpecification(f"{name!r} is no name of a student: lower-case letters, digits, - and _")
    return name


def checked_snapshot(name: object) -> str:
    """The name of a snapshot that may reach a command. Raises BadSpecification for any other."""
    if not is_snapshot(name):
        raise BadSpecification(f"{name!r} is no name for a snapshot: letters, digits, . _ and -, at most 63")
    return name


@cache
def openzfs() -> bool:
    """Whether this is OpenZFS, which knows more than zfs-fuse does. It stays so while a unit runs."""
    return succeeds(["zfs", "version"])


def read(path: str, properties: Sequence[str], *, depth: int | None = None) -> dict[str, Mapping[str, str]]:
    """Properties of a dataset and of all below it, snapshots included, by full name, as `zfs get -Hp` prints them.

    Empty where there is no such dataset. Raises Refused where there is no ZFS, CommandFailed where it fails.
    """
    if which("zfs") is None:
        raise Refused("there is no ZFS on this server: `make up` installs it, or `apt-get install zfsutils-linux`")
    reach = ["-r"] if depth is None else ["-d", str(depth)]
    try:
        table = run_as_root(["zfs", "get", "-Hp", *reach, "-o", "name,property,value", ",".join(properties), path])
    except CommandFailed as error:
        if "does not exist" in error.stderr:
            return {}
        raise
    found: dict[str, dict[str, str]] = {}
    for row in table.splitlines():
        name, key, value = row.split("\t")
        found.setdefault(name, {})[key] = value
    return dict(found)


def required(course: Course, properties: Sequence[str], *, depth: int | None = None) -> dict[str, Mapping[str, str]]:
    """As `read` for a course. Raises Refused if it is not there."""
    found = read(course.path, properties, depth=depth)
    if not found:
        raise Refused(f"the course's dataset {course.path} is not there: `make up` makes it")
    return found


def gone(course: Course) -> bool:
    """Whether a course that was made is in its pool no more. Raises Refused where the pool is not there to tell."""
    if read(course.path, ["mounted"], depth=0):
        return False
    if course.pool not in run_as_root(["zpool", "list", "-H", "-o", "name"]).split():
        raise Refused(
            f"the pool {course.pool} is not there, and with it all work of {course.path}: `zpool import {course.pool}`"
            " brings it back, `zpool import` alone shows what can be. Where it is lost for good, `pulumi state delete`"
            " has the stack forget the dataset"
        )
    return True


def patiently(argv: Sequence[str]) -> None:
    """Run a command that mounts may hold up for a moment: ended pods, and zfs-fuse after every unmount."""
    for wait in _BUSY_WAITS:
        try:
            run_as_root(argv)
            return
        except CommandFailed as error:
            if "busy" not in error.stderr:
                raise
            time.sleep(wait)
    run_as_root(argv)


def nowhere(path: str) -> None:
    """Have a dataset that is mounted nowhere, for others to lie in; made unless it is there."""
    if not read(path, ["mounted"], depth=0):
        run_as_root(["zfs", "create", "-o", "mountpoint=none", "-o", "canmount=off", path])


def not_there(course: Course) -> None:
    """Raises Refused where there is a course of this name, before another takes it."""
    if read(course.path, ["mounted"], depth=0):
        raise Refused(f"{course.path} is there already: nothing is ever restored over a course; name another")


def into_place(grown: Course, course: Course) -> None:
    """Give what lies where nothing is mounted the course's name, and mount all of it. Nothing may have that name."""
    # Its own mountpoint, of nowhere: zfs-fuse would mount homes before what they lie in as it renames.
    run_as_root(["zfs", "set", "mountpoint=none", grown.path])
    patiently(["zfs", "rename", "-p", grown.path, course.path])
    run_as_root(["zfs", "set", f"mountpoint=/{course.path}", course.path])
    for name, values in sorted(read(course.path, ["mounted"]).items()):
        if values["mounted"] == "no":
            run_as_root(["zfs", "mount", name])


def unmounted(path: str) -> None:
    """Unmount a dataset and all below it, where it is mounted."""
    if read(path, ["mounted"], depth=0)[path]["mounted"] == "yes":
        patiently(["zfs", "unmount", path])


def root_needed(what: str) -> None:
    """Raises Refused, with the remedy, unless this process is root's: for what reads or writes students' files."""
    if os.geteuid() != 0:
        raise Refused(f"{what} takes root: run this as root, or with sudo")


def tag(verb: str, name: str, snapshot: str) -> None:
    """Hold or release a snapshot, and those of its name below, under a tag; not one that is so already.

    zfs-fuse cannot list tags: what says that it is so already has what was asked for.
    """
    try:
        run_as_root(["zfs", verb, "-r", name, snapshot])
    except CommandFailed as error:
        if "tag already exists" not in error.stderr and "no such tag" not in error.stderr:
            raise
