"""One lock per thing, so that two stacks, or two runs of one stack, never interleave on it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.run import Refused, say

# Not through a link that somebody left in a folder where everybody writes, nor waiting at a pipe there.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of a dataset or cluster; waits for whoever has it. Raises Refused where its file cannot be opened.

    The kernel frees it when the holder has died, and all commands that it ran have ended.
    """
    lock = opened(file_of(name))
    try:
        os.set_inheritable(lock, True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is at work on {name}; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def file_of(name: str) -> Path:
    """The lock's file."""
    folder = Path("/run/lock") if os.access("/run/lock", os.W_OK) else Path(tempfile.gettempdir())
    return folder / f"coursehub-{name.replace('/', '-')}.lock"


def opened(file: Path) -> int:
    """The file, open to read, which is all that a lock needs; made if there is none.

    Whose it is does not matter: root's timer and whoever runs pulumi hold the same lock. Hence it is made only where it
    is missing: with fs.protected_regular not even root may open another's file with O_CREAT in a sticky folder.
    """
    try:
        try:
            return os.open(file, _READ)
        except FileNotFoundError:
            return _made(file)
    except OSError as error:
        raise Refused(
            f"the lock {file} cannot be opened ({error.strerror}): remove it if no other coursehub runs, or run this as"
            " root"
        ) from None


def _made(file: Path) -> int:
    try:
        made = os.open(file, _READ | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:  # another run was quicker
        return os.open(file, _READ)
    os.fchmod(made, 0o644)  # whatever the umask: others must be able to read it
    return made
