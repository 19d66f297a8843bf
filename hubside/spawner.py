"""Starts that Kubernetes refuses, in words for students instead of its raw answer."""

import json
from typing import Any

from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner

from hubside.refusal import NO_PLACE, Refusal

# What is in Kubernetes' answer, and what the student reads.
_WORDS = (
    ("exceeded quota: students", NO_PLACE),
    ("exceeded quota", "The course has used up what its cluster may hold. Tell your lecturer: its quotas."),
    ("violates PodSecurity", "This server asks for more than the course allows. Tell your lecturer: Pod Security."),
    ("LimitRange", "This server asks for more than one student may have. Tell your lecturer: its limits."),
    ("maximum", "This server asks for more than one student may have. Tell your lecturer: its limits."),
)


class CourseSpawner(KubeSpawner):  # type: ignore[misc] # it has no types
    """KubeSpawner with answers that people understand. `_start` is private there: a test holds it in place."""

    async def _start(self) -> Any:
        try:
            return await maybe_future(super()._start())
        except ApiException as error:
            if text := words(error.status, str(error.body)):
                self.log.warning("%s's server was refused: %s", self.user.name, _message(str(error.body)))
                raise Refusal(503, text) from None
            raise


def words(status: int, body: str) -> str:
    """What a student reads where Kubernetes answers so; empty where it is no refusal that we know."""
    if status != 403:
        return ""
    return next((text for sign, text in _WORDS if sign in _message(body)), "")


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body
