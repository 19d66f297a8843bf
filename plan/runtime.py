"""In what students' servers run: containers as they are, or a sandbox with a kernel of its own."""

from typing import Any

from config.course import Course
from config.types import Size
from plan.parts import parts

# containerd's name of each sandbox, and what one takes besides the server in it. gVisor: 30 MiB of its own measured in
# a server that nobody uses, and what it keeps of files. Kata: as its makers' RuntimeClass has it.
_SANDBOXES = {"gvisor": ("runsc", Size(64 << 20)), "kata": ("kata", Size(160 << 20))}
_CHARTS_IMAGE = "quay.io/jupyterhub/k8s-singleuser-sample"  # of students' servers, where nothing names another


def overhead(course: Course) -> Size:
    """Memory in bytes that each student's server takes besides its own."""
    _, memory = _SANDBOXES.get(course.hub.student.runtime, ("", Size(0)))
    return memory


def sandboxed(course: Course) -> bool:
    """Whether students' servers run in a sandbox."""
    return course.hub.student.runtime in _SANDBOXES


def pod_config(course: Course) -> dict[str, str]:
    """What the specification of a student's pod says of it."""
    return {"runtimeClassName": course.hub.student.runtime} if sandboxed(course) else {}


def runtime_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `runtime`. Raises KeyError for a course without a sandbox."""
    runtime, chosen = course.hub.student.runtime, parts(course)
    handler, memory = _SANDBOXES[runtime]
    return {
        "cluster": course.cluster_name,
        "runtime": runtime,
        "image": chosen.images.get("singleuser") or f"{_CHARTS_IMAGE}:{chosen.version}",
        "runtime_class": {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": runtime},
            "handler": handler,
            # The scheduler, the quotas and the pod's own limit count it in.
            "overhead": {"podFixed": {"memory": str(memory)}},
        },
    }
