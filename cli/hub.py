"""Whether the cluster runs and the hub in it answers."""

import http.client
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any

from config.course import Course
from plan.next_steps import here

_SECONDS = 5


def cluster_state(found: Mapping[str, Any]) -> str:
    """In a few words, by what the unit `kind` observes."""
    if found.get("running"):
        return "runs"
    if found.get("there"):
        return "is stopped: `make up` starts it"
    if found.get("gone"):
        return "is not there: `make up` makes it"
    return f"cannot be seen: {'; '.join(found['warnings'])}"


def silence(course: Course) -> str:
    """Why the hub does not answer on this server, at its own port; empty if it does."""
    # Asked by its own address, it shows a certificate of its name, or one that the stack made.
    https = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    # A proxy that the environment names leads out of this server.
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
    try:
        with browser.open(f"{here(course)}/hub/health", timeout=_SECONDS):
            return ""
    except (OSError, http.client.HTTPException) as error:
        return str(error)
