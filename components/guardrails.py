"""The course's namespace and what may happen in it: who may talk to whom, what a pod may be, and how much of it."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster import Cluster
from config.course import Course
from plan.capacity import STUDENT_CLASS
from plan.hub_values import NAMESPACE
from plan.policies import NAMES, flows, policies
from plan.quotas import PRIORITY, limit_range, quotas

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
        self.rules = [
            *(self._policy(name, policy, specs, inside) for policy in NAMES),
            *self._quotas(name, course, inside),
        ]
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

    def _quotas(self, name: str, course: Course, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        namespace = self.namespace.metadata.name
        return [
            kubernetes.scheduling.v1.PriorityClass(
                f"{name}-students",
                metadata={"name": STUDENT_CLASS},
                value=PRIORITY,
                preemption_policy="Never",  # no student's server ends another's
                description="students' servers: below everything else in the cluster",
                opts=opts,
            ),
            kubernetes.core.v1.LimitRange(
                f"{name}-containers",
                metadata={"name": "containers", "namespace": namespace},
                spec=limit_range(course),
                opts=opts,
            ),
            *(
                kubernetes.core.v1.ResourceQuota(
                    f"{name}-quota-{title}", metadata={"name": title, "namespace": namespace}, spec=spec, opts=opts
                )
                for title, spec in quotas(course).items()
            ),
        ]
