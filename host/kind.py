"""The unit of the course's kind cluster: preflight, create, images, its own kubeconfig; delete.

The cluster is disposable, so what was left half made, or half taken down, is deleted and made anew. A file in the
node says that it is neither. The user's default kubeconfig is never touched.
"""

import contextlib
import errno
import ipaddress
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from host import docker, images, memory
from host.lock import locked
from host.memory import Memory
from host.run import BadSpecification, CommandFailed, Refused, run, say, succeeds, which
from host.state import is_new

_WHOLE = "/kind/coursehub-is-whole"


@dataclass(frozen=True)
class Want:
    """What the cluster is to be. `config` is kind's own; `ports` maps configuration keys to host ports."""

    name: str
    config: dict[str, Any]
    image: str
    local: tuple[str, ...]  # images that no registry has; the node's own may be among them
    mountpoint: str
    address: str
    ports: dict[str, int]
    kubeconfig: str  # `~` is the user's home
    memory: int  # bytes that the node may use, with all that runs in it
    free: int  # bytes of them below which its kubelet ends pods

    @property
    def node(self) -> str:
        """The node's container."""
        return docker.node(self.name)

    @property
    def loaded(self) -> tuple[str, ...]:
        """The images that are loaded into the node."""
        return tuple(image for image in self.local if image != self.image)

    @property
    def kubeconfig_path(self) -> Path:
        """The cluster's own kubeconfig file on this machine."""
        return Path(self.kubeconfig).expanduser()


@dataclass(frozen=True)
class Node:
    """The node's container, as docker knows it."""

    running: bool
    image: str
    ports: frozenset[int]
    mounts: frozenset[str]
    whole: bool
    made_from: str  # Docker's id of the image
    memory: Memory


