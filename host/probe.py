"""The unit that tries, with real traffic from a pod like a student's, who can talk to whom.

Three pods live for the length of the check: one like a student's that tries, one like another student's, and a stranger
in namespace `default`, both of which listen. Each try is made from the node as well, which no policy holds back: only
what answers there was there to be reached, and of what was not, nothing is proven. A metadata server and "the internet"
are addresses put into the node's own network for the check, so no packet leaves it.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from host import docker
from host.lock import locked
from host.run import BadSpecification, CommandFailed, Refused, run, say, succeeds

_STUDENT, _NEIGHBOUR, _STRANGER = "coursehub-probe", "coursehub-probe-neighbour", "coursehub-probe-stranger"
_READY_SECONDS = 120
_LIFE_SECONDS = 900  # of what listens, should the check be killed before it ends it; longer than any check
_SETTLE_SECONDS = 5  # an enforcer takes up to 4 s to know a new pod: hub.md measured it
# Arguments: a JSON list of [host, port]; prints a JSON list of whether each answered within 3 s.
TRY = """
import concurrent.futures, json, socket, sys
def reaches(target):
    try:
        socket.create_connection(tuple(target), 3).close()
    except OSError:
        return False
    return True
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(reaches, json.loads(sys.argv[1])))))
"""
# Arguments: a word by which it is found again, and ports.
LISTEN = """
import socketserver, sys, threading
servers = [socketserver.ThreadingTCPServer(("", int(port)), socketserver.BaseRequestHandler) for port in sys.argv[2:]]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
"""
# Argument: the word. Ends what has it in its command line.
END = """
import os, pathlib, signal, sys
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        meant = sys.argv[1].encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid()
        if meant:
            os.kill(int(process.name), signal.SIGKILL)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Want:
    """Which cluster, and the table: each row has `what`, `to`, `port` and `open`."""

    cluster: str
    namespace: str
    addresses: dict[str, str]  # to be put into the node: by name, as `metadata` and `public`
    table: tuple[dict[str, Any], ...]

    @property
    def node(self) -> str:
        """The node's container."""
        return docker.node(self.cluster)


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    try:
        want = Want(**{**given, "table": tuple(given["table"])})
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of probes: {error}") from None
    if not all(set(row) == {"what", "to", "port", "open"} for row in want.table):
        raise BadSpecification("each row of the table has what, to, port and open")
    return want


def observe(want: Want) -> dict[str, Any]:
    """Nothing can be known without trying."""
    return {}


def apply(want: Want) -> dict[str, Any]:
    """Try everything; each row with `seen`, and `there`: whether the same try succeeds from the node.

    Raises Refused where the cluster does not run, or the pods do not start.
    """
    with locked(want.cluster):
        if refusal := docker.refusal():
            raise Refused(refusal)
        if not docker.exists(want.node):
            raise Refused(f"there is no cluster {want.cluster} on this server: `make up` makes it")
        with targets(want) as found:
            say(f"trying {len(found)} ways from a pod like a student's")
            seen = json.loads(_kubectl(want, "exec", _STUDENT, "--", "python3", "-c", TRY, json.dumps(found)))
            there = [_from_node(want, host, port) for host, port in found]
        rows = zip(want.table, seen, there, strict=True)
        return {"rows": [{**row, "seen": one, "there": other} for row, one, other in rows]}


def remove(want: Want) -> dict[str, Any]:
    """Nothing stays."""
    return {}


@contextmanager
def targets(want: Want) -> Iterator[list[tuple[str, int]]]:
    """Address and port of each row; all of it can be tried for as long as the context lasts.

    Raises Refused where the pods do not start.
    """
    with _addresses(want), _pods(want):
        where = _places(want)
        time.sleep(_SETTLE_SECONDS)
        yield [(where[row["to"]], row["port"]) for row in want.table]


def _kubectl(want: Want, *argv: str, namespace: str = "", stdin: str = "") -> str:
    base = ["docker", "exec", "-i", *docker.kubectl(want.node)[2:], "-n", namespace or want.namespace]
    return run([*base, *argv], stdin=stdin)


