"""How much of the node students may hold in all, how much the hub, and how many objects there may be.

Two shares, told apart by priority class: what students hold can never be missing to the hub. The class is below that of
all other pods: where memory runs short the kubelet ends servers beyond their guarantee, and by class among those. It
never ends hub and proxy, nor does the kernel before a student's server: HUB_CLASS in plan/capacity.py.
"""

from typing import Any

from config.course import Course
from config.types import Size
from plan.capacity import HUB, OTHER, OTHERS, PROXY, SPARE, STUDENT_CLASS, Pod, student_pod, student_server

Spec = dict[str, Any]

DISK = Size(1 << 30)  # of the node's own disk, for each container: its logs, /tmp and scratch; homes are not on it
_DISK_GUARANTEE = Size(16 << 20)
# In dynamic mode a claim stays when its server stops, also once there is a roster: one for whoever ever logged in. Two
# more are the hub's own, and the homes' of a roster.
_MOST_CLAIMS = 1000

PRIORITY = -10  # all other pods have 0 or more


def quotas(course: Course) -> dict[str, Spec]:
    """The specifications of the ResourceQuotas, by name. Raises ValueError unless the course is fitted to a server."""
    seats = course.hub.active_servers
    if seats is None:
        raise ValueError("how many servers fit is not decided yet: plan.capacity.fitted does")
    students, hub = [student_pod(course)] * (seats + SPARE), [HUB, PROXY, *[OTHER] * OTHERS]
    return {
        "students": _share(students, "In"),
        # Whatever is not a student's is the hub's: a new kind of pod is bounded too.
        "hub": _share(hub, "NotIn"),
        "course": {"hard": _disk(len(students) + len(hub)) | _objects(course)},
    }


def limit_range(course: Course) -> Spec:
    """The specification of the LimitRange: every container has requests and limits, none more than the largest of ours.

    A student's server and the hub bring their own, except those of the node's disk.
    """
    most = [student_server(course), HUB, PROXY]
    limits = {
        "type": "Container",
        "defaultRequest": _container(OTHER.cpu_guarantee, OTHER.memory_guarantee, _DISK_GUARANTEE),
        "default": _container(OTHER.cpu_limit, OTHER.memory_limit, DISK),
        "max": _container(max(pod.cpu_limit for pod in most), max(pod.memory_limit for pod in most), DISK),
    }
    return {"limits": [limits]}


def _share(pods: list[Pod], operator: str) -> Spec:
    requests = _amounts(sum(pod.cpu_guarantee for pod in pods), sum(pod.memory_guarantee for pod in pods))
    limits = _amounts(sum(pod.cpu_limit for pod in pods), sum(pod.memory_limit for pod in pods))
    return {
        "hard": {
            "pods": str(len(pods)),
            **{f"requests.{what}": amount for what, amount in requests.items()},
            **{f"limits.{what}": amount for what, amount in limits.items()},
        },
        "scopeSelector": {
            "matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": [STUDENT_CLASS]}]
        },
    }


def _disk(pods: int) -> dict[str, str]:
    """Of all pods together: Kubernetes takes it in no quota that is scoped by priority class."""
    return {
        "requests.ephemeral-storage": str(Size(pods * _DISK_GUARANTEE)),
        "limits.ephemeral-storage": str(Size(pods * DISK)),
    }


def _objects(course: Course) -> dict[str, str]:
    return {
        "persistentvolumeclaims": str(_MOST_CLAIMS + 2),
        "services": "4",  # the hub's, the proxy's two, and one to spare
        "services.nodeports": "2",  # HTTP and HTTPS
        "services.loadbalancers": "0",
        "secrets": "30",  # the hub's, and the release's revisions: Helm keeps ten
        "count/jobs.batch": "0",
    }


def _container(cpu: float, memory: int, disk: int) -> dict[str, str]:
    return {**_amounts(cpu, memory), "ephemeral-storage": str(Size(disk))}


def _amounts(cpu: float, memory: int) -> dict[str, str]:
    """As the API server itself writes them: else a change would be seen where there is none."""
    millis = round(cpu * 1000)
    return {
        "cpu": f"{millis}m" if millis % 1000 else str(millis // 1000),
        "memory": str(Size(memory)),
    }
