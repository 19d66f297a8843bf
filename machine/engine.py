"""Docker Engine: used as it is where it answers, started where it does not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine.shell import STATE, NotReady, root, say, works

_FOLDER = STATE / "engine"
_SYS_RESOURCE = 24  # the bit of CAP_SYS_RESOURCE: capabilities(7)
_START_SECONDS = 60


def ready() -> None:
    """Have an engine that answers, and mounts that are passed on to its containers. Raises NotReady."""
    share_mounts()
    if works(["docker", "version"]):
        return
    if Path("/run/systemd/system").is_dir():
        say("starting Docker")
        root(["systemctl", "start", "docker"])
    else:
        _start_by_hand()
    _wait()


def share_mounts() -> None:
    """Make `/` a shared mount, as systemd does: else datasets mounted later stay invisible in the node."""
    if root_is_shared(Path("/proc/self/mountinfo").read_text()):
        return
    say("making / a shared mount, so that the node sees datasets mounted later")
    root(["mount", "--make-rshared", "/"])


def root_is_shared(mountinfo: str) -> bool:
    """Read proc(5) mountinfo: whether `/` passes mounts on."""
    fields = [line.split(" ") for line in mountinfo.splitlines()]
    return any(f[4] == "/" and any(tag.startswith("shared:") for tag in f[6 : f.index("-")]) for f in fields)


def may_grant_sys_resource(status: str) -> bool:
    """Read proc(5) status: whether CAP_SYS_RESOURCE is in the bounding set, so that containers can have it."""
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding, 16) >> _SYS_RESOURCE & 1)


def settings(runtime: Path | None) -> dict[str, Any]:
    """daemon.json of an engine without systemd; with the runtime that asks for one capability less where needed."""
    plain: dict[str, Any] = {"storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"]}
    if runtime is None:
        return plain
    return {**plain, "runtimes": {"coursehub": {"path": str(runtime)}}, "default-runtime": "coursehub"}


def _start_by_hand() -> None:
    if os.geteuid() != 0:
        raise NotReady("Docker is not running and this server has no systemd: run `make up` as root to start it")
    say("starting Docker (this server has no systemd)")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    runtime = None
    if not may_grant_sys_resource(Path("/proc/self/status").read_text()):
        # A copy: the engine outlives this checkout.
        runtime = _FOLDER / "runc-without-sys-resource"
        source = Path(__file__).with_name("runc_without_sys_resource.py").read_text()
        runtime.write_text(source.replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
        runtime.chmod(0o755)
    config = _FOLDER / "daemon.json"
    config.write_text(json.dumps(settings(runtime), indent=2))
    # What a killed engine left behind; no engine answers, so they are nobody's.
    for stale in ("/var/run/docker.pid", "/run/docker/containerd/containerd.pid"):
        Path(stale).unlink(missing_ok=True)
    with (_FOLDER / "dockerd.log").open("a") as log:
        subprocess.Popen(
            ["dockerd", "--config-file", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait() -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not works(["docker", "version"]):
        if time.monotonic() > deadline:
            raise NotReady(
                f"Docker does not answer after {_START_SECONDS} s: `journalctl -u docker`,"
                f" or {_FOLDER / 'dockerd.log'}, tells why"
            )
        time.sleep(0.5)
