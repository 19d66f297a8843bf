"""The server on which the course runs: read, never changed."""

import os

from plan.capacity import Server


def this_server() -> Server:
    """This server's cores and memory."""
    return Server(cores=os.cpu_count() or 1, memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
