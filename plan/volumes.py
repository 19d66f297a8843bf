"""Volumes that are folders of the course's dataset, as the node sees it."""

from dataclasses import dataclass
from typing import Any

from config.course import Storage
from config.types import Size
from plan.kind_config import NODE_DATA

# A class that no provisioner serves, so that none makes another volume for a claim. It has a name, since the Release
# may drop what is empty.
STATIC_CLASS = "coursehub"


@dataclass(frozen=True)
class StaticVolume:
    """One folder of the dataset, bound to one claim. Deleting claim or volume deletes nothing in it."""

    name: str
    folder: str  # below the dataset's mountpoint
    claim: str
    size: Size  # what Kubernetes is told; the dataset's quota is what holds
    access: str = "ReadWriteMany"

    def volume(self, namespace: str) -> dict[str, Any]:
        """Specification of the PersistentVolume.

        A hostPath volume, never a `local` one: the kubelet binds that without what is mounted below it, and a student
        would write beside the home.
        """
        return {
            **self._common,
            "capacity": {"storage": str(self.size)},
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"{NODE_DATA}/{self.folder}", "type": "Directory"},
            "claimRef": {"namespace": namespace, "name": self.claim},
        }

    def claim_spec(self) -> dict[str, Any]:
        """Specification of the PersistentVolumeClaim."""
        return {**self._common, "volumeName": self.name, "resources": {"requests": {"storage": str(self.size)}}}

    @property
    def _common(self) -> dict[str, Any]:
        return {"accessModes": [self.access], "storageClassName": STATIC_CLASS}


# The claim is the chart's own, under its own name.
DATABASE = StaticVolume(
    name="hub-database", folder="hub", claim="hub-db-dir", size=Size(1 << 30), access="ReadWriteOnce"
)


def database_spec(storage: Storage) -> dict[str, Any]:
    """The specification of the host unit `volume` for the hub's database, owned by the hub's user in the chart."""
    return {
        "pool": storage.pool,
        "dataset": storage.dataset,
        "name": DATABASE.folder,
        "quota": int(DATABASE.size),
        "uid": 1000,
        "gid": 1000,
    }
