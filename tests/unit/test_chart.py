"""The chart that stands in for the official one: nothing it takes is without effect or means something else there."""

import copy
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from config.faults import check
from plan.capacity import Starts
from plan.hub_values import SecretRef, hub_values
from plan.parts import parts

CHART = Path(__file__).resolve().parents[2] / "offline" / "chart" / "jupyterhub"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
SECRETS: dict[str, Any] = {
    "JupyterHub": {"authenticator_class": "native", "cookie_secret": "0a" * 32},
    "ConfigurableHTTPProxy": {"auth_token": "token"},
    "CryptKeeper": {"keys": ["0b" * 32]},
}

Schema = dict[str, Any]


def official() -> Schema:
    """The official chart's schema, which is not ours to keep in this repository."""
    path = os.environ.get("COURSEHUB_Z2JH_SCHEMA")
    if not path:
        pytest.skip("COURSEHUB_Z2JH_SCHEMA does not name the official chart's values.schema.json")
    found: Schema = json.loads(Path(path).read_text())
    return found


def merged(below: Any, above: Any) -> Any:
    """Values over defaults, as Helm merges them."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return copy.deepcopy(above)
    both = {key: merged(below.get(key), value) for key, value in above.items()}
    return {**copy.deepcopy(below), **both}


def values(**above: Any) -> dict[str, Any]:
    found: dict[str, Any] = merged(merged(DEFAULTS, {"hub": {"config": SECRETS}}), above)
    return found


def resolved(schema: Schema) -> Schema:
    """The definition that a schema refers to, or itself."""
    reference = schema.get("$ref")
    found: Schema = SCHEMA["definitions"][reference.removeprefix("#/definitions/")] if reference else schema
    return found


def refused(**above: Any) -> str:
    """Why values are not valid."""
    with pytest.raises(jsonschema.ValidationError) as error:
        jsonschema.validate(values(**above), SCHEMA)
    return error.value.json_path + " " + error.value.message


# The schema


def test_the_schema_is_sound_and_takes_the_defaults() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(values(), SCHEMA)


def objects(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """All objects with keys of ours, by path."""
    here = resolved(schema)
    if "properties" in here:
        yield path, here
    for name, inner in here.get("properties", {}).items():
        yield from objects(inner, f"{path}.{name}".lstrip("."))


# Whose keys are the classes of JupyterHub, and Helm's own.
OPEN = ("hub.config.JupyterHub", "hub.config.ConfigurableHTTPProxy", "hub.config.CryptKeeper")


@pytest.mark.parametrize("path", [path for path, _ in objects(SCHEMA) if path not in OPEN])
def test_unknown_keys_are_refused_at_every_depth(path: str) -> None:
    assert dict(objects(SCHEMA))[path]["additionalProperties"] is False


def test_what_is_refused_is_named() -> None:
    assert "cookieSecrt" in refused(hub={"cookieSecrt": "x"})
    assert "userScheduler.enabled" in refused(scheduling={"userScheduler": {"enabled": True}})
    assert "prePuller.hook.enabled" in refused(prePuller={"hook": {"enabled": True}})
    assert "blockWithIptables" in refused(singleuser={"cloudMetadata": {"blockWithIptables": True}})
    assert "hub.db.type" in refused(hub={"db": {"type": "postgres"}})
    assert "kubeSpawner" in refused(hub={"config": {"kubeSpawner": {}}})


@pytest.mark.parametrize("section", sorted(SECRETS))
def test_the_chart_draws_no_secrets(section: str) -> None:
    without = values()
    del without["hub"]["config"][section]
    with pytest.raises(jsonschema.ValidationError, match=section):
        jsonschema.validate(without, SCHEMA)


def leaves(schema: Schema, path: str = "") -> Iterator[str]:
    """Every key that has a meaning of its own. One that takes a single value has none, nor do Helm's globals."""
    here = resolved(schema)
    if "properties" not in here or path == "hub.config":
        if len(here.get("enum", ["", ""])) > 1 and here.get("maxItems") != 0 and path != "global":
            yield path
        return
    for name, inner in here["properties"].items():
        yield from leaves(inner, f"{path}.{name}".lstrip("."))


