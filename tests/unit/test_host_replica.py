"""What a replica is sent, and what may not be in its way."""

import pytest

from host.datasets import Course
from host.parts import Part, parts
from host.replica import in_the_way, parse
from host.run import BadSpecification

COURSE = Course("p", "c")
GIVEN = {"pool": "p", "dataset": "c", "to": "backup"}


def test_a_replica_lies_under_the_names_of_pool_and_dataset() -> None:
    assert parse(GIVEN).replica.path == "backup/coursehub-replica/p/c"


@pytest.mark.parametrize("changed", [{"to": "p"}, {"to": "-rf"}, {"to": "a b"}, {"to": None}, {"pool": "../x"}])
def test_the_courses_own_pool_and_what_is_no_pool_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(BadSpecification):
        parse({**GIVEN, **changed})


def test_the_next_run_is_built_on_the_snapshot_of_the_last_one() -> None:
    names = ("", "@one", "@other", "@two", "homes/ada", "homes/ada@one", "homes/ada@other", "homes/ada@two")
    table = {f"p/c/{name}".removesuffix("/").replace("/@", "@"): {"origin": "-"} for name in names}
    assert parts(COURSE, "two", table, by_way_of=["one"]) == [
        Part("", "one", ""),
        Part("", "two", "@one"),
        Part("homes/ada", "one", ""),
        Part("homes/ada", "two", "homes/ada@one"),
    ]


def test_what_is_not_built_on_the_replicas_own_is_in_the_way() -> None:
    todo = [Part("homes/ada", "two", "template@v2"), Part("homes/bob", "two", "homes/bob@one")]
    assert in_the_way(todo, ["", "homes/ada", "homes/bob"]) == ["homes/ada"]
    assert in_the_way(todo, ["", "homes/bob"]) == []
