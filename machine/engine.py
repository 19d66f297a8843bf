"""Docker Engine: used as it is where it answers, started where it does not."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine.packages import DOCKER_CLIENT, install
from machine.shell import STATE, NotReady, root, said, say, systemd, works
from machine.zfs import is_dead

_FOLDER = STATE / "engine"
_SYS_RESOURCE = 24  # the bit of CAP_SYS_RESOURCE: capabilities(7)
_START_SECONDS = 60
_PID_FILE = Path("/var/run/docker.pid")
_PID_FILES = {_PID_FILE: "dockerd", Path("/var/run/docker/containerd/containerd.pid"): "containerd"}
# One line for every node: name, process id on this server, what is mounted into it from here.
_NODE = '{{.Name}} {{.State.Pid}}{{range .Mounts}}{{if eq .Type "bind"}} {{.Destination}}{{end}}{{end}}'


def ready() -> None:
    """Have an engine that answers, mounts that are passed on to its containers, and nodes that see them.

    Raises NotReady.
    """
    share_mounts()
    install(DOCKER_CLIENT)
    if not works(["docker", "version"]):
        _start()
    _restart_blind_nodes()


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


def settings(own: dict[str, Any], runtime: Path | None) -> dict[str, Any]:
    """daemon.json of an engine without systemd: the server's `own` settings, and what it cannot do without here.

    `runtime` is the one that asks for one capability less, where that is needed.
    """
    wanted = {"storage-driver": "overlay2", **own}
    options = [option for option in own.get("exec-opts", []) if "cgroupdriver" not in option]
    wanted["exec-opts"] = [*options, "native.cgroupdriver=cgroupfs"]
    if runtime is None:
        return wanted
    runtimes = {**own.get("runtimes", {}), "coursehub": {"path": str(runtime)}}
    return {**wanted, "runtimes": runtimes, "default-runtime": "coursehub"}


def is_stale(pid_file: Path, owner: str, name_of: Callable[[str], str]) -> bool:
    """Whether a pid file tells of a process that is gone; after a restart another program may have its number."""
    return name_of(pid_file.read_text().strip()) != owner


def blind(nodes: str, dead: Callable[[str], bool]) -> list[str]:
    """The nodes that see a dead mount. A mount of a ZFS daemon that died stays dead in a node until it is restarted."""
    found = []
    for line in nodes.splitlines():
        name, process, *targets = line.split(" ")
        if any(dead(f"/proc/{process}/root{target}") for target in targets):
            found.append(name.removeprefix("/"))
    return found


def _start() -> None:
    refusal = said(["docker", "version"])
    if "permission denied" in refusal:
        raise NotReady(
            "Docker runs, but you may not use it: `sudo usermod -aG docker $USER` and a new login change that"
        )
    if systemd():
        say("starting Docker")
        root(["systemctl", "start", "docker"])
        _wait(None)
    else:
        _wait(_start_by_hand())


def _start_by_hand() -> subprocess.Popen[bytes] | None:
    """Start the engine as a daemon of its own; None if one is on its way already."""
    if os.geteuid() != 0:
        raise NotReady("Docker is not running and this server has no systemd: run `make up` as root to start it")
    stale = [path for path, owner in _PID_FILES.items() if path.exists() and is_stale(path, owner, _name_of)]
    if _PID_FILE.exists() and _PID_FILE not in stale:
        return None
    say("starting Docker (this server has no systemd)")
    for path in stale:  # a new engine would take them for a running one
        path.unlink()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    runtime = None
    if not may_grant_sys_resource(Path("/proc/self/status").read_text()):
        # A copy, for the system's Python: the engine outlives this checkout and its virtual environment.
        runtime = _FOLDER / "runc-without-sys-resource"
        source = Path(__file__).with_name("runc_without_sys_resource.py").read_text()
        python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
        runtime.write_text(source.replace("#!/usr/bin/env python3", f"#!{python}", 1))
        runtime.chmod(0o755)
    config = _FOLDER / "daemon.json"
    config.write_text(json.dumps(settings(_own_settings(), runtime), indent=2))
    with (_FOLDER / "dockerd.log").open("a") as log:
        return subprocess.Popen(
            ["dockerd", "--config-file", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _own_settings() -> dict[str, Any]:
    file = Path("/etc/docker/daemon.json")
    try:
        own = json.loads(file.read_text()) if file.exists() else {}
    except ValueError as error:
        raise NotReady(f"{file} is not JSON ({error}): mend it, then again") from None
    return dict(own)


def program(stat: str) -> str:
    """Read proc(5) stat: the program of a process, empty if it has ended and only nobody has asked for its end."""
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] in ("Z", "X") else name


def _name_of(pid: str) -> str:
    try:
        return program(Path("/proc", pid, "stat").read_text())
    except OSError:
        return ""


def _wait(started: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not works(["docker", "version"]):
        ended = started is not None and started.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "has ended" if ended else f"does not answer after {_START_SECONDS} s"
            raise NotReady(f"Docker {what}: `journalctl -u docker`, or {_FOLDER / 'dockerd.log'}, tells why")
        time.sleep(0.2)


def _restart_blind_nodes() -> None:
    running = said(["docker", "ps", "--quiet", "--filter", "label=io.x-k8s.kind.cluster"]).split()
    if not running or os.geteuid() != 0:  # only root may look into another's mounts
        return
    for node in blind(said(["docker", "inspect", "--format", _NODE, *running]), is_dead):
        say(f"restarting node {node}: the ZFS daemon that it had its files from is gone")
        root(["docker", "restart", node])
