"""An image that was built again reaches a cluster that is there, though its tag is the same."""

from typing import Any

import pytest

from host.images import Stale, begun_with, inside, stale

WANTED = {"coursehub/hub:1": "sha256:a", "coursehub/singleuser:1": "sha256:b"}
THERE = {"docker.io/coursehub/hub:1", "docker.io/coursehub/singleuser:1", "sha256:a", "registry.k8s.io/pause:3"}


@pytest.mark.parametrize(
    ("there", "noted", "found"),
    [
        (THERE, WANTED, Stale()),
        (THERE - {"docker.io/coursehub/hub:1"}, WANTED, Stale(lacking=("coursehub/hub:1",))),
        (THERE, {**WANTED, "coursehub/hub:1": "sha256:old"}, Stale(older=("coursehub/hub:1",))),
        # A node from before there was a note.
        (THERE, {}, Stale(older=tuple(WANTED))),
        # One that is not there cannot be an older one as well.
        (set(), {}, Stale(lacking=tuple(WANTED))),
        (THERE, {**WANTED, "coursehub/another:1": "sha256:c"}, Stale()),
    ],
)
def test_what_the_node_lacks_or_has_of_an_older_build_is_loaded(
    there: set[str], noted: dict[str, str], found: Stale
) -> None:
    assert stale(WANTED, there, noted) == found


def test_each_reason_is_told() -> None:
    assert Stale().drift == []
    lacks, older = Stale(("a",), ("b", "c")).drift
    assert "loading a into the node, which lacks it" in lacks
    assert "loading b, c into the node, built again since" in older


def pod(name: str, image: str, owner: str | None) -> dict[str, Any]:
    owners = {} if owner is None else {"ownerReferences": [{"kind": owner}]}
    return {"metadata": {"namespace": "jhub", "name": name, **owners}, "spec": {"containers": [{"image": image}]}}


def test_hub_and_proxy_begin_anew_with_it_and_no_students_server_is_ended() -> None:
    pods = {
        "items": [
            pod("hub-1", "coursehub/hub:1", "ReplicaSet"),
            pod("proxy-1", "coursehub/proxy:1", "ReplicaSet"),
            pod("jupyter-ada", "coursehub/hub:1", None),
            pod("kube-proxy", "coursehub/hub:1", "DaemonSet"),
        ]
    }
    assert begun_with(pods, ["coursehub/hub:1"]) == [("jhub", "hub-1")]
    assert begun_with(pods, []) == []


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            '{"hub:1": "sha256:a"}\ndocker.io/hub:1\nsha256:a\n',
            ({"docker.io/hub:1", "sha256:a"}, {"hub:1": "sha256:a"}),
        ),
        ("\ndocker.io/hub:1\n", ({"docker.io/hub:1"}, {})),
        ('{"hub:1": "sha\n', (set(), {})),
    ],
)
def test_a_node_tells_its_images_and_its_note_in_one_answer(said: str, found: tuple[set[str], dict[str, str]]) -> None:
    assert inside(said) == found
