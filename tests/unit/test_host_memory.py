"""A cluster's share of the server's memory, and when its kubelet acts: before the kernel has to."""

import json
import re

import pytest

from host.kind import with_patch
from host.memory import Memory, drift, kubelet_patch, parse, threshold

GI, MI = 1 << 30, 1 << 20
KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
evictionHard:
  imagefs.available: 0%
  memory.available: 512Mi
  nodefs.available: 1Gi
kind: KubeletConfiguration
"""
MEMINFO = "MemTotal:       24576000 kB\nMemFree:         1000000 kB\nMemAvailable:    2000000 kB\n"


@pytest.mark.parametrize(
    ("server", "limit", "figure"),
    [
        (24 * GI, 6 * GI, "18944Mi"),  # 18 GiB that the cluster may not use, and 512 MiB that are to stay free
        (24 * GI, 23 * GI, "1536Mi"),
        (24 * GI, 24 * GI, "512Mi"),
        (24 * GI + 1, 24 * GI, "513Mi"),  # rather a mebibyte too early
        (8 * GI, 16 * GI, "512Mi"),  # memory that the server has lost
    ],
)
def test_the_kubelet_acts_while_the_cluster_has_memory_left(server: int, limit: int, figure: str) -> None:
    assert threshold(server, limit, 512 * MI) == figure


def test_at_the_threshold_so_much_is_left_of_the_clusters_share() -> None:
    """As the kubelet counts: it acts once the server's memory less what the node uses is below the figure."""
    for limit in range(3 * GI, 24 * GI, 777 * MI):
        figure = int(threshold(24 * GI, limit, 512 * MI).removesuffix("Mi")) * MI
        used = 24 * GI - figure
        assert 512 * MI <= limit - used < 513 * MI


@pytest.mark.parametrize("line", ["  memory.available: 512Mi", '  memory.available: "512Mi"'])
def test_what_the_kubelet_knows_is_read(line: str) -> None:
    config = KUBELET.replace("  memory.available: 512Mi", line)
    assert parse(6 * GI, MEMINFO + config) == Memory(6 * GI, 24576000 << 10, "512Mi")


def test_what_is_not_there_is_not_made_up() -> None:
    assert parse(0, "") == Memory()
    assert parse(0, MEMINFO + re.sub(".*memory.*\n", "", KUBELET)).threshold == ""


SOUND = Memory(6 * GI, 24 * GI, "18944Mi")


@pytest.mark.parametrize(
    ("have", "told"),
    [
        (SOUND, []),
        (Memory(6 * GI), []),  # one that is stopped
        (Memory(8 * GI, 24 * GI, "18944Mi"), ["use 6144 MiB of memory; now 8192 MiB"]),
        (Memory(0), ["use 6144 MiB of memory; now all"]),
        (Memory(6 * GI, 24 * GI, "512Mi"), ["memory.available 512Mi -> 18944Mi"]),
        (Memory(6 * GI, 24 * GI, ""), ["memory.available unset -> 18944Mi"]),
        (Memory(6 * GI, 25 * GI, "18944Mi"), ["memory.available 18944Mi -> 19968Mi"]),
        (Memory(8 * GI, 24 * GI, "512Mi"), ["now 8192 MiB", "-> 18944Mi"]),
    ],
)
def test_only_what_differs_is_told(have: Memory, told: list[str]) -> None:
    found = drift("c", 6 * GI, 512 * MI, have)
    assert len(found) == len(told)
    assert all(words in line for words, line in zip(told, found, strict=True))


def test_a_new_nodes_kubelet_begins_with_the_figure_that_it_would_be_told_later() -> None:
    patch = kubelet_patch(6 << 30, 512 << 20, "MemTotal:       8388608 kB\n")
    assert json.loads(patch)["evictionHard"] == {"memory.available": threshold(8 << 30, 6 << 30, 512 << 20)}


def test_the_last_word_to_a_new_node_is_added_to_those_that_kind_is_told_anyway() -> None:
    config = {"name": "course", "nodes": [{"role": "control-plane", "kubeadmConfigPatches": ["first"]}]}
    told = with_patch(config, "last")
    assert told == {"name": "course", "nodes": [{"role": "control-plane", "kubeadmConfigPatches": ["first", "last"]}]}
    assert config["nodes"] == [{"role": "control-plane", "kubeadmConfigPatches": ["first"]}], "it tells which cluster"
