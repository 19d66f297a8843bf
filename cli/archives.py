"""`coursehub archive`, `archives` and `verify`: the whole course in one file, or in another pool."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import complete
from cli.chosen import Json, course_of, refuse
from cli.show import as_json, moment, out, plain, size, table, when
from cli.units import run
from config.course import Storage
from plan.keep import archive_spec, replica_spec

app = typer.Typer()


@app.command(epilog="Example: coursehub archive /backup/physics.tar, or coursehub archive --pool backup")
def archive(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="In the folder storage.archive unless given.")] = None,
    snapshot: Annotated[
        str | None,
        typer.Option(help="Of which snapshot; of a new one unless given.", autocompletion=complete.snapshots),
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Copy it into this pool instead, and compare every file; later, what changed.")
    ] = None,
) -> None:
    """Write the whole course into one file, or into another pool. Run again after a break, it goes on."""
    storage = course_of(context).storage
    if pool is not None:
        if file or snapshot:
            refuse("--pool takes the course as it is now: name neither a file nor a snapshot")
        copied = run("replica", "apply", replica_spec(storage, pool))
        out.print(f"{copied['replica']}: {copied['files']} files of {copied['snapshot']}, each as it is in the course")
        return
    if file is None:
        there = folder_of(storage)
        file = Path(there["unfinished"] or there["new"])
    done = run("archive", "write", archive_spec(storage, str(file.absolute()), snapshot))
    out.print(f"{done['file']}: {done['files']} files of {done['snapshot']} in {size(done['size'])}")
    out.print("next: `coursehub verify`, which receives it and compares every file")


@app.command(epilog="Example: coursehub archives --json | jq -r '.archives[-1].file'")
def archives(context: typer.Context, json: Json = False) -> None:
    """The course's archives in the folder storage.archive, oldest first, and which was verified last."""
    storage = course_of(context).storage
    found = folder_of(storage)
    if json:
        as_json(found)
        return
    rows: list[tuple[str, ...]] = [
        (
            plain(Path(one["file"]).name),
            plain(one["snapshot"]),
            size(one["size"]),
            when(moment(one["written"])),
            "verified" if one["verified"] else "",
        )
        for one in found["archives"]
    ]
    rows += [(plain(Path(file).name), *[""] * 3, plain(why)) for file, why in found["damaged"].items()]
    if found["unfinished"]:
        rows.append(
            (plain(Path(found["unfinished"]).name), *[""] * 3, "unfinished: `coursehub archive` goes on with it")
        )
    table(("archive", "of snapshot", "size", "written", ""), rows, "there is no archive yet: `coursehub archive`")


@app.command(epilog="Example: coursehub verify /backup/physics.tar --scratch /var/tmp")
def verify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="The newest one unless given.")] = None,
    scratch: Annotated[Path | None, typer.Option(help="A folder with room for the whole course, for a while.")] = None,
) -> None:
    """Receive an archive into a pool in a file and compare every file. Only then can a course be destroyed."""
    storage = course_of(context).storage
    spec = archive_spec(storage, str((file or _newest(storage)).absolute()))
    done = run("archive", "verify", {**spec, "scratch": scratch and str(scratch.absolute())})
    out.print(f"{done['file']} is sound: {done['files']} files, {size(done['bytes'])}, of {done['snapshot']}")


def _newest(storage: Storage) -> Path:
    there = folder_of(storage)["archives"]
    if not there:
        refuse("there is no archive yet: `coursehub archive`")
    return Path(there[-1]["file"])


def folder_of(storage: Storage) -> dict[str, Any]:
    """What the folder for archives has of the course. Ends the program where there is none."""
    if storage.archive is None:
        refuse("storage.archive is not set, the folder for archives: set it, or name a file")
    return run("archive", "folder", archive_spec(storage, storage.archive))
