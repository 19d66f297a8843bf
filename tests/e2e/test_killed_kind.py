"""What a kind that was killed leaves: half a kubeconfig file and a lock on it, a container still being removed."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host import kind
from host.docker import exists, node
from tests.e2e.conftest import NODE_IMAGE, docker

CLUSTER = "coursehub-killed"
NODE = node(CLUSTER)


@pytest.fixture
def want(tmp_path: Path) -> Iterator[kind.Want]:
    """A cluster whose node is a container that does nothing."""
    spec: dict[str, Any] = {"config": {}, "local": [], "mountpoint": "/", "address": "127.0.0.1", "ports": {}}
    label = f"io.x-k8s.kind.cluster={CLUSTER}"
    docker("run", "-d", "--name", NODE, "--label", label, "--entrypoint", "sleep", NODE_IMAGE, "600")
    kubeconfig = str(tmp_path / "kubeconfig")
    yield kind.parse({**spec, "name": CLUSTER, "image": NODE_IMAGE, "kubeconfig": kubeconfig, "memory": 1, "free": 1})
    subprocess.run(["docker", "rm", "-f", NODE], check=False, capture_output=True)


def test_half_a_kubeconfig_and_a_lock_on_it_are_in_nobodys_way(want: kind.Want) -> None:
    lock = Path(f"{want.kubeconfig}.lock")
    lock.touch()
    want.kubeconfig_path.write_text("apiVersion: v1\nclusters: [")
    kind.remove(want)
    assert not exists(NODE)
    assert not lock.exists()
    assert not want.kubeconfig_path.exists()


def test_a_removal_that_docker_still_does_is_waited_for(want: kind.Want) -> None:
    with being_removed():
        kind.remove(want)
        assert not exists(NODE)


def test_a_node_that_docker_still_removes_is_none_to_be_started(want: kind.Want) -> None:
    with being_removed():
        found = kind.facts(want).node
        assert found is None or not found.whole


@contextlib.contextmanager
def being_removed() -> Iterator[None]:
    """Docker removes the node, which takes it a while."""
    docker("exec", NODE, "sh", "-c", "mkdir /many && cd /many && seq 20000 | xargs touch")
    with subprocess.Popen(["docker", "rm", "-f", NODE], stdout=subprocess.DEVNULL):
        while docker("inspect", "-f", "{{.State.Status}}", NODE).strip() != "removing":
            time.sleep(0.01)
        yield
