"""What kind is told about a course's cluster. All of it is fixed when the cluster is created (kind#3420)."""

import hashlib
import json
from typing import Any

from config.course import Course
from plan.capacity import EVICTION, RESERVED

# kind turns off what protects a node from its pods.
_KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "podPidsLimit": 2048,  # one student's fork bomb is not everybody's
    "seccompDefault": True,
    "systemReserved": {"memory": str(RESERVED)},
    # Bytes, not a share: the disk is the server's, where a tenth of it may be far more than is ever free. Of memory it
    # is the first word: host/memory.py has the last, since how much the cluster may use can change later.
    "evictionHard": {"memory.available": str(EVICTION), "nodefs.available": "1Gi", "nodefs.inodesFree": "1%"},
    # How long no pod is let in after memory ran short: five minutes, the default, are long in a lesson.
    "evictionPressureTransitionPeriod": "30s",
}
NODE_DATA = "/var/local-path-provisioner"  # where kind's class `standard` keeps its volumes


def kind_config(course: Course, image: str, mountpoint: str) -> dict[str, Any]:
    """The kind configuration of one node that sees the course's dataset and is reached by one port.

    The mount is HostToContainer: with private propagation a dataset made later would be a plain directory in the
    node, and students would write beside their homes.
    """
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": course.cluster_name,
        "networking": {"apiServerAddress": "127.0.0.1", "apiServerPort": course.cluster.api_port},
        "nodes": [
            {
                "role": "control-plane",
                "image": image,
                "kubeadmConfigPatches": [json.dumps(_KUBELET)],
                "extraMounts": [{"hostPath": mountpoint, "containerPath": NODE_DATA, "propagation": "HostToContainer"}],
                "extraPortMappings": [
                    {
                        "containerPort": course.cluster.node_port,
                        "hostPort": course.cluster.host_port,
                        "listenAddress": str(course.cluster.listen_address),
                        "protocol": "TCP",
                    }
                ],
            }
        ],
    }


def identity(config: dict[str, Any]) -> str:
    """What makes it this cluster and no other: 16 hexadecimal digits of the configuration's hash."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
