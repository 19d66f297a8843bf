"""The unit of a sandboxed runtime for students' servers: put into the node, and proven there before they use it.

Limits can vanish in a sandbox without a word (gvisor#10371, gvisor#13777), so a pod like a student's tries them each
time: its kernel must not be this server's, more than its share of the processors must not be had, and more than its
memory must end it. What it used is read from the node's own accounts, not asked of the pod.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import docker
from host.kind import wait_until_ready
from host.lock import locked
from host.probe import probe_pod
from host.run import BadSpecification, CommandFailed, Refused, run, say, succeeds, which

_PROGRAMS = ("runsc", "containerd-shim-runsc-v1")  # what gVisor is; the shim is found by its name
_BIN, _CONFIG, _OPTIONS = "/usr/local/bin", "/etc/containerd/config.toml", "/etc/containerd/runsc.toml"
# Written into the node once the runtime is proven there: of what was proven.
_PROVEN = "/etc/containerd/coursehub-runtime"
_RUNSC_TOML = '[runsc_config]\n  systemd-cgroup = "true"\n'  # as the kubelet of a kind node names groups

_POD = "coursehub-runtime-probe"
_CORES, _MEMORY = 0.5, 64  # the pod's limits: cores, MiB
_TOLERANCE = 0.25  # cores above the limit: a short measurement is a rough one
_BURN_SECONDS, _MEASURE_SECONDS, _DEADLINE_SECONDS = 12, 6, 180
# It ends by itself even where no limit holds: 256 MiB, which doubling makes for a moment, are no danger to a server.
_TRY = f"""
cat /proc/version
echo burning
(while :; do :; done) & one=$!
(while :; do :; done) & two=$!
sleep {_BURN_SECONDS}
kill $one $two
text=0123456789abcdef i=0
while [ $i -lt 24 ]; do text=$text$text i=$((i+1)); echo grown $((16 << i)); done
echo survived
"""


@dataclass(frozen=True)
class Want:
    """Which runtime of which cluster; `image` is the students' own, `runtime_class` the RuntimeClass to be made."""

    cluster: str
    runtime: str
    image: str
    runtime_class: dict[str, Any]

    @property
    def node(self) -> str:
        """The node's container."""
        return docker.node(self.cluster)

    @property
    def handler(self) -> str:
        """What containerd calls the runtime."""
        return str(self.runtime_class["handler"])


@dataclass(frozen=True)
class Seen:
    """What the pod said, and what the node's accounts say of it."""

    log: str
    exit_code: int
    cores: float  # in use while it wanted two
    throttled: int  # how often the kernel held it back meanwhile


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    try:
        want = Want(**given)
        known = want.runtime in ("gvisor", "kata") and bool(want.handler)
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a runtime: {error}") from None
    if not known:
        raise BadSpecification(f"runtime {want.runtime!r} is neither gvisor nor kata")
    return want


def with_handler(config: str) -> str:
    """containerd's configuration with gVisor's handler; the same where it has one already."""
    if has_handler(config, "runsc"):
        return config
    version = re.search(r"^version\s*=\s*(\d+)", config, re.MULTILINE)
    # containerd 2 writes version 3, where the plugin has another name.
    plugin = "io.containerd.cri.v1.runtime" if version and int(version[1]) >= 3 else "io.containerd.grpc.v1.cri"
    table = f'plugins."{plugin}".containerd.runtimes.runsc'
    return (
        f"{config.rstrip()}\n\n"
        f'[{table}]\n  runtime_type = "io.containerd.runsc.v1"\n'
        f'  [{table}.options]\n    TypeUrl = "io.containerd.runsc.v1.options"\n    ConfigPath = "{_OPTIONS}"\n'
    )


def has_handler(config: str, handler: str) -> bool:
    """Whether containerd's configuration knows a runtime."""
    return re.search(rf"^\s*\[plugins\..*\.runtimes\.{re.escape(handler)}\]", config, re.MULTILINE) is not None


def problems(kernel: str, seen: Seen) -> list[str]:
    """Why the runtime is not to be trusted, with the figures; empty if it is. `kernel` is the node's /proc/version."""
    lines = seen.log.splitlines()
    own = lines[0].strip() if lines else ""
    grown = [int(line.split()[1]) >> 20 for line in lines if line.startswith("grown ")]
    most = max(grown, default=0)
    found = []
    if not own.startswith("Linux version"):
        found.append(f"the pod does not tell its kernel; it said {own or 'nothing'!r}")
    elif own == kernel.strip():
        found.append(f"the pod runs on this server's own kernel: {own}")
    if not (0 < seen.cores <= _CORES + _TOLERANCE and seen.throttled):
        found.append(
            f"a limit of {_CORES:g} cores does not hold: by the node's accounts the pod used {seen.cores:.2f} of the 2"
            f" it wanted, and was held back {seen.throttled} times"
        )
    if "survived" in lines or seen.exit_code == 0:
        found.append(f"a limit of {_MEMORY} MiB of memory does not hold: the pod had more than {most} MiB")
    elif not grown:
        found.append(f"the pod ended with {seen.exit_code} before it took any memory: that proves no limit")
    return found


