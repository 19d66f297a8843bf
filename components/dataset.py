"""The course's ZFS dataset."""

import pulumi

from components.host_command import host_command
from config.course import Course
from plan.keep import schedule_spec
from plan.server import dataset_spec
from plan.volumes import database_spec


class Dataset(pulumi.ComponentResource):
    """The dataset that holds the students' work. Replaced only when its name changes; kept unless told otherwise."""

    def __init__(self, name: str, *, course: Course, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("coursehub:storage:Dataset", name, {}, opts)
        storage = course.storage
        self.command = host_command(
            f"{name}-zfs",
            "zfs",
            spec=dataset_spec(storage, f"{course.course.name}/{pulumi.get_stack()}"),
            identity=[storage.path],
            parent=self,
        )
        # The hub's database outlives the cluster too: users, their rights and their tokens.
        self.database = host_command(
            f"{name}-database",
            "volume",
            spec=database_spec(storage),
            identity=[storage.path],
            parent=self,
            depends_on=[self.command],
        )
        if schedule := schedule_spec(storage):
            host_command(
                f"{name}-schedule",
                "schedule",
                spec=schedule,
                identity=[storage.path],
                parent=self,
                depends_on=[self.command],
            )
        self.path = storage.path
        self.register_outputs({"path": self.path})
