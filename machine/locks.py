"""Locks that a killed pulumi left on a stack: it would ask for `pulumi cancel`, though nobody is at work."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from machine.shell import say


def forget_dead_locks(state: Path, stack: str) -> None:
    """Remove the locks of `stack` whose pulumi ran on this server and is gone. Locks of living ones stay."""
    for lock in state.glob(f".pulumi/locks/organization/coursehub/{stack}/*.json"):
        holder = json.loads(lock.read_text())
        if is_dead(holder, socket.gethostname(), Path("/proc", str(holder["pid"]), "comm")):
            lock.unlink()
            say(f"the last change of stack {stack} was interrupted: took away its lock")


def is_dead(holder: dict[str, Any], hostname: str, comm: Path) -> bool:
    """Whether a lock's holder is known to be gone; `comm` is where its process would tell its name."""
    if holder["hostname"] != hostname:
        return False
    try:
        return comm.read_text().strip() != "pulumi"
    except OSError:
        return True


def state_folder() -> Path:
    """Where env.sh keeps the stacks' state."""
    return Path(os.environ.get("COURSEHUB_STATE", "~/.local/state/coursehub")).expanduser()
