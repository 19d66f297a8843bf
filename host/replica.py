"""The unit of replicas: a whole course once more, in another pool. At the next run only what changed is sent.

What is in a replica is never taken away: not even a home that was purged from the course.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from host.datasets import REPLICA, REPLICATED, Course, into_place, not_there, nowhere, read, required, root_needed, tag
from host.lock import locked
from host.parts import WRITTEN_BY, Part, below, differing, files_of, full_name, parts, receiving, sending, write_as
from host.pipes import read_from
from host.run import BadSpecification, Refused, run_as_root, say
from host.snapshots import own, taken, unused_name
from host.template import COMMIT

VERBS = ("observe", "apply", "promote")

_NOTE = "coursehub:replica"  # of the course, and the pool's name after it


@dataclass(frozen=True)
class Want:
    """Which course, and the pool that is to have it too. `promote` looks for replicas in the course's own pool."""

    course: Course
    pool: str = ""

    @property
    def replica(self) -> Course:
        """Where it is in that pool."""
        return Course(self.pool, f"{REPLICA}/{self.course.pool}/{self.course.dataset}")

    @property
    def note(self) -> str:
        """The property of the course that tells how far the replica is."""
        return f"{_NOTE}-{self.pool}"


@dataclass(frozen=True)
class Note:
    """How far a replica is: the course's snapshot that it was last given, and whether every file was compared."""

    snapshot: str
    at: str  # when that began, or was done
    whole: bool
    before: str = ""  # the snapshot that the replica had when that began


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one, or is of the course's own pool."""
    try:
        course = Course(given["pool"], given["dataset"])
        other = Course(given["to"], REPLICA).pool if "to" in given else ""
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a replica: {error}") from None
    if other == course.pool:
        raise BadSpecification(f"{course.path} is in {other} already, and would be lost with it: name another pool")
    return Want(course, other)


def in_the_way(todo: Iterable[Part], there: Iterable[str]) -> list[str]:
    """Datasets of the replica that a part cannot be added to: it is not built on a snapshot of theirs.

    `there` are the replica's datasets, as seen from the course.
    """
    have, found = set(there), []
    for part in todo:
        if part.dataset in have and part.base.partition("@")[0] != part.dataset:
            found.append(part.dataset)
        have.add(part.dataset)
    return found


def observe(want: Want) -> dict[str, Any]:
    """Where the replica is, and how far."""
    note = _noted(want)
    return {"replica": want.replica.path, "noted": note and asdict(note)}


def apply(want: Want) -> dict[str, Any]:
    """Send what the replica has not, and compare every file of it. A run that was killed goes on where it stopped."""
    root_needed("copying everybody's work")
    if want.pool not in run_as_root(["zpool", "list", "-H", "-o", "name"]).split():
        raise Refused(f"there is no pool {want.pool} on this server: `zpool import {want.pool}`, or make one")
    with locked(f"{want.course.path}.replica"), locked(want.replica.path):
        note = _begun(want)
        table = required(want.course, ["origin", COMMIT, *WRITTEN_BY])
        there = read(want.replica.path, ["creation"])
        every = parts(want.course, note.snapshot, table, by_way_of=[note.before])
        todo = [part for part in every if full_name(want.replica, part.key) not in there]
        _unhindered(want, todo, there)
        for number, part in enumerate(todo):
            say(f"[{number + 1}/{len(todo)}] {part.dataset or want.course.path}@{part.snapshot}")
            for _ in read_from(sending(want.course, part), receiving(want.replica, part)):
                pass  # it prints nothing
            if not part.dataset:
                write_as(want.replica, table[want.course.path])
        for part in every:
            if (commit := table[full_name(want.course, part.key)][COMMIT]) != "-":
                run_as_root(["zfs", "set", f"{COMMIT}={commit}", full_name(want.replica, part.key)])
        files = _compared(want, every)
        _note(want, Note(note.snapshot, _now(), whole=True))
        if note.before:
            tag("release", REPLICATED, f"{want.course.path}@{note.before}")
    return {"replica": want.replica.path, "snapshot": note.snapshot, "parts": len(todo), "files": files}


def promote(want: Want) -> dict[str, Any]:
    """Make a replica, of whatever pool's course of this name, the course itself: in the pool that the replica is in."""
    root_needed("bringing back a course")
    place = f"{want.course.pool}/{REPLICA}"
    with locked(want.course.path):
        not_there(want.course)
        found = [
            name for name in read(place, ["mounted"]) if re.fullmatch(f"{place}/[^/]+/{want.course.dataset}", name)
        ]
        if len(found) != 1:
            have = f"{len(found)} replicas: {', '.join(found)}" if found else "no replica"
            raise Refused(f"{place} has {have}, of a course {want.course.dataset}; it takes one, to be sure which")
        into_place(Course(want.course.pool, found[0].partition("/")[2]), want.course)
    say(f"{found[0]} is {want.course.path} now: `make up` gives it a hub")
    return {"course": want.course.path}


def _begun(want: Want) -> Note:
    """What this run is to bring: what a killed one began, else a new snapshot, held as the next run is built on it."""
    there, note = own(want.course), _noted(want)
    if note is None or note.whole:
        note = Note(unused_name(there), _now(), whole=False, before=note.snapshot if note else "")
        # Noted before it is taken: a run that is killed leaves none that nobody knows of.
        _note(want, note)
    snapshot = f"{want.course.path}@{note.snapshot}"
    if note.snapshot not in there:
        half = f"{want.replica.path}@{note.snapshot}"
        if read(half, ["creation"], depth=0):
            raise Refused(f"{snapshot} is gone, half of which is in the replica: `zfs destroy -r {half}`, then again")
        with locked(want.course.path):
            taken(want.course, note.snapshot)
    tag("hold", REPLICATED, snapshot)
    return note


def _noted(want: Want) -> Note | None:
    found = read(want.course.path, [want.note], depth=0)
    text = found[want.course.path][want.note] if found else "-"
    return None if text == "-" else Note(**json.loads(text))


def _note(want: Want, note: Note) -> None:
    run_as_root(["zfs", "set", f"{want.note}={json.dumps(asdict(note))}", want.course.path])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _unhindered(want: Want, todo: Iterable[Part], there: Iterable[str]) -> None:
    """Make what the replica lies in. Raises Refused where something else lies where it is to grow."""
    seen = [below(want.replica, name) for name in there if "@" not in name]
    if blocked := in_the_way(todo, seen):
        full = full_name(want.replica, blocked[0])
        raise Refused(
            f"{full} is not what {full_name(want.course, blocked[0])} was when it was last sent: keep it under another"
            f" name, `zfs rename {full} {want.pool}/{REPLICA}/kept`, then run this again"
        )
    above = want.replica.path.rpartition("/")[0]
    nowhere(f"{want.pool}/{REPLICA}")
    if not read(above, ["mounted"], depth=0):
        run_as_root(["zfs", "create", "-p", above])


def _compared(want: Want, every: list[Part]) -> int:
    """How many files are the same here and there. Raises Refused with all that differs."""
    wrong, files = [], 0
    for number, part in enumerate(every):
        say(f"[{number + 1}/{len(every)}] comparing {part.key}")
        here, there = (files_of(course, part.key) for course in (want.course, want.replica))
        files += len(here)
        if here != there:
            wrong.append(differing(part, here, there))
    if wrong:
        raise Refused("\n  ".join([f"{want.replica.path} is not what {want.course.path} is:", *wrong]))
    return files
