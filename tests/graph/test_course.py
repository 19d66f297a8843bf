"""What the graph of a course promises: its edges, what replaces, what updates, and that nothing runs at preview."""

import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from plan.policies import NAMES
from tests.graph.recording import Registered, run_program

POLICIES = tuple(f"guardrails-{name.replace('/', '-')}" for name in NAMES)
QUOTAS = (
    *("guardrails-students", "guardrails-containers"),
    *("guardrails-quota-students", "guardrails-quota-hub", "guardrails-quota-course"),
)
DEV: dict[str, Any] = {
    "course": '{"name": "dev", "environment": "development"}',
    "parts": "registries",
    "storage": '{"quota": "1Gi"}',
    "homes": '{"mode": "dynamic"}',
    "hub": '{"authentication": {"method": "dummy"}}',
}


def with_section(**sections: str) -> dict[str, Any]:
    return {**DEV, **sections}


@pulumi.runtime.test
def test_dataset_then_cluster_then_hub() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert set(graph) == {
            *("dataset", "dataset-zfs", "dataset-database", "cluster", "cluster-kind", "cluster-kubernetes"),
            *("hub", "hub-secrets", "hub-database", "hub-lab", "hub-homes-volume", "hub-homes-claim", "hub-release"),
            *("guardrails", "guardrails-namespace", *POLICIES, *QUOTAS),
            *("leaving", "leaving-check"),
        }
        assert "dataset-zfs" in graph["cluster-kind"].needs
        assert "cluster-kind" in graph["cluster-kubernetes"].needs
        assert {"guardrails-namespace", "hub-secrets"} <= graph["hub-release"].needs

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_the_dataset_is_told_whose_it_is() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert json.loads(graph["dataset-zfs"].inputs["stdin"])["stack"] == "dev/dev"

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_everything_is_under_its_component() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        parents = {name: resource.parent for name, resource in graph.items() if "-" in name}
        assert parents == {name: name.split("-")[0] for name in parents}

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_what_is_in_the_cluster_ends_and_begins_with_the_cluster() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert graph["cluster-kubernetes"].deleted_with == "cluster-kind"
        assert graph["hub-release"].deleted_with == graph["guardrails-namespace"].deleted_with == "cluster-kubernetes"
        for name in ("cluster-kubernetes", "guardrails-namespace", "hub-database", "hub-lab", "hub-release"):
            assert graph[name].replace_with == {"cluster-kind"}, name

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_a_change_of_identity_deletes_before_it_makes_anew() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        for name in ("dataset-zfs", "cluster-kind", "hub-secrets"):
            assert graph[name].delete_before_replace, name
            assert graph[name].replace_on_changes == ("triggers[*]",), name

    return run_program(DEV).apply(check)


@pytest.mark.parametrize(
    ("sections", "replaced"),
    [
        ({"storage": '{"quota": "2Gi"}'}, set()),
        ({"storage": '{"quota": "1Gi", "compression": "off"}'}, set()),
        ({"storage": '{"quota": "1Gi", "onDestroy": "destroy", "confirmDestroy": "jhub-pool/userdata"}'}, set()),
        ({"hub": '{"authentication": {"method": "dummy"}, "student": {"storage": "5Gi"}}'}, set()),
        ({"storage": '{"quota": "1Gi", "dataset": "physics"}'}, {"dataset-zfs", "dataset-database", "cluster-kind"}),
        ({"cluster": '{"hostPort": 30081}'}, {"cluster-kind"}),
        ({"cluster": '{"nodePort": 30081}'}, {"cluster-kind"}),
        ({"cluster": '{"name": "other"}'}, {"cluster-kind"}),
    ],
)
def test_only_another_name_or_another_kind_configuration_replaces(sections: dict[str, str], replaced: set[str]) -> None:
    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graphs: list[dict[str, Registered]]) -> None:
            before, after = graphs
            commands = {name for name, resource in before.items() if resource.type == "command:local:Command"}
            differ = {n for n in commands if before[n].inputs["triggers"] != after[n].inputs["triggers"]}
            assert differ == replaced

        first = run_program(DEV)
        return pulumi.Output.all(first, run_program(with_section(**sections))).apply(check)

    run()


@pulumi.runtime.test
def test_a_quota_changes_the_dataset_alone() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = graphs
        differ = {name for name in before if before[name].inputs != after[name].inputs}
        assert differ == {"dataset-zfs"}

    first = run_program(DEV)
    return pulumi.Output.all(first, run_program(with_section(storage='{"quota": "2Gi"}'))).apply(check)


