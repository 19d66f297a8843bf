"""The unit of the students' homes: one copy-on-write clone of the course's template each, with a budget that holds.

Whatever the roster's size, a round reads the machine with two commands, plans from that, and runs what is left to do;
rounds go on until nothing is left. The facts decide what was done, not exit codes: a run that was killed anywhere is
finished by the next one. Nothing is ever destroyed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from host.homes import NEARLY_FULL, Facts, Want, facts, left, parse, roster_homes
from host.homes_steps import in_words, problems, steps
from host.lock import locked
from host.run import Argv, CommandFailed, Refused, run_as_root, say, which

__all__ = ["apply", "observe", "parse", "remove"]

_PROGRESS = 50  # homes between two lines of progress


def observe(want: Want) -> dict[str, Any]:
    """What is there now, for people and for `preview`; nothing at all where there is no ZFS. Sizes in bytes.

    Of each home, also of those who left: what an admin's table needs.
    """
    have = facts(want) if which("zfs") else Facts(openzfs=True)
    there = want.homes in have.datasets
    return seen(want, have, _snapshot_counts(want) if there and want.count_snapshots else None)


def seen(want: Want, have: Facts, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What `observe` says of these facts; `counts` is how many snapshots each home has."""
    gone = left(want, have)
    homes = {name: have.datasets[want.home(name)] for name in (*(s for s, _, _ in roster_homes(want, have)), *gone)}
    return {
        "homes": {
            name: {
                "budget": home.quota,
                "used": home.used,
                "shared": home.shared,
                "bySnapshots": home.by_snapshots,
                **({} if counts is None else {"snapshots": counts.get(want.home(name), 0)}),
                "template": home.version,
                "mounted": home.mounted,
                "readonly": home.readonly,
                "left": name not in want.budgets,
            }
            for name, home in homes.items()
        },
        # Of homes and template together, snapshots included; dedup may make the pool take less.
        "allocated": sum(have.datasets[name].used for name in (want.homes, want.template) if name in have.datasets),
        "missing": [student for student in want.budgets if want.home(student) not in have.datasets],
        "left": gone,
        "nearlyFull": [
            student for student, _, home in roster_homes(want, have) if home.used > NEARLY_FULL * home.quota > 0
        ],
        "problems": problems(want, have),
        "drift": _drift(want, have),
    }


def _drift(want: Want, have: Facts) -> list[str]:
    """What `apply` would do now, or why it would not."""
    try:
        return list(in_words(want, have, steps(want, have)))
    except Refused as refusal:
        return [str(refusal)]


def _snapshot_counts(want: Want) -> Counter[str]:
    """How many snapshots each home has, by one command for the whole course."""
    listed = run_as_root(["zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-r", want.homes])
    return Counter(name.partition("@")[0] for name in listed.splitlines())


def apply(want: Want) -> dict[str, Any]:
    """Give every student of the roster a home. Raises Refused or CommandFailed; running it again goes on from there.

    The result is the same whether there was something to do or not: what was done is told on stderr.
    """
    with locked(want.course):
        have = facts(want)
        if _lowers(want, have):
            # zfs-fuse counts late; setting any property, here to what it is, makes it count.
            run_as_root(["zfs", "set", "readonly=on", want.homes])
            have = facts(want)
        have = converge(want, have, lambda: facts(want), run_as_root)
        return {"students": sorted(want.budgets), "left": left(want, have), "template": want.version}


def _lowers(want: Want, have: Facts) -> bool:
    return any(budget < home.quota or not home.quota for _, budget, home in roster_homes(want, have))


def converge(want: Want, have: Facts, read: Callable[[], Facts], do: Callable[[Argv], object]) -> Facts:
    """Do what is left to do until nothing is, and give back the last facts.

    One home's trouble does not keep the others from being made. Raises CommandFailed with the first trouble that
    stays, Refused where commands end well but change nothing.
    """
    last: list[Argv] = []
    failures: list[CommandFailed] = []
    while todo := steps(want, have):
        if todo == last:
            raise _trouble(failures, todo)
        for line in in_words(want, have, todo):
            say(line)
        last, failures = todo, _run(want, have, todo, do)
        have = read()
    return have


def _run(want: Want, have: Facts, todo: Iterable[Argv], do: Callable[[Argv], object]) -> list[CommandFailed]:
    """Run commands to the last, whatever becomes of each; those that failed."""
    failures: list[CommandFailed] = []
    there, made = sum(1 for _ in roster_homes(want, have)), 0
    for argv in todo:
        try:
            do(argv)
        except CommandFailed as failure:
            failures.append(failure)
        if argv[1] == "clone":
            made += 1
            if made % _PROGRESS == 0:
                say(f"{there + made} of {len(want.budgets)} homes")
    return failures


def _trouble(failures: Sequence[CommandFailed], todo: Sequence[Argv]) -> Exception:
    for failure in failures[1:]:
        say(str(failure))
    if failures:
        return failures[0]
    return Refused(f"`{' '.join(todo[0])}` ended well but changed nothing; `zfs get all {todo[0][-1]}` may tell why")


def remove(want: Want) -> dict[str, Any]:
    """Keep every home: they are the students' work."""
    have = facts(want)
    kept = [student for student, _, _ in roster_homes(want, have)] + left(want, have)
    say(f"kept {len(kept)} homes below {want.homes}: nothing of the students' work is removed here")
    return {"kept": len(kept)}
