"""One lock per thing, so that two stacks, or two runs of one stack, never interleave on it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.run import say


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of a dataset or cluster; waits for whoever has it.

    The kernel frees it when the holder has died, and all commands that it ran have ended.
    """
    folder = Path("/run/lock") if os.access("/run/lock", os.W_OK) else Path(tempfile.gettempdir())
    with (folder / f"coursehub-{name.replace('/', '-')}.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is at work on {name}; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
