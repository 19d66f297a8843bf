"""What a unit printed the last time: all that a unit knows which keeps nothing on the server."""

import json
import os
from typing import Any

# Under this name the command provider hands it to a command.
_VARIABLE = "PULUMI_COMMAND_STDOUT"


def printed_before() -> dict[str, Any]:
    """The unit's last result; empty the first time."""
    try:
        found: dict[str, Any] = json.loads(os.environ.get(_VARIABLE, "{}"))
    except ValueError:
        return {}
    return found
