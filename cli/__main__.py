"""`coursehub`: looks at a course, keeps its work and brings it back. It decides nothing: the units of host/ do."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cli.rollover import rollover
from cli.show import as_json, out, plain, size, table, use, when
from cli.units import ROOT, run, told
from components.server import this_server
from config.course import Course
from config.faults import WrongConfiguration
from config.stack_file import NoStack, find, read
from plan.capacity import fitted
from plan.homes import workspaces_spec
from plan.keep import archive_spec, restore_spec, snapshots_spec, trash_spec
from plan.probes import probe_spec
from plan.server import looked_at
from plan.template import EMPTY

app = typer.Typer(
    name="coursehub",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Looks at a course, keeps its work and brings it back. `make up` is what makes it.",
)
snapshot_app = typer.Typer(no_args_is_help=True, help="The whole course at one moment: taken, listed, held.")
purge_app = typer.Typer(no_args_is_help=True, help="Homes of students who left, and the trash. Asks for every name.")
app.add_typer(snapshot_app, name="snapshot")
app.add_typer(purge_app, name="purge")

app.command(epilog="Example: coursehub --stack physics-2026 rollover physics-2027 --roster participants.csv")(rollover)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@dataclass(frozen=True)
class Chosen:
    """Which stack was asked for, and where its file is."""

    folder: Path
    stack: str | None

    @property
    def course(self) -> Course:
        """The course. Ends the program where it cannot be told."""
        try:
            return read(find(self.folder, self.stack))
        except (NoStack, WrongConfiguration) as error:
            told.print(str(error), markup=False)
            raise typer.Exit(2) from None


@app.callback()
def choose(
    context: typer.Context,
    stack: Annotated[str | None, typer.Option(help="The course's stack; the only one unless given.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the stack's file is.", hidden=True)] = ROOT,
) -> None:
    context.obj = Chosen(folder, stack)


@app.command(epilog="Example: coursehub --stack physics status")
def status(context: typer.Context, json: Json = False) -> None:
    """How a course is: homes, snapshots, the last verified archive."""
    course = _course(context)
    found = {
        "course": course.course.name,
        "dataset": course.storage.path,
        **_homes(course),
        **run("snapshots", "observe", snapshots_spec(course.storage)),
        "archive": run("archive", "last", archive_spec(course.storage, "/"))["verified"],
        **run("trash", "observe", trash_spec(course)),
    }
    if json:
        as_json(found)
        return
    snapshots, archive = found["snapshots"], found["archive"]
    used, budget = (sum(home[key] for home in found["homes"].values()) for key in ("used", "budget"))
    rows = [
        ("dataset", course.storage.path),
        ("homes", f"{len(found['homes'])}, {size(used)} of {size(budget)}; {len(found['left'])} students left"),
        ("snapshots", f"{len(snapshots)}, the last {when(snapshots[-1]['time'])}" if snapshots else "none"),
        (
            "verified archive",
            f"of {archive['snapshot']}, at {archive['at']}" if archive else "none: `coursehub archive`",
        ),
        ("trash", f"{len(found['trash'])}"),
    ]
    table((course.course.name, ""), [(name, plain(value)) for name, value in rows], "")


@app.command(epilog="Example: coursehub homes --json | jq '.homes.ada.used'")
def homes(context: typer.Context, json: Json = False) -> None:
    """Who uses how much. Homes above 80 % are marked."""
    found = _homes(_course(context))
    if json:
        as_json(found)
        return
    rows: list[tuple[str, ...]] = [
        (
            plain(name),
            size(home["used"]),
            size(home["budget"]),
            use(home["used"], home["budget"]),
            size(home["shared"]) if "shared" in home else "",
            str(home.get("snapshots", "")),
            plain(home["template"]),
            "left" if home.get("left") else "" if home["mounted"] else "[bold red]not mounted[/]",
        )
        for name, home in found["homes"].items()
    ]
    rows += [(plain(name), *[""] * 6, "left") for name in found["left"] if name not in found["homes"]]
    table(("student", "used", "budget", "", "shared", "snapshots", "template", ""), rows, "nobody has a home yet")


def _homes(course: Course) -> dict[str, Any]:
    if course.homes.mode != "roster":
        return {"homes": {}, "left": []}
    # Which version new homes would begin with does not matter to what is there.
    return run("workspaces", "observe", {**workspaces_spec(course, EMPTY), "count_snapshots": True})


@snapshot_app.command("list", epilog="Example: coursehub snapshot list --json")
def list_snapshots(context: typer.Context, json: Json = False) -> None:
    """All snapshots of the course, oldest first. `used` is what is freed when it goes."""
    found = run("snapshots", "observe", snapshots_spec(_course(context).storage))
    if json:
        as_json(found)
        return
    rows = [
        (plain(s["name"]), when(s["time"]), size(s["used"]), str(s["homes"]), "held" if s["held"] else "")
        for s in found["snapshots"]
    ]
    table(("snapshot", "taken", "used", "homes", ""), rows, "there is no snapshot yet: `coursehub snapshot take`")


@snapshot_app.command(epilog="Example: coursehub snapshot take before-exam")
def take(context: typer.Context, name: Annotated[str | None, typer.Argument()] = None) -> None:
    """Take one, of everything at once. With a name of its own it stays until somebody destroys it."""
    out.print(run("snapshots", "take", snapshots_spec(_course(context).storage, name))["snapshot"])


@snapshot_app.command(epilog="Example: coursehub snapshot hold before-exam")
def hold(context: typer.Context, name: str) -> None:
    """Keep one from being destroyed, by anybody."""
    run("snapshots", "hold", snapshots_spec(_course(context).storage, name))


@snapshot_app.command(epilog="Example: coursehub snapshot release before-exam")
def release(context: typer.Context, name: str) -> None:
    """Let a held one go again."""
    run("snapshots", "release", snapshots_spec(_course(context).storage, name))


@snapshot_app.command(epilog="Example: coursehub snapshot prune")
def prune(context: typer.Context) -> None:
    """Destroy what the plan storage.snapshots does not keep; never a held one, nor one with a name of its own."""
    storage = _course(context).storage
    if storage.snapshots is None:
        _refuse("there is no plan: storage.snapshots says how many are kept")
    for name in run("snapshots", "prune", snapshots_spec(storage))["pruned"]:
        out.print(f"pruned {name}")


@app.command(epilog="Example: coursehub doctor || mail -s 'look at the course' ada")
def doctor(context: typer.Context, json: Json = False) -> None:
    """Everything that is not as it should be, with the remedy. Changes nothing; ends with 1 if there is something."""
    course = _on_this_server(_course(context))
    found = {part: run(unit, "observe", spec) for part, (unit, spec) in looked_at(course).items()}
    troubles = [
        (part, line) for part, seen in found.items() for line in (*seen.get("drift", ()), *seen.get("warnings", ()))
    ]
    full = found.get("homes", {}).get("nearlyFull", [])
    last = run("archive", "last", archive_spec(course.storage, "/"))["verified"]
    if json:
        as_json({"troubles": [{"part": part, "what": line} for part, line in troubles], "full": full, "archive": last})
    else:
        rows = [(part, plain(line)) for part, line in troubles]
        table(
            ("part", "what `make up` would mend, or says how"), rows, "all is well: pool, dataset, homes, cluster, node"
        )
        out.print(f"homes above 80 %: {', '.join(full) or 'none'}")
        out.print(f"verified archive: {last['at'] if last else 'none yet: `coursehub archive`, `coursehub verify`'}")
    if troubles:
        raise typer.Exit(1)


@app.command(epilog="Example: coursehub check && echo all is as it must be")
def check(context: typer.Context, json: Json = False) -> None:
    """Try, from a pod like a student's, who can talk to whom. Ends with 1 where that is not as it must be."""
    rows = run("probe", "apply", probe_spec(_course(context)))["rows"]
    wrong = [row for row in rows if row["seen"] != row["open"]]
    if json:
        as_json({"rows": rows, "wrong": len(wrong)})
    else:
        words = {True: "open", False: "closed"}
        shown = [
            (
                plain(row["what"]),
                str(row["port"]),
                words[row["open"]],
                words[row["seen"]] if row in wrong or row["there"] else "nothing there",
                "[bold red]WRONG[/]" if row in wrong else "",
            )
            for row in rows
        ]
        table(("a student's pod tries", "port", "must be", "is", ""), shown, "")
        out.print(f"{len(rows) - len(wrong)} of {len(rows)} as they must be")
    if wrong:
        raise typer.Exit(1)


