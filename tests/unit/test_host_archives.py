"""Which archives of a folder are a course's own: by what they say of themselves, never by their names."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.archive_file import Reader, Writer
from host.archives import Archives, look, name
from host.datasets import Course
from host.run import Refused

PHYSICS, LAB = Course("tank", "physics"), Course("tank", "physics-lab")


def archived(file: Path, course: str, written: str) -> Path:
    with Writer(file, {"course": course, "snapshot": "monday"}) as writer:
        writer.finish({"course": course, "snapshot": "monday", "written": written, "parts": []})
    return file


def begun(file: Path, course: str, time: int) -> None:
    with Writer(file, {"course": course, "snapshot": ""}):
        pass
    os.utime(f"{file}.journal", (time, time))


def names(found: Archives) -> list[str]:
    return [archive.file.name for archive in found.whole]


def test_another_course_s_archives_are_not_listed_whatever_their_names(tmp_path: Path) -> None:
    archived(tmp_path / "physics-20270101T000000Z.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-lab-20270301T000000Z.tar", "tank/physics-lab", "2027-03-01T00:00:00+00:00")
    archived(tmp_path / "physics-20270301T000000Z.tar", "other/physics", "2027-03-01T00:00:00+00:00")
    assert names(look(PHYSICS, tmp_path)) == ["physics-20270101T000000Z.tar"]
    assert names(look(LAB, tmp_path)) == ["physics-lab-20270301T000000Z.tar"]


def test_the_newest_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    archived(tmp_path / "physics-coursehub-20260101T000000Z.tar", "tank/physics", "2026-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-20270101T000000Z.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "a-name-of-its-own.tar", "tank/physics", "2027-02-01T00:00:00+00:00")
    assert names(look(PHYSICS, tmp_path))[1:] == ["physics-20270101T000000Z.tar", "a-name-of-its-own.tar"]


def test_each_has_the_seal_that_tells_it_from_all_others(tmp_path: Path) -> None:
    first = archived(tmp_path / "physics-1.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    archived(tmp_path / "physics-2.tar", "tank/physics", "2027-01-02T00:00:00+00:00")
    seals = [archive.seal for archive in look(PHYSICS, tmp_path).whole]
    assert seals[0] == Reader(first).seal
    assert len(set(seals)) == 2


def test_one_that_is_damaged_is_told_and_strangers_are_passed_over(tmp_path: Path) -> None:
    archived(tmp_path / "physics-1.tar", "tank/physics", "2027-01-01T00:00:00+00:00")
    torn, other = tmp_path / "physics-20270301T000000Z.tar", tmp_path / "physics-lab-20270301T000000Z.tar"
    other.write_bytes(b"torn")
    torn.write_bytes((tmp_path / "physics-1.tar").read_bytes()[:600])
    (tmp_path / "holiday.tar").write_text("photographs")
    found = look(PHYSICS, tmp_path)
    assert names(found) == ["physics-1.tar"]
    assert list(found.damaged) == [torn]
    assert f"{torn} is no" in found.damaged[torn]


def test_what_was_broken_off_is_gone_on_with_if_it_is_of_this_course(tmp_path: Path) -> None:
    begun(tmp_path / "physics-lab-20270301T000000Z.tar", "tank/physics-lab", 300)
    (tmp_path / "physics-0.tar.partial").touch()
    assert look(PHYSICS, tmp_path).unfinished is None
    begun(tmp_path / "physics-9.tar", "tank/physics", 100)
    begun(tmp_path / "physics-1.tar", "tank/physics", 200)
    assert look(PHYSICS, tmp_path).unfinished == tmp_path / "physics-1.tar"


def test_no_two_courses_of_a_pool_have_a_name_in_common() -> None:
    courses = [PHYSICS, LAB, Course("tank", "physics/lab"), Course("tank", "physics-20270201t080000z")]
    moment = datetime(2027, 2, 1, 8, tzinfo=UTC)
    assert len({name(course, moment) for course in courses}) == len(courses)


def test_a_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(Refused, match="there is no folder /nonexistent for archives: make it, or mount it"):
        look(PHYSICS, Path("/nonexistent"))
