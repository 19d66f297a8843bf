"""How much memory a cluster's node may use, and that its kubelet acts before that is used up.

The kubelet takes all of the server's memory for the node's: kind has no way to tell it another figure. Against that it
holds what the node's own group uses. So its threshold is what the cluster may not use, and what is to stay free of the
rest: else the kernel would choose whom to end, long before the kubelet saw a shortage.
"""

import json
import re
from dataclasses import dataclass

from host import docker
from host.run import CommandFailed, Refused, run, say

_CONFIG = "/var/lib/kubelet/config.yaml"
_LINE = re.compile(r"^ +memory\.available: *\"?([^\"\n]*)\"?$", re.MULTILINE)
_MI = 1 << 20


@dataclass(frozen=True)
class Memory:
    """A node's memory, in bytes. What the kubelet knows is not known of a node that does not run."""

    limit: int = 0  # what the node may use; 0 is all of the server's
    server: int = 0  # what the kubelet takes for all there is
    threshold: str = ""  # the kubelet's `memory.available`, as its configuration has it


def parse(limit: int, text: str) -> Memory:
    """Read /proc/meminfo and the kubelet's configuration, one after the other."""
    total, line = re.search(r"^MemTotal: +(\d+) kB$", text, re.MULTILINE), _LINE.search(text)
    return Memory(limit, int(total[1]) << 10 if total else 0, line[1] if line else "")


def threshold(server: int, limit: int, free: int) -> str:
    """The kubelet's figure for `free` bytes of a cluster that may use `limit` of the `server`'s; in whole mebibytes."""
    return f"{-(-(max(0, server - limit) + free) // _MI)}Mi"


def kubelet_patch(limit: int, free: int, meminfo: str) -> str:
    """What kind is told of a new node on a server with this /proc/meminfo: its kubelet need not start twice."""
    wanted = threshold(parse(limit, meminfo).server, limit, free)
    kubelet = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    return json.dumps({**kubelet, "evictionHard": {"memory.available": wanted}})


def drift(cluster: str, limit: int, free: int, have: Memory) -> list[str]:
    """What is not as it should be, a sentence for each."""
    found = []
    if have.limit != limit:
        found.append(f"letting cluster {cluster} use {_mib(limit)} of memory; now {_mib(have.limit)}")
    if have.server and have.threshold != (wanted := threshold(have.server, limit, free)):
        found.append(
            f"having the kubelet act while {_mib(free)} of the cluster's memory are free: memory.available"
            f" {have.threshold or 'unset'} -> {wanted}"
        )
    return found


def read(node: str, limit: int, *, running: bool) -> Memory:
    """A node's memory; `limit` is what Docker has."""
    if not running:
        return Memory(limit)
    try:
        return parse(limit, run(["docker", "exec", node, "cat", "/proc/meminfo", _CONFIG]))
    except CommandFailed:  # half made
        return Memory(limit)


def bound(node: str, limit: int) -> None:
    """Let a node use so many bytes. No swap besides: what swaps is slow for everybody."""
    if int(run(["docker", "inspect", "-f", "{{.HostConfig.Memory}}", node])) != limit:
        say(f"letting {node} use {_mib(limit)} of memory")
        run(["docker", "update", f"--memory={limit}", f"--memory-swap={limit}", node])


def protect(node: str, limit: int, free: int) -> None:
    """Have the kubelet of a running node act while `free` bytes are left. Raises Refused if it cannot be told.

    One command writes and restarts, so that a run that is killed leaves no kubelet that does not know its own file.
    """
    have = read(node, limit, running=True)
    wanted = threshold(have.server, limit, free)
    if have.threshold == wanted:
        return
    if not have.threshold:
        raise Refused(
            f"the kubelet of {node} cannot be told when to act: {_CONFIG} has no line `memory.available`."
            f" If it stays so: {docker.anew(node)}"
        )
    say(f"having the kubelet of {node} act while {_mib(free)} of memory are free")
    write = rf"sed -i 's/^\( *memory\.available: *\).*/\1{wanted}/' {_CONFIG}"
    run(["docker", "exec", node, "sh", "-c", f"{write} && systemctl restart kubelet"])  # pods go on running
    health = "http://127.0.0.1:10248/healthz"
    run(["docker", "exec", node, "curl", "-sf", "--retry", "60", "--retry-delay", "1", "--retry-connrefused", health])


def _mib(memory: int) -> str:
    return f"{memory >> 20} MiB" if memory else "all"
