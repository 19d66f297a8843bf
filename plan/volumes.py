"""Volumes that are folders of the course's dataset, as the node sees it."""

from dataclasses import dataclass
from typing import Any

from config.types import Size
from plan.kind_config import NODE_DATA


@dataclass(frozen=True)
class StaticVolume:
    """One folder of the dataset, bound to one claim. Deleting claim or volume deletes nothing in it."""

    name: str
    folder: str  # below the dataset's mountpoint
    claim: str
    size: Size  # what Kubernetes is told; the dataset's quota is what holds

    def volume(self, namespace: str) -> dict[str, Any]:
        """Specification of the PersistentVolume.

        A hostPath volume, never a `local` one: the kubelet binds that without what is mounted below it, and a student
        would write beside the home.
        """
        return {
            **self._common(),
            "capacity": {"storage": str(self.size)},
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"{NODE_DATA}/{self.folder}", "type": "Directory"},
            "claimRef": {"namespace": namespace, "name": self.claim},
        }

    def claim_spec(self) -> dict[str, Any]:
        """Specification of the PersistentVolumeClaim."""
        return {**self._common(), "volumeName": self.name, "resources": {"requests": {"storage": str(self.size)}}}

    @staticmethod
    def _common() -> dict[str, Any]:
        # The empty class: no provisioner may make another volume for the claim.
        return {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
