"""What runs inside the hub: how often one may knock, and answers that people understand. Imports nothing of ours.

Each module is tested alone; the chart mounts the folder and calls `install`.
"""

from typing import Any

from hubside.gate import guard_spawns
from hubside.logins import guard_logins
from hubside.native import CourseNative
from hubside.spawner import CourseSpawner


def install(config: Any, settings: dict[str, Any]) -> None:
    """Put everything into the hub's configuration. `settings` are those of plan/hubside.py."""
    guard_spawns(**settings["starts"])
    guard_logins(**settings["logins"])
    config.JupyterHub.spawner_class = CourseSpawner
    if settings["authenticator"] == "native":
        config.JupyterHub.authenticator_class = CourseNative
