"""The table of who may talk to whom, judged as an enforcer of network policies judges it."""

from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import pytest

from config.course import Course
from config.faults import check
from plan.policies import (
    ANYWHERE,
    DNS,
    HUB,
    METADATA,
    NAMES,
    NAMESPACES,
    POD_RANGE,
    PODS,
    PROVISIONER,
    PROXY,
    STUDENT,
    Addresses,
    Block,
    Flow,
    Pods,
    flows,
    policies,
)

ADDRESSES = Addresses("172.18.0.2", ("131.130.1.78", "10.1.0.7"))
STRANGER = Pods("stranger", "default", (("app", "stranger"),))
# In a namespace that somebody made by hand: nothing holds back what it sends, so the other side alone is judged.
OUTSIDER = Pods("outsider", "elsewhere", (("app", "outsider"),))
LAPTOP, NODE, CLOUD, PYPI = "203.0.113.9", "172.18.0.2", "169.254.169.254", "151.101.0.223"


def course(**network: Any) -> Course:
    return check({"homes": {"roster": [{"name": "prof", "role": "staff"}]}, "network": network})


def allowed(found: dict[str, dict[str, Any]], source: Pods | str, target: Pods | str, port: str) -> bool:
    """Whether an enforcer lets the first packet through: out of the source's pod, and into the target's."""
    return _side(found, source, target, port, "egress", "to") and _side(found, target, source, port, "ingress", "from")


def _side(found: dict[str, dict[str, Any]], own: Pods | str, other: Pods | str, port: str, way: str, end: str) -> bool:
    if isinstance(own, str):
        return True  # no policy holds back what is no pod
    applying = [spec for name, spec in found.items() if name.startswith(f"{own.namespace}/") and _selects(spec, own)]
    protocol, _, number = port.partition("/")
    rules = [rule for spec in applying for rule in spec.get(way, [])]
    return not applying or any(
        {"protocol": protocol, "port": int(number)} in rule["ports"] and any(_is(peer, other) for peer in rule[end])
        for rule in rules
    )


def _selects(spec: dict[str, Any], pods: Pods) -> bool:
    return set(spec["podSelector"].get("matchLabels", {}).items()) <= set(pods.labels)


def _is(peer: dict[str, Any], other: Pods | str) -> bool:
    if "ipBlock" not in peer:
        return isinstance(other, Pods) and peer == other.peer()
    address = ip_address(other if isinstance(other, str) else POD_RANGE.partition("/")[0])
    block = peer["ipBlock"]
    return address in ip_network(block["cidr"]) and not any(address in ip_network(r) for r in block.get("except", []))


Way = tuple[Pods | str, Pods | str, str]
OPEN: list[Way] = [
    (LAPTOP, PROXY, "TCP/8000"),
    (PROXY, HUB, "TCP/8081"),
    (PROXY, STUDENT, "TCP/8888"),
    (HUB, PROXY, "TCP/8001"),
    (HUB, STUDENT, "TCP/8888"),
    (HUB, NODE, "TCP/6443"),
    (STUDENT, HUB, "TCP/8081"),
    (HUB, DNS, "UDP/53"),
    (PROXY, DNS, "UDP/53"),
    (STUDENT, DNS, "TCP/53"),
    (DNS, NODE, "TCP/6443"),
    (PROVISIONER, NODE, "TCP/6443"),
    (DNS, "172.18.0.1", "UDP/53"),
    (STUDENT, PYPI, "TCP/443"),
]
CLOSED: list[Way] = [
    (STUDENT, STUDENT, "TCP/8888"),
    (STUDENT, STUDENT, "TCP/9999"),
    (STUDENT, HUB, "TCP/9000"),
    (STUDENT, PROXY, "TCP/8000"),
    (STUDENT, PROXY, "TCP/8001"),
    (STUDENT, NODE, "TCP/6443"),
    (STUDENT, NODE, "TCP/10250"),
    (STUDENT, CLOUD, "TCP/80"),
    (STUDENT, "168.63.129.16", "TCP/80"),
    (STUDENT, "131.130.1.78", "TCP/443"),
    (STUDENT, PYPI, "TCP/22"),
    (STUDENT, PYPI, "UDP/443"),
    (STUDENT, STRANGER, "TCP/443"),
    (STUDENT, DNS, "TCP/9153"),
    (STRANGER, STUDENT, "TCP/8888"),
    (STRANGER, PROXY, "TCP/8000"),
    (STRANGER, DNS, "UDP/53"),
    (LAPTOP, HUB, "TCP/8081"),
    (LAPTOP, STUDENT, "TCP/8888"),
    (LAPTOP, PROXY, "TCP/8001"),
    (LAPTOP, DNS, "UDP/53"),
    (LAPTOP, PROVISIONER, "TCP/443"),
    (OUTSIDER, HUB, "TCP/8081"),
    (OUTSIDER, PROXY, "TCP/8000"),
    (OUTSIDER, STUDENT, "TCP/8888"),
    (OUTSIDER, DNS, "UDP/53"),
    (OUTSIDER, PROVISIONER, "TCP/443"),
    (PROXY, NODE, "TCP/6443"),
    (HUB, PYPI, "TCP/443"),
    (HUB, NODE, "TCP/10250"),
    (DNS, PYPI, "TCP/443"),
    (PROVISIONER, PYPI, "TCP/443"),
]


