"""Running commands as root, and the error that ends with a remedy."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STATE = Path("/var/lib/coursehub")  # what `make` keeps on the server beside the data: logs, engine settings

_ADMIN_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class NotReady(Exception):
    """The server cannot be made ready; the message names the thing, the reason and the remedy."""


def root(argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run a command as root, by `sudo -n` where need be; its stdout. Raises NotReady if it fails."""
    words = list(argv) if os.geteuid() == 0 else ["sudo", "-n", *argv]
    full = {**os.environ, "PATH": _ADMIN_PATH, **(env or {})}
    try:
        done = subprocess.run(words, capture_output=True, text=True, input=stdin, env=full, check=False)
    except FileNotFoundError:
        raise NotReady(f"`{words[0]}` is not on this server: install it, or run this as root") from None
    if done.returncode != 0:
        said = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        hint = " (it needs root: run `make up` as root, or `sudo -v` first)" if words[0] == "sudo" else ""
        raise NotReady(f"`{' '.join(argv)}` failed{hint}:\n  {said}")
    return done.stdout


def works(argv: Sequence[str]) -> bool:
    """Whether a command that only asks ends well, within 20 s."""
    try:
        return (
            subprocess.run(
                argv, capture_output=True, timeout=20, env={**os.environ, "PATH": _ADMIN_PATH}, check=False
            ).returncode
            == 0
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def said(argv: Sequence[str]) -> str:
    """All that a command says which only asks, errors too; empty where it cannot be run."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=20, env={**os.environ, "PATH": _ADMIN_PATH}, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def systemd() -> bool:
    """Whether systemd runs this server."""
    return Path("/run/systemd/system").is_dir()


def there(program: str) -> bool:
    """Whether a program is installed, the administrator's folders included."""
    return shutil.which(program, path=_ADMIN_PATH) is not None


def say(message: str) -> None:
    """One line of progress, shown at once also where output goes to a file."""
    print(message, flush=True)
