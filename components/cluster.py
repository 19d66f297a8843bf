"""The course's kind cluster."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.dataset import Dataset
from components.drift import marker, observe
from components.host_command import host_command, result, run_unit
from components.workspaces import Workspaces
from config.course import Course
from plan.kind_config import identity
from plan.policies import Addresses
from plan.server import cluster_spec, node_spec


class Cluster(pulumi.ComponentResource):
    """One node that sees the dataset. Disposable: any change of its configuration makes it anew, the data stays."""

    def __init__(
        self,
        name: str,
        *,
        course: Course,
        dataset: Dataset,
        workspaces: Workspaces | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("coursehub:cluster:Cluster", name, {}, opts)
        wake_node(f"{name}-kind", node_spec(course))
        spec = cluster_spec(course)
        cluster = identity(spec["config"])
        self.command = host_command(
            f"{name}-kind",
            "kind",
            spec=spec,
            identity=[cluster],
            parent=self,
            # Of a node that starts before the homes are mounted, Kubernetes makes folders in their place.
            depends_on=[dataset.command, *([workspaces.command] if workspaces else [])],
        )
        self.kubeconfig = result(self.command, "kubeconfig")
        self.provider = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            # While the kubeconfig is unknown at preview, this tells that the cluster is still the same one.
            cluster_identifier=cluster,
            # Else a changed one is deleted and made anew, and servers that start in between have none.
            enable_config_map_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, replace_with=[self.command], deleted_with=self.command),
        )
        self.addresses = self.command.stdout.apply(_addresses)
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def inside(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of what is in the cluster: it ends with the cluster, and begins anew with it.

        Were the old ones deleted after a new cluster has taken the old one's place, the new ones would be hit.
        """
        return pulumi.ResourceOptions(
            parent=parent, provider=self.provider, deleted_with=self.provider, replace_with=[self.command]
        )


def _addresses(printed: str) -> Addresses:
    found = json.loads(printed)
    return Addresses(found["address"], tuple(found["server"]))


def wake_node(resource: str, spec: Mapping[str, Any]) -> None:
    """Have a node that is there answer, and let Helm go on where it was killed: else nothing in it could be changed.

    No resource: nothing of it is worth keeping in the state, and a preview must not do it, only tell.
    """
    if not pulumi.runtime.is_dry_run():
        run_unit("node", spec)
    elif marker(resource).exists():
        for line in observe("node", spec).get("drift", []):
            pulumi.log.info(f"to do on this server: {line}")