def wrong(table: tuple[Flow, ...]) -> list[Way]:
    """Ways that are not as they must be."""
    found = policies(table)
    return [way for way in OPEN if not allowed(found, *way)] + [way for way in CLOSED if allowed(found, *way)]


def test_all_that_must_be_open_is_open_and_nothing_else() -> None:
    assert wrong(flows(course(), ADDRESSES)) == []


@pytest.mark.parametrize("number", range(len(flows(course(), ADDRESSES))))
def test_no_line_of_the_table_can_be_left_out(number: int) -> None:
    table = flows(course(), ADDRESSES)
    assert wrong(table[:number] + table[number + 1 :]) != []


EVERYTHING = Block("everything", "0.0.0.0/0")
EVERY_PORT = tuple(sorted({port for _, _, port in OPEN + CLOSED}))


@pytest.mark.parametrize("pods", PODS, ids=lambda pods: pods.name)
def test_a_line_that_lets_everything_out_is_found(pods: Pods) -> None:
    assert wrong((*flows(course(), ADDRESSES), Flow(pods, EVERYTHING, EVERY_PORT, "a mistake"))) != []


@pytest.mark.parametrize("pods", PODS, ids=lambda pods: pods.name)
@pytest.mark.parametrize("source", [EVERYTHING, OUTSIDER, ANYWHERE], ids=lambda source: source.name)
def test_a_line_that_lets_everything_in_is_found(pods: Pods, source: Pods | Block) -> None:
    assert wrong((*flows(course(), ADDRESSES), Flow(source, pods, EVERY_PORT, "a mistake"))) != []


def test_every_namespace_denies_everything_in_and_out() -> None:
    found = policies(())
    for namespace in NAMESPACES:
        assert found[f"{namespace}/default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_which_policies_there_are_is_known_before_the_cluster_is() -> None:
    assert set(policies(flows(course(internet="none"), ADDRESSES))) == set(NAMES)


def test_every_line_says_why() -> None:
    assert all(flow.why and flow.ports for flow in flows(course(), ADDRESSES))


def test_without_internet_students_and_names_stay_inside() -> None:
    found = policies(flows(course(internet="none"), ADDRESSES))
    assert not allowed(found, STUDENT, PYPI, "TCP/443")
    assert not allowed(found, DNS, "172.18.0.1", "UDP/53")
    assert allowed(found, STUDENT, HUB, "TCP/8081")


def test_listed_ranges_are_all_that_is_open_also_private_ones() -> None:
    found = policies(flows(course(internet="ranges", ranges=["10.1.0.0/16", "192.0.2.0/24"]), ADDRESSES))
    assert allowed(found, STUDENT, "10.1.2.3", "TCP/443")
    assert not allowed(found, STUDENT, "10.1.0.7", "TCP/443"), "the server's own"
    assert allowed(found, STUDENT, "192.0.2.7", "TCP/80")
    assert not allowed(found, STUDENT, PYPI, "TCP/443")


FORBIDDEN = (CLOUD, "168.63.129.16", "100.100.100.200", NODE, *ADDRESSES.server, "10.244.0.9")
NETWORKS: list[dict[str, Any]] = [
    {},
    {"blocked": ["131.130.0.0/16"]},
    *(
        {"internet": "ranges", "ranges": [str(IPv4Network((address, length), strict=False)), "192.0.2.0/24"]}
        for address in FORBIDDEN
        for length in range(33)
    ),
]


def test_no_range_ever_opens_the_server_itself_nor_what_a_cloud_keeps_for_it() -> None:
    assert len(NETWORKS) > 200
    for network in NETWORKS:
        table = flows(course(**network), ADDRESSES)
        found = policies(table)
        assert [to for to in FORBIDDEN if allowed(found, STUDENT, to, "TCP/80")] == [], network
        assert allowed(found, STUDENT, "192.0.2.7", "TCP/80"), "the control: the rest is open"
        for block in (flow.target for flow in table if flow.source == STUDENT and isinstance(flow.target, Block)):
            whole = IPv4Network(block.cidr)
            # As the API server has it.
            assert all(inner.subnet_of(whole) and inner != whole for inner in map(IPv4Network, block.excluded))


def test_metadata_is_closed_by_name_where_no_range_of_private_addresses_has_it() -> None:
    assert {"169.254.0.0/16", "168.63.129.16/32"} <= set(METADATA)


def test_what_the_campus_blocks_is_closed() -> None:
    found = policies(flows(course(blocked=["151.101.0.0/16"]), ADDRESSES))
    assert not allowed(found, STUDENT, PYPI, "TCP/443")
    assert allowed(found, STUDENT, "140.82.112.3", "TCP/443")


def test_pods_do_not_count_as_outside() -> None:
    assert ANYWHERE.peer()["ipBlock"]["except"] == [POD_RANGE]
