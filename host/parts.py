"""What a course is sent as: its datasets at their snapshots, each a stream of its own.

A home is sent as what differs from the template's version that it is a clone of, so that the template is sent once, as
it is on the disk.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from host.datasets import Course, openzfs
from host.listing import listing, names
from host.look import looking_into
from host.run import Argv, CommandFailed, run_as_root, say

# What data is written by: a dataset is to have it before anything is received below it.
WRITTEN_BY = ("compression", "dedup", "atime")


@dataclass(frozen=True)
class Part:
    """One stream: a dataset at a snapshot, built on another snapshot where it has a base."""

    dataset: str  # below the course; empty: the course's own
    snapshot: str
    base: str  # `dataset@snapshot`, below the course; empty: none

    @property
    def key(self) -> str:
        """Which snapshot it brings, as another part's base names it."""
        return f"{self.dataset}@{self.snapshot}"


def parts(
    course: Course, snapshot: str, table: Mapping[str, Mapping[str, str]], *, by_way_of: Container[str] = ()
) -> list[Part]:
    """The streams that bring the whole course at a snapshot, each after all that it is built on.

    With them come the versions that homes are clones of, and all others that the template has: snapshots that the
    course as a whole has not; and the course's snapshots that are `by_way_of`, on the way to the one that is wanted.
    `table` is what `read` tells of `origin`; it lists snapshots from the oldest on.
    """
    origins = {name: values["origin"] for name, values in table.items() if f"{name}@{snapshot}" in table}
    versions = set(origins.values())
    snapshots: dict[str, list[str]] = {}
    for name in table:
        dataset, _, own = name.partition("@")
        if own:
            snapshots.setdefault(dataset, []).append(own)
    found: list[Part] = []
    seen: set[str] = set()

    def wanted(dataset: str, name: str) -> bool:
        if name == snapshot or name in by_way_of or f"{dataset}@{name}" in versions:
            return True
        return f"{course.path}@{name}" not in table

    def visit(dataset: str) -> None:
        if dataset in seen or dataset not in origins:
            return
        seen.add(dataset)
        origin = origins[dataset]
        visit(dataset.rpartition("/")[0])
        visit(origin.partition("@")[0])
        base = below(course, origin) if origin.partition("@")[0] in origins else ""
        until = snapshots[dataset].index(snapshot) + 1
        for name in snapshots[dataset][:until]:
            if wanted(dataset, name):
                found.append(Part(below(course, dataset), name, base))
                base = found[-1].key

    for dataset in sorted(origins):
        visit(dataset)
    return found


def below(course: Course, name: str) -> str:
    """A dataset's or snapshot's name as seen from the course; empty for the course's own dataset."""
    return name.removeprefix(course.path).removeprefix("/")


def full_name(course: Course, name: str) -> str:
    """The other way round."""
    return f"{course.path}{name}" if name.startswith("@") or not name else f"{course.path}/{name}"


def sending(course: Course, part: Part) -> Argv:
    """The command that prints a part's stream. Compressed blocks are sent as they are on the disk, where ZFS can."""
    how = ["-c"] if openzfs() else []
    base = ["-i", full_name(course, part.base)] if part.base else []
    return ["zfs", "send", *how, *base, full_name(course, part.key)]


def receiving(course: Course, part: Part) -> Argv:
    """The command that takes a part's stream; nothing is mounted."""
    unmounted = ["-u"] if openzfs() else []
    return ["zfs", "receive", *unmounted, full_name(course, part.key)]


def write_as(course: Course, values: Mapping[str, str]) -> None:
    """Have a course's dataset write data as another does, as far as this ZFS can."""
    for key in WRITTEN_BY:
        try:
            run_as_root(["zfs", "set", f"{key}={values[key]}", course.path])
        except CommandFailed:
            say(f"this ZFS has no {key}={values[key]}: the pool's own is used")


def files_of(course: Course, key: str) -> frozenset[str]:
    """The listing of a part's snapshot, every file hashed."""
    with looking_into(course, full_name(course, key)) as folder:
        return listing(folder)


def differing(part: Part, have: frozenset[str], want: frozenset[str]) -> str:
    """How two listings of a part differ, in a line."""
    differ = names(have ^ want)
    return f"{part.key}: {len(differ)} files differ, the first is {next(iter(differ), '?')}"
