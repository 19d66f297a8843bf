"""The folder hubside/ in the hub: its files, and the settings that it is called with."""

import json
from collections.abc import Mapping
from typing import Any

from config.course import Course
from plan.homes import admin_users

FOLDER = "/usr/local/etc/coursehub"
FILES = (
    *("__init__.py", "buckets.py", "consent.py", "gate.py", "logins.py", "lti13.py"),
    *("native.py", "refusal.py", "roster.py", "spawner.py"),
)
_SETTINGS = "COURSEHUB_SETTINGS"
# Constant: what differs between courses comes as data, never as source.
_CALL = f"""\
import json, os, sys
sys.path.insert(0, "{FOLDER}")
from hubside import install
install(c, json.loads(os.environ["{_SETTINGS}"]))
"""


def settings(course: Course) -> dict[str, Any]:
    """What hubside.install is told."""
    throttle = course.hub.throttle
    return {
        "admins": admin_users(course),
        "authenticator": course.hub.authentication.method,
        "starts": {"burst": throttle.starts, "seconds": throttle.start_seconds},
        "logins": {"burst": throttle.wrong_passwords, "seconds": throttle.wrong_password_seconds},
    }


def hubside_values(course: Course, sources: Mapping[str, str]) -> dict[str, Any]:
    """The keys of the chart's section `hub`; `sources` are the files of hubside/ by name."""
    return {
        "extraFiles": {
            name.removesuffix(".py").strip("_"): {"mountPath": f"{FOLDER}/hubside/{name}", "stringData": text}
            for name, text in sources.items()
        },
        "extraConfig": {"coursehub": _CALL},
        "extraEnv": {_SETTINGS: json.dumps(settings(course), sort_keys=True)},
    }
