"""The retention plan: what goes, what stays, whatever the snapshots are called."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from host.run import BadSpecification
from host.snapshots import Retention, Snapshot, kept, parse, scheduled, taken_at, to_prune

START = datetime(2026, 9, 1, tzinfo=UTC)
PLAN = Retention(hourly=24, daily=7, weekly=8)


def snapshot(name: str, *, held: bool = False) -> Snapshot:
    return Snapshot(name, time=0, held=held, used=0, homes=1)


def every(hours: int, count: int) -> list[str]:
    return [scheduled(START + timedelta(hours=hours * number)) for number in range(count)]


def test_a_name_tells_its_time() -> None:
    assert taken_at(scheduled(START)) == START
    assert [taken_at(name) for name in ("before-exam", "coursehub-", "coursehub-x", "v1")] == [None] * 4


def test_a_semester_of_hourly_snapshots_keeps_as_many_as_asked() -> None:
    there: list[str] = []
    for name in every(1, 24 * 7 * 16):  # one after the other, pruned each time, as the schedule does
        there.append(name)
        gone = to_prune(map(snapshot, there), PLAN)
        there = [one for one in there if one not in gone]
    ages = [START + timedelta(hours=24 * 7 * 16 - 1) - (taken_at(name) or START) for name in there]
    assert len(there) <= 24 + 7 + 8
    assert sum(age < timedelta(hours=24) for age in ages) == 24
    assert sum(age < timedelta(days=7) for age in ages) >= 24 + 6
    assert timedelta(weeks=6) <= max(ages) <= timedelta(weeks=8)


def test_pruning_again_prunes_nothing_more() -> None:
    there = every(1, 500)
    stay = [name for name in there if name not in to_prune(map(snapshot, there), PLAN)]
    assert to_prune(map(snapshot, stay), PLAN) == []


def test_the_last_one_always_stays() -> None:
    assert kept(every(1, 5), Retention(0, 0, 0)) == {every(1, 5)[-1]}


def test_a_held_one_is_never_pruned() -> None:
    first, *others = every(1, 100)
    assert first in to_prune(map(snapshot, [first, *others]), PLAN)
    assert first not in to_prune([snapshot(first, held=True), *map(snapshot, others)], PLAN)


def test_what_coursehub_did_not_name_is_never_pruned() -> None:
    foreign = ["before-exam", "v1", "coursehub-mine", "20200101T000000Z", "coursehub-20260901T000000Z-mine"]
    assert set(to_prune(map(snapshot, [*foreign, *every(1, 100)]), Retention(1, 0, 0))) == set(every(1, 99))


SPEC: dict[str, Any] = {"pool": "p", "dataset": "c"}


@pytest.mark.parametrize("name", ["", "-r", "a b", "a@b", "a//b", "..", "$(id)", "a" * 64, 7])
def test_no_hostile_name_reaches_a_command(name: Any) -> None:
    for key in ("pool", "dataset", "name"):
        with pytest.raises(BadSpecification):
            parse({**SPEC, key: name})


@pytest.mark.parametrize(
    "wrong",
    [{}, {"pool": "p"}, {**SPEC, "more": 1}, {**SPEC, "keep": {"hourly": 1}}]
    + [{**SPEC, "keep": {"hourly": count, "daily": 1, "weekly": 1}} for count in (-1, "1", None, True, 1.5)],
)
def test_what_is_no_specification_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)
