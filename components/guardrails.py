"""The course's namespace and what may happen in it: who may talk to whom, and what a pod may be."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster import Cluster
from config.course import Course
from plan.hub_values import NAMESPACE
from plan.policies import NAMES, flows, policies

# Pinned: a newer Kubernetes must not refuse pods that ran yesterday.
_POD_SECURITY = {
    f"pod-security.kubernetes.io/{mode}{suffix}": value
    for mode in ("enforce", "warn", "audit")
    for suffix, value in (("", "restricted"), ("-version", "v1.34"))
}


class Guardrails(pulumi.ComponentResource):
    """They are there before any pod of the course."""

    def __init__(
        self, name: str, *, course: Course, cluster: Cluster, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("coursehub:cluster:Guardrails", name, {}, opts)
        inside = cluster.inside(self)
        self.namespace = kubernetes.core.v1.Namespace(
            f"{name}-namespace", metadata={"name": NAMESPACE, "labels": _POD_SECURITY}, opts=inside
        )
        # Addresses are known once there is a cluster; which policies there are is known before.
        specs = cluster.addresses.apply(lambda addresses: policies(flows(course, addresses)))
        self.policies = [self._policy(name, policy, specs, inside) for policy in NAMES]
        self.register_outputs({"namespace": self.namespace.metadata.name})

    def _policy(
        self, name: str, policy: str, specs: pulumi.Output[dict[str, dict[str, Any]]], opts: pulumi.ResourceOptions
    ) -> kubernetes.networking.v1.NetworkPolicy:
        namespace, _, title = policy.partition("/")
        where = self.namespace.metadata.name if namespace == NAMESPACE else namespace
        return kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{namespace}-{title}",
            metadata={"name": title, "namespace": where},
            spec=specs[policy],
            opts=opts,
        )