SOURCES = "\n".join(
    file.read_text()
    for file in sorted(CHART.rglob("*"))
    if file.parent.name in ("templates", "files") and file.is_file()
)


@pytest.mark.parametrize("path", sorted(leaves(SCHEMA)))
def test_no_key_is_without_effect(path: str) -> None:
    """Only that the key is read at all: that it does what it should is for the tests of traits and e2e."""
    key = path.rpartition(".")[2]
    parent = path.rpartition(".")[0].rpartition(".")[2]
    read = rf"""(\.{key}\b|\[?"{key}"|'{key}'\]|get\("{key}"|toJson \S*\.{parent}\b)"""
    assert re.search(read, SOURCES), path


# Against the official schema

COMPARED = {"type", "properties", "patternProperties", "additionalProperties", "enum", "items", "required", "oneOf"}
# What the official schema uses only where this chart has no keys, or what narrows nothing.
PASSED_OVER = {"if", "then", "$schema", "title", "description"}


def wider(ours: Schema, theirs: Schema, path: str = "$", *, in_map: bool = False) -> Iterator[str]:
    """Where our schema takes what the official one does not.

    `required` is compared only inside maps of things by name: elsewhere the official chart's defaults fill the gaps.
    """
    ours = resolved(ours)
    unknown = set(theirs) - COMPARED - PASSED_OVER
    if unknown:
        yield f"{path}: cannot compare {sorted(unknown)}"
    if "type" in theirs and not types(ours) <= types(theirs):
        yield f"{path}: takes {sorted(types(ours) - types(theirs))}"
    if "enum" in theirs and not set(ours.get("enum", [object()])) <= set(theirs["enum"]):
        yield f"{path}: takes values that are not in {theirs['enum']}"
    if in_map and not set(theirs.get("required", [])) <= set(ours.get("required", [])):
        yield f"{path}: does not ask for {theirs['required']}"
    if "items" in theirs and "array" in types(ours):
        yield from wider(ours.get("items", {}), theirs["items"], f"{path}[]")
    for name, inner in ours.get("properties", {}).items():
        yield from _wider_key(inner, theirs, name, f"{path}.{name}")
    for pattern, inner in ours.get("patternProperties", {}).items():
        if pattern not in theirs.get("patternProperties", {}):
            yield f"{path}: takes keys like {pattern}"
        else:
            yield from wider(inner, theirs["patternProperties"][pattern], f"{path}.*", in_map=True)
    if "object" in types(ours) and theirs.get("additionalProperties", True) is False:
        yield from _wider_rest(ours, theirs, path)


def _wider_rest(ours: Schema, theirs: Schema, path: str) -> Iterator[str]:
    """Keys that our schema does not name, where the official one allows only some."""
    further = ours.get("additionalProperties", "patternProperties" not in ours)
    if further is False:
        return
    theirs_of_all = theirs.get("patternProperties", {}).get(".*")
    if theirs_of_all is None or further is True:
        yield f"{path}: takes any key"
    else:
        yield from wider(further, theirs_of_all, f"{path}.*", in_map=True)


def _wider_key(inner: Schema, theirs: Schema, name: str, path: str) -> Iterator[str]:
    if name in theirs.get("properties", {}):
        yield from wider(inner, theirs["properties"][name], path)
        return
    for pattern, further in theirs.get("patternProperties", {}).items():
        if re.search(pattern, name):
            yield from wider(inner, further, path)
            return
    if theirs.get("additionalProperties", True) is False:
        yield f"{path}: no such key"


