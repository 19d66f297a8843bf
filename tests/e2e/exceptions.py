"""What checkov finds of a course in its cluster and stays as it is: by check, whom it concerns, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Excused:
    """`concerns` are the beginnings of the names, as <Kind>.<namespace>.<name>, of the resources that it excuses."""

    concerns: tuple[str, ...]
    why: str


_HUB = ("Deployment.jhub.hub", "Pod.jhub.hub-")
_PROXY = ("Deployment.jhub.proxy", "Pod.jhub.proxy-")
_STUDENT = ("Pod.jhub.jupyter-",)

EXCEPTIONS = {
    "CKV_K8S_8": Excused(_STUDENT, "the hub itself asks whether a server lives, and a restart would end its kernels"),
    "CKV_K8S_9": Excused(_STUDENT, "the hub itself asks whether a server is ready before it sends anybody there"),
    "CKV_K8S_15": Excused(
        (*_HUB, *_PROXY, *_STUDENT), "images that were built on this server can be pulled from nowhere"
    ),
    "CKV_K8S_22": Excused(
        (*_HUB, *_PROXY, *_STUDENT),
        "programs write beside their volumes, in /tmp for one; how much is bounded by the limit of ephemeral storage",
    ),
    "CKV_K8S_35": Excused(_PROXY, "the proxy reads its token from the environment alone"),
    "CKV_K8S_38": Excused(_HUB, "the hub starts servers: it alone talks to the API server"),
    "CKV_K8S_40": Excused(
        (*_HUB, *_STUDENT), "1000 is the user of the charts' images, and owns the homes in the dataset"
    ),
    "CKV_K8S_41": Excused(
        ("ServiceAccount.jhub.default", "ServiceAccount.local-path-storage.default"),
        "Kubernetes makes it; it has no rights, no pod of ours uses it, and policies close the way to the API server",
    ),
    "CKV_K8S_43": Excused(
        (*_HUB, *_PROXY, *_STUDENT),
        "images that were built on this server have a tag alone; one of your own may be given with its digest",
    ),
}
