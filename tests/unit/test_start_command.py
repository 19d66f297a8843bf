"""A server is started in any home, and only a full home loses anything by it."""

import os
import subprocess
from pathlib import Path

from plan.lab import FOLDER
from plan.start_command import SCRATCH, scratch_mount, scratch_volume, start_command

SHOW = '#!/bin/sh\nenv | grep -E "^(HOME_IS_FULL|JUPYTER|IPYTHON)" | sort\necho "$@"\n'


ALWAYS = [
    f"JUPYTER_CONFIG_PATH={FOLDER}",
    f"JUPYTER_PATH={FOLDER}",
    f"JUPYTER_RUNTIME_DIR={SCRATCH}/runtime",
]


def started(home: Path, tmp_path: Path, **environment: str) -> list[str]:
    """Run the command with a stand-in for Jupyter that tells its environment and arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "jupyterhub-singleuser").write_text(SHOW)
    (programs / "jupyterhub-singleuser").chmod(0o755)
    environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    argv = [*start_command(), "--port=8888", "two words"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_home_with_room_keeps_everything_but_what_ends_with_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert started(home, tmp_path) == [*ALWAYS, "--port=8888 two words"]
    assert list(home.iterdir()) == []


def test_the_folders_of_an_image_stay(tmp_path: Path) -> None:
    environment = started(tmp_path, tmp_path, JUPYTER_PATH="/opt/share", JUPYTER_CONFIG_PATH="/opt/etc:/my etc")
    assert f"JUPYTER_PATH={FOLDER}:/opt/share" in environment
    assert f"JUPYTER_CONFIG_PATH={FOLDER}:/opt/etc:/my etc" in environment


def test_a_full_home_moves_what_jupyter_must_write(tmp_path: Path) -> None:
    # A home in which nothing can be written, also not by root: it is no folder.
    home = tmp_path / "home"
    home.write_text("")
    *environment, arguments = started(home, tmp_path)
    moved = [line for line in environment if line not in ALWAYS]
    assert [line.split("=")[0] for line in moved] == [
        *("HOME_IS_FULL", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_DATA_DIR"),
    ]
    assert all(f"={SCRATCH}/" in line for line in moved[1:])
    assert len(environment) - len(moved) == len(ALWAYS)
    assert arguments == "--port=8888 two words"


def test_the_scratch_folder_is_there_and_bounded() -> None:
    assert scratch_volume()["name"] == scratch_mount()["name"]
    assert scratch_volume()["emptyDir"]["sizeLimit"] == "256Mi"
