"""The students' homes."""

import pulumi

from components.dataset import Dataset
from components.host_command import host_command
from config.course import Course
from plan.homes import workspaces_spec


class Workspaces(pulumi.ComponentResource):
    """One clone of the course's template for each student of the roster, made by one command, whatever the size."""

    def __init__(
        self, name: str, *, course: Course, dataset: Dataset, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("coursehub:storage:Workspaces", name, {}, opts)
        self.command = host_command(
            f"{name}-workspaces",
            "workspaces",
            spec=workspaces_spec(course),
            identity=[course.storage.path],
            parent=self,
            depends_on=[dataset.command],
        )
        self.register_outputs({})
