"""What Kubernetes is given is held against its own schemas, before there is a cluster: it knows every field."""

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from config.faults import check
from host.probe import probe_pod
from plan.homes import HOMES
from plan.hub_values import NAMESPACE
from plan.policies import Addresses, flows, policies
from plan.runtime import runtime_spec
from plan.volumes import DATABASE

MANIFESTS = Path(__file__).resolve().parents[2] / "offline" / "images" / "node-system" / "manifests"
COURSE = check(
    {
        "homes": {"mode": "dynamic"},
        "hub": {"authentication": {"adminUsers": ["prof"]}, "student": {"runtime": "gvisor"}},
    }
)

Thing = dict[str, Any]


def thing(version: str, kind: str, name: str, spec: Thing) -> Thing:
    namespace, _, name = name.rpartition("/")
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, "spec": spec}


def of_the_node() -> list[Thing]:
    """The documents that our own node image brings."""
    return [
        document
        for file in sorted(MANIFESTS.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]


def ours() -> list[Thing]:
    helper = next(one for one in of_the_node() if one["metadata"]["name"] == "local-path-config")
    return [
        *of_the_node(),
        yaml.safe_load(helper["data"]["helperPod.yaml"]),
        *(
            thing("networking.k8s.io/v1", "NetworkPolicy", name, spec)
            for name, spec in policies(flows(COURSE, Addresses("172.18.0.2", ("192.0.2.1",)))).items()
        ),
        *(thing("v1", "PersistentVolume", one.name, one.volume(NAMESPACE)) for one in (HOMES, DATABASE)),
        thing("v1", "PersistentVolumeClaim", f"{NAMESPACE}/{HOMES.claim}", HOMES.claim_spec()),
        probe_pod("x", NAMESPACE, "image:1", ["true"]),
        runtime_spec(COURSE)["runtime_class"],
    ]


THINGS = ours()


def test_all_kinds_are_there_to_be_judged() -> None:
    assert {one["kind"] for one in THINGS} >= {
        *("Deployment", "StorageClass", "ClusterRole", "Role", "ServiceAccount", "Namespace", "ConfigMap"),
        *("NetworkPolicy", "PersistentVolume", "PersistentVolumeClaim", "RuntimeClass", "Pod"),
    }


def listed(kind: str) -> Thing:
    """All of a kind as one list, as Kubernetes gives them: a schema takes a second to read."""
    items = [one for one in THINGS if one["kind"] == kind]
    return {"apiVersion": items[0]["apiVersion"], "kind": f"{kind}List", "items": items}


@pytest.mark.parametrize("kind", sorted({one["kind"] for one in THINGS}))
def test_kubernetes_knows_every_field(kind: str) -> None:
    kubernetes_validate.validate(listed(kind), "1.34", strict=True)


def test_a_field_that_it_does_not_know_is_found() -> None:
    found = listed("NetworkPolicy")
    found["items"] = [*found["items"], {**found["items"][0], "nonsense": 1}]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, "1.34", strict=True)
