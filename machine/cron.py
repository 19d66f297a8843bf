"""Cron, which takes snapshots on schedule where there is no systemd; with systemd nothing is needed."""

from pathlib import Path

from machine.packages import CRON, install
from machine.shell import root, say, systemd


def ready() -> None:
    """Have cron installed and running. Raises NotReady."""
    if systemd():
        return
    install(CRON)
    if not _runs():
        say("starting cron (this server has no systemd)")
        root(["cron"])


def _runs() -> bool:
    names = (folder / "comm" for folder in Path("/proc").glob("[0-9]*"))
    return any(_read(name) == "cron" for name in names)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # the process ended in the meantime
        return ""