def accounts(text: str) -> tuple[float, int]:
    """Seconds of processor time, and how often held back, of the files of a group: cgroup v2's, or v1's two.

    Where both are mounted, the pod is in both and counted in one.
    """

    def most(pattern: str) -> int:
        return max((int(found) for found in re.findall(pattern, text, re.MULTILINE)), default=0)

    seconds = max(most(r"^usage_usec (\d+)$") / 1e6, most(r"^(\d+)$") / 1e9)
    return seconds, most(r"^nr_throttled (\d+)$")


def observe(want: Want) -> dict[str, Any]:
    """Whether the runtime was proven in this very node, as it is now."""
    if docker.refusal():
        return {"proven": False}  # the cluster's unit tells
    if not docker.exists(want.node):
        return {"proven": False, "drift": [f"{want.runtime} goes into {want.node} once that is there"]}
    if not _running(want):
        return {"proven": False, "drift": []}  # the cluster's unit starts it; the files in it stay
    if lacking := _lacking(want):
        return {"proven": False, "warnings": [lacking]}
    proven = _is_proven(want)
    return {"proven": proven, "drift": [] if proven else [f"putting {want.runtime} into {want.node} and trying it"]}


def apply(want: Want) -> dict[str, Any]:
    """Put the runtime into the node and prove it. Raises Refused, with what was seen, if it is not to be trusted."""
    with locked(want.cluster):
        if refusal := docker.refusal():
            raise Refused(refusal)
        if not docker.exists(want.node) or not _running(want):
            raise Refused(f"{want.node} does not run: `make up` makes or starts it")
        if lacking := _lacking(want):
            raise Refused(lacking)
        digest, proven = _digest(want), _is_proven(want)
        run(["docker", "exec", want.node, "rm", "-f", _PROVEN])
        if want.runtime == "gvisor" and not proven:
            _install(want)
        run([*_kubectl(want), "apply", "-f", "-"], stdin=json.dumps(want.runtime_class))
        say(f"trying {want.runtime} in a pod like a student's (about {_BURN_SECONDS + 10} s)")
        seen = _try(want)
        if found := problems(_read(want, "/proc/version"), seen):
            raise _untrusted(want, found)
        say(
            f"{want.runtime} holds: its own kernel, {seen.cores:.2f} cores of {_CORES:g} (held back {seen.throttled}"
            f" times), ended at its memory's limit with {seen.exit_code}"
        )
        _write(want, _PROVEN, digest)
        return {"runtime": want.runtime}


def remove(want: Want) -> dict[str, Any]:
    """It goes with the cluster: servers that still run in it must be able to start again."""
    return {}


def _untrusted(want: Want, found: list[str]) -> Refused:
    return Refused(
        "\n  ".join(
            [
                f"{want.runtime} is not to be trusted with students on this server; their servers stay as they are:",
                *found,
                "set hub.student.runtime to default, or find the cause and run this again",
            ]
        )
    )


def _lacking(want: Want) -> str:
    """What the runtime cannot do without and is not there, with the remedy; empty if nothing."""
    if want.runtime == "kata":
        if has_handler(_read(want, _CONFIG), want.handler):
            return ""
        return (
            f"hub.student.runtime is kata, and {want.node} has no Kata Containers: they need a node image that brings"
            " them and a server that allows nested virtualisation; set cluster.nodeImage to such an image, or"
            " hub.student.runtime to gvisor or default"
        )
    missing = [program for program in _PROGRAMS if which(program) is None]
    return f"{', '.join(missing)} not found on this server: `make up` installs gVisor" if missing else ""


def _digest(want: Want) -> str:
    """Of all that decides whether a proof still holds."""
    digest = hashlib.sha256(json.dumps([want.runtime_class, want.image, _RUNSC_TOML], sort_keys=True).encode())
    if want.runtime == "gvisor":
        for program in _programs():
            digest.update(program.read_bytes())
    return digest.hexdigest()


def _is_proven(want: Want) -> bool:
    """Whether what was proven is still what the node has."""
    if _read(want, _PROVEN).strip() != _digest(want) or not has_handler(_read(want, _CONFIG), want.handler):
        return False
    return want.runtime != "gvisor" or _read(want, _OPTIONS) == _RUNSC_TOML


def _programs() -> list[Path]:
    return [Path(found).resolve() for program in _PROGRAMS if (found := which(program))]


