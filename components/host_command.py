"""A unit of host/ as a resource: apply on create and update, remove on delete."""

import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

from components import drift
from components.drift import ROOT


def host_command(
    name: str,
    unit: str,
    *,
    spec: Mapping[str, Any],
    identity: Sequence[str],
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
    secret: bool = False,
    found: Mapping[str, Any] | None = None,
) -> local.Command:
    """Run `python3 -m host <unit>` with `spec` on its stdin.

    What is in `identity` makes it another thing: a change there deletes the old one first, then makes the new one. All
    else is changed in place. A change of host/ itself runs the unit again, and so does what drifted on the server.
    COURSEHUB_NEW and COURSEHUB_MADE tell a unit whether the stack's state knows its thing. What a `secret` unit prints
    is encrypted in the state and shown nowhere. `found` is what the unit observes now, where the caller has looked.
    """
    revision = drift.Revision() if secret else drift.revision_of(name, unit, spec, found)
    return local.Command(
        name,
        create=f"COURSEHUB_NEW=1 python3 -m host {unit} apply",
        update=f"COURSEHUB_MADE=1 python3 -m host {unit} apply",
        delete=f"python3 -m host {unit} remove",
        stdin=json.dumps(spec, sort_keys=True),
        environment={
            "COURSEHUB_HOST_VERSION": tree_hash(ROOT / "host"),
            **({} if secret else drift.environment(name, revision)),
        },
        triggers=[*identity, *([f"generation {revision.generation}"] if revision.generation else [])],
        logging=local.Logging.NONE if secret else local.Logging.STDERR,
        add_previous_output_in_env=secret,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            delete_before_replace=True,
            additional_secret_outputs=["stdout"] if secret else None,
        ),
    )


def run_unit(unit: str, spec: Mapping[str, Any]) -> None:
    """Apply a unit at once, outside the graph. Raises pulumi.RunError with the unit's words if it fails."""
    argv = [sys.executable, "-m", "host", unit, "apply"]
    done = subprocess.run(argv, input=json.dumps(spec), capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise pulumi.RunError(done.stderr.strip())
    for line in done.stderr.splitlines():
        pulumi.log.info(line)


def result(command: local.Command, key: str) -> pulumi.Output[str]:
    """One value of the JSON object that the unit printed."""
    return command.stdout.apply(lambda printed: str(json.loads(printed)[key]))


@functools.cache
def tree_hash(folder: Path) -> str:
    """A hash of a folder's files, 16 hexadecimal digits: an edit that pulumi would not see changes an input by it."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
