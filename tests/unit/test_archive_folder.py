"""Which archives of a folder are a course's own: by what they say of themselves, never by their names."""

import os
from pathlib import Path

import pytest

from cli.archive_folder import Folder, seen
from config.course import Storage
from host.archive_file import Reader, Writer


def storage(folder: Path, dataset: str = "physics") -> Storage:
    return Storage(pool="tank", dataset=dataset, archive=str(folder))


def archived(file: Path, course: str, written: str) -> Path:
    with Writer(file, {"course": course, "snapshot": "monday"}) as writer:
        writer.finish({"course": course, "snapshot": "monday", "written": written, "parts": []})
    return file


def begun(file: Path, course: str, time: int) -> None:
    with Writer(file, {"course": course, "snapshot": ""}):
        pass
    os.utime(f"{file}.partial", (time, time))


def names(folder: Folder) -> list[str]:
    return [Path(archive.file).name for archive in folder.archives]


def test_another_course_s_archives_are_not_listed_whatever_their_names(tmp_path: Path) -> None:
    archived(tmp_path / "physics-20270101T000000Z.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-lab-20270301T000000Z.tar", "tank/physics-lab", "2027-03-01T00:00:00+00:00")
    archived(tmp_path / "physics-20270301T000000Z.tar", "other/physics", "2027-03-01T00:00:00+00:00")
    assert names(seen(storage(tmp_path))) == ["physics-20270101T000000Z.tar"]
    assert names(seen(storage(tmp_path, "physics-lab"))) == ["physics-lab-20270301T000000Z.tar"]


def test_the_newest_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    archived(tmp_path / "physics-coursehub-20260101T000000Z.tar", "tank/physics", "2026-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-20270101T000000Z.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "a-name-of-its-own.tar", "tank/physics", "2027-02-01T00:00:00+00:00")
    assert names(seen(storage(tmp_path)))[1:] == ["physics-20270101T000000Z.tar", "a-name-of-its-own.tar"]


def test_verified_is_the_very_file_that_was(tmp_path: Path) -> None:
    first = archived(tmp_path / "physics-1.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-2.tar", "tank/physics", "2027-01-02T00:00:00+00:00")
    note = {"snapshot": "monday", "at": "2027-01-03T00:00:00+00:00", "sha256": Reader(first).seal}
    assert [archive.verified for archive in seen(storage(tmp_path), note).archives] == [True, False]
    assert not any(archive.verified for archive in seen(storage(tmp_path)).archives)


def test_one_that_is_damaged_is_told_and_strangers_are_passed_over(tmp_path: Path) -> None:
    archived(tmp_path / "physics-1.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    torn = tmp_path / "physics-2.tar"
    torn.write_bytes((tmp_path / "physics-1.tar").read_bytes()[:600])
    (tmp_path / "holiday.tar").write_text("photographs")
    found = seen(storage(tmp_path))
    assert names(found) == ["physics-1.tar"]
    assert list(found.damaged) == [str(torn)]
    assert f"{torn} is no" in found.damaged[str(torn)]


def test_what_was_broken_off_is_gone_on_with_if_it_is_of_this_course(tmp_path: Path) -> None:
    begun(tmp_path / "physics-lab-20270301T000000Z.tar", "tank/physics-lab", 300)
    (tmp_path / "physics-0.tar.partial").touch()
    assert seen(storage(tmp_path)).unfinished is None
    begun(tmp_path / "physics-9.tar", "tank/physics", 100)
    begun(tmp_path / "physics-1.tar", "tank/physics", 200)
    assert seen(storage(tmp_path)).unfinished == str(tmp_path / "physics-1.tar")


@pytest.mark.parametrize("folder", [None, "/nonexistent"])
def test_no_folder_holds_nothing(folder: str | None) -> None:
    assert seen(Storage(pool="tank", dataset="physics", archive=folder)) == Folder()
