"""What the host units of dataset, cluster and node are told, and at which units a worried person's doctor looks."""

from typing import Any
from urllib.parse import urlsplit

from config.course import Course, Storage
from plan.capacity import EVICTION
from plan.homes import HOMES, workspaces_spec
from plan.hub_values import NAMESPACE, RELEASE
from plan.keep import schedule_spec
from plan.kind_config import kind_config
from plan.parts import parts
from plan.runtime import runtime_spec, sandboxed
from plan.volumes import database_spec


def mountpoint(storage: Storage) -> str:
    """Where the course's dataset is mounted. Known at preview: were it an output, clusters would look replaced."""
    return f"/{storage.path}"


def dataset_spec(storage: Storage, stack: str | None = None) -> dict[str, Any]:
    """The specification of the host unit `zfs`; `stack` is whose the dataset is to be, None where one only looks."""
    file = storage.pool_file
    return {
        "pool": storage.pool,
        "dataset": storage.dataset,
        "compression": storage.compression,
        "dedup": storage.dedup,
        "quota": storage.quota,
        "pool_file": file and {"path": file.path, "size": file.size},
        "destroy": storage.on_destroy == "destroy",
        "archive": storage.archive if storage.on_destroy == "archive" else None,
        "stack": stack,
    }


def cluster_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `kind`."""
    chosen, folder = parts(course), mountpoint(course.storage)
    return {
        "name": course.cluster_name,
        "config": kind_config(course, chosen.node_image, folder),
        "image": chosen.node_image,
        "local": list(chosen.local),
        "mountpoint": folder,
        "address": str(course.cluster.listen_address),
        "ports": {"cluster.hostPort": course.cluster.host_port, "cluster.apiPort": course.cluster.api_port},
        "kubeconfig": f"~/.kube/{course.cluster_name}.yaml",
        "memory": course.cluster.memory,
        "free": EVICTION,
    }


def node_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `node`."""
    folder = mountpoint(course.storage)
    return {
        "cluster": course.cluster_name,
        "mountpoint": folder,
        "homes": f"{folder}/{HOMES.folder}" if course.homes.mode == "roster" else "",
        "namespace": NAMESPACE,
        "release": RELEASE,
    }


def looked_at(course: Course, version: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Unit and specification of each part of a course whose `observe` tells what is not as it should be.

    `version` is the template's, which new homes begin with.
    """
    homes = {"homes": ("workspaces", workspaces_spec(course, version))} if course.homes.mode == "roster" else {}
    schedule = schedule_spec(course.storage)
    return {
        "dataset": ("zfs", dataset_spec(course.storage)),
        "database": ("volume", database_spec(course.storage)),
        **homes,
        **({"schedule": ("schedule", schedule)} if schedule else {}),
        "cluster": ("kind", cluster_spec(course)),
        "node": ("node", node_spec(course)),
        **({"runtime": ("runtime", runtime_spec(course))} if sandboxed(course) else {}),
    }


def certificate_spec(course: Course) -> dict[str, Any]:
    """The specification of the host unit `certificate`."""
    address = course.cluster.listen_address
    names = ["localhost", "127.0.0.1", *([] if address.is_unspecified else [str(address)])]
    public = urlsplit(course.hub.url or "").hostname
    return {"names": list(dict.fromkeys([*names, *([public] if public else [])]))}
