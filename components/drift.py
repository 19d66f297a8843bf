"""What somebody changed on this server by hand: seen at preview, mended by `up`.

Pulumi runs a command again only when one of its inputs changes, and it cannot read a server. So each command has a
revision among its inputs, kept in a small file beside the state: where the unit's `observe` finds work to do, the
revision is one higher than in the file, and the unit writes it there once the work is done. The next `up` is then
without changes again. A thing that is gone has another generation, which makes it anew with all that is in it.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pulumi

from host.asked import asked

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Revision:
    """How often a thing was mended in place, and how often made anew because it was gone."""

    revision: int = 0
    generation: int = 0


def after(last: Revision, found: Mapping[str, Any]) -> Revision:
    """The revision that a thing is to have, by what its unit found of it: `gone`, and `drift`, a sentence for each."""
    if found.get("gone"):
        return Revision(last.revision, last.generation + 1)
    return Revision(last.revision + 1, last.generation) if found.get("drift") else last


def moved(result: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What a unit would now print differently than it did, such as an address that a restart changed."""
    now = found.get("result", {})
    return [f"{key} {result.get(key)} -> {value}" for key, value in now.items() if result.get(key) != value]


@dataclass(frozen=True)
class Noted:
    """What a unit noted when its work was done."""

    revision: Revision
    result: Mapping[str, Any]


def noted(file: Path) -> Noted | None:
    """What a unit noted; None where it cannot be read, such as an empty file after a power cut."""
    try:
        found = json.loads(file.read_text())
        return Noted(Revision(int(found["revision"]), int(found["generation"])), dict(found["result"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unknown() -> Revision:
    """In the place of a revision that cannot be read: one that no thing was ever given, so that its unit runs.

    The generation is lost with it: a cluster that had one is made anew, with all that is in it but the data.
    """
    return Revision(int(time.time()))


def marker(resource: str) -> Path:
    """The file of a resource's revision, in the folder that also holds the state."""
    folder = Path(os.environ.get("COURSEHUB_STATE", "~/.local/state/coursehub")).expanduser()
    return folder / "revisions" / pulumi.get_stack() / f"{resource}.json"


def revision_of(resource: str, unit: str, spec: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> Revision:
    """The revision that `resource` is to have. Changes nothing on the server.

    What is found is told, unless the caller has looked, and tells, itself.
    """
    file = marker(resource)
    if not file.exists():  # not made yet
        return Revision()
    last = noted(file)
    seen = dict(observe(unit, spec) if found is None else found)
    more = moved(last.result, seen) if last else [f"the unit {unit} once more: its note {file} cannot be read"]
    seen["drift"] = [*seen.get("drift", []), *more]
    if found is None:
        for line in seen["drift"]:
            pulumi.log.info(f"to do on this server: {line}")
        for line in seen.get("warnings", []):
            pulumi.log.warn(line)
    return after(last.revision if last else unknown(), seen)


def observe(unit: str, spec: Mapping[str, Any], resource: str = "") -> dict[str, Any]:
    """What a unit finds on this server; where it cannot look, its words as a warning.

    With `resource` it is told what that one's last run ended with.
    """
    return asked(unit, "observe", spec, {"COURSEHUB_MARKER": str(marker(resource))} if resource else None)


def environment(resource: str, revision: Revision) -> dict[str, str]:
    """What tells the unit where to note its revision, and which."""
    return {"COURSEHUB_MARKER": str(marker(resource)), "COURSEHUB_REVISION": json.dumps(asdict(revision))}
