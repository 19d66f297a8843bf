"""What both units of the cluster ask Docker."""

from host.run import CommandFailed, run, say, succeeds

READY_SECONDS = 180  # a node was ready 23 s after a restart; a slow disk gets time


def refusal() -> str:
    """Why Docker cannot be used, with the remedy; empty if it answers."""
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"])
    except CommandFailed as error:
        said = (error.stderr.strip().splitlines() or ["nothing"])[-1]
        return f"Docker does not answer: start it (`systemctl start docker`, or `make up`). It said: {said}"
    return ""


def exists(container: str) -> bool:
    """Whether there is such a container, running or not."""
    return succeeds(["docker", "container", "inspect", container])


def kubectl(node: str) -> list[str]:
    """How to ask a cluster, from within its node."""
    return ["docker", "exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]


def start(node: str) -> None:
    """Start a stopped node."""
    say(f"starting {node}, which was stopped")
    run(["docker", "start", node])
