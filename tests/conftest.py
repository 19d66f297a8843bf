"""Which tests may run beside each other, with several processes."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling


class OnePoolAtATime(LoadFileScheduling):  # type: ignore[misc] # it has no types
    """File beside file, but those with pools one after the other: two pools at once have been seen to hang zfs-fuse."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays together."""
        return "pools" if nodeid.startswith("tests/host/") else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OnePoolAtATime:
    """The scheduler."""
    return OnePoolAtATime(config, log)
