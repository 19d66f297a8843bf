"""The graph's tests see no server but the one that they make up."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from plan.capacity import Server as Machine

Found = Mapping[str, Mapping[str, Any]]
Server = Callable[[Found], None]
NOTHING: Found = {
    "template": {"versions": {}, "problems": [], "drift": []},
    "workspaces": {"homes": {}, "problems": [], "drift": []},
}


@pytest.fixture(autouse=True)
def loop() -> None:
    """Pulumi takes the thread's event loop; what ran before in this process may have taken it away."""
    try:
        asyncio.get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Says what the units of template and homes find; without being told, there is nothing yet."""

    def finds(found: Found) -> None:
        monkeypatch.setattr("components.workspaces.observe", lambda unit, spec, resource="": found[unit])

    monkeypatch.setattr("components.server.this_server", lambda: Machine(cores=8, memory=32 << 30))
    finds(NOTHING)
    return finds
