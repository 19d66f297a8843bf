"""The cluster's preflight: everything that stands in the way, each with its remedy."""

from dataclasses import replace
from typing import Any

import pytest

from host.kind import Facts, Node, Want, parse, problems, public_addresses, why_anew
from host.run import BadSpecification

SPEC: dict[str, Any] = {
    "name": "coursehub-dev",
    "config": {"name": "coursehub-dev"},
    "image": "node:v1",
    "local": ["hub:1"],
    "mountpoint": "/jhub-pool/userdata",
    "address": "127.0.0.1",
    "ports": {"cluster.hostPort": 30080, "cluster.apiPort": 16443},
    "kubeconfig": "~/.kube/coursehub-dev.yaml",
    "memory": 8 << 30,
}
WANT = parse(SPEC)
NODE = Node(True, "node:v1", frozenset({30080, 16443}), frozenset({"/jhub-pool/userdata"}), True)


def test_nothing_stands_in_the_way_of_a_sound_machine() -> None:
    assert problems(WANT, Facts()) == []


def test_only_public_addresses_of_the_server_are_told() -> None:
    trie = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
           |-- 10.0.0.7
              /32 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        +-- 131.130.1.0/24 2 0 2
           |-- 131.130.1.0
              /24 link UNICAST
           |-- 131.130.1.78
              /32 host LOCAL
           |-- 131.130.1.255
              /32 link BROADCAST
"""
    assert public_addresses(trie) == ["131.130.1.78"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(missing_tools=("kind",)), ["kind not found", "make up"]),
        (Facts(docker_refusal="Docker does not answer: start it"), ["Docker does not answer"]),
        (Facts(taken=("cluster.hostPort",)), ["port 30080 is taken", "set cluster.hostPort", "ss -ltnp"]),
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
