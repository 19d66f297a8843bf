"""What kind and the chart are told: pure functions, each with what must hold."""

import json
import re
from typing import Any

import pytest

from config.course import Course
from config.faults import check
from config.template import Template
from host.kind import parse as parse_cluster
from host.template import Source
from host.template import parse as parse_template
from plan.capacity import EVICTION, HUB_CLASS, Server, Starts, fitted
from plan.homes import HOMES, workspaces_spec
from plan.hub_values import COOKIE_SECRET, CRYPT_KEY, PASSWORD, PROXY_TOKEN, hub_values
from plan.keep import schedule_spec, trash_spec
from plan.kind_config import identity, kind_config
from plan.next_steps import next_steps, url
from plan.parts import MAKERS, REGISTRIES, parts
from plan.server import cluster_spec, looked_at
from plan.template import template_spec, version
from plan.volumes import DATABASE


def course(**sections: Any) -> Course:
    return check({"hub": {"authentication": {"adminUsers": ["prof"]}}, "homes": {"mode": "dynamic"}, **sections})


def values(**sections: Any) -> dict[str, Any]:
    chosen = course(**sections)
    return hub_values(chosen, parts(chosen), {"gate.py": "pass"}, Starts(16, 109))


DUMMY: dict[str, Any] = {"course": {"environment": "development"}, "hub": {"authentication": {"method": "dummy"}}}


def test_the_node_sees_datasets_that_are_made_later() -> None:
    (node,) = kind_config(course(), "node:v1", "/jhub-pool/userdata")["nodes"]
    assert node["extraMounts"] == [
        {
            "hostPath": "/jhub-pool/userdata",
            "containerPath": "/var/local-path-provisioner",
            "propagation": "HostToContainer",
        }
    ]


def test_the_api_server_is_reached_from_this_server_alone() -> None:
    listening = course(cluster={"listenAddress": "0.0.0.0", "apiPort": 7000}, course={"environment": "development"})
    config = kind_config(listening, "node:v1", "/d")
    assert config["networking"] == {"apiServerAddress": "127.0.0.1", "apiServerPort": 7000}
    assert config["nodes"][0]["extraPortMappings"][0]["listenAddress"] == "0.0.0.0"


def test_the_identity_is_that_of_the_whole_configuration() -> None:
    one = kind_config(course(), "node:v1", "/d")
    assert identity(one) == identity(kind_config(course(), "node:v1", "/d"))
    assert len({identity(one), identity({**one, "name": "x"}), identity(kind_config(course(), "node:v2", "/d"))}) == 3


def test_deleting_a_user_keeps_the_home() -> None:
    assert values()["hub"]["config"]["KubeSpawner"]["delete_pvc"] is False


def test_a_new_cluster_gets_its_claims_anew() -> None:
    assert values()["hub"]["config"]["KubeSpawner"]["remember_pvc_name"] is False


def test_one_failing_student_cannot_restart_the_hub() -> None:
    assert values()["hub"]["consecutiveFailureLimit"] == 0


def test_no_secret_is_left_to_the_chart_to_draw() -> None:
    config = values()["hub"]["config"]
    assert config["ConfigurableHTTPProxy"]["auth_token"] == PROXY_TOKEN
    assert config["JupyterHub"]["cookie_secret"] == COOKIE_SECRET
    assert config["CryptKeeper"]["keys"] == [CRYPT_KEY]


def test_only_three_pods_remain_on_one_node() -> None:
    found = values()
    assert not any(part["enabled"] for part in found["scheduling"].values())
    assert not any(part["enabled"] for part in found["prePuller"].values())


def test_every_pod_has_requests_and_limits() -> None:
    found = values()
    for resources in (found["hub"]["resources"], found["proxy"]["chp"]["resources"]):
        assert set(resources) == {"requests", "limits"}
        assert all(set(amounts) == {"cpu", "memory"} for amounts in resources.values())
    assert all(found["singleuser"][kind][bound] for kind in ("cpu", "memory") for bound in ("guarantee", "limit"))


