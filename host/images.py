"""The images that are on this server alone, in a running node: which it lacks, which were built again; loaded there.

An image is its tag, which stays when it is built again. Docker and containerd know images by figures of their own, so
the node keeps a note of which of Docker's it was given.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from host import docker
from host.pipes import read_from
from host.run import run, say

NOTE = "/kind/coursehub-images"  # in the node: Docker's id of each image that it was given, by tag


@dataclass(frozen=True)
class Stale:
    """Images that have to be loaded: those that the node lacks, and those that were built again since."""

    lacking: tuple[str, ...] = ()
    older: tuple[str, ...] = ()

    @property
    def drift(self) -> list[str]:
        """A sentence for each of the two."""
        return [
            *([f"loading {', '.join(self.lacking)} into the node, which lacks it"] if self.lacking else []),
            *(
                [f"loading {', '.join(self.older)} into the node, built again since (hub and proxy begin anew with it)"]
                if self.older
                else []
            ),
        ]


def stale(wanted: Mapping[str, str], there: Collection[str], noted: Mapping[str, str]) -> Stale:
    """Of the images `wanted`, with Docker's ids: what is not `there`, or not what was `noted` when it was loaded."""
    lacking = tuple(image for image in wanted if f"docker.io/{image}" not in there)
    older = (image for image, own in wanted.items() if image not in lacking and noted.get(image) != own)
    return Stale(lacking, tuple(older))


def begun_with(pods: Mapping[str, Any], images: Collection[str]) -> list[tuple[str, str]]:
    """The pods of Deployments that run one of the images, by namespace and name: another takes the place of each.

    Students' servers are not among them: they go on, and get the new image when they start again.
    """
    return [
        (pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in pods["items"]
        if any(owner["kind"] == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences", []))
        and any(container["image"] in images for container in pod["spec"]["containers"])
    ]


def observe(node: str, images: Sequence[str]) -> Stale:
    """What a running node has to be given. An image that Docker does not have is passed over."""
    return stale(docker.image_ids(images), *_inside(node)) if images else Stale()


def load(node: str, images: Sequence[str]) -> None:
    """Load what is stale, and begin anew what runs an older one. Killed, it is done again: the note comes last."""
    if not images:
        return
    wanted, (there, noted) = docker.image_ids(images), _inside(node)
    found = stale(wanted, there, noted)
    if not (found.lacking or found.older):
        return
    say(f"loading {', '.join((*found.lacking, *found.older))} into the node (about 10 s each)")
    _give(node, (*found.lacking, *found.older))
    if found.older:
        pods = json.loads(run([*docker.kubectl(node), "get", "pods", "--all-namespaces", "-o", "json"]))
        for namespace, name in begun_with(pods, found.older):
            say(f"beginning {name} anew with the image that was built again")
            run([*docker.kubectl(node), "-n", namespace, "delete", "pod", name])
    note = json.dumps({**noted, **wanted})
    run(["docker", "exec", "-i", node, "sh", "-c", f"cat > {NOTE}.new && mv {NOTE}.new {NOTE}"], stdin=note)


def _give(node: str, images: Sequence[str]) -> None:
    """From Docker's store straight into the node's; `kind load` writes them to a file in between."""
    take = ["ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--snapshotter=overlayfs"]
    for _ in read_from(["docker", "save", *images], ["docker", "exec", "-i", node, *take, "-"]):
        pass  # the names of what came in


def _inside(node: str) -> tuple[set[str], dict[str, str]]:
    ask = f"cat {NOTE} 2>/dev/null; echo; ctr --namespace=k8s.io images list -q"
    return inside(run(["docker", "exec", node, "sh", "-c", ask]))


def inside(said: str) -> tuple[set[str], dict[str, str]]:
    """What a node has and what it noted, by its answer: the note or nothing in the first line, a name in each other."""
    note, _, there = said.partition("\n")
    try:
        noted: dict[str, str] = json.loads(note)
    except ValueError:
        noted = {}
    return set(there.split()), noted