@dataclass(frozen=True)
class Facts:
    """What the machine has."""

    missing_tools: tuple[str, ...] = ()
    docker_refusal: str = ""
    node: Node | None = None
    taken: tuple[str, ...] = ()  # configuration keys whose port another program has
    no_address: bool = False  # the server does not have the one to listen on
    missing_images: tuple[str, ...] = ()
    mounted: bool = True
    shared: bool = True


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if a key is missing or unknown."""
    try:
        return Want(**{**given, "local": tuple(given["local"])})
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a cluster: {error}") from None


def problems(want: Want, have: Facts) -> list[str]:
    """All that stands in the way, each with its remedy."""
    if have.missing_tools:
        return [f"{', '.join(have.missing_tools)} not found on this server: `make up` installs what a course needs"]
    if have.docker_refusal:
        return [have.docker_refusal]
    found = [
        f"port {want.ports[key]} is taken by another program: set {key} to a free port, or stop that program"
        f" (`ss -ltnp 'sport = :{want.ports[key]}'` shows it)"
        for key in have.taken
    ]
    if have.no_address:
        found.append(
            f"this server has no address {want.address}: set cluster.listenAddress to one that it has"
            " (`ip -4 address` shows them), or to 0.0.0.0 for all of them"
        )
    if not have.mounted:
        found.append(
            f"the dataset is not mounted at {want.mountpoint}: students would write beside it; `zfs mount -a` mounts it"
        )
    if not have.shared:
        found.append(
            f"the mount that {want.mountpoint} is on is not shared, so the node would not see datasets made later:"
            " run `mount --make-rshared /`, or `make up`"
        )
    if have.missing_images:
        found.append(f"no image {', '.join(have.missing_images)} on this server: `make parts` builds them")
    return found


def why_anew(want: Want, node: Node, *, unknown: bool) -> str:
    """Why the node cannot stay; empty if it can. kind cannot change it in place.

    Nor can it stay where the state does not know it: Helm would refuse to install over what a lost one had put in it.
    """
    if not node.whole:
        return "is unfinished"
    there = (node.image, node.ports, want.mountpoint in node.mounts)
    if there != (want.image, frozenset(want.ports.values()), True):
        return "is not as configured"
    return "is there, but this stack's state does not know it" if unknown else ""


def rebuilt(want: Want, node: Node, image: str) -> str:
    """What to do about a node that was made from another build than what its image's name stands for now, Docker's id
    `image`; empty if it was not. It is not made anew for that by itself: servers run in it.
    """
    if not image or image == node.made_from:
        return ""
    return (
        f"{want.image} was built again since {want.node} was made from it: when nobody works,"
        f" {docker.anew(want.node)} has the new one"
    )


def facts(want: Want) -> Facts:
    """Read the machine; changes nothing."""
    missing = tuple(tool for tool in ("docker", "kind") if which(tool) is None)
    if missing:
        return Facts(missing_tools=missing)
    if refusal := docker.refusal():
        return Facts(docker_refusal=refusal)
    node = _node(want.node)
    own = node.ports if node and node.running else frozenset()
    refused = {
        key: refusal_to_listen("127.0.0.1" if key == "cluster.apiPort" else want.address, port)
        for key, port in want.ports.items()
        if port not in own
    }
    images_here = docker.image_ids(want.local)
    return Facts(
        node=node,
        taken=tuple(key for key, code in refused.items() if code == errno.EADDRINUSE),
        no_address=errno.EADDRNOTAVAIL in refused.values(),
        missing_images=tuple(image for image in want.local if image not in images_here),
        mounted=os.path.ismount(want.mountpoint),
        shared=_shared(want.mountpoint),
    )


def observe(want: Want) -> dict[str, Any]:
    """What is there now. `gone` says that the cluster has to be made anew."""
    have = facts(want)
    unknown = bool(have.missing_tools or have.docker_refusal)
    reason = why_anew(want, have.node, unknown=False) if have.node else "is not there any more"
    gone = not unknown and bool(reason)
    drift = [f"cluster {want.name} {reason}: making it anew (the data is not in it)"] if gone else []
    if have.node and not have.node.running and not gone:
        drift.append(f"starting {want.node}, which is stopped")
    if have.node and not gone:
        drift += memory.drift(want.name, want.memory, want.free, have.node.memory)
    # A kubelet without disk space forgets images that no pod uses just then.
    if have.node and have.node.running and not gone:
        drift += images.observe(want.node, want.loaded).drift
    old = rebuilt(want, have.node, docker.image_id(want.image)) if have.node and not gone else ""
    return {
        "cluster": want.name,
        "there": have.node is not None,
        "running": have.node is not None and have.node.running,
        "gone": gone,
        "drift": drift,
        "result": addresses(want) if have.node and have.node.running else {},
        "warnings": [*problems(want, have), *([old] if old else [])],
    }


def apply(want: Want) -> dict[str, Any]:
    """Make the cluster what it is to be. Raises Refused with all that stands in the way, or CommandFailed."""
    with locked(want.name):
        have = facts(want)
        if found := problems(want, have):
            raise Refused("\n  ".join(["the cluster cannot be made:", *found]) if len(found) > 1 else found[0])
        if have.node and (reason := why_anew(want, have.node, unknown=is_new())):
            say(f"cluster {want.name} {reason}: making it anew (the data is not in it)")
            _delete(want)
            have = facts(want)
        if have.node is None:
            _create(want)
        else:
            _keep(want, have.node)
        memory.bound(want.node, want.memory)
        wait_until_ready(want.node)
        memory.protect(want.node, want.memory, want.free)
        images.load(want.node, want.loaded)
        run(["docker", "exec", want.node, "touch", _WHOLE])
        return {"cluster": want.name, "kubeconfig": str(want.kubeconfig_path), **addresses(want)}


def addresses(want: Want) -> dict[str, Any]:
    """The node's address, and those of this server, which students have no business with."""
    network = '{{(index .NetworkSettings.Networks "kind").IPAddress}}'
    return {
        "address": run(["docker", "inspect", "-f", network, want.node]).strip(),
        "server": server_addresses(Path("/proc/net/fib_trie").read_text(), _other_networks()),
    }


def server_addresses(fib_trie: str, others: Sequence[str]) -> list[str]:
    """This server's own IPv4 addresses, from the kernel's table of routes.

    Without loopback, and without those in `others`: networks that come and go with other people's containers.
    """
    lines = [line.strip() for line in fib_trie.splitlines()]
    own = {line.removeprefix("|-- ") for line, below in pairwise(lines) if below == "/32 host LOCAL"}
    networks = [ipaddress.ip_network(other) for other in others]
    addresses = [ipaddress.ip_address(address) for address in own]
    return sorted(
        str(address)
        for address in addresses
        if not address.is_loopback and not any(address in network for network in networks)
    )


def _other_networks() -> list[str]:
    """The ranges of Docker's networks besides that of kind's nodes."""
    networks = run(["docker", "network", "ls", "-q"]).split()
    ranges = "{{.Name}}{{range .IPAM.Config}} {{.Subnet}}{{end}}"
    lines = run(["docker", "network", "inspect", "-f", ranges, *networks]).splitlines()
    return [each for name, *found in (line.split() for line in lines if line) if name != "kind" for each in found]


