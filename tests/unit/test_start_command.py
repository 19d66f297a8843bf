"""A server is started in any home, and only a full home loses anything by it."""

import os
import subprocess
from pathlib import Path

import pytest

from plan.start_command import SCRATCH, scratch, start_command

SHOW = '#!/bin/sh\nenv | grep -E "^(HOME_IS_FULL|JUPYTER|IPYTHON)" | sort\necho "$@"\n'


def started(home: Path, tmp_path: Path) -> list[str]:
    """Run the command with a stand-in for Jupyter that tells its environment and arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "jupyterhub-singleuser").write_text(SHOW)
    (programs / "jupyterhub-singleuser").chmod(0o755)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    argv = [*start_command(), "--port=8888", "two words"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_home_with_room_keeps_everything(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert started(home, tmp_path) == ["--port=8888 two words"]
    assert list(home.iterdir()) == []


def test_a_full_home_moves_what_jupyter_must_write(tmp_path: Path) -> None:
    # A home in which nothing can be written, also not by root: it is no folder.
    home = tmp_path / "home"
    home.write_text("")
    *environment, arguments = started(home, tmp_path)
    assert [line.split("=")[0] for line in environment] == [
        *("HOME_IS_FULL", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_DATA_DIR"),
    ]
    assert all(f"={SCRATCH}/" in line for line in environment[1:])
    assert arguments == "--port=8888 two words"


@pytest.mark.parametrize("key", ["extraVolumes", "extraVolumeMounts"])
def test_the_scratch_folder_is_there_and_bounded(key: str) -> None:
    (found,) = scratch()[key]
    assert found["name"] == "scratch"
    assert scratch()["extraVolumes"][0]["emptyDir"]["sizeLimit"] == "256Mi"