def test_hub_and_proxy_are_ended_last_where_memory_runs_short() -> None:
    """Kubernetes gives a pod of this class the least oom score; and all that they may use is set aside for them."""
    found = values()
    for part in (found["hub"], found["proxy"]["chp"]):
        assert part["extraPodSpec"] == {"priorityClassName": HUB_CLASS} == {"priorityClassName": "system-node-critical"}
        assert part["resources"]["requests"]["memory"] == part["resources"]["limits"]["memory"]


@pytest.mark.parametrize(("size", "shown"), [("512Mi", "512M"), ("1Gi", "1G"), ("3Ki", "3K"), (1000, 1000)])
def test_memory_is_written_as_jupyterhub_reads_it(size: str | int, shown: str | int) -> None:
    memory = {"guarantee": size, "limit": "1Gi"}
    hub = {"authentication": {"adminUsers": ["prof"]}, "student": {"memory": memory}}
    assert values(hub=hub)["singleuser"]["memory"]["guarantee"] == shown


def test_the_papers_claims() -> None:
    storage = values()["singleuser"]["storage"]
    assert (storage["type"], storage["capacity"], storage["dynamic"]) == (
        "dynamic",
        "2Gi",
        {"storageClass": "standard"},
    )
    assert values()["proxy"]["service"] == {"type": "NodePort", "nodePorts": {"http": 30080}}


ROSTER = {
    "mode": "roster",
    "budget": "1Gi",
    "roster": [{"name": "ada", "role": "staff"}, {"name": "1234567", "budget": "3Gi"}],
}


def test_a_roster_has_homes_in_one_volume_by_the_name_as_it_is() -> None:
    storage = values(homes=ROSTER)["singleuser"]["storage"]
    assert (storage["type"], storage["static"]) == ("static", {"pvcName": "homes", "subPath": "{unescaped_username}"})


def test_the_roster_says_who_gets_in_and_its_staff_who_administers() -> None:
    users = values(homes=ROSTER)["hub"]["config"]["Authenticator"]
    assert (users["admin_users"], users["allowed_users"]) == (["prof", "ada"], ["ada", "1234567", "prof"])
    assert not users["allow_all"]


def test_who_leaves_the_roster_is_not_let_in_as_an_old_acquaintance() -> None:
    assert values(homes=ROSTER)["hub"]["config"]["Authenticator"]["allow_existing_users"] is False


def test_every_student_of_the_roster_has_a_budget() -> None:
    spec = workspaces_spec(course(homes=ROSTER), "initial")
    assert {student["name"]: student["budget"] for student in spec["students"]} == {
        "ada": 1 << 30,
        "1234567": 3 << 30,
        "prof": 1 << 30,
    }
    assert (spec["uid"], spec["gid"]) == (1000, 100)


def test_the_doctor_looks_at_the_schedule_where_there_is_one() -> None:
    assert "schedule" not in looked_at(course(), "v1")
    scheduled = course(storage={"snapshots": {}})
    assert looked_at(scheduled, "v1")["schedule"] == ("schedule", schedule_spec(scheduled.storage))


def test_a_closed_course_is_its_staffs_alone_and_its_roster_stays() -> None:
    closed = course(homes={**ROSTER, "closed": True})
    assert [student["name"] for student in workspaces_spec(closed, "initial")["students"]] == ["ada", "prof"]
    users = values(homes={**ROSTER, "closed": True})["hub"]["config"]["Authenticator"]
    assert (users["allowed_users"], users["allow_all"]) == (["ada", "prof"], False)
    assert trash_spec(closed)["students"] == ["ada", "1234567", "prof"], "nobody of them has left"