@app.command(epilog="Example: coursehub restore ada thesis/chapter1.md --snapshot before-exam")
def restore(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Whose files.")] = None,
    path: Annotated[str, typer.Argument(help="A file or folder in the home; all of it unless given.")] = "",
    snapshot: Annotated[str | None, typer.Option(help="From which snapshot; the last one unless given.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Bring back a whole course from an archive.")] = None,
) -> None:
    """Bring files back into `restored-<time>` in the student's home; nothing that is there is touched."""
    course = _course(context)
    if source is not None and student is None:
        out.print(run("archive", "restore", archive_spec(course.storage, str(source.absolute())))["course"])
        return
    if student is None or source is not None:
        _refuse("name a student, or an archive with --from")
    found = run("snapshots", "observe", snapshots_spec(course.storage))["snapshots"]
    if snapshot is None and not found:
        _refuse("there is no snapshot to restore from")
    done = run("restore", "apply", restore_spec(course, student, snapshot or found[-1]["name"], path))
    out.print(f"{done['files']} files, {size(done['size'])}, are in {done['folder']} in the home of {student}")


@app.command(epilog="Example: coursehub archive /backup/physics.tar")
def archive(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="In the folder storage.archive unless given.")] = None,
    snapshot: Annotated[str | None, typer.Option(help="Of which snapshot; of a new one unless given.")] = None,
) -> None:
    """Write the whole course into one file. Run again after a break, it goes on where it stopped."""
    course = _course(context)
    name = f"{course.storage.dataset.replace('/', '.')}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}.tar"
    broken_off = sorted(_archives(course, ".tar.partial"))
    chosen = file or (broken_off[-1].with_suffix("") if broken_off else _folder(course) / name)
    done = run("archive", "write", archive_spec(course.storage, str(chosen.absolute()), snapshot))
    out.print(f"{done['file']}: {done['files']} files of {done['snapshot']} in {size(done['size'])}")
    out.print("next: `coursehub verify`, which receives it and compares every file")


