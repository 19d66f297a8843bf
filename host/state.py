"""What the stack's state knows of a unit's thing; `components/host_command.py` says it to the unit."""

import os


def is_new() -> bool:
    """Whether the state knows nothing of it: what is there all the same is another's, or the state was lost."""
    return "COURSEHUB_NEW" in os.environ


def was_made() -> bool:
    """Whether the state says that it was made: where it is missing, it was lost."""
    return "COURSEHUB_MADE" in os.environ
