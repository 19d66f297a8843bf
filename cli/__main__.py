"""`coursehub`: looks at a course, keeps its work and brings it back. It decides nothing: the units of host/ do."""

from pathlib import Path
from typing import Annotated

import typer

from cli import archives, complete, health, homes, purge, report, restore, rollover, snapshots, status
from cli.chosen import Chosen
from cli.units import ROOT

app = typer.Typer(
    name="coursehub",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Looks at a course, keeps its work and brings it back. `make up` is what makes it.",
)


@app.callback()
def choose(
    context: typer.Context,
    stack: Annotated[
        str | None,
        typer.Option(
            help="The course's stack; the one that pulumi has selected, or the only one, unless given.",
            autocompletion=complete.stacks,
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the stack's file is.", hidden=True)] = ROOT,
) -> None:
    context.obj = Chosen(folder, stack)


for subject in (status, homes, report, health, restore, archives, rollover):
    app.add_typer(subject.app)
app.add_typer(snapshots.app, name="snapshot")
app.add_typer(purge.app, name="purge")

if __name__ == "__main__":
    app(prog_name="coursehub")
