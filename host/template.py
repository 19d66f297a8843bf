"""The unit of the course's template: each version of the course's materials is a snapshot that homes are cloned from.

    <pool>/<dataset>/template             filled anew for each version; what stays the same is not written again
    <pool>/<dataset>/template@<version>   the version; it never changes, and is never made again

The last file that is written tells a student's server by its date what came with the materials: deleting that frees
nothing. The snapshot is the last step, and is made only once the filled dataset was read back and is what it is to be:
before it, a run may be killed anywhere, and the next one puts right whatever is there. Nothing is ever destroyed.
"""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host import git
from host.datasets import is_name, is_snapshot, read
from host.lock import locked
from host.materials import LEFT_OUT, MARKER, Materials, survey, walk
from host.run import Argv, BadSpecification, Refused, run_as_root, say, which

COMMIT = "coursehub:commit"  # the property of a version that came from git

_FOLDER = re.compile(r"(/|(\.\./)*)[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?")
_FOLDER_MODE = 0o755
_FILE_MODES = (0o644, 0o755)
_MARKER_MODE = 0o444


@dataclass(frozen=True)
class Source:
    """Where a version comes from: a folder or a revision in git. Neither: homes begin empty."""

    folder: str = ""  # relative to where the unit runs, or absolute; the version is the digest of what is in it
    git: str = ""
    revision: str = ""

    def __bool__(self) -> bool:
        return bool(self.folder or self.git)

    def __str__(self) -> str:
        return self.folder or (f"{self.git} at {self.revision}" if self.git else "nothing")


@dataclass(frozen=True)
class Want:
    """Which version is to be there."""

    pool: str
    dataset: str  # the course's, without the pool
    version: str
    source: Source
    uid: int
    gid: int

    @property
    def course(self) -> str:
        """The course's dataset."""
        return f"{self.pool}/{self.dataset}"

    @property
    def path(self) -> str:
        """The dataset whose snapshots are the versions."""
        return f"{self.course}/template"

    @property
    def snapshot(self) -> str:
        """The version's full name."""
        return f"{self.path}@{self.version}"

    @property
    def marker(self) -> Path:
        """The file that says where the materials end and a student's work begins."""
        return Path("/", self.path, MARKER)


@dataclass(frozen=True)
class Version:
    """A version that is there."""

    created: int  # seconds since 1970
    size: int  # bytes that it refers to
    commit: str = ""


@dataclass(frozen=True)
class Filling:
    """What a version is made from: a folder on this server, and what was read in it."""

    folder: Path
    materials: Materials
    commit: str = ""


