"""How many servers fit, with the figures; and that what Kubernetes grants is just that."""

import re
from dataclasses import replace
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from config.course import Course
from config.faults import WrongConfiguration, check
from plan.capacity import (
    EVICTION,
    HUB,
    OTHER,
    OTHERS,
    PROXY,
    RESERVED,
    SPARE,
    STUDENT_CLASS,
    Pod,
    Server,
    Starts,
    fitted,
    needed,
    room,
    sized,
    starts,
    student_pod,
    warning,
)
from plan.hub_values import hub_values
from plan.parts import parts
from plan.quotas import limit_range, quotas

GI = 1 << 30
SERVER = Server(cores=16, memory=64 * GI)
UNITS = {"": 1.0, "m": 0.001, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def course(students: int = 0, seats: int | None = None, **sections: Any) -> Course:
    roster = [{"name": "prof", "role": "staff"}, *({"name": f"s{number}"} for number in range(students))]
    homes = {"roster": roster} if students else {"mode": "dynamic"}
    hub = {"authentication": {"adminUsers": ["prof"]}, **({"activeServers": seats} if seats else {})}
    return check({"homes": homes, **sections, "hub": {**hub, **sections.get("hub", {})}})


def with_student(cpu: float = 0.1, guarantee: str = "512Mi", limit: str = "1Gi", **more: Any) -> dict[str, Any]:
    student = {"cpu": {"guarantee": cpu, "limit": 1}, "memory": {"guarantee": guarantee, "limit": limit}}
    return {"authentication": {"adminUsers": ["prof"]}, "student": student, **more}


def amount(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def refused(chosen: Course, server: Server) -> str:
    with pytest.raises(WrongConfiguration) as error:
        fitted(chosen, server)
    return str(error.value)


# How many fit


@pytest.mark.parametrize(
    ("server", "hub", "seats"),
    [
        # 110 pods less 14.
        (SERVER, with_student(cpu=0.05), 96),
        # 40 - 1 - 1 - 0.5 - 1 - 0.25 - 4/32 = 36.125 GiB, less 0.5 to grow, is 70 of 518 MiB; one is spare.
        (Server(16, 40 * GI), with_student(cpu=0.05), 69),
        # 2 - 0.96 - 0.15 = 0.89 cores.
        (Server(2, 24 * GI), with_student(), 8),
        (Server(2, 24 * GI), with_student(cpu=0.05), 17),
        (SERVER, with_student(guarantee="1Gi"), 58),
    ],
)
def test_as_many_servers_as_memory_cores_and_pods_allow(server: Server, hub: dict[str, Any], seats: int) -> None:
    assert fitted(course(hub=hub), server).hub.active_servers == seats


def test_a_roster_needs_no_more_servers_than_it_has_people() -> None:
    assert fitted(course(students=20), SERVER).hub.active_servers == 21
    admins = {"authentication": {"adminUsers": ["prof", "dean"]}}
    assert fitted(course(students=20, hub=admins), SERVER).hub.active_servers == 22, "an admin has a home too"


def test_what_does_not_fit_has_a_size_all_the_same() -> None:
    too_many = course(seats=96)
    with pytest.raises(WrongConfiguration):
        fitted(too_many, Server(2, 8 * GI))
    assert sized(too_many, Server(2, 8 * GI)).cluster.memory == 7 * GI


def test_what_was_asked_for_is_what_there_is() -> None:
    assert fitted(course(seats=5), SERVER).hub.active_servers == 5


def test_no_more_is_guaranteed_than_the_node_has() -> None:
    for memory in range(6, 64, 3):
        for guarantee, limit in (("256Mi", "1Gi"), ("512Mi", "2Gi"), ("1Gi", "1Gi")):
            hub, server = with_student(0.05, guarantee, limit), Server(16, memory * GI)
            try:
                chosen = fitted(course(hub=hub), server)
            except WrongConfiguration:
                assert room(course(hub=hub), server).seats == 0
                continue
            assert chosen.hub.active_servers
            assert needed(chosen, chosen.hub.active_servers) <= room(chosen, server).memory


def test_the_scheduler_has_room_for_all_that_is_asked_for() -> None:
    """On a node whose kubelet counts as host/memory.py has it: allocatable is its share, less what is set aside."""
    for memory in range(6, 64, 3):
        for guarantee, limit in (("128Mi", "128Mi"), ("512Mi", "2Gi"), ("1Gi", "1Gi")):
            hub, server = with_student(0.05, guarantee, limit), Server(16, memory * GI)
            if not room(course(hub=hub), server).seats:
                continue
            chosen = fitted(course(hub=hub), server)
            assert chosen.hub.active_servers and chosen.cluster.memory
            students = (chosen.hub.active_servers + SPARE) * student_pod(chosen).memory_guarantee
            asked = students + HUB.memory_guarantee + PROXY.memory_guarantee + OTHERS * OTHER.memory_guarantee
            of_kind = 322 << 20  # etcd, two name servers, kindnet, the provisioner of volumes
            assert asked + of_kind <= chosen.cluster.memory - RESERVED - EVICTION


def test_one_more_than_fits_is_refused_and_what_is_named_as_the_most_fits() -> None:
    for hub in (with_student(), with_student(0.05, "1Gi"), with_student(0.01, "64Mi")):
        seats = room(course(hub=hub), SERVER).seats
        assert str(seats) in refused(course(hub={**hub, "activeServers": seats + 1}), SERVER)
        assert fitted(course(hub={**hub, "activeServers": seats}), SERVER).hub.active_servers == seats


# What is said


def test_too_little_memory_is_told_with_the_figures_and_the_remedy() -> None:
    said = refused(course(hub=with_student(guarantee="1Gi", activeServers=20)), Server(16, 16 * GI))
    for words in ("hub.activeServers", "20 students x 1.00 GiB", "21.12 GiB", "12.12 GiB", "to 11, ", "cluster.memory"):
        assert words in said


def test_too_few_cores_are_told_with_the_figures_and_the_remedy() -> None:
    said = refused(course(seats=20), Server(2, 24 * GI))
    for words in ("20 students x 0.1 cores need 2", "has 0.89", "to 8", "hub.student.cpu.guarantee"):
        assert words in said


def test_one_node_runs_no_more_pods_than_its_kubelet_takes() -> None:
    large, hub = Server(256, 1024 * GI), with_student(0.05)
    assert fitted(course(students=300, hub=hub), large).hub.active_servers == 96
    assert "lower hub.activeServers to 96" in refused(course(hub={**hub, "activeServers": 97}), large)


def test_a_server_without_room_for_anybody_is_told() -> None:
    assert "hub.student: 1 student x" in refused(course(), Server(4, 4 * GI))


def test_a_cluster_cannot_have_more_memory_than_the_server_gives() -> None:
    said = refused(course(cluster={"memory": "64Gi"}), SERVER)
    assert "cluster.memory" in said
    assert "at most 63Gi" in said


def test_a_cluster_with_less_memory_has_room_for_fewer() -> None:
    chosen = fitted(course(hub=with_student(0.05), cluster={"memory": "8Gi"}), SERVER)
    assert chosen.cluster.memory == 8 * GI
    assert chosen.hub.active_servers == 8


def test_a_new_kernel_that_takes_some_memory_changes_nothing() -> None:
    some = replace(SERVER, memory=SERVER.memory - (700 << 20))
    less = replace(some, memory=some.memory - (20 << 20))
    assert fitted(course(), some) == fitted(course(), less)


def test_a_roster_that_does_not_fit_is_a_warning() -> None:
    assert "8 of the 21 who have a home" in warning(fitted(course(students=20), Server(2, 24 * GI)))
    assert warning(fitted(course(students=20), SERVER)) == ""


# How many start at the same time


@pytest.mark.parametrize(("cores", "told"), [(2, Starts(16, 109)), (16, Starts(96, 82)), (128, Starts(96, 30))])
def test_as_many_start_at_once_as_the_cores_bring_up_in_time(cores: int, told: Starts) -> None:
    found = starts(Server(cores, 64 * GI))
    assert found == told
    assert 3.4 * found.at_once / cores < found.seconds, "a start takes 3.4 core-seconds"


def test_the_hub_is_told_so() -> None:
    hub = hub_values(CHOSEN, parts(CHOSEN), {}, Starts(7, 99))["hub"]
    assert (hub["concurrentSpawnLimit"], hub["config"]["KubeSpawner"]["http_timeout"]) == (7, 99)


# What Kubernetes grants


def granted(share: str, pods: list[Pod], chosen: Course) -> bool:
    """Whether a share has room for these pods, as the quota's admission counts."""
    hard = quotas(chosen)[share]["hard"]
    asked = {
        "pods": len(pods),
        "requests.cpu": sum(pod.cpu_guarantee for pod in pods),
        "limits.cpu": sum(pod.cpu_limit for pod in pods),
        "requests.memory": sum(pod.memory_guarantee for pod in pods),
        "limits.memory": sum(pod.memory_limit for pod in pods),
    }
    return all(asked[what] <= amount(hard[what]) + 1e-6 for what in asked)


CHOSEN = fitted(course(students=9), SERVER)


def test_the_quota_is_never_what_says_no_to_a_student() -> None:
    seats = CHOSEN.hub.active_servers or 0
    assert seats == 10
    assert granted("students", [student_pod(CHOSEN)] * (seats + SPARE), CHOSEN)
    assert not granted("students", [student_pod(CHOSEN)] * (seats + SPARE + 1), CHOSEN)


def test_the_hub_its_proxy_and_a_check_fit_the_hubs_share() -> None:
    assert granted("hub", [HUB, PROXY, OTHER, OTHER, OTHER, OTHER], CHOSEN)
    assert not granted("hub", [HUB, HUB, PROXY], CHOSEN)


def test_every_pod_is_in_one_share_and_in_one_alone() -> None:
    selectors = [quotas(CHOSEN)[share]["scopeSelector"]["matchExpressions"] for share in ("students", "hub")]
    assert [[(e["operator"], e["values"]) for e in selector] for selector in selectors] == [
        [("In", [STUDENT_CLASS])],
        [("NotIn", [STUDENT_CLASS])],
    ]


@pytest.mark.parametrize("share", ["students", "hub"])
def test_a_share_has_only_what_kubernetes_takes_in_one(share: str) -> None:
    amounts = {f"{kind}.{what}" for kind in ("requests", "limits") for what in ("cpu", "memory")}
    assert set(quotas(CHOSEN)[share]["hard"]) == {"pods", *amounts}


def test_every_container_may_use_its_share_of_the_disk() -> None:
    hard = quotas(CHOSEN)["course"]["hard"]
    (container,) = limit_range(CHOSEN)["limits"]
    pods = sum(int(quotas(CHOSEN)[share]["hard"]["pods"]) for share in ("students", "hub"))
    assert pods == 17
    for kind, of_one in (("requests", "defaultRequest"), ("limits", "default")):
        assert amount(hard[f"{kind}.ephemeral-storage"]) == pods * amount(container[of_one]["ephemeral-storage"])


def test_students_servers_have_the_class_of_their_share_and_the_hub_its_limit() -> None:
    values = hub_values(CHOSEN, parts(CHOSEN), {}, starts(SERVER))
    assert values["hub"]["config"]["KubeSpawner"]["priority_class_name"] == STUDENT_CLASS
    assert values["hub"]["activeServerLimit"] == CHOSEN.hub.active_servers


def test_no_objects_grow_without_an_end() -> None:
    hard = quotas(CHOSEN)["course"]["hard"]
    assert (hard["persistentvolumeclaims"], hard["services.loadbalancers"], hard["count/jobs.batch"]) == (
        "1002",
        "0",
        "0",
    )
    assert set(hard) >= {"services", "services.nodeports", "secrets"}


def test_no_container_is_without_requests_and_limits_nor_refused_for_those_of_ours() -> None:
    (container,) = limit_range(CHOSEN)["limits"]
    assert set(container["default"]) == set(container["defaultRequest"]) == {"cpu", "memory", "ephemeral-storage"}
    for pod in (HUB, PROXY, OTHER, student_pod(CHOSEN)):
        assert pod.cpu_limit <= amount(container["max"]["cpu"])
        assert pod.memory_limit <= amount(container["max"]["memory"])


def test_quotas_wait_for_a_server() -> None:
    with pytest.raises(ValueError, match="not decided yet"):
        quotas(course())


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("LimitRange", limit_range(CHOSEN)), *(("ResourceQuota", spec) for spec in quotas(CHOSEN).values())],
)
def test_kubernetes_knows_every_field(kind: str, spec: dict[str, Any]) -> None:
    thing = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "jhub"}, "spec": spec}
    kubernetes_validate.validate(thing, "1.34", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**thing, "spec": {**spec, "nonsense": 1}}, "1.34", strict=True)
