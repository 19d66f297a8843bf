"""What a preview says about the homes and the template, and what a change of the materials does to the graph."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.graph.conftest import Found, Server
from tests.graph.recording import Registered, run_program
from tests.graph.test_course import DEV
from tests.graph.test_drift import noted, revision

GIB = 1 << 30


def config(*students: str, budget: str = "1Gi", **template: str) -> dict[str, Any]:
    roster = [{"name": name} for name in students]
    homes = {"budget": budget, "roster": roster, "template": template}
    return {**DEV, "storage": '{"quota": "9Gi"}', "homes": json.dumps(homes)}


def told(caplog: pytest.LogCaptureFixture, given: dict[str, Any]) -> list[str]:
    """What a preview says."""

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        return run_program(given).apply(lambda graph: None)

    with caplog.at_level(logging.INFO):
        run()
    return [record.message for record in caplog.records]


def course_of(*students: str, **workspaces: Any) -> Found:
    """What is found of a course whose template is empty and whose students may write 1 GiB each."""
    home = {"budget": GIB, "template": "initial", "readonly": False, "mounted": True}
    return {
        "template": {"versions": {"initial": {}}, "problems": [], "drift": []},
        "workspaces": {"homes": dict.fromkeys(students, home), "problems": [], "drift": [], **workspaces},
    }


def test_what_changes_is_said_student_by_student(caplog: pytest.LogCaptureFixture, server: Server) -> None:
    server(course_of("ada", "bob"))
    assert told(caplog, config("ada", "cleo", budget="2Gi")) == [
        "1 student will get a home from version initial: cleo",
        "1 student no longer in the roster, the home is kept read-only: bob",
        "budget 1Gi -> 2Gi: ada",
    ]


def test_nothing_is_said_where_nothing_changes(caplog: pytest.LogCaptureFixture, server: Server) -> None:
    server(course_of("ada", "bob"))
    assert told(caplog, config("ada", "bob")) == []


def test_what_up_would_refuse_is_a_warning(caplog: pytest.LogCaptureFixture, server: Server) -> None:
    server(course_of("ada", problems=["ada already holds 9,000,000 bytes"]))
    told(caplog, config("ada", budget="1Mi"))
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "ada already holds 9,000,000 bytes" in warning


def test_a_new_version_is_said_with_who_has_which(caplog: pytest.LogCaptureFixture, server: Server) -> None:
    server(course_of("ada", "bob"))
    made, who = told(caplog, config("ada", "bob", git="https://example.org/course", revision="v1.0"))
    assert "will be made from https://example.org/course at v1.0" in made
    assert who == "homes that are there keep their version: initial: 2 students (ada, bob)"


def test_a_server_without_zfs_or_pool_is_told_what_will_be_made(caplog: pytest.LogCaptureFixture) -> None:
    template, homes = told(caplog, config("ada", "bob"))
    assert template.startswith("template: version initial will be made from nothing, as homes begin empty")
    assert homes == "2 students will get a home from version initial: ada, bob"


def test_a_zfs_that_does_not_answer_fails_no_preview(caplog: pytest.LogCaptureFixture, server: Server) -> None:
    server({unit: {"warnings": ["the daemon is gone"]} for unit in ("template", "workspaces")})
    (sentence,) = told(caplog, config("ada"))
    assert sentence == "what will change about the homes cannot be told: the daemon is gone"


@pytest.fixture
def materials(tmp_path: Path) -> Path:
    folder = tmp_path / "materials"
    folder.mkdir()
    (folder / "intro.ipynb").write_text("{}")
    return folder


def test_a_change_of_the_materials_changes_template_and_homes_alone(materials: Path) -> None:
    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graphs: list[dict[str, Registered]]) -> None:
            before, touched, after = graphs
            assert {name for name in before if before[name].inputs != touched[name].inputs} == set()
            differ = {name for name in before if before[name].inputs != after[name].inputs}
            assert differ == {"homes-template", "homes-workspaces"}
            for name in differ:
                assert before[name].inputs["triggers"] == after[name].inputs["triggers"], "nothing is replaced"

        first = run_program(config("ada", folder=str(materials)))
        os.utime(materials / "intro.ipynb", (0, 0))
        second = run_program(config("ada", folder=str(materials)))
        (materials / "intro.ipynb").write_text("{ }")
        return pulumi.Output.all(first, second, run_program(config("ada", folder=str(materials)))).apply(check)

    run()


HOSTILE: dict[str, Callable[[Path], object]] = {
    "there is no folder": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "'pipe' is a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "'link' is a link to '/etc/shadow'": lambda folder: (folder / "link").symlink_to("/etc/shadow"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_wrong_materials_are_a_fault_of_the_configuration(materials: Path, fault: str) -> None:
    HOSTILE[fault](materials)
    with pytest.raises(pulumi.RunError, match="1 fault; nothing was changed") as error:
        run_program(config("ada", folder=str(materials)))
    assert "homes.template.folder: " in str(error.value)
    assert fault in str(error.value)


def test_what_was_changed_by_hand_has_the_unit_run_again(server: Server, tmp_path: Path) -> None:
    resources = ("homes-template", "homes-workspaces")
    for resource in resources:
        noted(tmp_path, resource, 4, 0)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graphs: list[dict[str, Registered]]) -> None:
            seen = [[revision(graph[name])["revision"] for graph in graphs] for name in resources]
            assert seen == [[4, 4], [4, 5]]

        server(course_of("ada"))
        sound = run_program(config("ada"), tmp_path)
        server(course_of("ada", drift=["mounting: ada"]))
        return pulumi.Output.all(sound, run_program(config("ada"), tmp_path)).apply(check)

    run()


def test_a_roster_from_a_file_is_the_same_course(
    caplog: pytest.LogCaptureFixture, server: Server, tmp_path: Path
) -> None:
    server(course_of("ada"))
    file = tmp_path / "participants.csv"
    file.write_text("name\nada\nbob\n")
    as_file = {**config(), "homes": json.dumps({"budget": "1Gi", "roster": str(file)})}
    assert told(caplog, as_file) == ["1 student will get a home from version initial: bob"]


def test_a_fault_in_a_rosters_file_ends_the_program_before_anything_is_registered(tmp_path: Path) -> None:
    file = tmp_path / "participants.csv"
    file.write_text("name\nada\na b\n")
    with pytest.raises(pulumi.RunError, match=r"participants\.csv line 3: 'a b'"):
        run_program({**config(), "homes": json.dumps({"roster": str(file)})})
