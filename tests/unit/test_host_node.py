"""The unit of the node: when a stopped one may start, and what is seen of its enforcers of policies."""

import json
from pathlib import Path
from typing import Any

import pytest

from host.node import Want, is_idle, unmounted


def test_a_node_starts_only_where_dataset_and_homes_are_mounted(tmp_path: Path) -> None:
    bare, mount = str(tmp_path), "/proc"
    assert unmounted(Want("course", mount, "jhub", "hub", homes=mount)) == []
    assert unmounted(Want("course", mount, "jhub", "hub", homes=bare)) == [bare]
    assert unmounted(Want("course", bare, "jhub", "hub", homes=mount)) == [bare]
    assert unmounted(Want("course", mount, "jhub", "hub")) == [], "without a roster"


@pytest.mark.parametrize(
    ("status", "idle"),
    [
        ({"status": {"desiredNumberScheduled": 1, "numberReady": 1}}, False),
        ({"status": {"desiredNumberScheduled": 1, "numberReady": 0}}, True),
        ({"status": {}}, True),
        ({}, True),
    ],
)
def test_an_enforcer_without_a_ready_pod_does_not_run(status: dict[str, Any], idle: bool) -> None:
    assert is_idle(json.dumps(status)) == idle