@pulumi.runtime.test
def test_the_secrets_are_drawn_apart_from_everything_else() -> pulumi.Output[None]:
    """They would change if any input of the command that draws them did."""

    def check(graph: dict[str, Registered]) -> None:
        assert graph["hub-secrets"].inputs["triggers"] == []
        assert graph["hub-secrets"].inputs["logging"] == "none"
        assert graph["hub-secrets"].secret_outputs == ("stdout",)

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_the_release_gets_the_drawn_secrets_and_none_stands_in_a_specification() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        config = graph["hub-release"].inputs["values"]["hub"]["config"]
        assert config["ConfigurableHTTPProxy"]["auth_token"] == "t0"
        assert config["JupyterHub"]["cookie_secret"] == "c0"
        assert config["CryptKeeper"]["keys"] == ["k0"]
        assert config["DummyAuthenticator"]["password"] == "p0"
        for name in ("dataset-zfs", "cluster-kind"):
            assert "p0" not in json.dumps(graph[name].inputs)

    return run_program(DEV).apply(check)


def with_https(https: str) -> dict[str, Any]:
    return with_section(hub=f'{{"authentication": {{"method": "dummy"}}, "https": {https}}}')


@pulumi.runtime.test
def test_the_stack_makes_a_certificate_once_and_keeps_it_encrypted() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        made = graph["hub-certificate"]
        assert (made.parent, made.inputs["logging"], made.secret_outputs) == ("hub", "none", ("stdout",))
        manual = graph["hub-release"].inputs["values"]["proxy"]["https"]["manual"]
        assert manual == {"cert": "c1", "key": "k1"}

    return run_program(with_https('{"selfSigned": true}')).apply(check)


OAUTH = {
    "clientId": "hub",
    "clientSecret": "s1",
    "authorizeUrl": "https://login.example.org/authorize",
    "tokenUrl": "https://login.example.org/token",
    "userdataUrl": "https://login.example.org/userinfo",
}


def with_oauth() -> dict[str, Any]:
    authentication = {"method": "oauth", "oauth": OAUTH, "allowedUsers": ["ada"]}
    return with_section(hub=json.dumps({"url": "https://hub.example.org", "authentication": authentication}))


@pulumi.runtime.test
def test_the_secret_of_a_login_service_reaches_the_hub_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        values = graph["hub-release"].inputs["values"]
        assert values[rpc._special_sig_key] == rpc._special_secret_sig, "encrypted in the state"
        config = values["value"]["hub"]["config"]
        assert config["GenericOAuthenticator"]["client_secret"] == "s1"
        assert [name for name, made in graph.items() if '"s1"' in json.dumps(made.inputs)] == ["hub-release"]

    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["coursehub:hub"]')
    return run_program(with_oauth()).apply(check)


def test_a_secret_that_stands_readable_in_the_stacks_file_registers_nothing() -> None:
    with pytest.raises(pulumi.RunError, match="nothing was changed") as error:
        run_program(with_oauth())
    assert "hub.authentication.oauth.clientSecret: it stands readable" in str(error.value)


def test_a_certificate_that_cannot_be_read_registers_nothing() -> None:
    with pytest.raises(pulumi.RunError, match="nothing was changed") as error:
        run_program(with_https('{"certificate": "/nonexistent/c.pem", "key": "/nonexistent/k.pem"}'))
    assert "hub.https.certificate: /nonexistent/c.pem cannot be read" in str(error.value)


@pulumi.runtime.test
def test_https_changes_who_may_knock_where_but_not_the_cluster() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = graphs
        differ = {name for name in before if before[name].inputs != after[name].inputs}
        assert differ == {"guardrails-jhub-proxy", "hub-release"}

    first = run_program(DEV)
    return pulumi.Output.all(first, run_program(with_https('{"selfSigned": true}'))).apply(check)


@pulumi.runtime.test
def test_a_server_has_the_files_of_lab_from_a_map_that_keeps_its_name() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        lab, release = graph["hub-lab"].inputs, graph["hub-release"]
        volume = release.inputs["values"]["singleuser"]["storage"]["extraVolumes"][1]["configMap"]
        assert volume["name"] == lab["metadata"]["name"] == "lab"
        assert {item["key"] for item in volume["items"]} == set(lab["data"])
        assert all(lab["data"].values())
        assert "hub-lab" in release.needs
        # A provider's inputs are JSON: without this, the map would be deleted and made anew at every change.
        assert graph["cluster-kubernetes"].inputs["enableConfigMapMutable"] == "true"

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_a_release_that_fails_leaves_nothing_half_done() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        release = graph["hub-release"].inputs
        assert release["atomic"] and release["cleanupOnFail"] and release["timeout"] > 0

    return run_program(DEV).apply(check)


