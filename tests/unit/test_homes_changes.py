"""What a preview says about the homes: a sentence for each kind of change, none where nothing changes."""

from dataclasses import replace

import pytest

from plan.homes_changes import Home, Seen, Wanted, changes, refusals

GIB = 1 << 30
WANT = Wanted({"ada": 2 * GIB, "bob": 2 * GIB}, "3f2a", "materials/")
HOME = Home(2 * GIB, "3f2a", readonly=False)
SEEN = Seen({"ada": HOME, "bob": HOME}, frozenset({"initial", "3f2a"}))


def having(**homes: Home) -> Seen:
    return replace(SEEN, homes={**SEEN.homes, **homes})


def test_nothing_is_said_where_nothing_changes() -> None:
    assert changes(WANT, SEEN) == []
    assert refusals(SEEN) == []
    assert changes(WANT, having(gone=replace(HOME, readonly=True, mounted=False))) == []
    assert changes(WANT, having(gone=replace(HOME, readonly=True))) == [], "who left before is no news"


@pytest.mark.parametrize(
    ("want", "seen", "said"),
    [
        (WANT, replace(SEEN, homes={"ada": HOME}), "1 student will get a home from version 3f2a: bob"),
        (WANT, having(bob=replace(HOME, readonly=True)), "back in the roster, the home becomes writable again: bob"),
        (WANT, having(eve=HOME), "1 student no longer in the roster, the home is kept read-only: eve"),
        (replace(WANT, closed=True), having(eve=HOME), "1 student may not write any more (homes.closed), the home is"),
        (WANT, having(bob=replace(HOME, budget=GIB)), "budget 1Gi -> 2Gi: bob"),
        (WANT, having(bob=replace(HOME, budget=0)), "budget none -> 2Gi: bob"),
        (WANT, having(bob=replace(HOME, mounted=False)), "1 student without a mounted home, it will be mounted: bob"),
        (
            WANT,
            replace(SEEN, steps=("handing over to 1000:100: bob",)),
            "to do on this server: handing over to 1000:100: bob",
        ),
        (replace(WANT, budgets={"ada": GIB // 2, "bob": GIB // 2}), SEEN, "budget 2Gi -> 512Mi: ada, bob"),
    ],
)
def test_each_kind_of_change_is_said(want: Wanted, seen: Seen, said: str) -> None:
    (sentence,) = changes(want, seen)
    assert sentence.endswith(said) or said in sentence


def test_a_new_version_is_said_together_with_who_has_which() -> None:
    homes = {f"s{number}": replace(HOME, version="initial" if number < 12 else "3f2a") for number in range(15)}
    want = Wanted(dict.fromkeys(homes, 2 * GIB), "77aa", "materials/")
    assert changes(want, replace(SEEN, homes=homes)) == [
        "template: version 77aa will be made from materials/; homes made from now on begin with it",
        "homes that are there keep their version:"
        " initial: 12 students (s0, s1, s2, s3, s4 and 7 more); 3f2a: 3 students (s12, s13, s14)",
    ]


def test_a_server_without_anything_yet_is_told_what_will_be_made() -> None:
    want = Wanted(dict.fromkeys((f"s{number}" for number in range(5000)), GIB), "initial", "nothing")
    nothing = Seen.from_units({"versions": {}, "problems": []}, {"homes": {}, "problems": [], "drift": ["x"]})
    made, people = changes(want, nothing)
    assert "version initial will be made" in made
    assert people == "5,000 students will get a home from version initial: s0, s1, s2, s3, s4 and 4,995 more"


def test_what_up_would_refuse_is_said_with_the_figure() -> None:
    problem = "ada already holds 9,000 bytes, more than the budget of 8,192: raise the budget"
    seen = Seen.from_units(
        {"versions": {"3f2a": {}}, "problems": []},
        {
            "homes": {"ada": {"budget": 1, "template": "3f2a", "readonly": False, "mounted": True}},
            "problems": [problem],
            "drift": [problem],
        },
    )
    assert changes(replace(WANT, budgets={"ada": 1}), seen) == [], "it is said once"
    assert refusals(seen) == [f"`up` will refuse to change the homes: {problem}"]
