"""A lock is taken away only where its holder is known to be gone."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from machine.locks import Holder, forget_dead_locks, is_dead

HOLDER = Holder(4242, "server")


@pytest.mark.parametrize(("comm", "dead"), [("pulumi\n", False), ("cron\n", True), (None, True)])
def test_a_number_that_another_program_has_now_is_a_dead_holder(tmp_path: Path, comm: str | None, dead: bool) -> None:
    file = tmp_path / "comm"
    if comm is not None:
        file.write_text(comm)
    assert is_dead(HOLDER, "server", file) is dead


def test_a_holder_on_another_server_is_never_taken_for_dead(tmp_path: Path) -> None:
    assert not is_dead(HOLDER, "other", tmp_path / "comm")


def test_only_the_dead_lock_of_the_stack_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locks = tmp_path / ".pulumi" / "locks" / "organization" / "coursehub"
    dead, elsewhere, other = locks / "dev" / "dead.json", locks / "dev" / "elsewhere.json", locks / "prod" / "dead.json"
    for file, host in ((dead, socket.gethostname()), (elsewhere, "other"), (other, socket.gethostname())):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"pid": 2**30, "hostname": host}))
    forget_dead_locks(tmp_path, "dev")
    assert (dead.exists(), elsewhere.exists(), other.exists()) == (False, True, True)
    assert "took away its lock" in capsys.readouterr().out


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"pid": 1}', '{"pid": null, "hostname": "x"}'])
def test_a_torn_lock_stays_and_the_remedy_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], torn: str
) -> None:
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "coursehub" / "dev" / "torn.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(torn)
    forget_dead_locks(tmp_path, "dev")
    assert lock.exists()
    said = capsys.readouterr().out
    assert str(lock) in said and "if nobody is at work on the stack, remove it" in said


@pytest.mark.parametrize(("age", "stays"), [(0, True), (60, False)])
def test_a_lock_that_a_killed_pulumi_was_writing_goes_and_one_being_written_stays(
    tmp_path: Path, age: int, stays: bool
) -> None:
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "coursehub" / "dev" / "a.json.189f1c.tmp"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - age, time.time() - age))
    forget_dead_locks(tmp_path, "dev")
    assert lock.exists() is stays
