"""Asks a unit, as a process of its own, for what changes nothing: whoever asks goes on whatever becomes of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE = 120  # seconds: a daemon that hangs must not keep the rest from being told
_ROOT = Path(__file__).resolve().parent.parent


def asked(unit: str, verb: str, spec: Mapping[str, Any], also: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The result of a verb that changes nothing; where the unit cannot look, its words as `warnings`.

    The unit is told `also`, in its environment.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "host", unit, verb],
            input=json.dumps(spec),
            capture_output=True,
            text=True,
            cwd=_ROOT,
            env={**os.environ, **(also or {})},
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return {"warnings": [f"{unit}: no answer within {PATIENCE} s: the daemon that it asks (ZFS, Docker) may hang"]}
    if done.returncode != 0:
        return {"warnings": [done.stderr.strip()]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found
