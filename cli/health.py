"""`coursehub doctor` and `coursehub check`: whether a course is as it must be."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer

from cli.chosen import Json, course_of
from cli.hub import silence
from cli.show import age, as_json, moment, out, plain, table
from cli.units import run
from components.server import this_server
from components.template import version_now
from config.course import Course
from config.faults import WrongConfiguration
from host.asked import asked
from plan.capacity import fitted, sized
from plan.keep import archive_spec, snapshots_spec
from plan.next_steps import here
from plan.probes import probe_spec
from plan.server import looked_at
from plan.template import EMPTY

app = typer.Typer()

_PERIOD = {"hourly": 3600, "daily": 86400}  # seconds between two snapshots of the schedule


@dataclass(frozen=True)
class Trouble:
    """One thing that is not as it should be, with the remedy."""

    part: str
    what: str


@app.command(epilog="Example: coursehub doctor || mail -s 'look at the course' ada")
def doctor(context: typer.Context, json: Json = False) -> None:
    """Everything that is not as it should be, with the remedy. Changes nothing; ends with 1 if there is something."""
    course = course_of(context)
    misfits, parts = parts_of(course)
    found = {part: asked(unit, "observe", spec) for part, (unit, spec) in parts.items()}
    archive = asked("archive", "last", archive_spec(course.storage, "/"))
    found |= {"snapshots": asked("snapshots", "observe", snapshots_spec(course.storage)), "archive": archive}
    troubles = [*misfits, *told(found), *_silent(course, found["node"]), *late(course, found, time.time())]
    snapshots = found["snapshots"].get("snapshots", [])
    page = {
        "troubles": [asdict(trouble) for trouble in troubles],
        "full": found.get("homes", {}).get("nearlyFull", []),
        "snapshot": snapshots[-1] if snapshots else None,
        "scheduled": found.get("schedule", {}).get("installed", False),
        "archive": archive.get("verified"),
    }
    if json:
        as_json(page)
    else:
        _show(page, troubles)
    if troubles:
        raise typer.Exit(1)


def parts_of(course: Course) -> tuple[list[Trouble], dict[str, tuple[str, dict[str, Any]]]]:
    """What is to be looked at; and what the course's file asks for that is not on this server: memory, materials."""
    server, version, misfits = this_server(), EMPTY, []
    try:
        version = version_now(course)
    except WrongConfiguration as error:
        misfits += [Trouble("materials", str(fault)) for fault in error.faults]
    try:
        fitted(course, server)
    except WrongConfiguration as error:
        misfits += [Trouble("capacity", str(fault)) for fault in error.faults]
    return misfits, looked_at(sized(course, server), version)


def told(found: Mapping[str, Mapping[str, Any]]) -> list[Trouble]:
    """What the units found; the words of one that could not look are among them."""
    return [
        Trouble(part, line)
        for part, seen in found.items()
        for line in (*seen.get("drift", ()), *seen.get("warnings", ()))
    ]


def _silent(course: Course, node: Mapping[str, Any]) -> list[Trouble]:
    """A hub that does not answer though its node runs."""
    if not node.get("running") or not (why := silence(course)):
        return []
    return [
        Trouble("hub", f"{here(course)} does not answer ({why}): `kubectl -n jhub get pods` tells why, or `make up`")
    ]


def late(course: Course, found: Mapping[str, Mapping[str, Any]], now: float) -> list[Trouble]:
    """A schedule that is installed, but has taken no snapshot for two of its periods."""
    plan, schedule = course.storage.snapshots, found.get("schedule", {})
    taken = [one["time"] for one in found["snapshots"].get("snapshots", []) if one["scheduled"]]
    if plan is None or not schedule.get("installed") or not taken or now - taken[-1] <= 2 * _PERIOD[plan.schedule]:
        return []
    return [
        Trouble(
            "schedule",
            f"the last {plan.schedule} snapshot was taken {age(now - taken[-1])}: `systemctl list-timers 'coursehub-*'`"
            " tells whether the timer runs, or see that cron does",
        )
    ]


def _show(page: Mapping[str, Any], troubles: Sequence[Trouble]) -> None:
    rows = [(trouble.part, plain(trouble.what)) for trouble in troubles]
    well = "all is well: pool, dataset, homes, snapshots, cluster, node and hub"
    table(("part", "what `make up` would mend, or says how"), rows, well)
    snapshot, archive, now = page["snapshot"], page["archive"], time.time()
    last = f"{snapshot['name']}, {age(now - snapshot['time'])}" if snapshot else "none"
    by_themselves = "taken by themselves" if page["scheduled"] else "none are taken by themselves: storage.snapshots"
    verified = (
        f"of {archive['snapshot']}, {age(now - moment(archive['at']))}"
        if archive
        else "none yet: `coursehub archive`, `coursehub verify`"
    )
    out.print(f"homes above 80 %: {', '.join(page['full']) or 'none'}", markup=False)
    out.print(f"last snapshot: {last}; {by_themselves}", markup=False)
    out.print(f"verified archive: {verified}", markup=False)


@app.command(epilog="Example: coursehub check && echo all is as it must be")
def check(context: typer.Context, json: Json = False) -> None:
    """Try, from a pod like a student's, who can talk to whom. Ends with 1 where that is not as it must be."""
    rows = run("probe", "apply", probe_spec(course_of(context)))["rows"]
    # Where nothing was there to be reached, that it was not reached proves nothing.
    wrong = [row for row in rows if row["seen"] != row["open"] or not row["there"]]
    if json:
        as_json({"rows": rows, "wrong": len(wrong)})
    else:
        table(("a student's pod tries", "port", "must be", "is", ""), map(tried, rows), "")
        out.print(f"{len(rows) - len(wrong)} of {len(rows)} as they must be")
    if wrong:
        raise typer.Exit(1)


def tried(row: Mapping[str, Any]) -> tuple[str, ...]:
    words, wrong = {True: "open", False: "closed"}, row["seen"] != row["open"]
    unproven = not wrong and not row["there"]
    return (
        plain(row["what"]),
        str(row["port"]),
        words[row["open"]],
        "nothing there" if unproven else words[row["seen"]],
        "[bold red]WRONG[/]" if wrong else "unproven" if unproven else "",
    )
