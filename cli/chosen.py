"""Which course a command is about; and the end of a program that cannot do what was asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.units import told
from config.course import Course
from config.faults import WrongConfiguration
from config.stack_file import NoStack, find, read

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@dataclass(frozen=True)
class Chosen:
    """Which stack was asked for, and where its file is."""

    folder: Path
    stack: str | None


def course_of(context: typer.Context) -> Course:
    """The course. Ends the program where it cannot be told."""
    chosen: Chosen = context.obj
    try:
        return read(find(chosen.folder, chosen.stack))
    except (NoStack, WrongConfiguration) as error:
        refuse(str(error))


def refuse(reason: str) -> NoReturn:
    """End the program, with the reason and the remedy."""
    told.print(reason, markup=False)
    raise typer.Exit(2)