def remove(want: Want) -> dict[str, Any]:
    """Delete the cluster and its kubeconfig. Nothing of the dataset is touched: it is only mounted there."""
    with locked(want.name):
        have = facts(want)
        if have.missing_tools or have.docker_refusal:
            raise Refused(f"cluster {want.name} cannot be deleted: {problems(want, have)[0]}")
        _delete(want)
        say(f"deleted cluster {want.name}; the students' work was only mounted in it and is untouched")
        return {"cluster": want.name}


def _create(want: Want) -> None:
    say(f"creating cluster {want.name} (about 20 s)")
    want.kubeconfig_path.parent.mkdir(parents=True, exist_ok=True)
    own = memory.kubelet_patch(want.memory, want.free, Path("/proc/meminfo").read_text())
    _kind(want, "create", "cluster", "--config", "-", stdin=json.dumps(with_patch(want.config, own)))


def _keep(want: Want, node: Node) -> None:
    """Have a node that stays run, and its kubeconfig file as it was when the node was new."""
    if not node.running:
        docker.start(want.node)
    _kind(want, "export", "kubeconfig")


def with_patch(config: dict[str, Any], patch: str) -> dict[str, Any]:
    """kind's configuration with one more word for each node's kubelet, after those that it has."""
    nodes = [{**node, "kubeadmConfigPatches": [*node["kubeadmConfigPatches"], patch]} for node in config["nodes"]]
    return {**config, "nodes": nodes}


def _delete(want: Want) -> None:
    try:
        _kind(want, "delete", "cluster")
    except CommandFailed as error:
        if not docker.is_being_removed(error.stderr):
            raise
        docker.wait_until_removed(want.node)


def _kind(want: Want, *argv: str, stdin: str = "") -> None:
    """Run kind on the cluster; it writes the kubeconfig file anew, for its owner alone.

    A kind that was killed leaves half a file, or its lock on it, and no other gets past either. No kind is at work: the
    cluster's lock is ours, and one that outlives its unit would hold it.
    """
    for left in (want.kubeconfig_path, Path(f"{want.kubeconfig_path}.lock")):
        left.unlink(missing_ok=True)
    run(["kind", *argv, "--name", want.name, "--kubeconfig", str(want.kubeconfig_path)], stdin=stdin)


def give_up(cluster: str) -> None:
    """Have the next `up` make the cluster anew, unless it is deleted before: what is in it is about to be forgotten.

    A node that does not run cannot be told.
    """
    with contextlib.suppress(CommandFailed, Refused):
        run(["docker", "exec", docker.node(cluster), "rm", "-f", _WHOLE])


def is_whole(node: str) -> bool:
    """Whether a running node's cluster was made to the end, and nobody began to take it down."""
    return succeeds(["docker", "exec", node, "test", "-e", _WHOLE])


def wait_until_ready(node: str) -> None:
    """Wait until Kubernetes calls the node ready. Raises Refused if it does not in time."""
    deadline = time.monotonic() + docker.READY_SECONDS
    while True:
        try:
            run([*docker.kubectl(node), "wait", "--for=condition=Ready", "--timeout=5s", "node", node])
            return
        except CommandFailed as error:
            if time.monotonic() > deadline:
                raise Refused(
                    f"{node} is not ready after {docker.READY_SECONDS} s; `docker logs {node}` may tell why."
                    f" If it stays so: {docker.anew(node)}. Last word: {error}"
                ) from None
            time.sleep(1)


def _node(container: str) -> Node | None:
    try:
        found = json.loads(run(["docker", "container", "inspect", container]))[0]
    except CommandFailed:
        return None
    bindings = found["HostConfig"]["PortBindings"] or {}
    running = bool(found["State"]["Running"])
    return Node(
        running=running,
        image=found["Config"]["Image"],
        ports=frozenset(int(b["HostPort"]) for bound in bindings.values() for b in bound or ()),
        mounts=frozenset(str(mount["Source"]) for mount in found["Mounts"]),
        # A stopped node cannot be asked; only one that was whole is ever stopped and started again.
        whole=is_whole(container) if running else found["State"]["Status"] != "removing",
        made_from=found["Image"],
        memory=memory.read(container, int(found["HostConfig"]["Memory"]), running=running),
    )


def refusal_to_listen(address: str, port: int) -> int:
    """The errno with which the kernel refuses to listen there; 0 if it does not.

    That a port below 1024 is not everybody's stands in nobody's way: Docker listens, not we.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno or 0
    return 0


def _shared(path: str) -> bool:
    """Whether the mount that `path` lies on passes later mounts on to others: proc(5), mountinfo."""
    best, shared = "", False
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        point, optional = fields[4], fields[6 : fields.index("-")]
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, shared = point, any(tag.startswith("shared:") for tag in optional)
    return shared
