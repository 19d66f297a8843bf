"""Locks that a killed pulumi left on a stack: it would ask for `pulumi cancel`, though nobody is at work."""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from machine.shell import say

_WRITTEN = 2.0  # seconds; a lock has a hundred bytes, which pulumi writes to a file beside it and renames at once


@dataclass(frozen=True)
class Holder:
    """The process that took a lock."""

    pid: int
    hostname: str


def forget_dead_locks(state: Path, stack: str) -> None:
    """Remove the locks of `stack` whose pulumi ran on this server and is gone. Locks of living ones stay.

    So does one that cannot be read, as a power cut leaves it: nobody can say whose it is. One that was never written to
    its end goes: pulumi takes it for a lock, and reads it in vain.
    """
    folder = state / f".pulumi/locks/organization/coursehub/{stack}"
    for unwritten in filter(is_left, folder.glob("*.tmp")):
        unwritten.unlink(missing_ok=True)
        say(f"a change of stack {stack} was interrupted while it took its lock: took that away")
    for lock in folder.glob("*.json"):
        holder = holder_of(lock)
        if holder is None:
            say(
                f"the lock {lock} of stack {stack} cannot be read, so whose it is cannot be told: if nobody is at work"
                " on the stack, remove it"
            )
        elif is_dead(holder, socket.gethostname(), Path("/proc", str(holder.pid), "comm")):
            lock.unlink()
            say(f"the last change of stack {stack} was interrupted: took away its lock")


def is_left(unwritten: Path) -> bool:
    """Whether nobody writes a lock's file any more; one that is gone has become a lock."""
    try:
        return time.time() - unwritten.stat().st_mtime > _WRITTEN
    except FileNotFoundError:
        return False


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
