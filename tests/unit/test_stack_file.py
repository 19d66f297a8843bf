"""Reading a stack's file without pulumi."""

from pathlib import Path

import pytest

from config.faults import WrongConfiguration
from config.stack_file import NoStack, find, read

ROOT = Path(__file__).resolve().parents[2]


def test_the_dev_stack_is_read_as_pulumi_gives_it() -> None:
    course = read(find(ROOT, "dev"))
    assert (course.course.name, course.storage.path) == ("dev", "jhub-pool/userdata")


def test_a_course_is_called_after_its_stack(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.physics.yaml"
    file.write_text("config: {'coursehub:homes': {roster: [{name: ada, role: staff}]}, 'other:key': 1}")
    assert read(find(tmp_path)).course.name == "physics"


def test_a_section_may_be_json_as_pulumi_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    file.write_text("""config: {'coursehub:homes': '{"roster": [{"name": "ada", "role": "staff"}]}'}""")
    assert read(file).homes.roster[0].name == "ada"


def test_secrets_are_passed_over_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    file.write_text("config: {'coursehub:hub': {authentication: {method: x, password: {secure: hunter2}}}}")
    with pytest.raises(WrongConfiguration) as error:
        read(file)
    assert "hunter2" not in str(error.value)
    assert "hub.authentication.method" in str(error.value)
    assert "hub.authentication.password" not in {fault.path for fault in error.value.faults}


@pytest.mark.parametrize("text", ["[1, 2]", "config: [1]", "config: {1: 2}", ": :", "\0"])
def test_what_is_no_stack_file_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    file.write_text(text)
    with pytest.raises(NoStack, match="cannot be read"):
        read(file)


def test_a_section_that_is_torn_is_a_fault_like_others(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    file.write_text("config: {'coursehub:homes': '{x', 'coursehub:storage': {qota: 1}}")
    with pytest.raises(WrongConfiguration) as error:
        read(file)
    assert {"homes", "storage.qota"} <= {fault.path for fault in error.value.faults}


@pytest.mark.parametrize("namespace", ["courshub", "course-hub", "Coursehub", "coursehubs"])
def test_a_mistyped_namespace_is_a_fault_and_its_value_is_not_shown(tmp_path: Path, namespace: str) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    file.write_text(f"config: {{'{namespace}:storage': {{quota: hunter2}}}}")
    with pytest.raises(WrongConfiguration) as error:
        read(file)
    found = {fault.path: str(fault) for fault in error.value.faults}
    assert "did you mean coursehub:storage?" in found[f"{namespace}:storage"]
    assert "hunter2" not in str(error.value)


def test_keys_of_other_namespaces_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.a.yaml"
    others = "'kubernetes:context': x, 'pulumi:tags': {a: b}, 'aws:region': y"
    file.write_text(f"config: {{'coursehub:homes': {{roster: [{{name: ada, role: staff}}]}}, {others}}}")
    assert read(file).homes.roster[0].name == "ada"


def test_it_must_be_clear_which_stack(tmp_path: Path) -> None:
    with pytest.raises(NoStack, match="none yet"):
        find(tmp_path)
    for stack in ("a", "b"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    with pytest.raises(NoStack, match="--stack names one of: a, b"):
        find(tmp_path)
    assert find(tmp_path, "b").name == "Pulumi.b.yaml"
    with pytest.raises(NoStack, match="there is: a, b"):
        find(tmp_path, "c")
