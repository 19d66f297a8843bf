"""`coursehub homes`: who uses how much."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from cli import complete
from cli.chosen import Json, course_of, refuse
from cli.show import as_json, plain, size, table, use
from cli.units import run
from config.course import Course
from plan.homes import workspaces_spec
from plan.template import EMPTY

app = typer.Typer()


@app.command(epilog="Example: coursehub homes --json | jq '.homes.ada.used'")
def homes(
    context: typer.Context,
    student: Annotated[
        str | None, typer.Argument(help="Whose home; everybody's unless given.", autocompletion=complete.students)
    ] = None,
    json: Json = False,
) -> None:
    """Who uses how much. Homes above 80 % are marked."""
    found = observed(course_of(context))
    if student is not None:
        if student not in found["homes"]:
            refuse(f"{student} has no home; `coursehub homes` lists who has")
        found = {**found, "homes": {student: found["homes"][student]}, "left": []}
    if json:
        as_json(found)
        return
    columns = ("student", "used", "budget", "", "shared", "snapshots", "template", "")
    table(columns, _rows(found), "nobody has a home yet")


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, home in found["homes"].items():
        yield (
            plain(name),
            size(home["used"]),
            size(home["budget"]),
            use(home["used"], home["budget"]),
            size(home["shared"]),
            f"{home['snapshots']}, {size(home['bySnapshots'])}" if home["snapshots"] else "none",
            plain(home["template"]),
            "left" if home["left"] else "" if home["mounted"] else "[bold red]not mounted[/]",
        )


def observed(course: Course) -> dict[str, Any]:
    """What the homes' unit finds; of a course without a roster, that there are none. Ends the program if it fails."""
    if course.homes.mode != "roster":
        return {"homes": {}, "left": [], "nearlyFull": [], "allocated": 0}
    # Which version new homes would begin with does not matter to what is there.
    return run("workspaces", "observe", {**workspaces_spec(course, EMPTY), "count_snapshots": True})
