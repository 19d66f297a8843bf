"""Reading a stack's file without pulumi."""

import hashlib
import json
from pathlib import Path

import pytest

from config.faults import WrongConfiguration
from config.stack_file import NoStack, find, read, stacks

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack is named or selected, whatever the environment says."""
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))


def select(folder: Path, stack: str) -> Path:
    """What `pulumi stack select` leaves behind; the file."""
    (folder / "Pulumi.yaml").write_text("name: coursehub\nruntime: python\n")
    digest = hashlib.sha1(str(folder / "Pulumi.yaml").encode()).hexdigest()
    file = folder / "pulumi" / "workspaces" / f"coursehub-{digest}-workspace.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"stack": stack}))
    return file


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


def test_the_stack_that_pulumi_has_selected_is_the_one(tmp_path: Path) -> None:
    for stack in ("dev", "physics"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    file = select(tmp_path, "physics")
    assert find(tmp_path).name == "Pulumi.physics.yaml"
    assert find(tmp_path, "dev").name == "Pulumi.dev.yaml", "what is named goes first"
    select(tmp_path, "organization/coursehub/physics")
    assert find(tmp_path).name == "Pulumi.physics.yaml"
    for text in ("{", "[]", "{}", '{"stack": "gone"}'):
        file.write_text(text)
        with pytest.raises(NoStack, match="--stack names one of: dev, physics"):
            find(tmp_path)


def test_pulumi_stack_names_one_before_the_selection_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stack in ("dev", "physics"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    select(tmp_path, "physics")
    monkeypatch.setenv("PULUMI_STACK", "dev")
    assert find(tmp_path).name == "Pulumi.dev.yaml"
    assert find(tmp_path, "physics").name == "Pulumi.physics.yaml"
    monkeypatch.setenv("PULUMI_STACK", "gone")
    with pytest.raises(NoStack, match="PULUMI_STACK is set, but there is no"):
        find(tmp_path)


def test_a_stack_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.physics.2027.yaml").touch()
    assert list(stacks(tmp_path)) == ["physics.2027"]
    assert find(tmp_path, "physics.2027") == find(tmp_path)
