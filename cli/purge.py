"""`coursehub purge`: homes of those who left, and the trash."""

from typing import Annotated

import typer

from cli import complete
from cli.chosen import Json, course_of, refuse
from cli.homes import observed
from cli.show import as_json, out, plain, size, table, when
from cli.units import run
from plan.keep import trash_spec

app = typer.Typer(no_args_is_help=True, help="Homes of students who left, and the trash. Asks for every name.")


@app.command("list", epilog="Example: coursehub purge list --json")
def list_trash(context: typer.Context, json: Json = False) -> None:
    """What is in the trash, and who left the roster."""
    course = course_of(context)
    found = {**run("trash", "observe", trash_spec(course)), "left": observed(course)["left"]}
    if json:
        as_json(found)
        return
    rows = [(plain(e["entry"]), when(e["since"]), size(e["used"]), when(e["purge_from"])) for e in found["trash"]]
    table(("in the trash", "since", "used", "can be purged from"), rows, "the trash is empty")
    table(("left the roster",), [(plain(name),) for name in found["left"]], "nobody left the roster")


@app.command(epilog="Example: coursehub purge student ada")
def student(context: typer.Context, name: Annotated[str, typer.Argument(autocompletion=complete.left)]) -> None:
    """Put the home of a student who left into the trash. A verified archive must have all of it."""
    typed = _typed(f"The home of {name} goes to the trash. Type the student's name to confirm", name)
    spec = {**trash_spec(course_of(context)), "student": name, "confirm": typed}
    out.print(run("trash", "bury", spec)["trash"])


@app.command(epilog="Example: coursehub purge trash physics.20270301T120000Z")
def trash(context: typer.Context, entry: Annotated[str, typer.Argument(autocompletion=complete.trash)]) -> None:
    """Delete an entry of the trash for good, 30 days after it got there."""
    typed = _typed(f"{entry} is deleted for good. Type its name to confirm", entry)
    run("trash", "purge", {**trash_spec(course_of(context)), "entry": entry, "confirm": typed})


def _typed(question: str, name: str) -> str:
    typed = str(typer.prompt(question, err=True))
    if typed != name:
        refuse(f"{typed!r} is not {name!r}: nothing was done")
    return typed
