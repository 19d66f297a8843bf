"""Which way the parts come: from their makers where those can be reached, else built from package registries."""

import os
import socket
from collections.abc import Callable, Mapping

from machine.shell import NotReady

MAKERS = ("get.pulumi.com", "github.com", "kind.sigs.k8s.io", "registry-1.docker.io", "hub.jupyter.org")
CHOICES = ("makers", "registries")
VARIABLE = "COURSEHUB_WAY"


def resolves(host: str) -> bool:
    """Whether the name has an address. Nothing is sent to the host itself."""
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def way(environment: Mapping[str, str] = os.environ, resolves: Callable[[str], bool] = resolves) -> str:
    """`makers` if all makers' names resolve, else `registries`; COURSEHUB_WAY decides where it is set.

    Raises NotReady if it is set to anything else.
    """
    chosen = environment.get(VARIABLE)
    if chosen and chosen not in CHOICES:
        raise NotReady(f"{VARIABLE} is {chosen!r}: set it to {' or '.join(CHOICES)}, or not at all")
    if chosen:
        return chosen
    return "makers" if all(resolves(host) for host in MAKERS) else "registries"
