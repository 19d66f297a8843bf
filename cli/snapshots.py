"""`coursehub snapshot`: the whole course at one moment."""

from typing import Annotated

import typer

from cli import complete
from cli.chosen import Json, course_of, refuse
from cli.show import as_json, out, plain, size, table, when
from cli.units import run
from plan.keep import snapshots_spec

app = typer.Typer(no_args_is_help=True, help="The whole course at one moment: taken, listed, held.")

Name = Annotated[str, typer.Argument(autocompletion=complete.snapshots)]


@app.command("list", epilog="Example: coursehub snapshot list --json")
def list_snapshots(context: typer.Context, json: Json = False) -> None:
    """All snapshots of the course, oldest first. `used` is what is freed when it goes."""
    found = run("snapshots", "observe", snapshots_spec(course_of(context).storage))
    if json:
        as_json(found)
        return
    rows = [
        (plain(s["name"]), when(s["time"]), size(s["used"]), str(s["homes"]), "held" if s["held"] else "")
        for s in found["snapshots"]
    ]
    table(("snapshot", "taken", "used", "homes", ""), rows, "there is no snapshot yet: `coursehub snapshot take`")


@app.command(epilog="Example: coursehub snapshot take before-exam")
def take(context: typer.Context, name: Annotated[str | None, typer.Argument()] = None) -> None:
    """Take one, of everything at once. With a name of its own it stays until somebody destroys it."""
    out.print(run("snapshots", "take", snapshots_spec(course_of(context).storage, name))["snapshot"])


@app.command(epilog="Example: coursehub snapshot hold before-exam")
def hold(context: typer.Context, name: Name) -> None:
    """Keep one from being destroyed, by anybody."""
    run("snapshots", "hold", snapshots_spec(course_of(context).storage, name))


@app.command(epilog="Example: coursehub snapshot release before-exam")
def release(context: typer.Context, name: Name) -> None:
    """Let a held one go again."""
    run("snapshots", "release", snapshots_spec(course_of(context).storage, name))


@app.command(epilog="Example: coursehub snapshot prune")
def prune(context: typer.Context) -> None:
    """Destroy what the plan storage.snapshots does not keep; never a held one, nor one with a name of its own."""
    storage = course_of(context).storage
    if storage.snapshots is None:
        refuse("there is no plan: storage.snapshots says how many are kept")
    for name in run("snapshots", "prune", snapshots_spec(storage))["pruned"]:
        out.print(f"pruned {name}")