@contextmanager
def _addresses(want: Want) -> Iterator[None]:
    """Addresses of the outside in the node's own network, with something that answers; taken away in the end."""
    inside = ["docker", "exec", want.node]
    ports = [f"--listen={want.addresses[row['to']]}:{row['port']}" for row in want.table if row["to"] in want.addresses]

    def end() -> None:
        for port in ports:
            succeeds([*inside, "pkill", "-f", "--", port])
        for address in want.addresses.values():
            succeeds([*inside, "ip", "address", "del", f"{address}/32", "dev", "lo"])

    try:
        end()  # what a check that was killed has left
        for address in want.addresses.values():
            run([*inside, "ip", "address", "replace", f"{address}/32", "dev", "lo"])
        for port in ports:
            # systemd's own is in every image of a node: kind's has neither socat nor Python.
            listener = ["systemd-socket-activate", "--accept", port, "/bin/true"]
            run(["docker", "exec", "-d", want.node, "timeout", str(_LIFE_SECONDS), *listener])
        yield
    finally:
        end()


@contextmanager
def _pods(want: Want) -> Iterator[None]:
    """The three pods, of the hub's own image, and a port of the hub's that nobody should reach; gone in the end."""
    image = _kubectl(want, "get", "deployment", "hub", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    pods = [
        probe_pod(_STUDENT, want.namespace, image, ["sleep", str(_LIFE_SECONDS)]),
        probe_pod(_NEIGHBOUR, want.namespace, image, _listener(8888, 9999)),
        probe_pod(_STRANGER, "default", image, _listener(9999)),
    ]
    try:
        _forget(want)
        for pod in pods:
            _kubectl(want, "apply", "-f", "-", namespace=pod["metadata"]["namespace"], stdin=json.dumps(pod))
        run(["docker", "exec", "-d", *_in_hub(want), *_listener(9000)])
        for pod in pods:
            where = pod["metadata"]["namespace"]
            ready = ("wait", "--for=condition=Ready", f"--timeout={_READY_SECONDS}s", f"pod/{pod['metadata']['name']}")
            _kubectl(want, *ready, namespace=where)
        yield
    except CommandFailed as error:
        raise Refused(f"the check could not be made: {error}") from None
    finally:
        _forget(want)


def _forget(want: Want) -> None:
    delete = ("delete", "pod", "--ignore-not-found", "--now")
    _kubectl(want, *delete, _STUDENT, _NEIGHBOUR)
    _kubectl(want, *delete, _STRANGER, namespace="default")
    succeeds(["docker", "exec", *_in_hub(want), "python3", "-c", END, _STUDENT])


def _in_hub(want: Want) -> list[str]:
    """What follows `docker exec` for a command in the hub's own pod."""
    return [*docker.kubectl(want.node)[2:], "-n", want.namespace, "exec", "deployment/hub", "--"]


def _listener(*ports: int) -> list[str]:
    return ["timeout", str(_LIFE_SECONDS), "python3", "-c", LISTEN, _STUDENT, *map(str, ports)]


def probe_pod(name: str, namespace: str, image: str, command: list[str]) -> dict[str, Any]:
    """A pod that Pod Security `restricted` lets in; in the course's namespace with the labels of a student's."""
    labels = {"app": "jupyterhub", "component": "singleuser-server"} if namespace != "default" else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "probe",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "500m", "memory": "128Mi"},
                    },
                    "securityContext": {
                        "runAsUser": 1000,
                        "runAsNonRoot": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ],
        },
    }


def _places(want: Want) -> dict[str, str]:
    """The address of each part of the cluster."""

    def pod(*selector: str, namespace: str = "") -> str:
        return _kubectl(want, "get", "pod", *selector, "-o", "jsonpath={..podIP}", namespace=namespace).split()[0]

    def service(name: str, namespace: str = "") -> str:
        return _kubectl(want, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}", namespace=namespace)

    node = '{{(index .NetworkSettings.Networks "kind").IPAddress}}'
    return {
        **want.addresses,
        "node": run(["docker", "inspect", "-f", node, want.node]).strip(),
        "hub": pod("-l", "component=hub"),
        "proxy": pod("-l", "component=proxy"),
        "neighbour": pod(_NEIGHBOUR),
        "stranger": pod(_STRANGER, namespace="default"),
        "dns": pod("-l", "k8s-app=kube-dns", namespace="kube-system"),
        "hub-service": service("hub"),
        "api-service": service("kubernetes", namespace="default"),
    }


def _from_node(want: Want, host: str, port: int) -> bool:
    return succeeds(["docker", "exec", want.node, "timeout", "3", "bash", "-c", f"</dev/tcp/{host}/{port}"])
