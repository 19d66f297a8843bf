"""What a student's server is told of its home, and why Kubernetes refuses a start, in words instead of its answer."""

import json
from typing import Any

from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from traitlets import Dict

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

    # Of ZFS a server sees what is free, but not the budget: what snapshots hold is missing in the size of the file
    # system, and the template's files are added to it.
    budgets = Dict(help="how many bytes each may write to the home, by name, as text").tag(config=True)

    def get_env(self) -> Any:
        """The server's environment, with the home's budget in bytes as HOME_BUDGET where there is one."""
        budget = self.budgets.get(self.user.name)
        return {**super().get_env(), **({"HOME_BUDGET": budget} if budget else {})}

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
