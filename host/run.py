"""The one place that runs processes, and the errors a unit may end with."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

Argv = Sequence[str]

# Tools of the system's administrator are not on everybody's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class BadSpecification(Exception):
    """The specification on stdin is not one of this unit's. Exit code 2."""


class Refused(Exception):
    """Doing it could lose work or cannot succeed; nothing was changed. Exit code 3."""


@dataclass
class CommandFailed(Exception):
    """A command ended with an error. Exit code 4."""

    argv: Argv
    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        said = (self.stderr.strip() or self.stdout.strip() or "(it said nothing)").replace("\n", "\n  ")
        return f"`{shlex.join(self.argv)}` ended with {self.code}:\n  {said}"


def run(argv: Argv, *, stdin: str = "") -> str:
    """Run a command to its end; its stdout. Raises CommandFailed if it fails, Refused if there is no such program."""
    if which(argv[0]) is None:
        raise Refused(f"the program `{argv[0]}` is not on this server: `make up` installs what a course needs")
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        errors="surrogateescape",  # names of files are bytes, and not all of them are text
        env=environment(),
        check=False,
        close_fds=False,  # a lock that is held stays so until the command ends, even if we are killed before
    )
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stdout, done.stderr)
    return done.stdout


def environment() -> dict[str, str]:
    """The environment of a command, the administrator's folders on its PATH."""
    return {**os.environ, "PATH": _PATH}


def run_as_root(argv: Argv, *, stdin: str = "") -> str:
    """Run a command as root, by `sudo -n` where need be. Raises as `run`, and Refused where sudo would ask."""
    if os.geteuid() == 0:
        return run(argv, stdin=stdin)
    try:
        run(["sudo", "-n", "true"])
    except CommandFailed:
        raise Refused(
            f"`{shlex.join(argv)}` needs root and sudo would ask for a password: run this as root, or `sudo -v` first"
        ) from None
    return run(["sudo", "-n", *argv], stdin=stdin)


def succeeds(argv: Argv) -> bool:
    """Whether a command that only asks ends well."""
    try:
        run(argv)
    except (CommandFailed, Refused):
        return False
    return True


def which(program: str) -> str | None:
    """Where a program is, the administrator's folders included; None if nowhere."""
    return shutil.which(program, path=_PATH)


def say(message: str) -> None:
    """Tell the user what is being done; stdout is kept for the result."""
    print(message, file=sys.stderr, flush=True)
