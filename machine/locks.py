"""Locks that a killed pulumi left on a stack: it would ask for `pulumi cancel`, though nobody is at work."""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from machine.shell import say


@dataclass(frozen=True)
class Holder:
    """The process that took a lock."""

    pid: int
    hostname: str


def forget_dead_locks(state: Path, stack: str) -> None:
    """Remove the locks of `stack` whose pulumi ran on this server and is gone. Locks of living ones stay.

    So does one that cannot be read, as a power cut leaves it: nobody can say whose it is.
    """
    for lock in state.glob(f".pulumi/locks/organization/coursehub/{stack}/*.json"):
        holder = holder_of(lock)
        if holder is None:
            say(
                f"the lock {lock} of stack {stack} cannot be read, so whose it is cannot be told: if nobody is at work"
                " on the stack, remove it"
            )
        elif is_dead(holder, socket.gethostname(), Path("/proc", str(holder.pid), "comm")):
            lock.unlink()
            say(f"the last change of stack {stack} was interrupted: took away its lock")


def holder_of(lock: Path) -> Holder | None:
    """Who holds a lock; None where it cannot be read."""
    try:
        found = json.loads(lock.read_text())
        return Holder(int(found["pid"]), str(found["hostname"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_dead(holder: Holder, hostname: str, comm: Path) -> bool:
    """Whether a lock's holder is known to be gone; `comm` is where its process would tell its name."""
    if holder.hostname != hostname:
        return False
    try:
        return comm.read_text().strip() != "pulumi"
    except OSError:
        return True


def state_folder() -> Path:
    """Where env.sh keeps the stacks' state."""
    return Path(os.environ.get("COURSEHUB_STATE", "~/.local/state/coursehub")).expanduser()