def test_the_hub_knows_every_budget_of_the_roster_as_text() -> None:
    told = values(homes=ROSTER)["hub"]["config"]["CourseSpawner"]["budgets"]
    assert told == {"ada": "1073741824", "1234567": "3221225472", "prof": "1073741824"}
    assert values()["hub"]["config"]["CourseSpawner"]["budgets"] == {}


def test_an_admin_who_is_not_in_the_roster_has_a_home_that_is_never_taken_for_a_leavers() -> None:
    hub = {"authentication": {"adminUsers": ["prof", "ada"]}}
    staffed = course(homes=ROSTER, hub=hub)
    assert [student["name"] for student in workspaces_spec(staffed, "initial")["students"]] == [
        "ada",
        "1234567",
        "prof",
    ]
    assert trash_spec(staffed)["students"] == ["ada", "1234567", "prof"]
    assert course(hub=hub).participants == ()


ADDRESS = "https://example.org/course.git"


@pytest.mark.parametrize(
    ("revision", "name"),
    [
        ("v1.0", "v1.0-"),
        ("2026/week-1", "2026-week-1-"),
        ("_x", "x-"),
        ("_", "revision-"),
        ("0123456789abcdef" * 2 + "01234567", "0123456789ab-"),
        ("a" * 100, "a" * 50 + "-"),
    ],
)
def test_a_version_from_git_is_called_after_its_revision(revision: str, name: str) -> None:
    assert version(Template(git=ADDRESS, revision=revision)).startswith(name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", version(Template(git=ADDRESS, revision=revision)))


def test_no_two_sources_are_one_version() -> None:
    other = "git@example.org:course.git"
    sources = [(ADDRESS, "a/b"), (ADDRESS, "a-b"), (other, "a-b"), (ADDRESS, "a" * 99), (ADDRESS, "a" * 98)]
    names = {version(Template(git=address, revision=revision)) for address, revision in sources}
    names |= {version(Template()), version(Template(folder="materials"), "3f2a00000000")}
    assert len(names) == len(sources) + 2


def test_the_unit_of_the_template_takes_what_it_is_told() -> None:
    for template in ({}, {"folder": "materials/"}, {"git": ADDRESS, "revision": "v1.0"}):
        spec = template_spec(course(homes={**ROSTER, "template": template}), "v1")
        assert parse_template(spec).source == Source(**template)


def test_the_volume_of_the_homes_is_bound_to_its_claim_alone() -> None:
    volume, claim = HOMES.volume("jhub"), HOMES.claim_spec()
    assert volume["hostPath"] == {"path": "/var/local-path-provisioner/homes", "type": "Directory"}
    assert volume["claimRef"] == {"namespace": "jhub", "name": "homes"}
    assert volume["persistentVolumeReclaimPolicy"] == "Retain"
    assert volume["storageClassName"] == claim["storageClassName"] == "coursehub"
    assert claim["volumeName"] == "homes"


def test_the_hubs_database_is_in_a_volume_of_the_dataset() -> None:
    volume, claim = DATABASE.volume("jhub"), values()["hub"]["db"]["pvc"]
    assert volume["hostPath"] == {"path": "/var/local-path-provisioner/hub", "type": "Directory"}
    assert volume["claimRef"] == {"namespace": "jhub", "name": "hub-db-dir"}
    assert (volume["capacity"]["storage"], volume["storageClassName"]) == (claim["storage"], claim["storageClassName"])


def test_dummy_has_a_password_and_lets_everybody_in() -> None:
    config = values(**DUMMY)["hub"]["config"]
    assert config["DummyAuthenticator"] == {"password": PASSWORD}
    assert config["Authenticator"] == {"allow_all": True, "allow_existing_users": False}


def test_a_list_of_students_lets_nobody_else_in() -> None:
    hub = {"authentication": {"adminUsers": ["prof"], "allowedUsers": ["ada"]}}
    assert values(hub=hub)["hub"]["config"]["Authenticator"] == {
        "admin_users": ["prof"],
        "allowed_users": ["ada"],
        "allow_all": False,
        "allow_existing_users": False,
    }


def test_native_accounts_wait_for_staff_and_have_passwords_of_a_length() -> None:
    native = values()["hub"]["config"]["NativeAuthenticator"]
    assert native["open_signup"] is False
    assert native["minimum_password_length"] >= 10


def test_there_is_one_lock_out_and_it_forgets() -> None:
    """The library's own would keep a name out for as long as anybody guesses at it now and then."""
    found = values()["hub"]
    assert found["config"]["NativeAuthenticator"]["allowed_failed_logins"] == 0
    assert json.loads(found["extraEnv"]["COURSEHUB_SETTINGS"])["logins"] == {"burst": 5, "seconds": 30}


def test_staff_is_who_the_roster_says_and_nobody_else() -> None:
    def admins(**sections: Any) -> Any:
        return json.loads(values(**sections)["hub"]["extraEnv"]["COURSEHUB_SETTINGS"])["admins"]

    assert admins(homes=ROSTER) == ["prof", "ada"]
    assert admins(**DUMMY) == []


def lists_in(tree: Any) -> list[list[Any]]:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [*([tree] if isinstance(tree, list) else []), *(found for part in inner for found in lists_in(part))]


def test_no_list_of_the_values_is_empty() -> None:
    """The Release drops empty lists, and the chart's default would stay."""
    assert all(lists_in(values(**DUMMY)))


def test_parts_of_the_makers_need_no_loading() -> None:
    assert parts(course()) == MAKERS
    assert values()["hub"].get("image") is None


def test_parts_of_the_registries_must_be_on_this_server() -> None:
    chosen = parts(course(parts="registries"))
    assert chosen == REGISTRIES
    assert set(chosen.local) == {chosen.node_image, *chosen.images.values()}
    own = parts(course(parts="registries", cluster={"nodeImage": "kindest/node:v1.34.4"}))
    assert set(own.local) == set(own.images.values())


def test_the_unit_of_the_cluster_takes_what_it_is_told_and_loads_all_but_the_nodes_own_image() -> None:
    fitted_course = fitted(course(parts="registries"), Server(cores=4, memory=16 << 30))
    want = parse_cluster(cluster_spec(fitted_course))
    assert set(want.loaded) == set(REGISTRIES.images.values())
    assert (want.memory, want.free) == (15 << 30, EVICTION)


def test_an_image_of_ones_own_replaces_that_of_the_parts() -> None:
    hub = {
        "authentication": {"adminUsers": ["prof"]},
        "images": {"singleuser": "registry.example/physics:1@sha256:" + "a" * 64},
    }
    found = values(parts="registries", hub=hub)
    assert found["singleuser"]["image"]["name"] == "registry.example/physics"
    assert found["singleuser"]["image"]["tag"] == "1@sha256:" + "a" * 64
    assert "coursehub/singleuser:5.5.4" not in parts(course(parts="registries", hub=hub)).local


def test_a_chart_of_ones_own_takes_no_version_of_another() -> None:
    hub = {"authentication": {"adminUsers": ["prof"]}, "chart": "./my-chart"}
    chosen = parts(course(hub=hub))
    assert (chosen.chart, chosen.version, chosen.repository) == ("./my-chart", None, None)


def test_the_address_is_one_that_a_browser_takes() -> None:
    assert url(course()) == "http://127.0.0.1:30080"
    everywhere = {"listenAddress": "0.0.0.0", "hostPort": 80}
    assert url(course(course={"environment": "development"}, cluster=everywhere)) == "http://localhost:80"


def test_the_next_step_fits_the_way_to_log_in() -> None:
    assert "with any name" in next_steps(course(**DUMMY))
    assert "as ada, 1234567" in next_steps(course(homes=ROSTER, **DUMMY))
    assert "/hub/signup as prof" in next_steps(course(homes=ROSTER))
    assert "/hub/signup as prof before anybody else" in next_steps(course())
