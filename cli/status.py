"""`coursehub status`: how a course is."""

from collections.abc import Mapping
from typing import Any

import typer

from cli.chosen import Json, course_of
from cli.homes import observed
from cli.hub import cluster_state, silence
from cli.show import as_json, moment, plain, size, table, when
from cli.units import run
from components.server import this_server
from host.asked import asked
from plan.capacity import sized
from plan.keep import archive_spec, snapshots_spec, trash_spec
from plan.next_steps import url
from plan.server import cluster_spec

app = typer.Typer()


@app.command(epilog="Example: coursehub --stack physics status")
def status(context: typer.Context, json: Json = False) -> None:
    """How a course is: hub, cluster, homes, snapshots, the last verified archive."""
    course = course_of(context)
    cluster = asked("kind", "observe", cluster_spec(sized(course, this_server())))
    silent = silence(course)
    found = {
        "course": course.course.name,
        "dataset": course.storage.path,
        "hub": {"url": url(course), "answers": not silent, "why": silent},
        "cluster": {
            "name": course.cluster_name,
            "running": bool(cluster.get("running")),
            "state": cluster_state(cluster),
        },
        **observed(course),
        **run("snapshots", "observe", snapshots_spec(course.storage)),
        "archive": run("archive", "last", archive_spec(course.storage, "/"))["verified"],
        **run("trash", "observe", trash_spec(course)),
    }
    if json:
        as_json(found)
        return
    table((course.course.name, ""), [(name, plain(value)) for name, value in _lines(found).items()], "")


def _lines(found: Mapping[str, Any]) -> dict[str, str]:
    hub, snapshots, archive = found["hub"], found["snapshots"], found["archive"]
    used, budget = (sum(home[key] for home in found["homes"].values()) for key in ("used", "budget"))
    return {
        "hub": f"{hub['url']} " + ("answers" if hub["answers"] else f"does not answer: {hub['why']}"),
        "cluster": f"{found['cluster']['name']} {found['cluster']['state']}",
        "dataset": found["dataset"],
        "homes": f"{len(found['homes'])}, {size(used)} of {size(budget)}; {len(found['left'])} students left",
        "snapshots": f"{len(snapshots)}, the last {when(snapshots[-1]['time'])}" if snapshots else "none",
        "verified archive": f"of {archive['snapshot']}, {when(moment(archive['at']))}"
        if archive
        else "none: `coursehub archive`",
        "trash": str(len(found["trash"])),
    }
