"""What an `up` would change about the homes, in sentences: from what is wanted and what was seen on the server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from config.types import Size

_SHOWN = 5  # names told in one sentence


@dataclass(frozen=True)
class Home:
    """A home that is there."""

    budget: int  # bytes; 0 is none
    version: str  # of the template it was cloned from
    readonly: bool
    mounted: bool = True


@dataclass(frozen=True)
class Seen:
    """What is on the server."""

    homes: Mapping[str, Home]
    versions: frozenset[str]
    problems: tuple[str, ...] = ()  # for which `up` would refuse
    steps: tuple[str, ...] = ()  # what `up` would do to the homes, in the words of the unit

    @classmethod
    def from_units(cls, template: Mapping[str, Any], workspaces: Mapping[str, Any]) -> Self:
        """Read what the host units `template` and `workspaces` observed."""
        return cls(
            homes={
                name: Home(home["budget"], home["template"], home["readonly"], home["mounted"])
                for name, home in workspaces["homes"].items()
            },
            versions=frozenset(template["versions"]),
            problems=(*template["problems"], *workspaces["problems"]),
            steps=tuple(workspaces["drift"]),
        )


@dataclass(frozen=True)
class Wanted:
    """What the configuration says."""

    budgets: Mapping[str, int]  # bytes, for each of the roster
    version: str
    origin: str  # where the version comes from, in words
    closed: bool = False  # the course has ended: those without a budget are in the roster all the same


def changes(want: Wanted, seen: Seen) -> list[str]:
    """A sentence for each kind of change; none where nothing changes.

    What no sentence is for, such as the owner of a home that somebody changed by hand, is said in the unit's words.
    """
    said = [*_template(want, seen), *_people(want, seen), *_budgets(want, seen), *_mounts(want, seen)]
    return said if said or seen.problems else [f"to do on this server: {step}" for step in seen.steps]


def refusals(seen: Seen) -> list[str]:
    """Why an `up` would not do it."""
    return [f"`up` will refuse to change the homes: {problem}" for problem in seen.problems]


def _template(want: Wanted, seen: Seen) -> Iterator[str]:
    if want.version in seen.versions:
        return
    yield f"template: version {want.version} will be made from {want.origin}; homes made from now on begin with it"
    if seen.homes:
        keepers: dict[str, list[str]] = {}
        for name, home in seen.homes.items():
            keepers.setdefault(home.version, []).append(name)
        ordered = sorted(keepers.items(), key=lambda one: -len(one[1]))
        told = "; ".join(f"{version}: {_students(len(names))} ({_some(names)})" for version, names in ordered)
        yield f"homes that are there keep their version: {told}"


def _people(want: Wanted, seen: Seen) -> Iterator[str]:
    added = [name for name in want.budgets if name not in seen.homes]
    back = [name for name, home in seen.homes.items() if home.readonly and name in want.budgets]
    leaving = [name for name, home in seen.homes.items() if not home.readonly and name not in want.budgets]
    if added:
        yield f"{_students(len(added))} will get a home from version {want.version}: {_some(added)}"
    if back:
        yield f"{_students(len(back))} back in the roster, the home becomes writable again: {_some(back)}"
    if leaving:
        why = "may not write any more (homes.closed)" if want.closed else "no longer in the roster"
        yield f"{_students(len(leaving))} {why}, the home is kept read-only: {_some(leaving)}"


def _budgets(want: Wanted, seen: Seen) -> Iterator[str]:
    changed: dict[tuple[int, int], list[str]] = {}
    for name, budget in want.budgets.items():
        if name in seen.homes and seen.homes[name].budget != budget:
            changed.setdefault((seen.homes[name].budget, budget), []).append(name)
    for (before, after), names in changed.items():
        yield f"budget {Size(before) if before else 'none'} -> {Size(after)}: {_some(names)}"


def _mounts(want: Wanted, seen: Seen) -> Iterator[str]:
    if names := [name for name, home in seen.homes.items() if not home.mounted and name in want.budgets]:
        yield f"{_students(len(names))} without a mounted home, it will be mounted: {_some(names)}"


def _students(number: int) -> str:
    return f"{number:,} student{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown
