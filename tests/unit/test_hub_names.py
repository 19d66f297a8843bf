"""What the hub makes of a name: JupyterHub's and KubeSpawner's own code, for every name that a roster may have."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyterhub.auth import Authenticator
from jupyterhub.objects import Hub
from kubespawner import KubeSpawner
from kubespawner.slugs import escape_slug
from nativeauthenticator import NativeAuthenticator
from traitlets.config import Config

from config.course import Course
from config.faults import check
from config.types import STUDENT_NAME
from plan.capacity import Starts
from plan.homes import workspaces_spec
from plan.hub_values import hub_values
from plan.parts import parts

IMAGE = Path(__file__).resolve().parents[2] / "offline" / "images" / "hub" / "requirements.txt"
NAMES = st.from_regex(STUDENT_NAME, fullmatch=True)
LOOKALIKES = [
    ("a-b", "a--b"),
    ("a--b", "a---b"),
    ("1", "x-1"),
    ("1", "x-1---6b86b273"),  # what KubeSpawner calls the first
    ("a-b", "a-2db"),
    ("a" * 62, "a" * 63),
    ("a" * 46, "a" * 47),
    ("0" * 63, "0" * 62 + "1"),
]


@pytest.fixture(scope="module", autouse=True)
def no_cluster() -> Any:
    """KubeSpawner asks for a cluster as it is made; none is needed for what it makes of a name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubespawner.spawner.load_config", lambda **_: None)
        patch.setattr("kubespawner.spawner.shared_client", lambda _: None)
        yield


def course_of(name: str) -> Course:
    return check({"homes": {"roster": [{"name": name, "role": "staff"}]}})


def spawner(name: str) -> KubeSpawner:
    """KubeSpawner with the home that the chart gives it for our values: files/jupyterhub_config.py in either chart."""
    course = course_of(name)
    static = hub_values(course, parts(course), {}, Starts(16, 109))["singleuser"]["storage"]["static"]
    config = Config()
    config.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": static["pvcName"]}}]
    config.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/home/jovyan", "subPath": static["subPath"]}]
    user = SimpleNamespace(name=name, id=1, url="/user/x/", escaped_name=name)
    return KubeSpawner(config=config, user=user, hub=Hub(), api_token="none")


def made_without_accounts(kind: Any) -> Any:
    """An authenticator without the database that its constructor asks for: names need none."""
    return kind.__new__(kind)


def pod(name: str) -> Any:
    return asyncio.run(spawner(name).get_pod_manifest())


@settings(max_examples=150, deadline=None)
@given(NAMES)
def test_the_folder_that_a_pod_mounts_is_the_students_own_dataset(name: str) -> None:
    (home,) = pod(name).spec.containers[0].volume_mounts
    datasets = [student["name"] for student in workspaces_spec(course_of(name), "initial")["students"]]
    assert datasets == [home.sub_path]


@settings(deadline=None)
@given(NAMES)
@pytest.mark.parametrize(
    "authenticator", [made_without_accounts(kind) for kind in (Authenticator, NativeAuthenticator)]
)
def test_the_name_at_login_is_the_name_in_the_roster(authenticator: Authenticator, name: str) -> None:
    assert authenticator.normalize_username(name) == name
    assert authenticator.normalize_username(name.upper()) == name
    assert authenticator.validate_username(name)


def pod_names(name: str) -> tuple[str, str]:
    """In the scheme that is the default, and in the one of KubeSpawner before 7."""
    return spawner(name).pod_name, escape_slug(name)


@settings(max_examples=150, deadline=None)
@given(NAMES, NAMES)
def test_no_two_students_have_the_same_pod(one: str, other: str) -> None:
    for mine, theirs in zip(pod_names(one), pod_names(other), strict=True):
        assert (mine == theirs) == (one == other)


@pytest.mark.parametrize(("one", "other"), LOOKALIKES)
def test_names_that_look_alike_once_escaped_have_pods_of_their_own(one: str, other: str) -> None:
    for mine, theirs in zip(pod_names(one), pod_names(other), strict=True):
        assert mine != theirs


@settings(max_examples=150, deadline=None)
@given(NAMES)
def test_a_pods_name_is_one_that_kubernetes_takes(name: str) -> None:
    found = spawner(name).pod_name
    assert len(found) <= 63
    assert found.strip("-") == found


@pytest.mark.parametrize("package", ["jupyterhub", "jupyterhub-kubespawner"])
def test_it_is_the_code_of_the_hubs_image_that_was_asked(package: str) -> None:
    (pinned,) = [line for line in IMAGE.read_text().splitlines() if line.startswith(f"{package}==")]
    assert pinned == f"{package}=={version(package)}"
