"""`coursehub rollover`: the next semester's stack file from this one's."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli.chosen import refuse
from cli.show import out
from config.faults import WrongConfiguration
from config.raw import OURS, sections
from config.stack_file import NoStack, config, course, find, stack_of, stacks
from plan.rollover import Taken, Wish, differences, following, secrets, what_next, without_secrets

_Roster = Annotated[str | None, typer.Option(help="Its roster, a file beside the stacks'; staff alone unless given.")]
_Template = Annotated[
    str | None,
    typer.Option(help="Its materials: a revision where they come from git, else a folder; as before unless given."),
]


app = typer.Typer()


@app.command(epilog="Example: coursehub --stack physics-2026 rollover physics-2027 --roster participants.csv")
def rollover(
    context: typer.Context,
    new: Annotated[str, typer.Argument(help="The next stack; its course and dataset are called after it.")],
    roster: _Roster = None,
    template: _Template = None,
) -> None:
    """Write the next semester's stack file from this one's. Nothing else is changed, and never a file that is there."""
    folder: Path = context.obj.folder
    file = folder / f"Pulumi.{new}.yaml"
    try:
        old_file = find(folder, context.obj.stack)
        old, stack = config(old_file), stack_of(old_file)
        before = course(old, stack, folder)
        taken = Taken.by({name: sections(config(other)) for name, other in stacks(folder).items()})
    except (NoStack, WrongConfiguration) as error:
        refuse(str(error))
    try:
        changed = following(sections(old), before, taken, Wish(new, roster, template))
        tree = _whole(old, changed)
        after = course(tree, new, folder)
        _write(file, without_secrets(tree), old_file)
    except WrongConfiguration as error:
        refuse(f"{file.name} is not written, as it would not be sound: {error}")
    except FileExistsError:
        refuse(f"{file.name} is there already: name another stack, or remove it")
    out.print(f"{file.name} is written. It is {old_file.name}, but for")
    for line in differences(sections(old), changed):
        out.print(f"  {line}", markup=False)
    left_out = [path.removeprefix(f"{OURS}:") for path in secrets(tree)]
    for line in what_next((stack, before), (new, after), left_out):
        out.print(line, markup=False)


def _whole(old: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """All values of the next stack's file: what is not ours stays as it is."""
    others = {key: value for key, value in old.items() if not key.startswith(f"{OURS}:")}
    return {**{f"{OURS}:{section}": value for section, value in changed.items()}, **others}


def _write(file: Path, tree: dict[str, Any], source: Path) -> None:
    text = yaml.safe_dump({"config": tree}, sort_keys=False, allow_unicode=True)
    with file.open("x") as target:
        target.write(
            f"# yaml-language-server: $schema=config/schema.json\n# Made from {source.name}: `coursehub rollover`.\n"
        )
        target.write(text)
