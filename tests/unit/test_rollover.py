"""The next semester's stack: what is new in it, what stays, and what is never copied."""

from typing import Any

import pytest

from config.faults import WrongConfiguration, check
from plan.rollover import Taken, Wish, differences, following, secrets, what_next, without_secrets

SECRET = {"secure": "v1:abc"}
OLD: dict[str, Any] = {
    "course": {"environment": "development"},
    "storage": {"pool": "tank", "dataset": "courses/physics", "quota": "500Gi", "snapshots": {}},
    "homes": {"budget": "1Gi", "roster": [{"name": "prof", "role": "staff", "budget": "3Gi"}, {"name": "ada"}]},
    "cluster": {"hostPort": 443, "memory": "8Gi"},
    "hub": {"authentication": {"method": "native", "adminUsers": ["tutor"]}},
}
NONE = Taken.by({})


def merged(tree: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    return {**tree, **{name: {**tree.get(name, {}), **section} for name, section in sections.items()}}


def next_of(old: dict[str, Any], taken: Taken | None = None, **wish: str) -> dict[str, Any]:
    """What follows, and is sound."""
    own = taken or Taken.by({"physics": old})
    found = following(old, check(without_secrets(old)), own, Wish("physics-2027", **wish))
    check({**found, "course": {"name": "physics-2027", **found.get("course", {})}})
    return found


def at(tree: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key, {})
    return tree or None


@pytest.mark.parametrize(
    ("old", "path", "value"),
    [
        (OLD, "storage.dataset", "courses/physics-2027"),
        (merged(OLD, storage={"dataset": "userdata"}), "storage.dataset", "physics-2027"),
        (OLD, "storage.quota", "500Gi"),
        (OLD, "course.name", None),
        (merged(OLD, course={"name": "physics"}), "course.name", "physics-2027"),
        (merged(OLD, cluster={"name": "mine"}), "cluster.name", None),
        (OLD, "cluster.memory", "8Gi"),
        (OLD, "cluster.hostPort", 444),
        (OLD, "cluster.apiPort", 16444),
        (OLD, "cluster.nodePort", 30081),
        (merged(OLD, cluster={"hostPort": 16443, "apiPort": 16444}), "cluster.hostPort", 16445),
        (merged(OLD, cluster={"hostPort": 65535}), "cluster.hostPort", 1024),
        (merged(OLD, cluster={"nodePort": 32767}), "cluster.nodePort", 30000),
        (merged(OLD, storage={"onDestroy": "archive", "archive": "/backup"}), "storage.onDestroy", "archive"),
        (
            merged(OLD, storage={"onDestroy": "destroy", "confirmDestroy": "tank/courses/physics"}),
            "storage.onDestroy",
            None,
        ),
        (
            merged(OLD, storage={"onDestroy": "destroy", "confirmDestroy": "tank/courses/physics"}),
            "storage.confirmDestroy",
            None,
        ),
        (merged(OLD, homes={"closed": True}), "homes.closed", None),
        (merged(OLD, homes={"template": {"folder": "materials/"}}), "homes.template.folder", "materials/"),
    ],
)
def test_what_is_new_and_what_stays(old: dict[str, Any], path: str, value: Any) -> None:
    assert at(next_of(old), path) == value


def test_the_old_sections_are_as_they_were() -> None:
    before = repr(OLD)
    next_of(OLD)
    assert repr(OLD) == before


def test_staff_stays_and_students_go() -> None:
    assert next_of(OLD)["homes"]["roster"] == [
        {"name": "prof", "role": "staff", "budget": "3Gi"},
        {"name": "tutor", "role": "staff"},
    ]


def test_with_a_roster_in_a_file_staff_stays_as_admins() -> None:
    found = following(OLD, check(OLD), NONE, Wish("physics-2027", roster="participants.csv"))
    assert found["homes"]["roster"] == "participants.csv"
    assert found["hub"]["authentication"]["adminUsers"] == ["tutor", "prof"]


def test_a_course_without_staff_needs_the_next_roster() -> None:
    old = merged(OLD, homes={"roster": [{"name": "ada"}]}, hub={"authentication": {"method": "dummy"}})
    with pytest.raises(WrongConfiguration, match="give the next roster with --roster"):
        next_of(old)


def test_without_a_roster_of_homes_the_list_of_users_stays() -> None:
    old = merged(
        OLD,
        homes={"mode": "dynamic", "roster": []},
        hub={"authentication": {"method": "native", "adminUsers": ["prof"], "allowedUsers": ["ada"]}},
    )
    assert next_of(old)["hub"] == old["hub"], "an empty list would let everybody in"


@pytest.mark.parametrize(
    ("template", "wish", "found"),
    [
        ({}, "materials/", {"folder": "materials/"}),
        ({"folder": "old/"}, "new/", {"folder": "new/"}),
        ({"git": "/srv/course", "revision": "v1"}, "v2", {"git": "/srv/course", "revision": "v2"}),
    ],
)
def test_the_materials_are_a_folder_or_a_revision(template: dict[str, str], wish: str, found: dict[str, str]) -> None:
    old = merged(OLD, homes={"template": template})
    assert next_of(old, template=wish)["homes"]["template"] == found


def test_nothing_that_another_stack_has_is_given_again() -> None:
    others = {
        "physics": OLD,
        "b": {"cluster": {"hostPort": 444, "apiPort": 16444, "nodePort": 30082}},
        "torn": {"cluster": "x", "storage": None, "course": {"name": ["a"]}},
    }
    cluster = next_of(OLD, Taken.by(others))["cluster"]
    assert (cluster["hostPort"], cluster["apiPort"], cluster["nodePort"]) == (445, 16445, 30081)


@pytest.mark.parametrize(
    ("other", "path"),
    [
        ({"storage": {"pool": "tank", "dataset": "courses/physics-2027"}}, "storage.dataset"),
        ({"course": {"name": "physics-2027"}}, "cluster.name"),
        ({"cluster": {"name": "coursehub-physics-2027"}}, "cluster.name"),
    ],
)
def test_a_name_that_another_stack_has_is_refused(other: dict[str, Any], path: str) -> None:
    with pytest.raises(WrongConfiguration) as error:
        next_of(OLD, Taken.by({"physics": OLD, "other": other}))
    assert [fault.path for fault in error.value.faults] == [path]


def test_no_secret_is_copied_wherever_it_is() -> None:
    tree = {"hub": {"a": SECRET, "b": {"c": SECRET, "d": 1}}, "list": [SECRET, "x", {"e": SECRET}], "f": SECRET}
    assert list(secrets(tree)) == ["hub.a", "hub.b.c", "list[0]", "list[2].e", "f"]
    assert without_secrets(tree) == {"hub": {"b": {"d": 1}}, "list": ["x", {}]}


def test_what_differs_is_told_and_no_more() -> None:
    assert differences(OLD, next_of(OLD)) == [
        "storage.dataset: courses/physics -> courses/physics-2027",
        "homes.roster: prof, ada -> prof, tutor",
        "cluster.hostPort: 443 -> 444",
        "cluster.apiPort: not given -> 16444",
        "cluster.nodePort: not given -> 30081",
    ]


def test_what_is_next_is_told() -> None:
    hub = {"url": "https://physics.example.org", "authentication": {"adminUsers": ["prof"]}}
    old, new = check(OLD), check(merged(OLD, cluster={"hostPort": 444}, hub=hub))
    told = "\n".join(what_next(("physics", old), ("next", new), ["hub.authentication.oauth.clientSecret"]))
    assert "--path 'hub.authentication.oauth.clientSecret' --stack next" in told
    assert "still https://physics.example.org, and the new hub is at port 444" in told
    assert (
        told.index("make stack STACK=next") < told.index("make preview STACK=next") < told.index("make up STACK=next")
    )
    assert "`homes.closed: true` in Pulumi.physics.yaml" in told
    assert "keeps all work, in tank/courses/physics" in told


def test_a_course_without_a_roster_is_not_told_to_close_its_homes() -> None:
    old = check(merged(OLD, homes={"mode": "dynamic", "roster": []}))
    assert "homes.closed" not in "\n".join(what_next(("a", old), ("b", old), []))
