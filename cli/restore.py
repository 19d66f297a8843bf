"""`coursehub restore`: a student's files from a snapshot, or a whole course from an archive or a replica."""

from pathlib import Path
from typing import Annotated

import typer

from cli import complete
from cli.chosen import course_of, refuse
from cli.show import out, size
from cli.units import run
from plan.keep import archive_spec, course_spec, restore_spec, snapshots_spec

app = typer.Typer()


@app.command(epilog="Example: coursehub restore ada thesis/chapter1.md --snapshot before-exam")
def restore(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Whose files.", autocompletion=complete.students)] = None,
    path: Annotated[str, typer.Argument(help="A file or folder in the home; all of it unless given.")] = "",
    snapshot: Annotated[
        str | None,
        typer.Option(help="From which snapshot; the last one unless given.", autocompletion=complete.snapshots),
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Bring back a whole course from an archive.")] = None,
    replica: Annotated[
        bool, typer.Option("--replica", help="Make a replica in the pool storage.pool the course itself.")
    ] = False,
) -> None:
    """Bring files back into `restored-<time>` in the student's home; nothing that is there is touched."""
    course = course_of(context)
    if [student is not None, source is not None, replica].count(True) != 1:
        refuse("name a student; or an archive with --from, or --replica, for a whole course")
    if replica:
        out.print(run("replica", "promote", course_spec(course.storage))["course"])
        return
    if source is not None:
        out.print(run("archive", "restore", archive_spec(course.storage, str(source.absolute())))["course"])
        return
    assert student is not None, "it is the one that was named"
    found = run("snapshots", "observe", snapshots_spec(course.storage))["snapshots"]
    if snapshot is None and not found:
        refuse("there is no snapshot to restore from")
    done = run("restore", "apply", restore_spec(course, student, snapshot or found[-1]["name"], path))
    out.print(f"{done['files']} files, {size(done['size'])}, are in {done['folder']} in the home of {student}")
