"""The sandbox that students' servers run in, where the course's file asks for one."""

import pulumi

from components.cluster import Cluster
from components.host_command import host_command
from config.course import Course
from plan.kind_config import identity
from plan.runtime import runtime_spec
from plan.server import cluster_spec


class Runtime(pulumi.ComponentResource):
    """It is in the node, and proven there, before the release sends anybody into it; else the release stays."""

    def __init__(
        self, name: str, *, course: Course, cluster: Cluster, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("coursehub:cluster:Runtime", name, {}, opts)
        self.command = host_command(
            f"{name}-proof",
            "runtime",
            spec=runtime_spec(course),
            identity=[identity(cluster_spec(course)["config"])],
            parent=self,
            depends_on=[cluster.command],
        )
        self.register_outputs({})
