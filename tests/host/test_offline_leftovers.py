"""What a build that was killed left mounted, with a real mount: taken away first, and never deleted into."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.steps import Step, build


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file, mounted where debootstrap would have mounted /proc."""
    folder, point = tmp_path / "precious", tmp_path / "cache" / ".partial-root-0a1b2c3d" / "root" / "proc"
    folder.mkdir()
    point.mkdir(parents=True)
    (folder / "file").write_text("work")
    subprocess.run(["mount", "--bind", folder, point], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def test_what_a_killed_build_left_mounted_stays_whole_and_is_in_nobodys_way(precious: Path, tmp_path: Path) -> None:
    build([Step("root", lambda shop: None)], tmp_path / "cache", lambda said: None)
    assert (precious / "file").read_text() == "work"
    assert not list((tmp_path / "cache").glob(".partial*"))
