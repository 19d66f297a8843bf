"""What runs in a student's server: how it gets there, and how it judges a home."""

import re
from pathlib import Path, PurePath

import pytest
from coursehub_home.space import File, files, has_room, is_own, largest, report

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
    sizes = {str(file.folder / file.name): file.bytes for file in files(home, 100, 10)}
    assert set(sizes) == {"data/own", "sparse"}
    assert sizes["data/own"] >= 64 << 10
    assert sizes["sparse"] < 64 << 10


def test_the_walk_ends_after_so_many_entries(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"file{number}", 1)
    assert len(list(files(tmp_path, 7, 10))) == 7


def test_the_walk_ends_after_so_long(tmp_path: Path) -> None:
    write(tmp_path / "file", 1)
    assert list(files(tmp_path, 100, -1)) == []


def test_what_is_near_the_top_is_seen_first(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "deep", 1)
    write(tmp_path / "z", 1)
    assert [file.name for file in files(tmp_path, 100, 10)] == ["z", "deep"]


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
    assert set(said) == {"used", "budget", "free", "own", "full", "nearlyFull", "largest"}
