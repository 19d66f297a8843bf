"""What runs in a student's server: how it gets there, and how it judges a home."""

import os
import re
from pathlib import Path, PurePath

import pytest
from coursehub_home.space import MARKER, File, Found, files, has_room, is_own, largest, report, students_own

from host.materials import MARKER as in_the_template
from plan.lab import FILES, key, lab_mount, lab_volume

LAB = Path(__file__).resolve().parents[2] / "lab"


# The way into the server


def test_every_file_is_handed_over() -> None:
    there = {path.relative_to(LAB) for path in LAB.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert set(FILES) == {path.as_posix() for path in there}


def test_the_keys_are_such_as_kubernetes_takes_and_differ() -> None:
    keys = [key(file) for file in FILES]
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", one) for one in keys)
    assert len(set(keys)) == len(FILES)


def test_a_server_starts_also_without_the_files() -> None:
    assert lab_volume()["configMap"]["optional"] is True
    assert lab_mount()["name"] == lab_volume()["name"]
    assert lab_mount()["readOnly"] is True


# The largest


def found(*sizes: tuple[str, int]) -> list[tuple[str, int]]:
    named = largest(File(PurePath(path).parent, PurePath(path).name, size) for path, size in sizes)
    return [(one["path"], one["bytes"]) for one in named]


def test_a_large_file_is_named_wherever_it_is() -> None:
    assert found(("a/b/c/big", 90), ("a/small", 4), ("x", 6)) == [("a/b/c/big", 90), ("x", 6)]


def test_many_small_files_are_named_by_their_folder() -> None:
    packages = [(f".cache/pip/{number}/wheel", 2) for number in range(60)]
    assert found(("big", 100), *packages) == [(".cache/pip/", 120), ("big", 100)]


def test_no_byte_counts_twice() -> None:
    named = found(("data/big", 50), ("data/runs/big", 30), *((f"data/runs/{number}", 2) for number in range(10)))
    assert named == [("data/big", 50), ("data/runs/big", 30), ("data/runs/", 20)]


def test_something_is_named_also_where_nothing_stands_out() -> None:
    named = found(*((f"course{number}/notes", 1) for number in range(100)))
    assert len(named) == 5
    assert all(size == 1 for _, size in named)


@pytest.mark.parametrize("sizes", [(), (("empty", 0), ("folder/empty", 0))])
def test_a_home_without_a_byte_has_nothing_to_name(sizes: tuple[tuple[str, int], ...]) -> None:
    assert found(*sizes) == []


# The walk


def write(path: Path, kib: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\1" * (kib << 10))


def test_the_walk_follows_no_link_and_counts_what_is_on_the_disk(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(tmp_path / "beside" / "other", 64)
    write(home / "data" / "own", 64)
    (home / "link").symlink_to(tmp_path / "beside")
    (home / "data" / "loop").symlink_to(home)
    with (home / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    sizes = {str(file.folder / file.name): file.bytes for file in files(home, 100, 10).files}
    assert set(sizes) == {"data/own", "sparse"}
    assert sizes["data/own"] >= 64 << 10
    assert sizes["sparse"] < 64 << 10


def test_the_walk_ends_after_so_many_entries(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"file{number}", 1)
    found = files(tmp_path, 7, 10)
    assert (len(found.files), found.complete) == (7, False)
    assert files(tmp_path, 20, 10).complete


def test_the_walk_ends_after_so_long(tmp_path: Path) -> None:
    write(tmp_path / "file", 1)
    assert files(tmp_path, 100, -1) == Found([], complete=False)


def test_what_is_near_the_top_is_seen_first(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "deep", 1)
    write(tmp_path / "z", 1)
    assert [file.name for file in files(tmp_path, 100, 10).files] == ["z", "deep"]


# The home


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    assert has_room(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert not has_room(tmp_path / "home")


MOUNTS = """\
700 690 0:30 / / rw,relatime - overlay overlay rw
701 700 0:99 {root} /home/jovyan rw,relatime shared:7 - zfs pool/userdata/homes/ada rw
702 700 0:98 / /run/jupyter rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("root", "own"),
    [
        ("/", True),  # a dataset, or a volume of one's own
        ("/pvc-1_jhub_claim-ada", False),  # a claim of the paper: a folder on the course's dataset
    ],
)
def test_a_folder_of_a_larger_disk_is_not_called_the_home_s_own(root: str, own: bool) -> None:
    assert is_own("/home/jovyan", MOUNTS.format(root=root)) is own


def test_a_home_that_is_no_mount_is_not_its_own() -> None:
    assert not is_own("/home/other", MOUNTS.format(root="/"))


def test_a_report_adds_up(tmp_path: Path) -> None:
    said = report(tmp_path)
    assert said["used"] + said["free"] == said["budget"] > 0
    assert set(said) == {"used", "budget", "free", "own", "full", "nearlyFull", "held", "largest"}
    assert said["held"] is None


def disk(monkeypatch: pytest.MonkeyPatch, *, size: int, free: int) -> None:
    """What the file system says of itself, in bytes."""
    figures = (1, 1, size, free, free, 0, 0, 0, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(figures))


GIB = 1 << 30


def test_a_fresh_home_of_a_large_template_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZFS adds to the size of the file system the 10 GiB that are shared with the template."""
    disk(monkeypatch, size=12 * GIB, free=2 * GIB)
    said = report(tmp_path, 2 * GIB)
    assert (said["used"], said["budget"], said["nearlyFull"]) == (0, 2 * GIB, False)
    assert report(tmp_path)["nearlyFull"], "what the file system alone would say"


def test_what_is_in_none_of_the_files_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZFS takes what snapshots hold from the size of the file system."""
    disk(monkeypatch, size=GIB, free=0)
    write(tmp_path / "own", 64)
    said = report(tmp_path, 2 * GIB)
    assert (said["used"], said["budget"]) == (2 * GIB, 2 * GIB)
    assert said["held"] == 2 * GIB - (tmp_path / "own").stat().st_blocks * 512


def test_a_budget_that_was_raised_since_is_not_taken_for_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, size=4 * GIB, free=3 * GIB)
    said = report(tmp_path, 2 * GIB)
    assert (said["used"], said["budget"], said["held"]) == (GIB, 4 * GIB, None)


def test_of_a_home_that_was_not_seen_to_the_end_nobody_says_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, size=GIB, free=0)
    monkeypatch.setattr("coursehub_home.space._ENTRIES", 1)
    for name in ("one", "two"):
        write(tmp_path / name, 1)
    assert report(tmp_path, 2 * GIB)["held"] is None


# The materials


def test_what_came_with_the_materials_is_not_named_and_what_the_student_changed_is() -> None:
    came = [File(PurePath("week1"), "data", 9, changed=5), File(PurePath(), MARKER, 1, changed=7)]
    own = [File(PurePath("week1"), "intro", 2, changed=8), File(PurePath(), "mine", 3, changed=8)]
    assert students_own(Found([*came, *own], complete=True)) == Found(own, complete=True)


def test_the_marker_is_the_one_that_the_template_has() -> None:
    assert in_the_template == MARKER


def test_without_a_marker_all_is_the_students() -> None:
    found = Found([File(PurePath("week1"), MARKER, 1, changed=7), File(PurePath(), "data", 9, changed=5)], True)
    assert students_own(found) == found
