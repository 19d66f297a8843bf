"""Runs a unit of host/ and shows how far it is."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
_COUNTED = re.compile(r"\[(\d+)/(\d+)\] (.*)")

told = Console(stderr=True, highlight=False, soft_wrap=True)


def run(unit: str, verb: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a unit; what it says is shown, counted lines as a bar. Ends the program if it fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "host", unit, verb],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin and process.stdout and process.stderr, "they were asked for"
    with process, Progress(console=told, transient=True) as progress:
        process.stdin.write(json.dumps(spec))
        process.stdin.close()
        bar = None
        for line in process.stderr:
            if counted := _COUNTED.fullmatch(line.rstrip("\n")):
                done, total, name = int(counted[1]) - 1, int(counted[2]), counted[3]
                bar = progress.add_task(name, total=total) if bar is None else bar
                progress.update(bar, completed=done, total=total, description=name)
            else:
                progress.console.print(line.rstrip("\n"), markup=False)
        printed = process.stdout.read()
    if process.returncode != 0:
        raise typer.Exit(process.returncode)
    result: dict[str, Any] = json.loads(printed)
    return result
