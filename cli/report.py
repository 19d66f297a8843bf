"""`coursehub report`: what a course takes and what it saves, for whoever pays for it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from cli.archives import folder_of
from cli.chosen import Json, course_of
from cli.homes import observed
from cli.show import age, as_json, moment, plain, size, table
from cli.units import run
from plan.keep import archive_spec, snapshots_spec
from plan.report import report as figures
from plan.server import dataset_spec

app = typer.Typer()


@app.command(epilog="Example: coursehub report --json | jq .saving")
def report(context: typer.Context, json: Json = False) -> None:
    """What the course takes and what it saves: homes, budgets, what sharing saves, snapshots, archives."""
    course = course_of(context)
    homes = figures(observed(course))
    dataset = run("zfs", "observe", dataset_spec(course.storage))
    snapshots = run("snapshots", "observe", snapshots_spec(course.storage))["snapshots"]
    verified = run("archive", "last", archive_spec(course.storage, "/"))["verified"]
    archives = folder_of(course.storage)["archives"] if course.storage.archive else []
    found = {
        "course": course.course.name,
        "taken": int(dataset.get("used", 0)),
        "quota": int(dataset.get("quota", 0)),
        "homes": homes.homes,
        "budget": homes.budget,
        "used": homes.used,
        "shared": homes.shared,
        "bySnapshots": homes.by_snapshots,
        "copies": homes.copies,
        "allocated": homes.allocated,
        "saving": homes.saving and round(homes.saving, 2),
        "full": list(homes.full),
        "left": list(homes.left),
        "snapshots": len(snapshots),
        "archives": len(archives),
        "archived": sum(archive["size"] for archive in archives),
        "verified": verified,
    }
    if json:
        as_json(found)
        return
    table((found["course"], ""), [(name, plain(value)) for name, value in _lines(found)], "")


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "the whole course takes", size(found["taken"]) + (f" of {size(found['quota'])}" if found["quota"] else "")
    yield "homes", str(found["homes"])
    yield "their budgets", size(found["budget"])
    yield "used of these", f"{size(found['used'])}, of that {size(found['bySnapshots'])} by snapshots alone"
    yield "shared with the template", size(found["shared"])
    yield "homes as plain copies", f"would take {size(found['copies'])}"
    times = f", {found['saving']:.1f} times less" if found["saving"] else ""
    yield "homes and template", f"take {size(found['allocated'])}{times}"
    yield "snapshots", str(found["snapshots"])
    yield "archives", f"{found['archives']}, {size(found['archived'])}"
    verified = found["verified"]
    yield "verified archive", age(time.time() - moment(verified["at"])) if verified else "none: `coursehub archive`"
    yield "homes above 80 %", ", ".join(found["full"]) or "none"
    yield "left the roster", ", ".join(found["left"]) or "nobody"