def _install(want: Want) -> None:
    """Killed anywhere, it is done again: each file comes whole, and containerd is told last."""
    say(f"putting gVisor into {want.node}")
    for program in _programs():
        target = f"{_BIN}/{program.name}"
        run(["docker", "cp", str(program), f"{want.node}:{target}.new"])
        run(["docker", "exec", want.node, "sh", "-c", f"chmod 755 {target}.new && mv {target}.new {target}"])
    _write(want, _OPTIONS, _RUNSC_TOML)
    _write(want, _CONFIG, with_handler(_read(want, _CONFIG)))
    run(["docker", "exec", want.node, "systemctl", "restart", "containerd"])  # pods go on running
    wait_until_ready(want.node)


def _try(want: Want) -> Seen:
    """What a pod in the runtime does with its limits. Raises Refused if it does not start or does not end."""
    with _probe(want) as uid:
        _until(want, "the pod does not start", lambda: "burning" in _log(want))
        before, start = _accounts(want, uid), time.monotonic()
        time.sleep(_MEASURE_SECONDS)
        after, seconds = _accounts(want, uid), time.monotonic() - start
        _until(want, "the pod does not end", lambda: _exit_code(want) is not None)
        return Seen(
            _log(want), _exit_code(want) or 0, cores=(after[0] - before[0]) / seconds, throttled=after[1] - before[1]
        )


@contextmanager
def _probe(want: Want) -> Iterator[str]:
    """The pod that tries, by its uid; gone in the end. In namespace `default`, so that it takes no student's place."""
    delete = [*_kubectl(want), "delete", "pod", _POD, "--ignore-not-found", "--now"]
    try:
        run(delete)
        run([*_kubectl(want), "apply", "-f", "-"], stdin=json.dumps(_pod(want)))
        yield run([*_kubectl(want), "get", "pod", _POD, "-o", "jsonpath={.metadata.uid}"])
    finally:
        succeeds(delete)


def _pod(want: Want) -> dict[str, Any]:
    pod = probe_pod(_POD, "default", want.image, ["sh", "-c", _TRY])
    limits = {"cpu": f"{round(_CORES * 1000)}m", "memory": f"{_MEMORY}Mi"}
    (container,) = pod["spec"]["containers"]
    container["resources"]["limits"] = limits
    return {**pod, "spec": {**pod["spec"], "runtimeClassName": want.runtime_class["metadata"]["name"]}}


def _until(want: Want, otherwise: str, there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not there():
        ended = _exit_code(want)
        if ended is not None or time.monotonic() > deadline:
            if there():
                return
            raise _untrusted(want, [f"{otherwise}: {_why(want)}"])
        time.sleep(1)


def _why(want: Want) -> str:
    """The last that Kubernetes noted of the pod."""
    ask = ["get", "events", "--field-selector", f"involvedObject.name={_POD}", "--sort-by=.lastTimestamp"]
    events = json.loads(run([*_kubectl(want), *ask, "-o", "json"]))["items"]
    warned = [event["message"] for event in events if event["type"] == "Warning"]
    return str((warned or [event["message"] for event in events] or ["nothing was noted"])[-1])


def _exit_code(want: Want) -> int | None:
    path = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    said = run([*_kubectl(want), "get", "pod", _POD, "-o", path]).strip()
    return int(said) if said else None


def _log(want: Want) -> str:
    try:
        return run([*_kubectl(want), "logs", _POD])
    except CommandFailed:  # no container yet
        return ""


def _accounts(want: Want, uid: str) -> tuple[float, int]:
    """What the node's kernel has counted for the pod: a sandbox outside of the pod's group shows as nothing used."""
    find = f"find /sys/fs/cgroup -type d ( -name *pod{uid}* -o -name *pod{uid.replace('-', '_')}* ) -prune"
    folders = run(["docker", "exec", want.node, *find.split()]).split()
    files = [f"{folder}/{name}" for folder in folders for name in ("cpu.stat", "cpuacct.usage")]
    return accounts(run(["docker", "exec", want.node, "sh", "-c", f"cat {' '.join(files)} 2>/dev/null; true"]))


def _kubectl(want: Want) -> list[str]:
    return ["docker", "exec", "-i", *docker.kubectl(want.node)[2:], "-n", "default"]


def _running(want: Want) -> bool:
    return run(["docker", "inspect", "-f", "{{.State.Running}}", want.node]).strip() == "true"


def _read(want: Want, path: str) -> str:
    """A file of the node's; empty where there is none."""
    return run(["docker", "exec", want.node, "sh", "-c", f"cat {path} 2>/dev/null || true"])


def _write(want: Want, path: str, text: str) -> None:
    run(["docker", "exec", "-i", want.node, "sh", "-c", f"cat > {path}.new && mv {path}.new {path}"], stdin=text)
