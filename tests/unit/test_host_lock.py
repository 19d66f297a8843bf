"""One lock for root's timer and for whoever runs pulumi, whosever its file is."""

import fcntl
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.lock import file_of, locked, opened
from host.run import Refused

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder where everybody writes, and nobody may remove another's files; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o1777)
        yield Path(shared)


def test_a_file_that_is_missing_is_made_so_that_others_can_open_it_too(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        os.close(opened(folder / "new"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of two users")
@pytest.mark.parametrize(("owner", "user"), [(0, NOBODY), (NOBODY, 0)])
def test_whose_file_it_is_does_not_matter(folder: Path, owner: int, user: int) -> None:
    file = folder / "theirs"
    file.touch(mode=0o644)
    os.chown(file, owner, owner)
    os.seteuid(user)
    try:
        os.close(opened(file))
    finally:
        os.seteuid(0)


def test_what_is_in_it_stays(folder: Path) -> None:
    (folder / "full").write_text("something")
    os.close(opened(folder / "full"))
    assert (folder / "full").read_text() == "something"


def test_a_link_that_somebody_left_there_is_refused_with_the_remedy(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "elsewhere")
    with pytest.raises(Refused, match="remove it if no other coursehub runs"):
        opened(folder / "link")
    assert not (folder / "elsewhere").exists()


def test_a_pipe_that_somebody_left_there_holds_nobody_up(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    os.close(opened(folder / "pipe"))


def test_who_has_the_lock_has_it_alone() -> None:
    name = f"test/{uuid.uuid4().hex}"
    with locked(name):
        another = opened(file_of(name))
        with pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(another)
    file_of(name).unlink()
