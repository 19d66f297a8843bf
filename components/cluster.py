"""The course's kind cluster."""

import json

import pulumi
import pulumi_kubernetes as kubernetes

from components.dataset import Dataset
from components.drift import marker, observe
from components.host_command import host_command, result, run_unit
from config.course import Course
from plan.hub_values import NAMESPACE, RELEASE
from plan.kind_config import identity, kind_config
from plan.parts import Parts
from plan.policies import Addresses


class Cluster(pulumi.ComponentResource):
    """One node that sees the dataset. Disposable: any change of its configuration makes it anew, the data stays."""

    def __init__(
        self,
        name: str,
        *,
        course: Course,
        parts: Parts,
        dataset: Dataset,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("coursehub:cluster:Cluster", name, {}, opts)
        wake_node(f"{name}-kind", course.cluster_name, dataset.mountpoint)
        config = kind_config(course, parts.node_image, dataset.mountpoint)
        self.command = host_command(
            f"{name}-kind",
            "kind",
            spec={
                "name": course.cluster_name,
                "config": config,
                "image": parts.node_image,
                "local": list(parts.local),
                "mountpoint": dataset.mountpoint,
                "address": str(course.cluster.listen_address),
                "ports": {"cluster.hostPort": course.cluster.host_port, "cluster.apiPort": course.cluster.api_port},
                "kubeconfig": f"~/.kube/{course.cluster_name}.yaml",
            },
            identity=[identity(config)],
            parent=self,
            depends_on=[dataset.command],
        )
        self.kubeconfig = result(self.command, "kubeconfig")
        self.provider = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            # While the kubeconfig is unknown at preview, this tells that the cluster is still the same one.
            cluster_identifier=identity(config),
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


def wake_node(resource: str, cluster: str, mountpoint: str) -> None:
    """Have a node that is there answer, and let Helm go on where it was killed: else nothing in it could be changed.

    No resource: nothing of it is worth keeping in the state, and a preview must not do it, only tell.
    """
    spec = {"cluster": cluster, "mountpoint": mountpoint, "namespace": NAMESPACE, "release": RELEASE}
    if not pulumi.runtime.is_dry_run():
        run_unit("node", spec)
    elif marker(resource).exists():
        for line in observe("node", spec).get("drift", []):
            pulumi.log.info(f"to do on this server: {line}")
