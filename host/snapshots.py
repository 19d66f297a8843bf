"""The unit of the course's snapshots: everything of the course at one moment, under one name.

Those that the schedule takes are called coursehub-<time>. A retention plan prunes these alone, and never a held one;
whatever somebody gave a name of the own stays until somebody destroys it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from host.datasets import ARCHIVED, HELD, LEFT, REPLICATED, Course, checked_snapshot, required, tag
from host.lock import locked
from host.run import BadSpecification, CommandFailed, Refused, run_as_root, say

VERBS = ("observe", "take", "hold", "release", "prune", "rotate")

_OURS = "coursehub-"
_TIME = f"{_OURS}%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Retention:
    """How many snapshots are kept: the last one of each of so many hours, days and weeks that have one."""

    hourly: int
    daily: int
    weekly: int


@dataclass(frozen=True)
class Want:
    """Which snapshots, of which course. Only the verbs that need them look at `name` and `keep`."""

    course: Course
    name: str | None = None
    keep: Retention | None = None


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the whole course."""

    name: str
    time: int  # seconds since 1970
    held: bool
    used: int  # bytes that it alone keeps from being freed
    homes: int  # how many are in it


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification for what is unknown, missing or no allowed name."""
    try:
        keep = given.get("keep")
        name = given.get("name")
        want = Want(
            Course(given["pool"], given["dataset"]),
            None if name is None else checked_snapshot(name),
            None if keep is None else Retention(**keep),
        )
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of snapshots: {error}") from None
    if unknown := set(given) - {"pool", "dataset", "name", "keep"}:
        raise BadSpecification(f"not a specification of snapshots: unknown {', '.join(sorted(unknown))}")
    for count in vars(want.keep).values() if want.keep else ():
        if type(count) is not int or count < 0:
            raise BadSpecification(f"{count!r} is no number of snapshots to keep")
    return want


def scheduled(moment: datetime) -> str:
    """The name of a snapshot that the schedule takes at this moment."""
    return moment.astimezone(UTC).strftime(_TIME)


def taken_at(name: str) -> datetime | None:
    """When the schedule took it; None for a name that is not one of coursehub's."""
    try:
        return datetime.strptime(name, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def kept(names: Iterable[str], keep: Retention) -> set[str]:
    """Of the schedule's snapshots, those that the plan keeps. The last one is always among them."""
    times = sorted(((time, name) for name in names if (time := taken_at(name))), reverse=True)
    periods: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (keep.hourly, lambda time: (time.date(), time.hour)),
        (keep.daily, lambda time: time.date()),
        (keep.weekly, lambda time: time.isocalendar()[:2]),
    )
    found = {name for _, name in times[:1]}
    for count, period in periods:
        last: dict[object, str] = {}
        for time, name in times:
            last.setdefault(period(time), name)
        found.update(list(last.values())[:count])
    return found


def to_prune(snapshots: Iterable[Snapshot], keep: Retention) -> list[str]:
    """The snapshots that go, oldest first: the schedule's own that the plan does not keep and nobody holds."""
    there = {snapshot.name: snapshot for snapshot in snapshots}
    stay = kept(there, keep)
    return sorted(name for name, s in there.items() if taken_at(name) and name not in stay and not s.held)


def facts(course: Course) -> list[Snapshot]:
    """The snapshots of the whole course, oldest first. Raises Refused if the course is not there."""
    table = required(course, ["used", "userrefs", "creation"])
    names = [name for name in table if name.startswith(f"{course.path}@")]
    members: dict[str, list[tuple[str, Mapping[str, str]]]] = {name.partition("@")[2]: [] for name in names}
    for full, values in table.items():
        dataset, _, name = full.partition("@")
        if name in members:
            members[name].append((dataset, values))
    return sorted((_snapshot(course, *one) for one in members.items()), key=lambda snapshot: snapshot.time)


def _snapshot(course: Course, name: str, members: list[tuple[str, Mapping[str, str]]]) -> Snapshot:
    return Snapshot(
        name=name,
        time=min(int(values["creation"]) for _, values in members),
        held=any(int(values["userrefs"]) for _, values in members),
        used=sum(int(values["used"]) for _, values in members),
        homes=sum(dataset.startswith(course.home("")) for dataset, _ in members),
    )


