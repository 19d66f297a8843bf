"""What an archive consists of: parts in an order in which they can be received, homes as clones of the template."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host import VERSION
from host.archive import Want, to_go_on_with
from host.archive_file import Member, Reader, Unfinished, Writer, unfinished
from host.datasets import Course
from host.listing import digest, listing, names
from host.parts import Part, parts
from host.run import Refused

COURSE = Course("p", "c")


def table(*names: str, **origins: str) -> dict[str, dict[str, str]]:
    """Datasets and snapshots below the course, with the origins of homes."""
    full = [f"p/c{name}" if name[:1] in ("@", "") else f"p/c/{name}" for name in names]
    return {name: {"origin": f"p/c/{origins.get(name.rpartition('/')[2], '-')}"} for name in full}


def test_homes_are_built_on_the_version_that_they_are_clones_of() -> None:
    found = parts(
        COURSE,
        "X",
        table(
            *("", "@X", "homes", "homes@X", "homes/ada", "homes/ada@X", "homes/bob", "homes/bob@X"),
            *("template", "template@v1", "template@v2", "template@X"),
            ada="template@v1",
            bob="template@v2",
        ),
    )
    assert found == [
        Part("", "X", ""),
        Part("homes", "X", ""),
        Part("template", "v1", ""),
        Part("template", "v2", "template@v1"),
        Part("template", "X", "template@v2"),
        Part("homes/ada", "X", "template@v1"),
        Part("homes/bob", "X", "template@v2"),
    ]


def test_only_what_is_in_the_snapshot_is_in_the_archive() -> None:
    have = table("", "@old", "@X", "@new", "late", "late@new", "hub", "hub@old", "hub@X", "hub@new")
    assert parts(COURSE, "X", have) == [Part("", "X", ""), Part("hub", "X", "")]


def test_a_home_cloned_from_elsewhere_is_sent_whole() -> None:
    have = table("", "@X", "homes", "homes@X", "homes/ada", "homes/ada@X")
    have["p/c/homes/ada"] = {"origin": "p/other@v1"}
    assert parts(COURSE, "X", have)[-1] == Part("homes/ada", "X", "")


def test_the_order_is_the_same_in_every_run() -> None:
    have = table("", "@X", *(name for n in range(50) for name in (f"d{n}", f"d{n}@X")))
    shuffled = dict(sorted(have.items(), key=lambda item: hash(item[0])))
    assert parts(COURSE, "X", have) == parts(COURSE, "X", shuffled)


def test_a_run_that_was_killed_goes_on_after_its_last_whole_member(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with Writer(path, {"of": "monday"}) as first:
        one = first.add("one", [b"1" * 1000])
        first.note({"member": one.name})
        first.add("two", [b"torn"])  # killed here; the journal's last line is torn as well
    with (tmp_path / "a.tar.journal").open("a") as journal:
        journal.write('{"end": 99')
    assert unfinished(path) == Unfinished({"of": "monday"}, whole=1)
    with Writer(path, {"of": "monday"}) as again:
        assert again.done == [{"member": "one"}]
        two = again.add("two", [b"2", b"2"])
        again.note({"member": "two"})
        assert not path.exists()
        again.finish({"whole": True})
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]
    archive = Reader(path)
    assert archive.manifest == {"whole": True}
    assert b"".join(archive.blocks("two")) == b"22"
    assert archive.damaged([one, two]) == []


def test_a_run_that_was_killed_as_it_began_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal comes before the file: else there would be a file that no run ever goes on with."""
    monkeypatch.setattr(Path, "open", _killed_at_the_archive(Path.open))
    with pytest.raises(KeyboardInterrupt):
        Writer(tmp_path / "a.tar", {"of": "monday"})
    assert unfinished(tmp_path / "a.tar") == Unfinished({"of": "monday"}, whole=0)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.journal"]


def _killed_at_the_archive(opened: Callable[..., Any]) -> Callable[..., Any]:
    def open_or_end(path: Path, *argv: Any, **named: Any) -> Any:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return opened(path, *argv, **named)

    return open_or_end


def test_what_was_begun_of_something_else_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with Writer(path, {"of": "monday"}) as first:
        first.note({"member": first.add("one", [b"1"]).name})
    with Writer(path, {"of": "tuesday"}) as again:
        assert again.done == []
        again.finish({})
    assert Reader(path).damaged([]) == [], "nothing of it is left in the file"


WANT = Want(COURSE, Path("/backup/c.tar"))
MONDAY = {"course": "p/c", "snapshot": "monday"}


@pytest.mark.parametrize(
    ("want", "begun", "goes_on"),
    [
        (WANT, None, False),
        (WANT, Unfinished(MONDAY, 3), True),
        (replace(WANT, snapshot="monday"), Unfinished(MONDAY, 3), True),
        (WANT, Unfinished(MONDAY, 0), True),
        # With nothing whole, nothing is lost by beginning anew.
        (replace(WANT, snapshot="friday"), Unfinished(MONDAY, 0), False),
        (WANT, Unfinished({**MONDAY, "snapshot": "typo"}, 0), False),
        (WANT, Unfinished({**MONDAY, "course": "p/other"}, 0), False),
    ],
)
def test_a_run_goes_on_with_what_is_of_the_same(want: Want, begun: Unfinished | None, goes_on: bool) -> None:
    there = {"monday", "friday"}
    assert to_go_on_with(want, begun, there) == (begun.head if begun and goes_on else None)


@pytest.mark.parametrize(
    ("want", "head", "told"),
    [
        (replace(WANT, snapshot="friday"), MONDAY, "is of p/c@monday: finish that first, or delete it"),
        (WANT, {**MONDAY, "course": "p/other"}, "is of p/other@monday: finish that first"),
        (WANT, {**MONDAY, "snapshot": "gone"}, "is of p/c@gone, which is not there any more: delete it"),
    ],
)
def test_whole_parts_of_something_else_are_never_overwritten(want: Want, head: dict[str, str], told: str) -> None:
    with pytest.raises(Refused, match=told):
        to_go_on_with(want, Unfinished(head, 1), {"monday", "friday"})


def test_the_version_that_archives_tell_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_damage_is_told_by_name(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.tar", {}) as writer:
        members = [writer.add(name, [name.encode() * 300]) for name in ("one", "two")]
        writer.finish({})
    archive = Reader(tmp_path / "a.tar")
    assert archive.damaged([members[0], Member("two", 900, "0" * 64)]) == ["two"]
    assert archive.damaged([*members, Member("three", 1, "0" * 64)]) == ["three"]


def test_hashing_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Writer(tmp_path / "a.tar", {}) as writer:
        members = [writer.add(name, [b"1"]) for name in ("one", "two")]
        writer.finish({})
    Reader(tmp_path / "a.tar").damaged(members)
    assert capsys.readouterr().err.splitlines() == ["[1/2] hashing one", "[2/2] hashing two"]


def test_an_unfinished_file_is_no_archive(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.tar", {}) as writer:
        writer.note({"member": writer.add("one", [b"1"]).name})
    with pytest.raises(Refused, match="no complete archive"):
        Reader(tmp_path / "a.tar.partial")


def test_a_listing_tells_every_kind_of_change(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("one")
    (tmp_path / "link").symlink_to("nowhere")
    before = listing(tmp_path)
    assert digest(before) == digest(listing(tmp_path))
    (tmp_path / "folder" / "file").write_text("two")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "folder").chmod(0o700)
    assert names(before ^ listing(tmp_path)) == ["folder", "folder/file", "link"]
    assert json.loads(next(line for line in before if "folder/file" in line))[5] == 3
