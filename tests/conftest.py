"""Which tests may run beside each other, with several processes."""

from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_ONE_AFTER_THE_OTHER = ("e2e", "host")  # one cluster, with ports of its own; and one pool of a host test at a time


class FolderByFolder(LoadFileScheduling):  # type: ignore[misc] # it has no types
    """File beside file in the order given, but all of a folder that shares something one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays together."""
        folder = PurePath(nodeid).parts[1]
        return folder if folder in _ONE_AFTER_THE_OTHER else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderByFolder:
    """The scheduler."""
    return FolderByFolder(config, log)
