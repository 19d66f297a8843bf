"""What a folder of materials is called after, and what in it no student may be given."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from host.materials import MARKER, survey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Materials with a file, a program, a folder and links that stay inside."""
    found = tmp_path / "materials"
    (found / "week1").mkdir(parents=True)
    (found / "week1" / "intro.ipynb").write_text("{}")
    (found / "run.sh").write_text("#!/bin/sh\n")
    (found / "run.sh").chmod(0o755)
    (found / "latest").symlink_to("week1/intro.ipynb")
    (found / "week1" / "run").symlink_to("../run.sh")
    (found / "dangling").symlink_to("week9")
    return found


def test_sound_materials_have_no_problems(folder: Path) -> None:
    found = survey(folder)
    assert found.problems == ()
    assert (found.files, found.size) == (2, 12)
    assert len(found.digest) == 12


def lead_elsewhere(folder: Path) -> None:
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("week1")


def make_repository(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "run.sh").write_text("#!/bin/sh"),
    "a program": lambda folder: (folder / "run.sh").chmod(0o644),
    "a file": lambda folder: (folder / "new").touch(),
    "a folder": lambda folder: (folder / "new").mkdir(),
    "a name": lambda folder: (folder / "run.sh").rename(folder / "go.sh"),
    "a place": lambda folder: (folder / "run.sh").rename(folder / "week1" / "run.sh"),
    "a link": lambda folder: (folder / "new").symlink_to("run.sh"),
    "where a link leads": lead_elsewhere,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_content_is_another_version(folder: Path, change: Callable[[Path], object]) -> None:
    before = survey(folder).digest
    change(folder)
    assert survey(folder).digest != before


SAME: dict[str, Callable[[Path], object]] = {
    "dates": lambda folder: os.utime(folder / "run.sh", (0, 0)),
    "who may read": lambda folder: (folder / "run.sh").chmod(0o700),
    "git's own": make_repository,
    "an older version's marker": lambda folder: (folder / "week1" / MARKER).write_text("3f2a\n"),
    "a submodule's": lambda folder: (folder / "week1" / ".git").write_text("gitdir: ../.git"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_students_do_not_get_makes_no_other_version(folder: Path, change: Callable[[Path], object]) -> None:
    before = survey(folder)
    change(folder)
    assert survey(folder) == before


def test_a_version_does_not_depend_on_where_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    before = survey(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    (tmp_path / "by-link").symlink_to(moved)
    assert survey(moved) == survey(tmp_path / "by-link") == before


def test_two_files_are_not_one_file_with_the_name_of_the_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (one / "a").write_text("x")
    (one / "b").write_text("y")
    (two / "a").write_text("x\0b\0y")
    assert survey(one).digest != survey(two).digest


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "..", "../secret", "../materials", "week1/../../secret", "here/../secret", "loop/../../x"]
)
def test_a_link_that_leads_out_is_refused(folder: Path, target: str) -> None:
    (folder / "here").symlink_to(".")
    (folder / "loop").symlink_to("loop")
    (folder / "bad").symlink_to(target)
    (reason,) = survey(folder).problems
    assert f"'bad' is a link to {target!r}, outside the materials" in reason


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "week1" / "pipe")
    (reason,) = survey(folder).problems
    assert reason.startswith("'week1/pipe' is a pipe: remove it")


def test_a_name_cannot_forge_a_line_of_a_message(folder: Path) -> None:
    os.mkfifo(os.fsencode(folder) + b"/x\n\xff all is well")
    (reason,) = survey(folder).problems
    assert reason.isascii() and "\n" not in reason


def test_many_problems_are_counted(folder: Path) -> None:
    for number in range(9):
        (folder / f"bad{number}").symlink_to("/etc")
    found = survey(folder).problems
    assert len(found) == 6
    assert found[-1] == "and 4 more of this kind"
