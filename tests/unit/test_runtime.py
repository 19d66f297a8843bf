"""What a sandbox for students' servers changes in the plan: the pods, and the memory that they are counted with."""

import pytest

from config.course import Course
from config.faults import check
from plan.capacity import Server, Starts, fitted, room, student_pod
from plan.hub_values import hub_values
from plan.parts import parts
from plan.quotas import limit_range, quotas
from plan.runtime import overhead, runtime_spec, sandboxed
from plan.server import looked_at

SERVER = Server(cores=16, memory=32 << 30)


def course(runtime: str | None, way: str = "registries") -> Course:
    student = {} if runtime is None else {"student": {"runtime": runtime}}
    given = {
        "parts": way,
        "homes": {"mode": "dynamic"},
        "hub": {"authentication": {"adminUsers": ["ada"]}, "activeServers": 5, **student},
    }
    return fitted(check(given), SERVER)


@pytest.mark.parametrize("runtime", ["gvisor", "kata"])
def test_students_pods_name_the_sandbox(runtime: str) -> None:
    chosen = course(runtime)
    assert hub_values(chosen, parts(chosen), {"gate.py": "pass"}, Starts(16, 109))["singleuser"]["extraPodConfig"] == {
        "runtimeClassName": runtime
    }
    assert runtime_spec(chosen)["runtime_class"]["metadata"]["name"] == runtime


@pytest.mark.parametrize("runtime", [None, "default"])
def test_without_a_sandbox_nothing_is_said_of_it(runtime: str | None) -> None:
    chosen = course(runtime)
    assert "extraPodConfig" not in hub_values(chosen, parts(chosen), {"gate.py": "pass"}, Starts(16, 109))["singleuser"]
    assert (sandboxed(chosen), overhead(chosen)) == (False, 0)
    assert "runtime" not in looked_at(chosen, "v1")


def test_the_sandbox_is_counted_wherever_a_students_server_is() -> None:
    plain, boxed = course("default"), course("gvisor")
    more = overhead(boxed)
    assert more == 64 << 20
    assert student_pod(boxed).memory_guarantee == student_pod(plain).memory_guarantee + more
    assert room(boxed, SERVER).by_memory < room(plain, SERVER).by_memory
    hard = [quotas(one)["students"]["hard"]["requests.memory"] for one in (plain, boxed)]
    assert hard == ["3Gi", "3456Mi"], "5 students and a spare one"


def test_no_container_may_be_larger_because_of_a_sandbox() -> None:
    assert limit_range(course("gvisor")) == limit_range(course("default"))


def test_the_class_tells_the_scheduler_what_the_sandbox_takes() -> None:
    assert runtime_spec(course("gvisor"))["runtime_class"]["overhead"] == {"podFixed": {"memory": "64Mi"}}


@pytest.mark.parametrize(
    ("way", "image"),
    [
        ("registries", "coursehub/singleuser:5.5.4"),
        ("makers", "quay.io/jupyterhub/k8s-singleuser-sample:4.4.1"),
    ],
)
def test_it_is_tried_with_the_students_own_image(way: str, image: str) -> None:
    assert runtime_spec(course("gvisor", way))["image"] == image


def test_a_doctor_looks_at_the_sandbox_too() -> None:
    chosen = course("gvisor")
    assert looked_at(chosen, "v1")["runtime"] == ("runtime", runtime_spec(chosen))
