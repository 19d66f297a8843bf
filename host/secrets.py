"""The unit that draws a course's secrets once. Run again it gives back what it gave before: they never change."""

import secrets
from dataclasses import dataclass
from typing import Any

from host.before import printed_before


@dataclass(frozen=True)
class Secrets:
    """Names of the secrets wanted, with their lengths in bytes of randomness."""

    lengths: dict[str, int]


def parse(given: dict[str, Any]) -> Secrets:
    """Read the specification: {"name": bytes, ...}."""
    return Secrets({str(name): int(length) for name, length in given.items()})


def observe(want: Secrets) -> dict[str, str]:
    """Nothing can be read: the secrets are kept in the stack's state alone."""
    return {}


def apply(want: Secrets) -> dict[str, str]:
    """Every secret in hexadecimal, drawn from the kernel where there was none before."""
    before = printed_before()
    return {name: before.get(name) or secrets.token_hex(length) for name, length in want.lengths.items()}


def remove(want: Secrets) -> dict[str, str]:
    """They go with the stack's state."""
    return {}
