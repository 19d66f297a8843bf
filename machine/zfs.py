"""ZFS: the kernel's where it has the module, else zfs-fuse, which runs as a program."""

import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from machine.packages import FUSE_ZFS, KERNEL_ZFS, install
from machine.shell import STATE, NotReady, root, say, there, works

_START_SECONDS = 30


def ready() -> None:
    """Have a ZFS that answers, with every dataset mounted. Raises NotReady."""
    answers = works(["zpool", "list"])
    dead = _forget_dead_mounts()  # before a new daemon mounts over them
    if not answers:
        _start()
    if dead or not answers:
        # A new daemon knows its pools again but mounts nothing.
        say("mounting the datasets")
        root(["zfs", "mount", "-a"])


def _forget_dead_mounts() -> bool:
    """Take away what a zfs-fuse that died left mounted; whether there was something."""
    found = False
    while dead := dead_mounts(Path("/proc/self/mountinfo").read_text(), is_dead):
        # The outermost takes all below it along. Those could not be named: once the kernel's memory of a path is an
        # hour old, it asks the daemon that is gone about every folder on the way.
        root(["umount", "-l", dead[0]])
        found = True
    return found


def dead_mounts(mountinfo: str, dead: Callable[[str], bool]) -> list[str]:
    """The mounts that a zfs-fuse left behind when it died, outermost first. Read from proc(5) mountinfo."""
    return [mount for mount in fuse_mounts(mountinfo) if dead(mount)]


def fuse_mounts(mountinfo: str) -> list[str]:
    """All that zfs-fuse has mounted, outermost first. Read from proc(5) mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        kind, source = fields[fields.index("-") + 1 :][:2]
        if kind == "fuse.zfs" or (kind, source) == ("fuse", "kstat"):
            found.append(fields[4])
    return sorted(found, key=lambda path: path.count("/"))


def by_fuse() -> bool:
    """Whether the ZFS at hand is zfs-fuse."""
    return there("zfs-fuse") and not Path("/dev/zfs").exists()


def is_dead(mount: str) -> bool:
    """Whether the daemon behind a mount is gone."""
    try:
        os.statvfs(mount)  # stat(2) would be answered from the kernel's memory for an hour
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def _start() -> None:
    if not there("zfs-fuse") and (Path("/dev/zfs").exists() or works(["modinfo", "zfs"])):
        install(KERNEL_ZFS)
        root(["modprobe", "zfs"])
        return
    if not there("zfs-fuse"):
        say(
            "this kernel has no ZFS (its module is zfs-dkms on Debian): using zfs-fuse, slower and for some 1,000 homes"
        )
        install(FUSE_ZFS)
    if not works(["zpool", "list"]):
        _start_fuse()


def _start_fuse() -> None:
    if os.geteuid() != 0:
        raise NotReady("zfs-fuse is not running and this server has no ZFS in its kernel: run `make up` as root")
    say("starting zfs-fuse")
    STATE.mkdir(parents=True, exist_ok=True)
    Path("/run/lock").mkdir(parents=True, exist_ok=True)  # zfs-fuse keeps its lock there, and no systemd made it
    with (STATE / "zfs-fuse.log").open("a") as log:
        daemon = subprocess.Popen(
            ["zfs-fuse", "--no-daemon"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    while not works(["zpool", "list"]):
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise NotReady(f"zfs-fuse does not answer: the system's log, or {STATE / 'zfs-fuse.log'}, tells why")
        time.sleep(0.2)
