"""The template's planner: facts to commands, hostile sources, and a simulated machine that is stopped anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from host.materials import Materials
from host.run import BadSpecification, CommandFailed, Refused
from host.template import Facts, Filling, Source, Version, Want, converge, parse, problems, steps
from tests.unit.sources import ADDRESSES, BAD_ADDRESSES, BAD_FOLDERS, BAD_REVISIONS, FOLDERS, REVISIONS

COURSE = "jhub-pool/userdata"
PATH = f"{COURSE}/template"
VERSION = "3f2a00000000"
WANT = Want("jhub-pool", "userdata", VERSION, Source(folder="materials"), 1000, 100)
MATERIALS = Materials(VERSION, files=12, size=3400)
FILLING = Filling(Path("/srv/materials"), MATERIALS)
FILLED = Facts(
    course_mounted=True,
    there=True,
    mounted=True,
    mountpoint=f"/{PATH}",
    live=MATERIALS,
    handed_over=True,
    marked=True,
)
OTHER = replace(FILLED, live=replace(MATERIALS, digest="0" * 12))
RSYNC = (
    "rsync --recursive --links --perms --owner --group --checksum --inplace --no-whole-file --delete --delete-excluded"
    " --exclude=.git --exclude=.coursehub-materials"
    " --chown=1000:100 --chmod=D0755,Fa-s,Fu=rwX,Fgo=rX -- /srv/materials/ /jhub-pool/userdata/template/"
)
MARK = "install --no-target-directory --owner=1000 --group=100 --mode=0444 /dev/stdin"


@pytest.mark.parametrize(
    ("have", "commands"),
    [
        (Facts(course_mounted=True), [f"zfs create {PATH}"]),
        (replace(FILLED, mounted=False, live=None), [f"zfs mount {PATH}"]),
        (replace(FILLED, live=None), [RSYNC]),
        (OTHER, [RSYNC]),
        (replace(FILLED, handed_over=False), [RSYNC]),
        (replace(FILLED, live=replace(MATERIALS, problems=("'x' is a pipe",))), [RSYNC]),
        (replace(FILLED, marked=False), [f"{MARK} /{PATH}/.coursehub-materials"]),
        (replace(FILLED, versions={"initial": Version(1, 1)}), [f"zfs snapshot {PATH}@{VERSION}"]),
        (replace(OTHER, versions={VERSION: Version(1, 1)}), []),
        (Facts(versions={VERSION: Version(1, 1)}), []),
    ],
)
def test_only_the_next_missing_thing_is_done(have: Facts, commands: list[str]) -> None:
    assert [" ".join(argv) for argv in steps(WANT, have, FILLING)] == commands


def test_a_version_without_materials_has_no_marker() -> None:
    assert steps(replace(WANT, source=Source()), replace(FILLED, marked=False), FILLING) == [
        ["zfs", "snapshot", f"{PATH}@{VERSION}"]
    ]


def test_the_commit_is_kept_with_the_version_by_one_command() -> None:
    (snapshot,) = steps(WANT, FILLED, replace(FILLING, commit="c0ffee"))
    assert snapshot == ["zfs", "snapshot", "-o", "coursehub:commit=c0ffee", f"{PATH}@{VERSION}"]


@pytest.mark.parametrize(
    ("have", "reason"),
    [
        (Facts(), f"{COURSE} is not mounted: the unit `zfs`"),
        (replace(FILLED, mountpoint="/mnt"), f"zfs set mountpoint=/{PATH} {PATH}"),
        (replace(FILLED, mounted=False, astray=True), "move them away first"),
    ],
)
def test_what_stands_in_the_way_is_told_with_a_remedy(have: Facts, reason: str) -> None:
    (told,) = problems(WANT, have)
    assert reason in told
    with pytest.raises(Refused, match="was not made"):
        steps(WANT, have, FILLING)


def test_hostile_materials_are_refused_before_anything_is_made() -> None:
    hostile = replace(FILLING, materials=replace(MATERIALS, problems=("'a' is a pipe", "'b' is a device")))
    with pytest.raises(Refused, match=r"(?s)'a' is a pipe.*'b' is a device"):
        steps(WANT, Facts(course_mounted=True), hostile)


SPEC: dict[str, Any] = {
    "pool": "jhub-pool",
    "dataset": "userdata",
    "version": VERSION,
    "source": {"folder": "materials"},
    "uid": 1000,
    "gid": 100,
}


def test_a_specification_is_read() -> None:
    assert parse(SPEC) == WANT
    assert parse({**SPEC, "source": None}).source == Source()
    assert parse({**SPEC, "source": {}}).source == Source()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("revision", REVISIONS)
def test_addresses_and_revisions_of_git_pass(address: str, revision: str) -> None:
    assert parse({**SPEC, "source": {"git": address, "revision": revision}}).source == Source("", address, revision)


@pytest.mark.parametrize("address", [*BAD_ADDRESSES, 7, ["x"]])
def test_the_unit_trusts_no_address_and_shows_none(address: Any) -> None:
    with pytest.raises(BadSpecification) as error:
        parse({**SPEC, "source": {"git": address, "revision": "main"}})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("revision", [*BAD_REVISIONS, "", "main\n", 7, None])
def test_the_unit_trusts_no_revision(revision: Any) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, "source": {"git": ADDRESSES[0], "revision": revision}})


@pytest.mark.parametrize("folder", [*BAD_FOLDERS, 7])
def test_the_unit_trusts_no_folder(folder: Any) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, "source": {"folder": folder}})


@pytest.mark.parametrize("folder", FOLDERS)
def test_paths_of_folders_pass(folder: str) -> None:
    assert parse({**SPEC, "source": {"folder": folder}}).source == Source(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**SPEC, "more": 1},
        {**SPEC, "source": "materials"},
        {**SPEC, "source": {"path": "x"}},
        {**SPEC, "source": {"folder": "x", "git": "/x", "revision": "main"}},
        {**SPEC, "source": {"revision": ""}, "uid": 0},
        {**SPEC, "version": "-r"},
        {**SPEC, "version": "a@b"},
        {**SPEC, "version": None},
        {**SPEC, "pool": ".."},
        {**SPEC, "dataset": "a/-r"},
        {**SPEC, "gid": True},
    ],
)
def test_what_is_no_specification_is_said_to_be_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)


@dataclass
class Machine:
    """A server that knows the commands this unit may run, and no others. Killed in the midst, rsync leaves a part."""

    have: Facts = field(default_factory=lambda: Facts(course_mounted=True))
    mountless: bool = False  # the dataset is made, but silently not mounted
    commands: int = 0
    most: int = 99

    def read(self) -> Facts:
        return self.have

    def do(self, argv: Sequence[str]) -> None:
        self.commands += 1
        killed = self.commands > self.most
        match argv:
            case ["zfs", "create", path]:
                self.have = replace(self.have, there=True, mounted=not self.mountless, mountpoint=f"/{path}")
            case ["zfs", "mount", _]:
                self.have = replace(self.have, mounted=True)
            case ["rsync", *_]:
                live = replace(MATERIALS, digest="part") if killed else MATERIALS
                self.have = replace(self.have, live=live, handed_over=not killed, marked=False)
            case ["install", *_]:
                assert self.have.live == MATERIALS and self.have.handed_over
                self.have = replace(self.have, marked=not killed)
            case ["zfs", "snapshot", path] if not killed:
                assert self.have.live == MATERIALS and self.have.handed_over and self.have.marked
                self.have = replace(self.have, versions={path.partition("@")[2]: Version(1, 1)})
            case ["zfs", "snapshot", _]:
                pass
            case _:
                raise AssertionError(f"the unit ran {argv}")
        if killed:
            raise KeyboardInterrupt


@pytest.mark.parametrize("mountless", [False, True])
@pytest.mark.parametrize("most", range(5))
def test_stopped_after_any_command_the_next_run_finishes(most: int, mountless: bool) -> None:
    machine = Machine(most=most, mountless=mountless)
    if most < (5 if mountless else 4):
        with pytest.raises(KeyboardInterrupt):
            converge(WANT, FILLING, machine.read, machine.do)
    machine.most = 99
    assert set(converge(WANT, FILLING, machine.read, machine.do).versions) == {VERSION}


def test_materials_that_change_while_they_are_copied_make_no_version() -> None:
    with pytest.raises(Refused, match="they changed meanwhile: run it again"):
        converge(WANT, FILLING, lambda: OTHER, lambda _: None)


def test_what_only_the_copy_shows_is_told() -> None:
    bad = replace(FILLED, live=replace(MATERIALS, problems=("'self' is a link to 'x'",)))
    with pytest.raises(Refused, match="'self' is a link to 'x'"):
        converge(WANT, FILLING, lambda: bad, lambda _: None)


def test_commands_that_change_nothing_do_not_go_on_for_ever() -> None:
    with pytest.raises(Refused, match="ended well but changed nothing"):
        converge(WANT, FILLING, lambda: FILLED, lambda _: None)


def test_a_command_that_fails_ends_the_run() -> None:
    def fail(argv: Sequence[str]) -> None:
        raise CommandFailed(argv, 11, "", "No space left on device")

    with pytest.raises(CommandFailed, match="No space left"):
        converge(WANT, FILLING, lambda: OTHER, fail)