def homes(students: int) -> str:
    roster = [{"name": f"student{number}"} for number in range(students)]
    return json.dumps({"mode": "roster", "budget": "10Mi", "roster": roster})


@pytest.mark.parametrize("students", [10, 5000])
def test_the_number_of_resources_does_not_depend_on_students(students: int) -> None:
    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        return run_program(with_section(homes=homes(students))).apply(
            lambda graph: _assert_count(graph, 20 + len(POLICIES) + len(QUOTAS))
        )

    run()


@pulumi.runtime.test
def test_snapshots_are_scheduled_where_asked_for_and_nothing_else_changes() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = graphs
        assert set(after) - set(before) == {"dataset-schedule"}
        assert "dataset-zfs" in after["dataset-schedule"].needs
        assert all(before[name].inputs == after[name].inputs for name in before)
        keep = {"hourly": 24, "daily": 14, "weekly": 2}
        assert json.loads(after["dataset-schedule"].inputs["stdin"])["keep"] == keep

    first = run_program(DEV)
    asked = with_section(storage='{"quota": "1Gi", "snapshots": {"weekly": 2}}')
    return pulumi.Output.all(first, run_program(asked)).apply(check)


@pulumi.runtime.test
def test_nothing_is_taken_down_before_work_was_found_to_be_safe() -> pulumi.Output[None]:
    """Pulumi deletes what others need only after these others."""

    def check(graph: dict[str, Registered]) -> None:
        needed, todo = set[str](), ["leaving-check"]
        while todo:
            new = graph[todo.pop()].needs - needed
            needed |= new
            todo += new
        # A provider is not deleted before what it made.
        things = {name for name, made in graph.items() if not made.type.startswith(("coursehub:", "pulumi:providers:"))}
        assert "dataset-schedule" in things and "hub-release" in things
        assert things - needed == {"leaving-check"}

    storage = '{"quota": "1Gi", "snapshots": {}}'
    return run_program(with_section(storage=storage, homes=homes(3))).apply(check)


@pytest.mark.parametrize(
    ("storage", "destroy", "folder"),
    [
        ({}, False, None),
        ({"archive": "/backup"}, False, None),
        ({"archive": "/backup", "onDestroy": "archive"}, False, "/backup"),
        ({"archive": "/backup", "onDestroy": "destroy", "confirmDestroy": "jhub-pool/userdata"}, True, None),
    ],
)
def test_what_becomes_of_the_work_is_changed_in_place(
    storage: dict[str, str], destroy: bool, folder: str | None
) -> None:
    """Were it asked when the configuration changes, `up` would refuse or archive."""

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        def check(graph: dict[str, Registered]) -> None:
            asked = graph["leaving-check"].inputs
            spec = json.loads(asked["stdin"])
            assert (spec["destroy"], spec["archive"], asked["triggers"]) == (destroy, folder, [])

        return run_program(with_section(storage=json.dumps(storage))).apply(check)

    run()


@pulumi.runtime.test
def test_no_server_may_start_before_the_homes_are_there() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert "dataset-zfs" in graph["homes-template"].needs
        assert "homes-template" in graph["homes-workspaces"].needs
        assert "homes-workspaces" in graph["cluster-kind"].needs
        assert "homes-workspaces" in graph["hub-release"].needs
        assert graph["hub-homes-claim"].inputs["spec"]["volumeName"] == "homes"

    return run_program(with_section(homes=homes(3))).apply(check)


@pulumi.runtime.test
def test_who_gives_up_the_roster_takes_no_claim_away_that_a_server_uses() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert graph["hub-homes-claim"].inputs["spec"]["volumeName"] == "homes"

    return run_program(with_section(homes='{"mode": "dynamic"}')).apply(check)


@pulumi.runtime.test
def test_the_hub_starts_while_the_homes_are_bound() -> pulumi.Output[None]:
    """Where Kubernetes does not see the volume at once, it looks again only seconds later."""

    def check(graph: dict[str, Registered]) -> None:
        assert not {"hub-homes-volume", "hub-homes-claim"} & graph["hub-release"].needs

    return run_program(with_section(homes=homes(3))).apply(check)


