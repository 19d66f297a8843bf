"""What a student's pod must reach and what it must not: the table that real traffic is held against."""

from dataclasses import asdict, dataclass
from typing import Any

from config.course import Course
from plan.hub_values import NAMESPACE
from plan.policies import pages_port

# Addresses for documentation (RFC 5737): nobody has them, so the check may put them into the node as "the internet".
PUBLIC = "198.51.100.10"
METADATA = "169.254.169.254"


@dataclass(frozen=True)
class Probe:
    """One try of a student's pod. `to` is the part of the cluster, as host/probe.py knows them."""

    what: str
    to: str
    port: int
    open: bool = False


def probes(course: Course) -> tuple[Probe, ...]:
    """The whole table for a course."""
    return (
        Probe("the hub, by its service", "hub-service", 8081, open=True),
        Probe("the names of services", "dns", 53, open=True),
        Probe("the hub beyond its port", "hub", 9000),
        Probe("another student's server", "neighbour", 8888),
        Probe("another student's own port", "neighbour", 9999),
        Probe("the proxy's pages", "proxy", pages_port(course)),
        Probe("the proxy's control", "proxy", 8001),
        Probe("the node port of the pages", "node", course.cluster.node_port),
        Probe("the API server, by its service", "api-service", 443),
        Probe("the API server, by its node", "node", 6443),
        Probe("the kubelet", "node", 10250),
        Probe("etcd", "node", 2379),
        Probe("the metrics of the name server", "dns", 9153),
        Probe("a pod of another namespace", "stranger", 9999),
        Probe("a cloud's metadata server", "metadata", 80),
        Probe("the internet: the web", "public", 443, open=course.network.internet == "web"),
        Probe("the internet: another port", "public", 22),
    )


def probe_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `probe`."""
    return {
        "cluster": course.cluster_name,
        "namespace": NAMESPACE,
        "addresses": {"metadata": METADATA, "public": PUBLIC},
        "table": [asdict(probe) for probe in probes(course)],
    }
