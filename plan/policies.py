"""Who may talk to whom in a course's cluster: one table, and the network policies that follow from it.

Every namespace denies everything, in and out; each line of the table opens one way, and says why. Ports and addresses
are judged after the translation of services: the API server is the node's address, never the service's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses
from typing import Any
from urllib.parse import urlsplit

from config.course import Course
from plan.hub_values import NAMESPACE

POD_RANGE = "10.244.0.0/16"  # kind's own
# RFC 1918, 3927 (a cloud's metadata server is there), 6598, 1122: nobody on the internet has them.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
# Where clouds tell a server its own secrets: link-local; Azure's; Alibaba's.
METADATA = ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32")
NAMESPACES = (NAMESPACE, "default", "kube-system", "kube-public", "kube-node-lease", "local-path-storage")


@dataclass(frozen=True)
class Pods:
    """Pods of one kind: namespace and labels."""

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]

    def peer(self) -> dict[str, Any]:
        """As one end of a policy's rule."""
        return {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "podSelector": {"matchLabels": dict(self.labels)},
        }


@dataclass(frozen=True)
class Block:
    """Addresses outside the cluster's pods."""

    name: str
    cidr: str
    excluded: tuple[str, ...] = ()

    def peer(self) -> dict[str, Any]:
        """As one end of a policy's rule."""
        return {"ipBlock": {"cidr": self.cidr, **({"except": list(self.excluded)} if self.excluded else {})}}


@dataclass(frozen=True)
class Flow:
    """One way that is open: `source` may begin to talk to `target` at `ports`, such as TCP/8081; and why."""

    source: Pods | Block
    target: Pods | Block
    ports: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Addresses:
    """What is known once the cluster is there: the node's address, and those of the server itself."""

    node: str
    server: tuple[str, ...] = ()


def _jupyterhub(component: str) -> tuple[tuple[str, str], ...]:
    return (("app", "jupyterhub"), ("component", component))


HUB = Pods("hub", NAMESPACE, _jupyterhub("hub"))
PROXY = Pods("proxy", NAMESPACE, _jupyterhub("proxy"))
STUDENT = Pods("student", NAMESPACE, _jupyterhub("singleuser-server"))
DNS = Pods("dns", "kube-system", (("k8s-app", "kube-dns"),))
PROVISIONER = Pods("provisioner", "local-path-storage", (("app", "local-path-provisioner"),))
PODS = (HUB, PROXY, STUDENT, DNS, PROVISIONER)

ANYWHERE = Block("anywhere but the pods", "0.0.0.0/0", (POD_RANGE,))
_NAMES = ("UDP/53", "TCP/53")
_WEB = ("TCP/80", "TCP/443")


def pages_port(course: Course) -> int:
    """The proxy's port for browsers, in its pod."""
    return 8443 if course.hub.https else 8000


def flows(course: Course, addresses: Addresses) -> tuple[Flow, ...]:
    """The table: every way that is open."""
    api = Block("API server", f"{addresses.node}/32")
    return (
        Flow(ANYWHERE, PROXY, (f"TCP/{pages_port(course)}",), "browsers, by the node port"),
        Flow(PROXY, HUB, ("TCP/8081",), "pages of the hub"),
        Flow(PROXY, STUDENT, ("TCP/8888",), "pages of a student's server"),
        Flow(HUB, PROXY, ("TCP/8001",), "the hub tells the proxy where servers are"),
        Flow(HUB, STUDENT, ("TCP/8888",), "the hub asks whether a server is ready"),
        Flow(HUB, api, ("TCP/6443",), "the hub starts and stops servers"),
        Flow(STUDENT, HUB, ("TCP/8081",), "a server asks the hub who is logged in, and reports activity"),
        Flow(HUB, DNS, _NAMES, "the proxy's name"),
        Flow(PROXY, DNS, _NAMES, "the hub's name"),
        Flow(STUDENT, DNS, _NAMES, "the hub's name, and names of the internet where that is open"),
        Flow(DNS, api, ("TCP/6443",), "the names of services"),
        Flow(PROVISIONER, api, ("TCP/6443",), "volumes for claims"),
        *(
            Flow(HUB, ANYWHERE, (f"TCP/{port}",), "the login service or learning platform: who somebody is")
            for port in _login_ports(course)
        ),
        *_names_of_the_internet(course),
        *_internet(course, addresses),
    )


def _login_ports(course: Course) -> list[int]:
    """Where the hub itself asks who somebody is; browsers find their own way."""
    oauth, lti13 = course.hub.authentication.oauth, course.hub.authentication.lti13
    asked = [*([oauth.token_url, oauth.userdata_url] if oauth else []), *([lti13.jwks_url] if lti13 else [])]
    return sorted({urlsplit(address).port or 443 for address in asked})


def _names_of_the_internet(course: Course) -> tuple[Flow, ...]:
    if course.network.internet == "none" and not _login_ports(course):
        return ()
    return (Flow(DNS, ANYWHERE, _NAMES, "names of the internet, from the server's own name servers"),)


def _internet(course: Course, addresses: Addresses) -> tuple[Flow, ...]:
    network = course.network
    never = (*METADATA, POD_RANGE, *(f"{address}/32" for address in (addresses.node, *addresses.server)))
    if network.internet == "none":
        return ()
    blocks = (
        [block for each in network.ranges for block in _without(str(each), each, never)]
        if network.internet == "ranges"
        else _without("the internet", IPv4Network("0.0.0.0/0"), (*PRIVATE, *never, *map(str, network.blocked)))
    )
    return tuple(Flow(STUDENT, block, _WEB, "packages, data and git") for block in blocks)


def _without(name: str, whole: IPv4Network, excluded: Iterable[str]) -> list[Block]:
    """The block `whole` without what is `excluded`; none if nothing of it remains.

    Kubernetes refuses an exception that is not inside of its block, or is all of it.
    """
    inside = [each for each in collapse_addresses(map(IPv4Network, excluded)) if each.overlaps(whole)]
    if any(whole.subnet_of(each) for each in inside):
        return []
    return [Block(name, str(whole), tuple(map(str, inside)))]


def policies(table: Iterable[Flow]) -> dict[str, dict[str, Any]]:
    """The specifications of all network policies, by name as `<namespace>/<name>`.

    Their names do not depend on the table, so that resources are known before the cluster is.
    """
    table = tuple(table)
    denied = {f"{namespace}/default-deny": _policy({}, [], []) for namespace in NAMESPACES}
    return denied | {
        f"{pods.namespace}/{pods.name}": _policy(
            dict(pods.labels),
            [{"from": [flow.source.peer()], "ports": _ports(flow)} for flow in table if flow.target == pods],
            [{"to": [flow.target.peer()], "ports": _ports(flow)} for flow in table if flow.source == pods],
        )
        for pods in PODS
    }


def _policy(labels: Mapping[str, str], ingress: list[Any], egress: list[Any]) -> dict[str, Any]:
    return {
        "podSelector": {"matchLabels": dict(labels)} if labels else {},
        "policyTypes": ["Ingress", "Egress"],
        **({"ingress": ingress} if ingress else {}),
        **({"egress": egress} if egress else {}),
    }


def _ports(flow: Flow) -> list[dict[str, Any]]:
    split = (port.split("/") for port in flow.ports)
    return [{"protocol": protocol, "port": int(number)} for protocol, number in split]


NAMES = tuple(policies(()))
