"""What the units of the cluster ask Docker, and how a node is started."""

import re
import time
from collections.abc import Sequence

from host.run import CommandFailed, Refused, run, say, succeeds

_NODE = "-control-plane"
READY_SECONDS = 180  # a node was ready 23 s after a restart; a slow disk gets time
# Of another container, of another program, and of either as Docker 28 says it.
_TAKEN = re.compile(r"(?:Bind for|listen tcp4?|bind host port(?: for)?) (\d+\.\d+\.\d+\.\d+):(\d+)")


def refusal() -> str:
    """Why Docker cannot be used, with the remedy; empty if it answers."""
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"])
    except CommandFailed as error:
        return why(error.stderr)
    return ""


def why(said: str) -> str:
    """What is to be done about Docker, by what it said."""
    if "permission denied" in said:
        return "Docker runs, but you may not use it: `sudo usermod -aG docker $USER` and a new login change that"
    last = (said.strip().splitlines() or ["nothing"])[-1]
    return f"Docker does not answer: start it (`systemctl start docker`, or `make up`). It said: {last}"


def node(cluster: str) -> str:
    """The container of a cluster's one node, as kind names it."""
    return f"{cluster}{_NODE}"


def exists(container: str) -> bool:
    """Whether there is such a container, running or not."""
    return succeeds(["docker", "container", "inspect", container])


def is_being_removed(said: str) -> bool:
    """Whether Docker refused to remove a container since it does so already: whoever asked before was killed."""
    return "removal of container" in said and "already in progress" in said


def wait_until_removed(container: str) -> None:
    """Wait for the end of a removal. Raises Refused if it does not come in time."""
    deadline = time.monotonic() + READY_SECONDS
    while exists(container):
        if time.monotonic() > deadline:
            raise Refused(
                f"Docker began to remove {container} and is not done after {READY_SECONDS} s: restart it"
                " (`systemctl restart docker`), then `make up`"
            )
        time.sleep(0.5)


def image_id(image: str) -> str:
    """Docker's id of an image; empty where it has none of that name."""
    try:
        return run(["docker", "image", "inspect", "--format", "{{.Id}}", image]).strip()
    except CommandFailed:
        return ""


def image_ids(images: Sequence[str]) -> dict[str, str]:
    """Docker's ids of those of the images that it has."""
    if not images:
        return {}
    try:
        ids = run(["docker", "image", "inspect", "--format", "{{.Id}}", *images]).split()
        return dict(zip(images, ids, strict=True))
    except CommandFailed:  # it lacks some, and does not say of which the others are
        found = {image: image_id(image) for image in images}
    return {image: own for image, own in found.items() if own}


def kubectl(node: str) -> list[str]:
    """How to ask a cluster, from within its node."""
    return ["docker", "exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]


def start(node: str) -> None:
    """Start a stopped node. Raises Refused, with the remedy, where it cannot be started."""
    say(f"starting {node}, which was stopped")
    try:
        run(["docker", "start", node])
    except CommandFailed as error:
        port = taken_port(error.stderr)
        listener = program(_listeners(port)) if port else ""
        raise Refused(not_started(node, error.stderr, port, listener)) from None


def taken_port(said: str) -> int | None:
    """The port that somebody else has, by what Docker said; None if that is not the reason."""
    found = _TAKEN.search(said)
    return int(found[2]) if found else None


def program(sockets: str) -> str:
    """Who listens, by what `ss -Hltnp` printed; empty where that cannot be told."""
    found = re.search(r'users:\(\("([^"]+)",pid=(\d+)', sockets)
    return f"{found[1]}, process {found[2]}" if found else ""


def not_started(node: str, said: str, port: int | None, listener: str) -> str:
    """Why a node does not start, with the remedy: without it, no change of the configuration would be reached."""
    if port:
        return (
            f"{node} cannot be started: port {port} is taken by {listener or 'another program'}. Stop that"
            f" (`ss -ltnp 'sport = :{port}'` shows it), or set another port and make the cluster anew: {anew(node)}"
        )
    last = (said.strip().splitlines() or ["nothing"])[-1]
    return f"{node} cannot be started. If it stays so: {anew(node)}. Docker said: {last}"


def anew(node: str) -> str:
    """How to make a cluster anew, whatever is wrong with its node."""
    cluster = node.removesuffix(_NODE)
    return f"`kind delete cluster --name {cluster}` (the course's data is not in it), then `make up`"


def _listeners(port: int) -> str:
    try:
        return run(["ss", "-Hltnp", f"sport = :{port}"])
    except (CommandFailed, Refused):
        return ""