@pulumi.runtime.test
def test_no_hub_may_start_before_the_dataset_of_its_database_is_there() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert "dataset-zfs" in graph["dataset-database"].needs
        assert "dataset-database" in graph["hub-database"].needs
        assert "hub-database" in graph["hub-release"].needs

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_no_pod_may_start_before_the_rules_are_there() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert {*POLICIES, *QUOTAS} <= graph["hub-release"].needs
        assert "cluster-kind" in graph["guardrails-jhub-hub"].needs
        labels = graph["guardrails-namespace"].inputs["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    return run_program(DEV).apply(check)


@pulumi.runtime.test
def test_the_clusters_memory_is_changed_in_place() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = (graph["cluster-kind"].inputs for graph in graphs)
        assert (json.loads(before["stdin"])["memory"], json.loads(after["stdin"])["memory"]) == (31 << 30, 8 << 30)
        assert before["triggers"] == after["triggers"]

    first = run_program(DEV)
    return pulumi.Output.all(first, run_program(with_section(cluster='{"memory": "8Gi"}'))).apply(check)


def test_a_course_that_does_not_fit_the_server_registers_nothing() -> None:
    with pytest.raises(pulumi.RunError, match="nothing was changed") as error:
        run_program(with_section(cluster='{"memory": "3Gi"}'))
    assert "raise cluster.memory" in str(error.value)


@pulumi.runtime.test
def test_a_new_student_changes_homes_the_students_share_and_who_may_log_in_alone() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = graphs
        differ = {name for name in before if before[name].inputs != after[name].inputs}
        shares = {"guardrails-quota-students", "guardrails-quota-course"}
        assert differ == {"homes-workspaces", "hub-release", *shares}

    first = run_program(with_section(homes=homes(3)))
    return pulumi.Output.all(first, run_program(with_section(homes=homes(4)))).apply(check)


def _assert_count(graph: dict[str, Registered], count: int) -> None:
    assert len(graph) == count


def test_a_wrong_configuration_registers_nothing() -> None:
    with pytest.raises(pulumi.RunError, match="2 faults; nothing was changed") as error:
        run_program(with_section(storage='{"pool": "-rf", "qota": "1Gi"}'))
    assert "storage.pool" in str(error.value)
    assert "did you mean quota?" in str(error.value)


def test_what_this_server_lacks_is_told_at_once() -> None:
    https = '{"certificate": "/nonexistent/c.pem", "key": "/nonexistent/k.pem"}'
    with pytest.raises(pulumi.RunError, match="4 faults; nothing was changed") as error:
        run_program(
            {
                **with_https(https),
                "cluster": '{"memory": "3Gi"}',
                "homes": '{"budget": "1Gi", "roster": [{"name": "ada"}], "template": {"folder": "/nonexistent"}}',
            }
        )
    for path in ("hub.student", "hub.https.certificate", "hub.https.key", "homes.template.folder"):
        assert f"- {path}: " in str(error.value)


@pulumi.runtime.test
def test_nobody_is_sent_into_a_sandbox_before_it_is_proven() -> pulumi.Output[None]:
    def check(graph: dict[str, Registered]) -> None:
        assert "cluster-kind" in graph["runtime-proof"].needs
        assert "runtime-proof" in graph["hub-release"].needs
        # What holds in one node is proven anew in the next.
        assert graph["runtime-proof"].inputs["triggers"] == graph["cluster-kind"].inputs["triggers"]

    hub = '{"authentication": {"method": "dummy"}, "student": {"runtime": "gvisor"}}'
    return run_program(with_section(hub=hub)).apply(check)


@pulumi.runtime.test
def test_a_sandbox_replaces_neither_cluster_nor_release() -> pulumi.Output[None]:
    def check(graphs: list[dict[str, Registered]]) -> None:
        before, after = graphs
        assert set(after) - set(before) == {"runtime", "runtime-proof"}
        assert {name for name in before if before[name].inputs != after[name].inputs} == {
            # Fewer servers fit, and each is counted with its sandbox.
            *("hub-release", "guardrails-quota-students", "guardrails-quota-course"),
        }

    hub = '{"authentication": {"method": "dummy"}, "student": {"runtime": "gvisor"}}'
    first = run_program(DEV)
    return pulumi.Output.all(first, run_program(with_section(hub=hub))).apply(check)
