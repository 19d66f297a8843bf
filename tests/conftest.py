"""Which tests may run beside each other."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes: file beside file, but one pool at a time. Two at once have been seen to hang zfs-fuse."""
    for item in items:
        of_pools = item.path.parent.name == "host"
        item.add_marker(pytest.mark.xdist_group("pools" if of_pools else str(item.path)))
