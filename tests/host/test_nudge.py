"""A zfs-fuse that waits for a request which its program took along when it was killed is brought back."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import nudge, zfs
from tests.host.conftest import Unit

pytestmark = pytest.mark.skipif(not zfs.by_fuse(), reason="only zfs-fuse waits so, and this server has another ZFS")

ASKING = """
import os, sys, threading
def ask():
    while True:
        os.statvfs(sys.argv[1])
for _ in range(4):
    threading.Thread(target=ask).start()
print(flush=True)
"""


@pytest.fixture
def alone() -> Iterator[None]:
    """The nudge of this server sleeps."""
    running = int(nudge.lock_file().read_text())
    os.kill(running, signal.SIGSTOP)
    yield
    os.kill(running, signal.SIGCONT)


def kill_while_asking(folder: str) -> None:
    """Kill a program that asks zfs-fuse without a pause."""
    program = subprocess.Popen([sys.executable, "-S", "-E", "-c", ASKING, folder], stdout=subprocess.PIPE)
    assert program.stdout is not None and program.stdout.readline() == b"\n"
    time.sleep(random.uniform(0, 0.01))
    program.kill()
    program.communicate()


def test_a_zfs_fuse_that_waits_for_who_was_killed_answers_again(unit: Unit, alone: None) -> None:
    assert unit("apply").returncode == 0
    dataset = f"/{unit.spec['pool']}/userdata"
    mounts = zfs.fuse_mounts(Path("/proc/self/mountinfo").read_text())
    other = next(mount for mount in mounts if mount != dataset)
    questions = nudge.Questions()
    try:
        for _ in range(3000):  # some hundred were enough, as measured
            kill_while_asking(dataset)
            if not questions.answered([other], 5):  # nor does it come back by itself
                break
        else:
            pytest.fail("zfs-fuse answered all along")
        assert nudge.look(nudge.Questions())
        assert questions.answered(mounts, 30)
        assert not nudge.look(nudge.Questions(), patience=30)
    finally:
        nudge.Questions().answered(mounts, 5)  # or nothing that follows would run
