"""The cluster's preflight: everything that stands in the way, each with its remedy."""

import errno
import socket
from dataclasses import replace
from typing import Any

import pytest

from host.kind import (
    Facts,
    Node,
    Want,
    parse,
    problems,
    rebuilt,
    refusal_to_listen,
    server_addresses,
    why_anew,
)
from host.memory import Memory
from host.run import BadSpecification

SPEC: dict[str, Any] = {
    "name": "coursehub-dev",
    "config": {"name": "coursehub-dev"},
    "image": "node:v1",
    "local": ["node:v1", "hub:1"],
    "mountpoint": "/jhub-pool/userdata",
    "address": "127.0.0.1",
    "ports": {"cluster.hostPort": 30080, "cluster.apiPort": 16443},
    "kubeconfig": "~/.kube/coursehub-dev.yaml",
    "memory": 8 << 30,
    "free": 512 << 20,
}
WANT = parse(SPEC)
NODE = Node(
    running=True,
    image="node:v1",
    ports=frozenset({30080, 16443}),
    mounts=frozenset({"/jhub-pool/userdata"}),
    whole=True,
    made_from="sha256:1",
    memory=Memory(8 << 30),
)


def test_nothing_stands_in_the_way_of_a_sound_machine() -> None:
    assert problems(WANT, Facts()) == []


def test_the_servers_addresses_are_told_without_those_that_come_and_go_with_containers() -> None:
    trie = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
           |-- 10.0.0.7
              /32 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
           |-- 172.17.0.1
              /32 host LOCAL
           |-- 172.18.0.1
              /32 host LOCAL
        +-- 131.130.1.0/24 2 0 2
           |-- 131.130.1.0
              /24 link UNICAST
           |-- 131.130.1.78
              /32 host LOCAL
           |-- 131.130.1.255
              /32 link BROADCAST
"""
    others = ["172.17.0.0/16", "fc00:f853:ccd:e793::/64"]
    assert server_addresses(trie, others) == ["10.0.0.7", "131.130.1.78", "172.18.0.1"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(missing_tools=("kind",)), ["kind not found", "make up"]),
        (Facts(docker_refusal="Docker does not answer: start it"), ["Docker does not answer"]),
        (Facts(taken=("cluster.hostPort",)), ["port 30080 is taken", "set cluster.hostPort", "ss -ltnp"]),
        (Facts(no_address=True), ["no address 127.0.0.1", "set cluster.listenAddress", "ip -4 address"]),
        (Facts(mounted=False), ["not mounted at /jhub-pool/userdata", "zfs mount -a"]),
        (Facts(shared=False), ["not shared", "mount --make-rshared /"]),
        (Facts(missing_images=("hub:1",)), ["no image hub:1", "make parts"]),
    ],
)
def test_a_problem_is_told_with_its_remedy(facts: Facts, words: list[str]) -> None:
    (problem,) = problems(WANT, facts)
    assert all(word in problem for word in words), problem


def test_all_problems_are_told_at_once() -> None:
    facts = Facts(taken=("cluster.hostPort", "cluster.apiPort"), mounted=False, shared=False)
    assert len(problems(WANT, facts)) == 4


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (replace(NODE, image="node:v2"), "not as configured"),
        (replace(NODE, ports=frozenset({30081, 16443})), "not as configured"),
        (replace(NODE, mounts=frozenset({"/other"})), "not as configured"),
        (replace(NODE, whole=False), "unfinished"),
    ],
)
def test_a_node_that_is_unfinished_or_another_is_made_anew(node: Node, reason: str) -> None:
    assert reason in why_anew(WANT, node, unknown=False)


def test_a_node_stays_unless_the_state_was_lost() -> None:
    assert why_anew(WANT, NODE, unknown=False) == ""
    assert "does not know it" in why_anew(WANT, NODE, unknown=True)


def test_what_stands_in_the_way_of_a_port_is_told_apart() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert refusal_to_listen("127.0.0.1", taken) == errno.EADDRINUSE
    assert refusal_to_listen("127.0.0.1", taken) == 0
    assert refusal_to_listen("192.0.2.1", taken) == errno.EADDRNOTAVAIL


def test_a_node_of_an_older_image_is_told_and_not_made_anew() -> None:
    told = rebuilt(WANT, NODE, "sha256:2")
    for words in ("node:v1 was built again", "when nobody works", "`kind delete cluster --name coursehub-dev`"):
        assert words in told
    assert why_anew(WANT, NODE, unknown=False) == ""
    assert rebuilt(WANT, NODE, "sha256:1") == ""
    assert rebuilt(WANT, NODE, "") == "", "the image is gone: nothing can be said"


def test_the_nodes_own_image_must_be_there_and_is_not_loaded_into_it() -> None:
    assert WANT.loaded == ("hub:1",)
    assert "no image node:v1" in problems(WANT, Facts(missing_images=("node:v1",)))[0]


def test_the_default_kubeconfig_is_not_ours() -> None:
    assert WANT.kubeconfig_path.name == "coursehub-dev.yaml"
    assert WANT.kubeconfig_path.is_absolute()


@pytest.mark.parametrize("wrong", [{}, {**SPEC, "more": 1}])
def test_an_unknown_or_missing_key_is_no_specification(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)


def test_a_want_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Want(**{**SPEC, "local": ()}).name = "other"  # type: ignore[misc]