@dataclass(frozen=True)
class Facts:
    """What the machine has."""

    course_mounted: bool = False
    there: bool = False
    mounted: bool = False
    mountpoint: str = ""
    astray: bool = False  # a bare mountpoint that holds something
    versions: Mapping[str, Version] = field(default_factory=dict)
    live: Materials | None = None  # what is in the dataset now; None: not mounted, or not looked at
    handed_over: bool = False  # all that is in it has the students' owner and modes
    marked: bool = False  # the marker is there, and is the wanted version's


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification with all that is wrong with it."""
    try:
        source = Source(**(given["source"] or {}))
        want = Want(source=source, **{key: value for key, value in given.items() if key != "source"})
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of a template: {error}") from None
    if found := list(_faults(want)):
        raise BadSpecification("\n  ".join(found))
    return want


def _faults(want: Want) -> Iterator[str]:
    """All that is wrong with a specification. The configuration has allow-lists too; these trust nobody."""
    source = want.source
    for name in (want.pool, *str(want.dataset).split("/")):
        if not is_name(name):
            yield f"{name!r} is no name for a dataset: lower-case letters, digits, - and _, at most 63"
    if not is_snapshot(want.version):
        yield f"{want.version!r} is no name for a version: letters, digits, . - and _, at most 63"
    if source.folder and source.git:
        yield "a version comes from a folder or from git, not from both"
    if source.folder != "" and (not isinstance(source.folder, str) or not _FOLDER.fullmatch(source.folder)):
        yield f"{source.folder!r} is no path of a folder: letters, digits, . - and _ between /"
    if source.git != "" and (not isinstance(source.git, str) or not git.ADDRESS.fullmatch(source.git)):
        yield "this is no address of a git repository: https://, ssh://, user@host:path or a path, without a password"
    if source.revision != "" and (not isinstance(source.revision, str) or not git.REVISION.fullmatch(source.revision)):
        yield f"{source.revision!r} is no tag, branch or commit"
    if bool(source.git) != bool(source.revision):
        yield "a repository and a revision belong together"
    for key, number in (("uid", want.uid), ("gid", want.gid)):
        if type(number) is not int or number <= 0:
            yield f"{key} is {number!r}: it must be a number, and not root's"


def problems(want: Want, have: Facts) -> list[str]:
    """All that stands in the way of a new version on this server, each with its remedy."""
    if not have.course_mounted:
        return [f"the course's dataset {want.course} is not mounted: the unit `zfs` makes and mounts it"]
    found = []
    if have.there and have.mountpoint != f"/{want.path}":
        found.append(
            f"{want.path} has the mountpoint {have.mountpoint}: `zfs set mountpoint=/{want.path} {want.path}` puts it"
            " right"
        )
    if have.astray:
        found.append(f"{want.path} is not mounted, but files lie in the folder /{want.path}: move them away first")
    return found


def steps(want: Want, have: Facts, filling: Filling) -> list[Argv]:
    """The next command towards `want`; empty when the version is there. Raises Refused where it cannot be made."""
    if want.version in have.versions:
        return []
    if found := [*problems(want, have), *filling.materials.problems]:
        raise Refused("\n  ".join([f"version {want.version} of the template was not made:", *found]))
    if not have.there:
        return [["zfs", "create", want.path]]
    if not have.mounted:
        return [["zfs", "mount", want.path]]
    if have.live is None or have.live != filling.materials or not have.handed_over:
        return [_fill(want, filling)]
    if want.source and not have.marked:
        return [_mark(want)]
    commit = ["-o", f"{COMMIT}={filling.commit}"] if filling.commit else []
    return [["zfs", "snapshot", *commit, want.snapshot]]


def _fill(want: Want, filling: Filling) -> Argv:
    """Make the dataset like the folder, the students' own and writable, by writing only what differs.

    Contents decide, not dates: a fresh clone has others. No device, pipe, socket, access list or extended attribute
    is copied, no link is followed, and nobody's rights are taken over but who may run a file.
    """
    return [
        *("rsync", "--recursive", "--links", "--perms", "--owner", "--group", "--checksum"),
        # Blocks that stay the same stay shared with the versions before, also within a large file.
        *("--inplace", "--no-whole-file"),
        *("--delete", "--delete-excluded", *(f"--exclude={name}" for name in LEFT_OUT)),
        *(f"--chown={want.uid}:{want.gid}", "--chmod=D0755,Fa-s,Fu=rwX,Fgo=rX"),
        *("--", f"{filling.folder}/", f"/{want.path}/"),
    ]


def _mark(want: Want) -> Argv:
    """Write the marker anew; filling takes away the one before. What it holds comes by stdin."""
    who = (f"--owner={want.uid}", f"--group={want.gid}", f"--mode={_MARKER_MODE:04o}")
    return ["install", "--no-target-directory", *who, "/dev/stdin", str(want.marker)]


def facts(want: Want, *, look: bool = True) -> Facts:
    """Read the machine, with `look` all that is in the dataset too, unless the version is there; changes nothing.

    Raises Refused where there is no ZFS, CommandFailed where it does not answer.
    """
    # A depth of 2 reaches the versions, but no snapshots of homes, which may be very many.
    found = read(want.course, ["mounted", "mountpoint", "creation", "referenced", COMMIT], depth=2)
    course, template = found.get(want.course, {}), found.get(want.path, {})
    versions = {
        name.partition("@")[2]: _version(values) for name, values in found.items() if name.startswith(f"{want.path}@")
    }
    mounted = template.get("mounted") == "yes"
    folder = Path("/", want.path)
    look = look and mounted and want.version not in versions
    return Facts(
        course_mounted=course.get("mounted") == "yes",
        there=bool(template),
        mounted=mounted,
        mountpoint=template.get("mountpoint", ""),
        astray=not mounted and folder.is_dir() and any(folder.iterdir()),
        versions=versions,
        live=survey(folder) if look else None,
        handed_over=look and _handed_over(want, folder),
        marked=look and _marked(want),
    )


def _version(values: Mapping[str, str]) -> Version:
    commit = values[COMMIT]
    return Version(int(values["creation"]), int(values["referenced"]), "" if commit == "-" else commit)


def _handed_over(want: Want, folder: Path) -> bool:
    """Whether all is the students' and has the modes that they get. Links have none."""
    for entry in walk(folder):
        status, mode = entry.status, stat.S_IMODE(entry.status.st_mode)
        if (status.st_uid, status.st_gid) != (want.uid, want.gid):
            return False
        if entry.kind == stat.S_IFDIR and mode != _FOLDER_MODE:
            return False
        if entry.kind == stat.S_IFREG and mode not in _FILE_MODES:
            return False
    return True


def _marked(want: Want) -> bool:
    try:
        status, content = want.marker.lstat(), want.marker.read_bytes()
    except OSError:
        return False
    ours = (stat.S_IFREG | _MARKER_MODE, want.uid, want.gid, _marker(want).encode())
    return (status.st_mode, status.st_uid, status.st_gid, content) == ours


