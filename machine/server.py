"""What this server must be for anything here to run. Understood by old versions of Python too: it tells them so."""

from __future__ import annotations

import platform
import sys

PYTHON = (3, 11)
_MACHINES = ("x86_64", "amd64")


def refusal(version: tuple[int, ...] = sys.version_info[:2], machine: str = platform.machine()) -> str:
    """Why nothing can be made ready here, with the remedy; empty if it can."""
    if machine not in _MACHINES:
        return (
            f"its processor is {machine}: take a server with amd64 (x86_64), the only one that the parts are made for"
        )
    if version < PYTHON:
        have, need = (".".join(map(str, number)) for number in (version, PYTHON))
        return (
            f"python3 is Python {have}, {need} or newer is needed (Debian 12, Ubuntu 24.04): where it has another name,"
            f" say so, such as `make up PYTHON=python{need}`"
        )
    return ""