def types(schema: Schema) -> set[str]:
    """The types that a schema takes; an enumeration has those of its values."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    if "type" not in schema:
        return {names[type(value)] for value in schema.get("enum", [])} or {"anything"}
    found = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {*found, *(["integer"] if "number" in found else [])}


def test_what_is_valid_here_is_valid_for_the_official_chart() -> None:
    assert list(wider(SCHEMA, official())) == []


@pytest.mark.parametrize(
    ("looser", "found"),
    [
        ({"properties": {"nonsense": {"type": "string"}}}, "$.nonsense: no such key"),
        (
            {"properties": {"hub": {"type": "object", "properties": {"allowNamedServers": {"type": "string"}}}}},
            "string",
        ),
        (
            {"properties": {"hub": {"type": "object", "properties": {"db": {"type": "object"}}}}},
            "$.hub.db: takes any key",
        ),
    ],
)
def test_the_comparison_finds_what_is_looser(looser: Schema, found: str) -> None:
    looser = {"type": "object", "additionalProperties": False, **looser}
    assert any(found in line for line in wider(looser, official()))


def with_texts(tree: Any) -> Any:
    """The values with a text for every secret."""
    if isinstance(tree, SecretRef):
        return "0c" * 32
    if isinstance(tree, dict):
        return {key: with_texts(value) for key, value in tree.items()}
    return [with_texts(value) for value in tree] if isinstance(tree, list) else tree


DYNAMIC = {"mode": "dynamic"}
OAUTH = {
    "clientId": "hub",
    "clientSecret": "s",
    **{f"{name}Url": f"https://example.org/{name}" for name in ("authorize", "token", "userdata")},
}
LTI13 = {
    "clientIds": ["hub-1"],
    **{key: "https://example.org/lms" for key in ("issuer", "authorizeUrl", "jwksUrl")},
}
COURSES: list[dict[str, Any]] = [
    {"homes": {"roster": [{"name": "prof", "role": "staff"}, {"name": "ada"}]}},
    {"homes": DYNAMIC, "hub": {"authentication": {"adminUsers": ["prof"]}}},
    {
        "parts": "registries",
        "homes": DYNAMIC,
        "hub": {"authentication": {"adminUsers": ["prof"], "allowedUsers": ["ada"]}},
    },
    {"course": {"environment": "development"}, "homes": DYNAMIC, "hub": {"authentication": {"method": "dummy"}}},
    {
        "homes": {"roster": [{"name": "prof", "role": "staff"}]},
        "hub": {"https": {"certificate": "/c.pem", "key": "/k.pem"}, "url": "https://example.org"},
    },
    {
        "homes": {"roster": [{"name": "prof", "role": "staff"}]},
        "hub": {"url": "https://example.org", "authentication": {"method": "oauth", "oauth": OAUTH}},
    },
    {
        "homes": {"roster": [{"name": "prof", "role": "staff"}]},
        "hub": {"url": "https://example.org", "authentication": {"method": "lti13", "lti13": LTI13}},
    },
    {"homes": {"roster": [{"name": "prof", "role": "staff"}]}, "hub": {"student": {"runtime": "gvisor"}}},
    {"homes": {"roster": [{"name": "prof", "role": "staff"}]}, "hub": {"activeServers": 7}},
]


@pytest.mark.parametrize("raw", COURSES)
def test_our_values_suit_both_charts(raw: dict[str, Any]) -> None:
    course = check(raw)
    ours = with_texts(hub_values(course, parts(course), {"gate.py": "pass"}, Starts(16, 109)))
    jsonschema.validate(merged(DEFAULTS, ours), SCHEMA)
    faults = jsonschema.Draft7Validator(official()).iter_errors(ours)
    # A values file need not hold what the official chart's own defaults give.
    assert [fault.message for fault in faults if fault.validator != "required"] == []


# From values to settings of the hub


@pytest.fixture(scope="module")
def chart() -> ModuleType:
    """The module that the chart hands to the hub."""
    spec = importlib.util.spec_from_file_location("chart_traits", CHART / "files" / "traits.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def traits(chart: ModuleType, **above: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = chart.traits(values(**above), "jhub", "release", "python")
    return found


def test_students_outlive_the_hub(chart: ModuleType) -> None:
    hub = traits(chart)["JupyterHub"]
    assert (hub["cleanup_servers"], hub["cleanup_proxy"]) == (False, False)


def test_the_hub_finds_its_database_and_its_proxy(chart: ModuleType) -> None:
    found = traits(chart)
    assert found["JupyterHub"]["db_url"] == "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
    assert found["ConfigurableHTTPProxy"]["api_url"] == "http://proxy-api:8001"
    assert traits(chart, hub={"db": {"type": "sqlite-memory"}})["JupyterHub"]["db_url"] == "sqlite://"


def test_settings_by_class_have_the_last_word(chart: ModuleType) -> None:
    own = {"config": {"KubeSpawner": {"start_timeout": 7, "delete_pvc": False}, "Authenticator": {"allow_all": True}}}
    found = traits(chart, hub=own, singleuser={"startTimeout": 5})
    assert (found["KubeSpawner"]["start_timeout"], found["KubeSpawner"]["delete_pvc"]) == (7, False)
    assert found["Authenticator"] == {"allow_all": True}
    assert found["JupyterHub"]["authenticator_class"] == "native"


def test_secrets_reach_the_hub(chart: ModuleType) -> None:
    found = traits(chart)
    assert found["JupyterHub"]["cookie_secret"] == bytes.fromhex("0a" * 32)
    assert found["ConfigurableHTTPProxy"]["auth_token"] == "token"
    assert found["CryptKeeper"]["keys"] == ["0b" * 32]


def test_a_dynamic_home_is_a_claim_of_the_student(chart: ModuleType) -> None:
    spawner = traits(chart, singleuser={"storage": {"capacity": "2Gi", "dynamic": {"storageClass": "standard"}}})[
        "KubeSpawner"
    ]
    assert spawner["storage_pvc_ensure"] is True
    assert (spawner["storage_capacity"], spawner["storage_class"]) == ("2Gi", "standard")
    (volume,), (mount,) = spawner["volumes"], spawner["volume_mounts"]
    assert volume["persistentVolumeClaim"] == {"claimName": "{pvc_name}"}
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/home/jovyan")


def test_a_static_home_is_the_students_folder_of_one_claim(chart: ModuleType) -> None:
    spawner = traits(chart, singleuser={"storage": {"type": "static", "static": {"pvcName": "homes"}}})["KubeSpawner"]
    assert "storage_pvc_ensure" not in spawner
    (volume,), (mount,) = spawner["volumes"], spawner["volume_mounts"]
    assert volume["persistentVolumeClaim"] == {"claimName": "homes"}
    assert (mount["name"], mount["subPath"]) == (volume["name"], "{username}")


@pytest.mark.parametrize(
    "mounts", [[{"name": "scratch", "mountPath": "/run"}], {"a": {"name": "scratch", "mountPath": "/run"}}]
)
def test_further_volumes_may_be_a_list_or_an_object(chart: ModuleType, mounts: Any) -> None:
    volumes = {"b": {"name": "scratch", "emptyDir": {}}}
    storage = {"type": "none", "extraVolumes": volumes, "extraVolumeMounts": mounts}
    spawner = traits(chart, singleuser={"storage": storage})["KubeSpawner"]
    assert spawner["volumes"] == [{"name": "scratch", "emptyDir": {}}]
    assert spawner["volume_mounts"] == [{"name": "scratch", "mountPath": "/run"}]


def test_what_is_not_said_is_left_to_kubespawner(chart: ModuleType) -> None:
    spawner = traits(chart)["KubeSpawner"]
    assert None not in spawner.values()
    assert not {"cpu_limit", "mem_limit", "default_url"} & set(spawner)
    assert traits(chart, singleuser={"cpu": {"limit": 0.5}})["KubeSpawner"]["cpu_limit"] == 0.5


def test_policies_can_tell_a_students_pod(chart: ModuleType) -> None:
    spawner = traits(chart, singleuser={"extraLabels": {"course": "physics"}})["KubeSpawner"]
    assert spawner["common_labels"] == {"app": "jupyterhub", "release": "release"}
    assert spawner["extra_labels"] == {"hub.jupyter.org/network-access-hub": "true", "course": "physics"}


def test_the_culler_has_no_more_rights_than_it_needs(chart: ModuleType) -> None:
    hub = traits(chart, cull={"timeout": 60, "every": 30, "maxAge": 7200})["JupyterHub"]
    (service,), (role,) = hub["services"], hub["load_roles"]
    assert {"--timeout=60", "--cull-every=30", "--max-age=7200"} <= set(service["command"])
    assert role["scopes"] == ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    assert "admin:users" in traits(chart, cull={"users": True})["JupyterHub"]["load_roles"][0]["scopes"]
    assert not {"services", "load_roles"} & set(traits(chart, cull={"enabled": False})["JupyterHub"])