@app.command(epilog="Example: coursehub verify /backup/physics.tar --scratch /var/tmp")
def verify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="The newest one unless given.")] = None,
    scratch: Annotated[Path | None, typer.Option(help="A folder with room for the whole course, for a while.")] = None,
) -> None:
    """Receive an archive into a pool in a file and compare every file. Only then can a course be destroyed."""
    course = _course(context)
    there = sorted(_archives(course, ".tar"))
    if file is None and not there:
        _refuse("there is no archive yet: `coursehub archive`")
    spec = archive_spec(course.storage, str((file or there[-1]).absolute()))
    done = run("archive", "verify", {**spec, "scratch": scratch and str(scratch.absolute())})
    out.print(f"{done['file']} is sound: {done['files']} files, {size(done['bytes'])}, of {done['snapshot']}")


def _folder(course: Course) -> Path:
    if course.storage.archive is None:
        _refuse("name a file, or set storage.archive to the folder for archives")
    return Path(course.storage.archive)


def _archives(course: Course, suffix: str) -> list[Path]:
    folder = course.storage.archive
    return list(Path(folder).glob(f"{course.storage.dataset.replace('/', '.')}-*{suffix}")) if folder else []


@purge_app.command("list", epilog="Example: coursehub purge list --json")
def list_trash(context: typer.Context, json: Json = False) -> None:
    """What is in the trash, and who left the roster."""
    course = _course(context)
    found = {**run("trash", "observe", trash_spec(course)), "left": _homes(course)["left"]}
    if json:
        as_json(found)
        return
    trash = [(plain(e["entry"]), when(e["since"]), size(e["used"]), when(e["purge_from"])) for e in found["trash"]]
    table(("in the trash", "since", "used", "can be purged from"), trash, "the trash is empty")
    table(("left the roster",), [(plain(name),) for name in found["left"]], "nobody left the roster")


@purge_app.command(epilog="Example: coursehub purge student ada")
def student(context: typer.Context, name: str) -> None:
    """Put the home of a student who left into the trash. A verified archive must have all of it."""
    typed = _typed(f"The home of {name} goes to the trash. Type the student's name to confirm", name)
    spec = {**trash_spec(_course(context)), "student": name, "confirm": typed}
    out.print(run("trash", "bury", spec)["trash"])


@purge_app.command(epilog="Example: coursehub purge trash physics.20270301T120000Z")
def trash(context: typer.Context, entry: str) -> None:
    """Delete an entry of the trash for good, 30 days after it got there."""
    typed = _typed(f"{entry} is deleted for good. Type its name to confirm", entry)
    run("trash", "purge", {**trash_spec(_course(context)), "entry": entry, "confirm": typed})


def _course(context: typer.Context) -> Course:
    chosen: Chosen = context.obj
    return chosen.course


def _on_this_server(course: Course) -> Course:
    """The course as `up` would make it here. Ends the program where it does not fit."""
    try:
        return fitted(course, this_server())
    except WrongConfiguration as error:
        _refuse(str(error))


def _typed(question: str, name: str) -> str:
    typed = str(typer.prompt(question, err=True))
    if typed != name:
        _refuse(f"{typed!r} is not {name!r}: nothing was done")
    return typed


def _refuse(reason: str) -> NoReturn:
    told.print(reason, markup=False)
    raise typer.Exit(2)


if __name__ == "__main__":
    app(prog_name="coursehub")
