"""A configuration: every fault at once, by dotted path, with the remedy and without a secret."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.course import Course
from config.faults import WrongConfiguration, check
from config.page import keys, page
from config.schema import stack_schema
from config.types import Size
from tests.unit.sources import ADDRESSES, BAD_ADDRESSES, BAD_FOLDERS, BAD_REVISIONS, FOLDERS, REVISIONS

ROOT = Path(__file__).resolve().parents[2]
SOUND: dict[str, Any] = {"homes": {"roster": [{"name": "prof", "role": "staff"}]}}
HOSTILE = (
    "..",
    "-rf",
    "a b",
    "a;reboot",
    "$(id)",
    "`id`",
    "a\nb",
    "",
    "../x",
    "Ä",
    "\u0430",
    "a" * 200,
    "a/../b",
    "a//b",
)


def faults(raw: dict[str, Any], secret: frozenset[str] = frozenset()) -> dict[str, str]:
    with pytest.raises(WrongConfiguration) as error:
        check(raw, secret)
    assert str(error.value).count("\n  - ") == len(error.value.faults)
    return {fault.path: str(fault) for fault in error.value.faults}


def _all_faults(raw: dict[str, Any]) -> dict[str, str]:
    try:
        check(raw)
    except WrongConfiguration as error:
        return {fault.path: str(fault) for fault in error.faults}
    return {}


def test_the_defaults_are_the_papers() -> None:
    course = check(SOUND)
    assert course.storage.path == "jhub-pool/userdata"
    assert (course.storage.dedup, course.storage.compression) == (True, "lz4")
    assert (course.cluster.node_port, course.hub.student.storage_class) == (30080, "standard")
    assert str(course.hub.student.storage) == "2Gi"


def test_every_fault_is_told_at_once() -> None:
    found = faults(
        {
            "storage": {"pool": "-rf", "qota": "1Gi", "quota": "big", "dedup": "maybe"},
            "cluster": {"nodePort": 80, "listenAddress": "a.b"},
            "homes": {"mode": "dynamic"},
            "hub": {"student": "x", "authentication": {"method": "dummy", "adminUsers": ["ok", "../x"]}},
            "typo": 1,
        }
    )
    assert set(found) == {
        *("storage.pool", "storage.qota", "storage.quota", "storage.dedup"),
        *("cluster.nodePort", "cluster.listenAddress"),
        *("hub.student", "hub.authentication.adminUsers.1", "hub.authentication.method", "typo"),
    }
    assert "'-rf' was given" in found["storage.pool"]
    assert "did you mean quota?" in found["storage.qota"]
    assert "known here: cluster, course, homes, hub, network, parts, storage" in found["typo"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "key", ["storage.pool", "storage.dataset", "cluster.name", "course.name", "storage.poolFile.path"]
)
def test_no_hostile_name_passes(key: str, name: str) -> None:
    section, *keys = key.split(".")
    value: Any = name
    for part in reversed(keys):
        value = {part: value}
    if key == "storage.poolFile.path":
        value["poolFile"]["size"] = "1Gi"
    assert key in faults({**SOUND, section: value})


@pytest.mark.parametrize("name", [*HOSTILE, "Ada", "a_b", "ada.l", "-ada", "ada-", "ada@home", "a%20b"])
def test_no_hostile_student_passes(name: str) -> None:
    homes = {"roster": [{"name": "ada"}, {"name": name}]}
    assert "homes.roster.1.name" in faults({**SOUND, "homes": homes})


@pytest.mark.parametrize("method", [{"adminUsers": ["prof", "{}"]}, {"allowedUsers": ["{}"]}, None])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("\u0430da", "'\u0430' is CYRILLIC SMALL LETTER A; lower-case letters"),
        ("Ada", "write it in lower case, as JupyterHub does at each login"),
        ("", "a name is needed"),
        ("a b", "lower-case letters, digits"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_wherever_it_stands(
    name: str, words: str, method: dict[str, list[str]] | None
) -> None:
    homes = SOUND["homes"] if method else {"roster": [*SOUND["homes"]["roster"], {"name": name}]}
    who = {key: [one.format(name) for one in names] for key, names in (method or {}).items()}
    (told,) = faults({"homes": homes, "hub": {"authentication": who}}).values()
    assert words in told


def test_who_is_twice_in_a_list_is_told_with_the_entries() -> None:
    roster = [{"name": name} for name in ("ada", "bob", "cleo", "bob", "ada", "bob")]
    told = faults({"homes": {"roster": roster}, "hub": {"authentication": {"adminUsers": ["prof"]}}})
    assert "ada (entries 1 and 5), bob (entries 2 and 4 and 6): once is enough" in told["homes.roster"]


@pytest.mark.parametrize("name", ["ada", "s1234567", "1234567", "ada-lovelace", "a" * 63])
def test_names_and_numbers_of_students_pass(name: str) -> None:
    course = check({**SOUND, "homes": {"roster": [{"name": name, "role": "staff"}]}})
    assert course.homes.roster[0].name == name


def with_template(**template: Any) -> dict[str, Any]:
    return {"homes": {**SOUND["homes"], "template": template}}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_of_git_pass(address: str) -> None:
    assert check(with_template(git=address, revision="main")).homes.template.git == address


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_no_hostile_address_of_git_passes_and_none_is_shown(address: str) -> None:
    found = faults(with_template(git=address, revision="main"))
    assert set(found) == {"homes.template.git"}
    assert "was given" not in found["homes.template.git"]


@pytest.mark.parametrize("address", [address for address in BAD_ADDRESSES if "hunter2@" in address])
def test_an_address_with_a_password_is_told_the_remedy(address: str) -> None:
    assert "git credential-store" in faults(with_template(git=address, revision="main"))["homes.template.git"]


@pytest.mark.parametrize("revision", REVISIONS)
def test_revisions_pass(revision: str) -> None:
    assert check(with_template(git="/srv/course", revision=revision))


@pytest.mark.parametrize("revision", [*BAD_REVISIONS, "", "main\n"])
def test_no_hostile_revision_passes(revision: str) -> None:
    assert "homes.template.revision" in faults(with_template(git="/srv/course", revision=revision))


@pytest.mark.parametrize("folder", [*BAD_FOLDERS, ""])
def test_no_hostile_folder_passes(folder: str) -> None:
    assert "homes.template.folder" in faults(with_template(folder=folder))


@pytest.mark.parametrize("folder", FOLDERS)
def test_paths_of_folders_pass(folder: str) -> None:
    assert check(with_template(folder=folder)).homes.template.folder == folder


@pytest.mark.parametrize("pool", ["mirror", "raidz2", "log", "cache", "spare", "draid1", "c0t0", "special"])
def test_words_that_zfs_keeps_are_no_pool_names(pool: str) -> None:
    assert "storage.pool" in faults({**SOUND, "storage": {"pool": pool}})


@pytest.mark.parametrize(
    "raw",
    [
        {"hub": {"authentication": {"method": "dummy", "passwrd": "hunter2"}}},
        {"hub": {"authentication": {"method": "dummy", "password": ["hunter2"]}}},
        {"hub": {"authentication": "hunter2"}},
        {"hub": "hunter2"},
        {"hunter": "hunter2"},
    ],
)
def test_what_may_be_a_secret_is_never_shown(raw: dict[str, Any]) -> None:
    assert "hunter2" not in " ".join(faults(raw).values())


def test_nothing_of_a_section_that_holds_a_secret_is_shown() -> None:
    found = faults({"hub": {"student": {"storage": "hunter2"}}}, frozenset({"hub"}))
    assert "hunter2" not in " ".join(found.values())
    assert "hub.student.storage" in found


def test_dummy_is_refused_outside_development() -> None:
    raw = {**SOUND, "hub": {"authentication": {"method": "dummy"}}}
    assert "course.environment: development" in faults(raw)["hub.authentication.method"]
    assert check({"course": {"environment": "development"}, **raw})


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"storage": {"onDestroy": "destroy"}}, "storage.confirmDestroy"),
        ({"storage": {"onDestroy": "destroy", "confirmDestroy": "jhub-pool/other"}}, "storage.confirmDestroy"),
        ({"storage": {"onDestroy": "archive"}}, "storage.archive"),
        ({"storage": {"quota": "2Gi", "poolFile": {"path": "/p", "size": "1Gi"}}}, "storage.quota"),
        ({"storage": {"poolFile": {"path": "/p", "size": "1Mi"}}}, "storage.poolFile.size"),
        ({"cluster": {"apiPort": 30080}}, "cluster.apiPort"),
        ({"hub": {"student": {"memory": {"limit": "1Mi"}}}}, "hub.student.memory.limit"),
        ({"hub": {"student": {"cpu": {"guarantee": 2}}}}, "hub.student.cpu.limit"),
        ({"homes": {"roster": [{"name": "ada"}]}}, "hub.authentication.adminUsers"),
        (with_template(folder="a", git="/b", revision="c"), "homes.template.folder"),
        (with_template(git="/b"), "homes.template.revision"),
        (with_template(revision="c"), "homes.template.revision"),
        ({"homes": {"mode": "dynamic", "template": {"folder": "a"}}}, "homes.template"),
        ({"homes": {}}, "homes.roster"),
        ({"homes": {"roster": [{"name": "ada"}, {"name": "ada"}]}}, "homes.roster"),
        ({"homes": {"mode": "dynamic", "roster": [{"name": "ada"}]}}, "homes.mode"),
        ({"homes": {"mode": "dynamic", "closed": True}}, "homes.closed"),
        ({"homes": {"roster": [{"name": "ada"}], "closed": True}}, "homes.closed"),
        ({"homes": {"roster": [{"name": "ada"}]}, "storage": {"quota": "1Gi"}}, "homes.budget"),
        (
            {
                "homes": {"roster": [{"name": "ada"}]},
                "hub": {"authentication": {"adminUsers": ["prof"], "allowedUsers": ["ada"]}},
            },
            "hub.authentication.allowedUsers",
        ),
        ({"hub": {"authentication": {"adminUsers": ["prof"], "password": "x"}}}, "hub.authentication.password"),
        ({"hub": {"chart": "oci://example.org/jupyterhub"}}, "hub.version"),
        ({"hub": {"chart": "jupyterhub", "repository": "https://example.org"}}, "hub.version"),
        ({"hub": {"chart": "jupyterhub", "version": "4.4.1"}}, "hub.repository"),
        ({"hub": {"chart": "./jupyterhub", "repository": "https://example.org"}}, "hub.repository"),
        ({"hub": {"repository": "https://example.org"}, "parts": "registries"}, "hub.repository"),
    ],
)
def test_rules_over_several_keys(raw: dict[str, Any], path: str) -> None:
    assert path in faults({**({} if "hub" in raw else SOUND), **raw})


def test_a_rule_is_silent_while_one_of_its_keys_is_unsound() -> None:
    raw = {"storage": {"quota": "9Gi", "poolFile": {"path": "/p", "size": "big"}}, **SOUND}
    assert set(faults(raw)) == {"storage.poolFile.size"}


@pytest.mark.parametrize(
    ("section", "missing"),
    [
        ({"storage": {"poolFile": {"path": "/p"}}}, "storage.poolFile.size"),
        ({"hub": {"authentication": {"method": "dummy", "lti13": {}}}}, "hub.authentication.lti13.issuer"),
        ({"homes": {"roster": [{"role": "staff"}]}}, "homes.roster.0.name"),
    ],
)
def test_a_missing_key_silences_no_rule_of_others(section: dict[str, Any], missing: str) -> None:
    dummy = {"hub": {"authentication": {"method": "dummy"}}}
    found = faults({**SOUND, **dummy, "cluster": {"apiPort": 30080}, **section})
    assert {missing, "hub.authentication.method", "cluster.apiPort"} <= set(found)


@pytest.mark.parametrize(
    "hub",
    [
        {"chart": "./offline/chart/jupyterhub"},
        {"chart": "/srv/charts/jupyterhub-4.4.1.tgz"},
        {"chart": "oci://example.org:5000/charts/jupyterhub", "version": "4.4.1"},
        {"chart": "jupyterhub", "version": "4.4.1-0.dev.git.7155", "repository": "https://example.org/helm-chart/"},
        {"repository": "https://example.org:8443/helm-chart"},
        {"version": "4.4.0"},
    ],
)
def test_charts_whose_version_is_certain_pass(hub: dict[str, Any]) -> None:
    assert check({**SOUND, "hub": hub})


@pytest.mark.parametrize("version", [">=4.0.0", "4", "4.x", "^4.4.1", "4.4.1 || 4.5.0", "latest", "v4.4.1", ""])
def test_what_leaves_the_version_of_the_chart_open_is_refused(version: str) -> None:
    assert "such as 4.4.1" in faults({**SOUND, "hub": {"version": version}})["hub.version"]


OAUTH = {f"{name}Url": f"https://example.org/{name}" for name in ("authorize", "token", "userdata")}
LTI13 = {f"{name}": "https://example.org" for name in ("issuer", "authorizeUrl", "jwksUrl")}


@pytest.mark.parametrize(
    "address",
    [
        "http://prof:hunter2@example.org",
        "https://prof:hunter2@example.org/a",
        "https://hunter2@example.org",
        "oci://prof:hunter2@example.org/jupyterhub",
        "https://prof:hun/ter2@example.org",
        "https://example.org/\nhttps://hunter2@example.org",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        *("hub.url", "hub.repository", "hub.chart", "hub.version", "hub.images.hub", "storage.pool", "homes.mode"),
        *(f"hub.authentication.oauth.{key}" for key in OAUTH),
        *(f"hub.authentication.lti13.{key}" for key in LTI13),
    ],
)
def test_no_address_with_a_password_passes_and_none_is_shown(path: str, address: str) -> None:
    *sections, key = path.split(".")
    given: Any = {**{"oauth": OAUTH, "lti13": LTI13}.get(sections[-1], {}), key: address}
    for section in reversed(sections):
        given = {section: given}
    found = faults({**SOUND, **given})
    assert path in found
    assert "ter2" not in " ".join(found.values())


def test_an_address_with_a_password_is_told_to_be_without_it() -> None:
    found = faults({**SOUND, "hub": {"repository": "https://prof:hunter2@example.org"}})["hub.repository"]
    assert "a user or password in an address would be seen in state and logs: leave it out" in found
    assert "such as https://hub.jupyter.org/helm-chart/" in found


WRONG: tuple[Any, ...] = ("", "a b;", -1, 1.5, 10**9, True, [], [{}], [-1], {}, {"a": 1})


@pytest.mark.parametrize("path", [path for path, _ in keys(Course.model_json_schema(by_alias=True))])
def test_what_is_needed_is_said_in_words_of_ours(path: str) -> None:
    """Not in those of the library that validates: they name no remedy."""
    told = 0
    for value in WRONG:
        given: Any = value
        for part in reversed(path.split(".")):
            given = {part: given}
        for said in (text for key, text in _all_faults(given).items() if key.startswith(path)):
            assert not re.search(r"input|valid|pattern|[\\^$]", said, re.IGNORECASE), value
            told += 1
    assert told > len(WRONG) / 2


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("4Ki", 4096), ("2Gi", 2 << 30), (512, 512), ("1Ti", 1 << 40)])
def test_sizes_are_powers_of_1024(text: str | int, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize("size", ["2Gi", "1500Mi", "1Ti", "513"])
def test_a_size_is_shown_as_it_was_written(size: str) -> None:
    assert str(Size.parse(size)) == size


@pytest.mark.parametrize("text", ["2G", "2 Gi", "-1", "0", "0Gi", "1.5Gi", "", "Gi", True, 1.5, ["1Gi"]])
def test_what_is_no_size_is_refused(text: Any) -> None:
    assert "storage.quota" in faults({**SOUND, "storage": {"quota": text}})


def test_a_configuration_cannot_be_changed() -> None:
    course = check(SOUND)
    with pytest.raises(ValueError, match="frozen"):
        course.storage.pool = "other"  # type: ignore[misc]


def test_the_schema_for_editors_is_up_to_date() -> None:
    """`python -m config.schema > config/schema.json` mends it."""
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == json.loads(json.dumps(stack_schema()))


def test_the_dev_stack_is_sound() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    assert check({key.removeprefix("coursehub:"): value for key, value in stack.items()}).course.name == "dev"


def test_the_page_of_all_keys_is_up_to_date() -> None:
    """`python -m config.page > docs/configuration.md` mends it."""
    assert (ROOT / "docs" / "configuration.md").read_text() == page()
    assert "`hub.student.memory.guarantee` | size" in page()
