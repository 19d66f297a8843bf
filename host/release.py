"""The unit that mends a Helm release whose making was killed: Helm itself then refuses every further try for ever.

Helm keeps each revision in a secret labelled with its status. One that is pending while nobody is at work is what a
killed run left; without it, Helm takes over the objects it made before and finishes the work.
"""

from dataclasses import dataclass
from typing import Any

from host.lock import locked
from host.run import BadSpecification, run, say, succeeds


@dataclass(frozen=True)
class Want:
    """Which release, and in which cluster."""

    cluster: str
    namespace: str
    release: str

    @property
    def kubectl(self) -> list[str]:
        """How to ask the cluster, from within its node."""
        node = f"{self.cluster}-control-plane"
        return ["docker", "exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "-n", self.namespace]


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if a key is missing or unknown."""
    try:
        return Want(**given)
    except TypeError as error:
        raise BadSpecification(f"not a specification of a release: {error}") from None


def observe(want: Want) -> dict[str, Any]:
    """The revisions that a killed run left pending; none where there is no cluster to ask."""
    if not succeeds([*want.kubectl, "get", "namespace", want.namespace]):
        return {"pending": []}
    selector = f"owner=helm,name={want.release},status in (pending-install,pending-upgrade,pending-rollback)"
    found = run([*want.kubectl, "get", "secrets", "-l", selector, "-o", "name"])
    return {"pending": found.split()}


def apply(want: Want) -> dict[str, Any]:
    """Forget pending revisions."""
    with locked(want.cluster):
        pending = observe(want)["pending"]
        for secret in pending:
            say(f"the last change of release {want.release} was interrupted: forgetting {secret}, to begin it anew")
            run([*want.kubectl, "delete", secret])
        return {"forgotten": pending}


def remove(want: Want) -> dict[str, Any]:
    """The release goes with its cluster."""
    return {}
