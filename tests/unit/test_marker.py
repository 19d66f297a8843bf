"""What a unit notes beside the state is the old note or the whole new one, wherever it is killed."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from host.__main__ import main


def noted(marker: Path, revision: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have a unit that touches nothing note a revision; its exit code."""
    monkeypatch.setenv("COURSEHUB_MARKER", str(marker))
    monkeypatch.setenv("COURSEHUB_REVISION", json.dumps({"revision": revision, "generation": 0}))
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"a": 8}'))
    return main(["secrets", "apply"])


def test_a_note_replaces_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "revisions" / "thing.json"
    for revision in (1, 2):
        assert noted(marker, revision, monkeypatch) == 0
        assert json.loads(marker.read_text())["revision"] == revision
    assert [file.name for file in marker.parent.iterdir()] == ["thing.json"]


def test_a_note_that_is_cut_off_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "thing.json"
    noted(marker, 1, monkeypatch)

    def cut(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(KeyboardInterrupt):
        noted(marker, 2, monkeypatch)
    assert json.loads(marker.read_text())["revision"] == 1
