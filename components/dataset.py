"""The course's ZFS dataset."""

import pulumi

from components.host_command import host_command
from config.course import Storage
from plan.keep import schedule_spec
from plan.volumes import database_spec


class Dataset(pulumi.ComponentResource):
    """The dataset that holds the students' work. Replaced only when its name changes; kept unless told otherwise."""

    def __init__(self, name: str, *, storage: Storage, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("coursehub:storage:Dataset", name, {}, opts)
        file = storage.pool_file
        self.command = host_command(
            f"{name}-zfs",
            "zfs",
            spec={
                "pool": storage.pool,
                "dataset": storage.dataset,
                "compression": storage.compression,
                "dedup": storage.dedup,
                "quota": storage.quota,
                "pool_file": file and {"path": file.path, "size": file.size},
                "destroy": storage.on_destroy == "destroy",
                "archive": storage.archive if storage.on_destroy == "archive" else None,
            },
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
        # Known at preview: were it an output, a change of quota would make the cluster look replaced.
        self.mountpoint = f"/{storage.path}"
        self.register_outputs({"path": self.path, "mountpoint": self.mountpoint})