def _marker(want: Want) -> str:
    return f"{want.version}\n"


def observe(want: Want) -> dict[str, Any]:
    """The versions that are there, and whether the wanted one is. Reads no materials, asks no git server."""
    have = facts(want, look=False) if which("zfs") else Facts()
    return {
        "there": want.version in have.versions,
        "versions": {
            name: {"created": version.created, "size": version.size, "commit": version.commit}
            for name, version in have.versions.items()
        },
        "problems": problems(want, have) if have.course_mounted and want.version not in have.versions else [],
        "drift": [] if want.version in have.versions else [f"making version {want.version} of the template"],
    }


def apply(want: Want) -> dict[str, Any]:
    """Have the version there. Raises Refused or CommandFailed; running it again goes on from there."""
    with locked(want.course):
        have = facts(want, look=False)
        if want.version not in have.versions:
            with filled(want) as filling:
                have = converge(want, filling, lambda: facts(want), lambda argv: _run(want, argv))
        return {"version": want.version, "commit": have.versions[want.version].commit}


def _run(want: Want, argv: Argv) -> None:
    run_as_root(argv, stdin=_marker(want) if argv == _mark(want) else "")


def converge(want: Want, filling: Filling, read: Callable[[], Facts], do: Callable[[Argv], object]) -> Facts:
    """Do what is left to do until the version is there, and give back the last facts.

    Raises CommandFailed, and Refused where commands end well but change nothing, or the materials change meanwhile.
    """
    last: list[Argv] = []
    while todo := steps(want, have := read(), filling):
        if todo == last:
            raise _trouble(want, have, todo[0])
        last = todo
        for argv in todo:
            say(_in_words(want, filling, argv))
            do(argv)
    return have


def _trouble(want: Want, have: Facts, argv: Argv) -> Refused:
    if argv[0] == "rsync":
        found = have.live.problems if have.live and have.live.problems else ("they changed meanwhile: run it again",)
        return Refused("\n  ".join([f"/{want.path} is not what the materials are:", *found]))
    return Refused(f"`{' '.join(argv)}` ended well but changed nothing; `zfs get all {want.path}` may tell why")


@contextmanager
def filled(want: Want) -> Iterator[Filling]:
    """What the version is made from, read and, for git, fetched into a folder that is there as long as it is needed.

    Raises Refused where there is no such folder, or it is not what the version was named after.
    """
    if want.source.folder:
        yield _from_folder(want)
        return
    folder = _workbench(want)
    shutil.rmtree(folder, ignore_errors=True)  # a killed run may have left it
    folder.mkdir(parents=True, mode=0o700)
    try:
        commit = ""
        if want.source.git:
            say(f"fetching {want.source}")
            commit = git.fetch(want.source.git, want.source.revision, folder)
            say(f"{want.source} is commit {commit}")
        yield Filling(folder, survey(folder), commit)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _from_folder(want: Want) -> Filling:
    folder = Path(os.path.realpath(want.source.folder))
    if not folder.is_dir():
        raise Refused(f"there is no folder {want.source.folder} on this server: make it, or mend homes.template.folder")
    course = Path("/", want.course)
    if folder.is_relative_to(course) or course.is_relative_to(folder):
        raise Refused(f"{folder} and the course's own {course} are one in the other: move the materials elsewhere")
    try:
        materials = survey(folder)
    except OSError as error:
        raise Refused(f"the materials cannot be read: {error}") from None
    # So root copies nothing that whoever named the version could not read.
    if materials.digest != want.version:
        raise Refused(f"{want.source.folder} is not any more what version {want.version} is called after: run it again")
    return Filling(folder, materials)


def _workbench(want: Want) -> Path:
    """A folder in the caller's own cache, where nobody else can put anything."""
    cache = Path(os.environ.get("COURSEHUB_CACHE") or Path("~/.cache/coursehub").expanduser())
    return cache / "template" / want.course.replace("/", "-")


def remove(want: Want) -> dict[str, Any]:
    """Keep all versions: homes are clones of them."""
    kept = len(facts(want, look=False).versions) if which("zfs") else 0
    say(f"kept {kept} versions of the template {want.path}: homes are made from them")
    return {"kept": kept}


def _in_words(want: Want, filling: Filling, argv: Argv) -> str:
    """What a step does, as the user would say it."""
    if argv[0] == "rsync":
        what = filling.materials
        return f"filling the template from {want.source}: {what.files:,} files, {what.size:,} bytes"
    if argv[0] == "install":
        return f"marking where the materials end: {want.marker}"
    return f"making version {want.version} of the template" if argv[1] == "snapshot" else f"{argv[1]} {argv[-1]}"
