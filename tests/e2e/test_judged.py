"""Everything of a course in the cluster, as it really runs, judged by others: Kubernetes' own schemas, and checkov."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from machine.login import wait_for_login
from plan.capacity import STUDENT_CLASS
from plan.hub_values import NAMESPACE
from plan.policies import NAMESPACES
from plan.volumes import DATABASE
from tests.e2e.conftest import PORT, Stack
from tests.e2e.exceptions import EXCEPTIONS
from tests.e2e.student import Student

URL = f"http://127.0.0.1:{PORT}"
# In an environment of its own: its packages would change those of the program.
CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"
KINDS = (
    *("deployments", "pods", "services", "configmaps", "serviceaccounts", "roles", "rolebindings"),
    *("networkpolicies", "persistentvolumeclaims", "limitranges", "resourcequotas"),
)
# What is the course's and in no namespace, or in one of Kubernetes' own. What kind puts into kube-system is kind's.
ELSEWHERE = (
    ("namespaces", "--field-selector", f"metadata.name={NAMESPACE}"),
    ("priorityclasses", "--field-selector", f"metadata.name={STUDENT_CLASS}"),
    ("persistentvolumes",),
    ("runtimeclasses",),
    ("networkpolicies", "--all-namespaces", "--field-selector", f"metadata.namespace!={NAMESPACE}"),
    ("roles,rolebindings,serviceaccounts", "-n", "local-path-storage"),
)

Thing = dict[str, Any]


@pytest.fixture(scope="module")
def things(stack: Stack) -> Iterator[list[Thing]]:
    """All that is of a course where a student works."""
    stack.configure()
    done = stack.up()
    assert done.returncode == 0, done.stdout
    wait_for_login(URL, "ada", stack.output("password"))
    ada = Student(URL, "ada")
    ada.log_in(stack.output("password"))
    ada.start_server()
    asked = ((",".join(KINDS), "-n", NAMESPACE), *ELSEWHERE)
    yield [one for argv in asked for one in json.loads(stack.kubectl("get", *argv, "-o", "json"))["items"]]
    ada.stop_server()


@pytest.fixture(scope="module")
def failed(things: list[Thing], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What checkov calls failed: check and resource."""
    folder = tmp_path_factory.mktemp("judged")
    for number, thing in enumerate(things):
        (folder / f"{number}.json").write_text(json.dumps(thing))
    # It asks nobody on the internet, and ends with 1 where something failed.
    argv = ["-d", str(folder), "--framework", "kubernetes", "--skip-download", "--compact", "--output", "json"]
    done = subprocess.run([CHECKOV, *argv], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["resource_count"] >= len(things)
    assert report["summary"]["passed"] > 200
    return [(found["check_id"], found["resource"]) for found in report["results"]["failed_checks"]]


def test_all_kinds_of_things_are_there_to_be_judged(things: list[Thing]) -> None:
    names = {f"{thing['kind']}/{thing['metadata']['name']}" for thing in things}
    assert {"Pod/jupyter-ada", "Deployment/hub", "NetworkPolicy/default-deny", "ResourceQuota/students"} <= names
    assert {f"Namespace/{NAMESPACE}", f"PriorityClass/{STUDENT_CLASS}", f"PersistentVolume/{DATABASE.name}"} <= names
    policies = [thing["metadata"]["namespace"] for thing in things if thing["kind"] == "NetworkPolicy"]
    assert set(policies) == set(NAMESPACES)


def test_kubernetes_own_schemas_know_every_field(things: list[Thing]) -> None:
    for thing in things:
        kubernetes_validate.validate(thing, "1.34", strict=True)


def test_nothing_fails_without_a_written_reason(failed: list[tuple[str, str]]) -> None:
    excused = {(c, r) for c, r in failed if c in EXCEPTIONS and r.startswith(EXCEPTIONS[c].concerns)}
    assert sorted(set(failed) - excused) == []


def test_no_reason_outlives_its_failure(failed: list[tuple[str, str]]) -> None:
    assert {check for check, _ in failed} >= set(EXCEPTIONS)
