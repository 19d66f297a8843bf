"""ZFS: the kernel's where its module can be loaded, else zfs-fuse, which runs as a program."""

import os
import subprocess
import time
from pathlib import Path

from machine.packages import FUSE_ZFS, KERNEL_ZFS, install
from machine.shell import STATE, NotReady, root, say, there, works

_START_SECONDS = 30


def ready() -> None:
    """Have a ZFS that answers, with every dataset mounted. Raises NotReady."""
    if works(["zpool", "list"]):
        return
    if kernel_takes_modules():
        install(KERNEL_ZFS)
        root(["modprobe", "zfs"])
        return
    if not there("zfs-fuse"):
        say("this kernel takes no modules: using zfs-fuse, a slower ZFS without lz4")
    install(FUSE_ZFS)
    if not works(["zpool", "list"]):
        _start_fuse()


def kernel_takes_modules() -> bool:
    """Whether the kernel has ZFS, or a folder of modules to load it from."""
    return Path("/dev/zfs").exists() or Path("/lib/modules", os.uname().release).is_dir()


def dead_mounts(mountinfo: str) -> list[str]:
    """The mounts that a zfs-fuse left behind when it died, deepest first. Read from proc(5) mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        kind = fields[fields.index("-") + 1]
        if kind == "fuse.zfs" or (kind == "fuse" and fields[4] == "/zfs-kstat"):
            found.append(fields[4])
    return sorted(found, key=lambda path: path.count("/"), reverse=True)


def _start_fuse() -> None:
    if os.geteuid() != 0:
        raise NotReady("zfs-fuse is not running and this server has no ZFS in its kernel: run `make up` as root")
    for mount in dead_mounts(Path("/proc/self/mountinfo").read_text()):
        root(["umount", "-l", mount])
    say("starting zfs-fuse")
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "zfs-fuse.log").open("a") as log:
        subprocess.Popen(
            ["zfs-fuse", "--no-daemon"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    while not works(["zpool", "list"]):
        if time.monotonic() > deadline:
            raise NotReady(f"zfs-fuse does not answer after {_START_SECONDS} s: {STATE / 'zfs-fuse.log'} tells why")
        time.sleep(0.3)
    # A new daemon knows its pools again but mounts nothing.
    root(["zfs", "mount", "-a"])
