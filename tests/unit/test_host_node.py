"""What is seen of a node's enforcers of network policies."""

import json
from typing import Any

import pytest

from host.node import is_idle


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
