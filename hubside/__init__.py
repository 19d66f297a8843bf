"""What runs inside the hub: who may be here, how often one may knock, and answers that people understand. Imports
nothing of ours.

Each module is tested alone; the chart mounts the folder and calls `install`.
"""

from typing import Any

from hubside.gate import guard_spawns
from hubside.logins import guard_logins
from hubside.roster import guard_roster
from hubside.spawner import CourseSpawner


def install(config: Any, settings: dict[str, Any]) -> None:
    """Put everything into the hub's configuration. `settings` are those of plan/hubside.py."""
    guard_roster()
    guard_spawns(**settings["starts"])
    guard_logins(**settings["logins"])
    config.JupyterHub.spawner_class = CourseSpawner
    # Exactly these: `admin_users` alone would only ever add to those in the database.
    config.JupyterHub.load_roles.append({"name": "admin", "users": settings["admins"]})
    # Imported only if asked for: an image of one's own need not have all of them.
    match settings["authenticator"]:
        case "native":
            from hubside.native import CourseNative, guard_accounts

            guard_accounts(**settings["logins"])
            config.JupyterHub.authenticator_class = CourseNative
        case "lti13":
            from hubside.lti13 import CourseLti13

            config.JupyterHub.authenticator_class = CourseLti13
