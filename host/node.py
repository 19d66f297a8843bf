"""The unit that makes a node ready for a change: started, answering, without a release that was left half made.

A server that was restarted may leave its node stopped. Helm keeps each revision in a secret labelled with its status;
one that is pending while nobody is at work is what a killed run left, and Helm refuses every further try because of it.
Without it, Helm takes over the objects it made before and finishes the work.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from host import docker
from host.kind import is_whole, wait_until_ready
from host.lock import locked
from host.run import BadSpecification, Refused, run, say, succeeds

# Who enforces network policies: units of our own node image; in the makers' it is a DaemonSet.
_ENFORCERS = ("kube-router.path", "kube-router.service", "closed-pods.service")
_KINDNET = "daemonset/kindnet"


@dataclass(frozen=True)
class Want:
    """Which cluster, what its node must see, and which release is in it."""

    cluster: str
    mountpoint: str
    namespace: str
    release: str
    homes: str = ""  # where the homes of a roster are mounted

    @property
    def node(self) -> str:
        """The node's container."""
        return docker.node(self.cluster)


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if a key is missing or unknown."""
    try:
        return Want(**given)
    except TypeError as error:
        raise BadSpecification(f"not a specification of a node: {error}") from None


def observe(want: Want) -> dict[str, Any]:
    """Whether the node is there and runs, the revisions that a killed run left pending, and what `apply` would do."""
    there = not docker.refusal() and docker.exists(want.node)
    running = there and run(["docker", "inspect", "-f", "{{.State.Running}}", want.node]).strip() == "true"
    pending, idle = (_pending(want), _idle(want)) if running else ([], [])
    drift = [f"{want.node} is stopped: starting it"] if there and not running else []
    drift += [f"{unit} does not run in {want.node}, which enforces who may talk to whom: starting it" for unit in idle]
    drift += [f"the last change of release {want.release} was interrupted: beginning it anew"] if pending else []
    return {"there": there, "running": running, "pending": pending, "idle": idle, "drift": drift}


def apply(want: Want) -> dict[str, Any]:
    """Start the node if it was stopped, and forget pending revisions. Where there is no node, there is nothing to do.

    Raises Refused where Docker does not answer.
    """
    with locked(want.cluster):
        if refusal := docker.refusal():
            raise Refused(refusal)
        have = observe(want)
        if have["there"] and not have["running"]:
            if missing := unmounted(want):
                say(f"{want.node} stays stopped until {missing[0]} is mounted: students would miss their work")
                return {"forgotten": []}
            docker.start(want.node)
        if not have["there"] or not is_whole(want.node):  # the cluster's unit makes it, or makes it anew
            return {"forgotten": []}
        wait_until_ready(want.node)
        for unit in _idle(want):
            say(f"starting {unit} in {want.node}: it enforces who may talk to whom")
            run(_restart(want, unit))
        pending = _pending(want)
        for secret in pending:
            say(f"the last change of release {want.release} was interrupted: forgetting {secret}, to begin it anew")
            run([*docker.kubectl(want.node), "-n", want.namespace, "delete", secret])
        return {"forgotten": pending}


def unmounted(want: Want) -> list[str]:
    """What a node must see when it starts, and is not mounted: Kubernetes would make plain folders in its place."""
    return [path for path in (want.mountpoint, want.homes) if path and not os.path.ismount(path)]


def remove(want: Want) -> dict[str, Any]:
    """The node goes with its cluster."""
    return {}


def _idle(want: Want) -> list[str]:
    """What enforces network policies and does not run."""
    lists = ["docker", "exec", want.node, "systemctl", "list-unit-files", "--no-legend", *_ENFORCERS]
    there = [line.split()[0] for line in run(lists).splitlines()] if succeeds(lists) else []
    if there:
        return [unit for unit in there if not succeeds(["docker", "exec", want.node, "systemctl", "is-active", unit])]
    ask = [*docker.kubectl(want.node), "-n", "kube-system", "get", _KINDNET, "-o", "json"]
    return [_KINDNET] if succeeds(ask) and is_idle(run(ask)) else []


def is_idle(daemonset: str) -> bool:
    """Whether no pod of a DaemonSet is ready, by its JSON."""
    return not json.loads(daemonset).get("status", {}).get("numberReady")


def _restart(want: Want, enforcer: str) -> list[str]:
    if enforcer == _KINDNET:
        return [*docker.kubectl(want.node), "-n", "kube-system", "rollout", "restart", enforcer]
    return ["docker", "exec", want.node, "systemctl", "restart", enforcer]


def _pending(want: Want) -> list[str]:
    ask = [*docker.kubectl(want.node), "-n", want.namespace]
    if not succeeds([*ask, "get", "namespace", want.namespace]):
        return []
    selector = f"owner=helm,name={want.release},status in (pending-install,pending-upgrade,pending-rollback)"
    return run([*ask, "get", "secrets", "-l", selector, "-o", "name"]).split()
