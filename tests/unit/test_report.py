"""What a course takes and saves, from what the homes' unit tells."""

from typing import Any

import pytest

from plan.report import report


def home(**figures: int) -> dict[str, int]:
    return {"budget": 100, "used": 0, "shared": 0, "bySnapshots": 0, **figures}


def found(allocated: int, **homes: dict[str, int]) -> dict[str, Any]:
    return {"homes": homes, "allocated": allocated, "nearlyFull": ["ada"], "left": ["bob"]}


def test_the_saving_is_what_plain_copies_take_by_what_is_allocated() -> None:
    told = report(found(80, ada=home(used=20, shared=50, bySnapshots=5), bob=home(used=10, shared=40)))
    assert (told.homes, told.budget, told.used, told.shared, told.by_snapshots) == (2, 200, 30, 90, 5)
    assert told.copies == 120
    assert told.saving == pytest.approx(1.5)
    assert (told.full, told.left) == (("ada",), ("bob",))


def test_a_course_without_homes_saves_nothing_and_divides_by_nothing() -> None:
    assert report(found(0)).saving is None
    assert report(found(5)).saving is None
