"""What a preview says about the homes and the template, and what a change of the materials does to the graph."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.graph.conftest import Zfs
from tests.graph.recording import Registered, run_program
from tests.graph.test_course import DEV

POOL = "nowhere"
COURSE = f"{POOL}/userdata"
GIB = 1 << 30


def config(*students: str, budget: str = "1Gi", **template: str) -> dict[str, Any]:
    roster = [{"name": name} for name in students]
    homes = {"budget": budget, "roster": roster, "template": template}
    return {**DEV, "storage": json.dumps({"pool": POOL}), "homes": json.dumps(homes)}


def told(caplog: pytest.LogCaptureFixture, given: dict[str, Any]) -> list[str]:
    """What a preview says."""

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        return run_program(given).apply(lambda graph: None)

    with caplog.at_level(logging.INFO):
        run()
    return [record.message for record in caplog.records]


def course_with(zfs: Zfs, *students: str, version: str = "initial") -> None:
    """A server whose course has these students, each with 1 GiB, of which 9 MB are used."""
    template = {
        "mounted": "yes",
        "mountpoint": f"/{COURSE}",
        "creation": "1",
        "referenced": "1",
        "coursehub:commit": "-",
    }
    dataset = {
        **{"type": "filesystem", "mounted": "yes", "quota": "0", "readonly": "off", "origin": "-"},
        **dict.fromkeys(("used", "referenced", "usedbydataset", "usedbysnapshots"), "9000000"),
    }
    homes = {
        COURSE: {**dataset, "mountpoint": f"/{COURSE}"},
        f"{COURSE}/homes": {**dataset, "mountpoint": f"/{COURSE}/homes"},
        f"{COURSE}/template@{version}": {**dict.fromkeys(dataset, "-"), "type": "snapshot", "mountpoint": "-"},
    }
    for student in students:
        own = {"mountpoint": f"/{COURSE}/homes/{student}", "quota": str(GIB), "origin": f"{COURSE}/template@{version}"}
        homes[f"{COURSE}/homes/{student}"] = {**dataset, **own}
    versions = (COURSE, f"{COURSE}/template", f"{COURSE}/template@{version}")
    zfs(
        "".join(
            f"{name}\t{key}\t{value}\n"
            for name in versions
            for key, value in {**template, "mountpoint": f"/{name}"}.items()
        ),
        "".join(f"{name}\t{key}\t{value}\tlocal\n" for name, of in homes.items() for key, value in of.items()),
    )


def test_what_changes_is_said_student_by_student(caplog: pytest.LogCaptureFixture, zfs: Zfs) -> None:
    course_with(zfs, "ada", "bob")
    assert told(caplog, config("ada", "cleo", budget="2Gi")) == [
        "1 student will get a home from version initial: cleo",
        "1 student no longer in the roster, the home is kept read-only: bob",
        "budget 1Gi -> 2Gi: ada",
    ]


def test_nothing_is_said_where_nothing_changes(caplog: pytest.LogCaptureFixture, zfs: Zfs) -> None:
    course_with(zfs, "ada", "bob")
    assert told(caplog, config("ada", "bob")) == []


def test_a_budget_below_what_is_used_is_a_warning_with_the_figure(caplog: pytest.LogCaptureFixture, zfs: Zfs) -> None:
    course_with(zfs, "ada")
    told(caplog, config("ada", budget="1Mi"))
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "ada already holds 9,000,000 bytes, more than the budget of 1,048,576" in warning


def test_a_new_version_is_said_with_who_has_which(caplog: pytest.LogCaptureFixture, zfs: Zfs) -> None:
    course_with(zfs, "ada", "bob")
    made, who = told(caplog, config("ada", "bob", git="https://example.org/course", revision="v1.0"))
    assert "will be made from https://example.org/course at v1.0" in made
    assert who == "homes that are there keep their version: initial: 2 students"


def test_a_server_without_zfs_or_pool_is_told_what_will_be_made(caplog: pytest.LogCaptureFixture) -> None:
    template, homes = told(caplog, config("ada", "bob"))
    assert template.startswith("template: version initial will be made from nothing, as homes begin empty")
    assert homes == "2 students will get a home from version initial: ada, bob"


def test_a_zfs_that_does_not_answer_fails_no_preview(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "fake" / "zfs").write_text("#!/bin/sh\necho the daemon is gone >&2\nexit 1\n")
    (sentence,) = told(caplog, config("ada"))
    assert sentence.startswith("what will change about the homes cannot be told: ")
    assert "the daemon is gone" in sentence


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