def own(course: Course) -> dict[str, Mapping[str, str]]:
    """The snapshots of the course's own dataset by name, with `userrefs` and `creation`.

    Every snapshot of the course is one of these, and this takes as long with a thousand homes as with one. Raises
    Refused if the course is not there.
    """
    table = required(course, ["userrefs", "creation"], depth=1)
    return {name.partition("@")[2]: values for name, values in table.items() if name.startswith(f"{course.path}@")}


def observe(want: Want) -> dict[str, Any]:
    """All snapshots of the course, oldest first."""
    return {"snapshots": [{**vars(s), "scheduled": taken_at(s.name) is not None} for s in facts(want.course)]}


def take(want: Want) -> dict[str, Any]:
    """A snapshot of everything at one moment. Raises Refused where the name is taken, or coursehub's own."""
    if want.name and want.name.startswith(_OURS):
        raise Refused(f"names that begin with {_OURS} are the schedule's, and are pruned: choose another")
    with locked(want.course.path):
        there = own(want.course)
        if want.name in there:
            raise Refused(f"{want.course.path} has a snapshot {want.name} already: choose another name")
        return {"snapshot": taken(want.course, want.name or unused_name(there))}


def unused_name(there: Iterable[str]) -> str:
    """A name of the schedule's for this moment; one that is there already is of an earlier one."""
    while (name := scheduled(datetime.now(UTC))) in there:
        time.sleep(0.1)
    return name


def taken(course: Course, name: str) -> str:
    """Take a snapshot of everything under a name that there is not yet; the name."""
    run_as_root(["zfs", "snapshot", "-r", f"{course.path}@{name}"])
    return name


def hold(want: Want) -> dict[str, Any]:
    """Keep a snapshot from being destroyed, by anybody."""
    return _tagged(want, "hold")


def release(want: Want) -> dict[str, Any]:
    """Let a held snapshot go again, also one that is held since an archive is of it: whoever names it means it.

    Without the snapshot of the last verified archive nothing can be told to be unchanged since: it takes another
    archive before anything is destroyed.
    """
    _tagged(want, "release", ARCHIVED)
    _tagged(want, "release", REPLICATED)
    return _tagged(want, "release")


def _tagged(want: Want, verb: str, why: str = HELD) -> dict[str, Any]:
    name = _one_there(want)
    tag(verb, why, f"{want.course.path}@{name}")
    return {"snapshot": name, "held": own(want.course)[name]["userrefs"] != "0"}


def leave(course: Course) -> str:
    """A held snapshot of the course as it is left, in the place of the one before; its name. The caller has the lock.

    It is never one that was there: what was written a moment ago is in it.
    """
    there = own(course)
    name = taken(course, unused_name(there))
    tag("hold", LEFT, f"{course.path}@{name}")
    for before, values in there.items():
        if taken_at(before) and values["userrefs"] != "0":
            tag("release", LEFT, f"{course.path}@{before}")
    return name


def _one_there(want: Want) -> str:
    if want.name is None:
        raise BadSpecification("not a specification of snapshots: `name` is missing")
    if want.name not in (names := own(want.course)):
        raise Refused(f"{want.course.path} has no snapshot {want.name}; there are: {', '.join(names) or 'none'}")
    return want.name


def prune(want: Want) -> dict[str, Any]:
    """Destroy what the retention plan does not keep. What cannot go, since a clone needs it, is told and stays."""
    if want.keep is None:
        raise BadSpecification("not a specification of snapshots: `keep` is missing")
    with locked(want.course.path):
        return {"pruned": list(_pruned(want.course, to_prune(facts(want.course), want.keep)))}


def _pruned(course: Course, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            # -r reaches the snapshots of this name alone. Never -R.
            run_as_root(["zfs", "destroy", "-r", f"{course.path}@{name}"])
        except CommandFailed as error:
            say(f"{name} stays: {error.stderr.strip()}")
        else:
            yield name


def rotate(want: Want) -> dict[str, Any]:
    """What the schedule does: take one, then prune. A pool too full for another is pruned all the same."""
    try:
        taken = take(Want(want.course))
    finally:
        pruned = prune(want)
    return {**taken, **pruned}
