"""What drifted on the server is among the inputs of its command, so that Pulumi runs it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import drift
from tests.graph.recording import Registered, run_program
from tests.graph.test_course import DEV


def noted(folder: Path, resource: str, revision: int, generation: int) -> None:
    """The file that a unit leaves once its work is done."""
    file = folder / "revisions" / "dev" / f"{resource}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"revision": revision, "generation": generation, "result": {"address": "a"}}))


def run_with(found: Mapping[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> pulumi.Output[dict[str, Registered]]:
    """The graph where every unit finds the same."""
    patch.setattr(drift, "observe", lambda unit, spec: found)
    patch.setattr("components.cluster.observe", lambda unit, spec: found)
    return run_program(DEV, folder)


def revision(resource: Registered) -> Any:
    return json.loads(resource.inputs["environment"]["COURSEHUB_REVISION"])


def test_what_drifted_is_updated_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(tmp_path, "dataset-zfs", 2, 0)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            assert revision(graph["dataset-zfs"]) == {"revision": 3, "generation": 0}
            assert graph["dataset-zfs"].inputs["triggers"] == ["jhub-pool/userdata"]

        return run_with({"drift": ["quota 1 -> 2"]}, tmp_path, monkeypatch).apply(check)

    run()


def test_an_address_that_changed_runs_the_unit_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(tmp_path, "cluster-kind", 0, 0)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            assert revision(graph["cluster-kind"]) == {"revision": 1, "generation": 0}

        return run_with({"result": {"address": "b"}}, tmp_path, monkeypatch).apply(check)

    run()


def test_a_cluster_that_is_gone_is_made_anew_with_all_that_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(tmp_path, "cluster-kind", 0, 0)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            assert graph["cluster-kind"].inputs["triggers"][1:] == ["generation 1"]
            assert graph["hub-release"].replace_with == {"cluster-kind"}

        return run_with({"gone": True, "drift": ["gone"]}, tmp_path, monkeypatch).apply(check)

    run()


@pytest.mark.parametrize(
    "found", [{}, {"drift": []}, {"warnings": ["pool is 90 % full"]}, {"result": {"address": "a"}}]
)
def test_what_did_not_drift_has_the_inputs_of_last_time(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for resource in ("dataset-zfs", "cluster-kind"):
        noted(tmp_path, resource, 2, 1)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            for resource in ("dataset-zfs", "cluster-kind"):
                assert revision(graph[resource]) == {"revision": 2, "generation": 1}
                assert graph[resource].inputs["triggers"][1:] == ["generation 1"]

        return run_with(found, tmp_path, monkeypatch).apply(check)

    run()


@pytest.mark.parametrize("torn", ["", "{", "[]", "{}", '{"revision": null, "generation": 0, "result": {}}', "\0\0"])
def test_a_note_that_cannot_be_read_runs_the_unit_again(
    torn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(tmp_path, "dataset-zfs", 2, 0)
    (tmp_path / "revisions" / "dev" / "dataset-zfs.json").write_text(torn)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            assert revision(graph["dataset-zfs"])["revision"] > 1_000_000, "none that it could have had"
            assert graph["dataset-zfs"].inputs["triggers"] == ["jhub-pool/userdata"], "it is not made anew"

        return run_with({}, tmp_path, monkeypatch).apply(check)

    run()


def test_nothing_is_looked_at_before_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def observe(unit: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        looked.append(unit)
        return {}

    monkeypatch.setattr(drift, "observe", observe)

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        return run_program(DEV, tmp_path).apply(lambda graph: _assert_first(graph, looked))

    run()


def _assert_first(graph: dict[str, Registered], looked: list[str]) -> None:
    assert looked == []
    assert revision(graph["cluster-kind"]) == {"revision": 0, "generation": 0}
