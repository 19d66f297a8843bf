"""Keeps zfs-fuse answering, for as long as this program runs.

zfs-fuse 0.7.0 looks which dataset has a request, then reads it, and waits if there is none. A program that is killed
in between takes its request along: zfs-fuse waits, and no dataset answers anybody, until somebody asks the very one
that it waits for. Seen once in a thousand programs killed while they copied. So whenever there is no answer, all are
asked.
"""

import fcntl
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from machine.shell import STATE, root, say, systemd
from machine.zfs import fuse_mounts, is_dead

_PROJECT = Path(__file__).resolve().parent.parent
_EVERY = 1.0  # seconds between two looks
_PATIENCE = 1.0  # seconds until an answer is late
_SERVICE = Path("/etc/systemd/system/coursehub-nudge.service")


class Questions:
    """Asks datasets, each in a thread of its own, which stays for as long as there is no answer; any answer will do."""

    def __init__(self) -> None:
        self._asking: dict[str, Thread] = {}

    def answered(self, mounts: list[str], patience: float) -> bool:
        """Ask; whether all answered within `patience` seconds. Who still owes an answer is not asked a second time."""
        self._asking = {mount: thread for mount, thread in self._asking.items() if thread.is_alive()}
        for mount in set(mounts) - self._asking.keys():
            self._asking[mount] = Thread(target=is_dead, args=(mount,), daemon=True)
            self._asking[mount].start()
        deadline = time.monotonic() + patience
        for mount in mounts:
            self._asking[mount].join(max(0.0, deadline - time.monotonic()))
        return not any(self._asking[mount].is_alive() for mount in mounts)


def look(questions: Questions, patience: float = _PATIENCE) -> bool:
    """Ask one dataset and, where it does not answer, all of them; whether zfs-fuse had to be nudged."""
    mounts = fuse_mounts(Path("/proc/self/mountinfo").read_text())
    if questions.answered(mounts[:1], patience):
        return False
    questions.answered(mounts, patience)
    return True


def run() -> None:
    """Look every second, for ever; ends at once where another one does so already."""
    with lock_file().open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        questions = Questions()
        while True:
            if look(questions):
                say(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} zfs-fuse did not answer: every dataset was asked")
            time.sleep(_EVERY)


def lock_file() -> Path:
    """Held by the one that runs, whose process id is in it."""
    return STATE / "nudge.lock"


def start() -> None:
    """Have it run, also after the server was started anew where systemd does that. Raises NotReady."""
    root(["mkdir", "-p", str(STATE)])
    if systemd():
        if not (_SERVICE.is_file() and _SERVICE.read_text() == service()):
            root(["tee", str(_SERVICE)], stdin=service())
            root(["systemctl", "daemon-reload"])
        root(["systemctl", "enable", "--now", _SERVICE.name])
        return
    log = STATE / "nudge.log"
    command = f'cd "$0" && exec setsid "$1" -m machine nudge < /dev/null >> {log} 2>&1 &'
    root(["sh", "-c", command, str(_PROJECT), sys.executable])


def service() -> str:
    """The service of systemd that runs it."""
    unit = "[Unit]\nDescription=Keeps zfs-fuse answering\nAfter=zfs-fuse.service\n"
    run = f"[Service]\nWorkingDirectory={_PROJECT}\nExecStart=/usr/bin/env python3 -m machine nudge\nRestart=always\n"
    return f"{unit}\n{run}\n[Install]\nWantedBy=multi-user.target\n"
