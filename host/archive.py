"""The unit of archives: a whole course in one file, checked by receiving it, and brought back on any server.

Every dataset is a part of its own, and the template is in the archive once (`host/parts.py`).
"""

import gzip
import os
import platform
import shutil
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from host import VERSION, archives
from host.archive_file import Member, Reader, Unfinished, Writer, unfinished
from host.datasets import (
    ARCHIVED,
    RESTORING,
    Course,
    checked_snapshot,
    gone,
    into_place,
    not_there,
    nowhere,
    openzfs,
    patiently,
    read,
    required,
    root_needed,
    tag,
)
from host.listing import digest, size
from host.lock import locked
from host.parts import WRITTEN_BY, Part, differing, files_of, full_name, parts, receiving, sending, write_as
from host.pipes import read_from, write_to
from host.run import Argv, BadSpecification, Refused, run, run_as_root, say, which
from host.snapshots import own, taken, unused_name
from host.template import COMMIT
from host.verified import Note, changed_since, lacking, left, noted, put

VERBS = ("observe", "folder", "last", "write", "verify", "restore")

_FORMAT = 1
_KEPT = ("quota", "readonly", *WRITTEN_BY)  # what a dataset is given back
_SCRATCH_SPARE = 1 << 30  # bytes


@dataclass(frozen=True)
class Want:
    """Which course, and which file."""

    course: Course
    file: Path  # of `choose`, the folder of archives
    snapshot: str | None = None  # to be archived; a new one unless given
    scratch: Path | None = None  # where `verify` makes a pool for a while; beside the archive unless given


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    try:
        rest = {key: value for key, value in given.items() if key not in ("pool", "dataset")}
        want = Want(Course(given["pool"], given["dataset"]), **rest)
        paths = [Path(path) for path in (want.file, want.scratch) if path is not None]
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of an archive: {error}") from None
    if not all(path.is_absolute() for path in paths):
        raise BadSpecification("an archive and its scratch folder are named by absolute paths")
    snapshot = want.snapshot if want.snapshot is None else checked_snapshot(want.snapshot)
    return Want(want.course, paths[0], snapshot, paths[1] if want.scratch is not None else None)


def observe(want: Want) -> dict[str, Any]:
    """What an archive says that it holds."""
    manifest = Reader(want.file).manifest
    return {key: value for key, value in manifest.items() if key != "parts"} | {"parts": len(manifest["parts"])}


def folder(want: Want) -> dict[str, Any]:
    """Of a folder: the course's archives, the oldest first, one to go on with, and what a new one would be called."""
    found, note = archives.look(want.course, want.file), noted(want.course.path)
    return {
        "archives": [
            {
                **{key: value for key, value in vars(one).items() if key != "seal"},
                "file": str(one.file),
                "verified": note is not None and note.sha256 == one.seal,
            }
            for one in found.whole
        ],
        "damaged": {str(file): why for file, why in found.damaged.items()},
        "unfinished": found.unfinished and str(found.unfinished),
        "new": str(want.file / archives.name(want.course, datetime.now(UTC))),
    }


def last(want: Want) -> dict[str, Any]:
    """Which archive of the course was verified last, and when."""
    note = noted(want.course.path)
    return {"verified": note and asdict(note)}


def write(want: Want) -> dict[str, Any]:
    """Archive the course as it is at one snapshot. A run that was killed goes on after its last whole part."""
    root_needed("archiving everybody's work")
    with locked(f"{want.course.path}.archive"), locked(str(want.file)), Writer(want.file, _head(want)) as writer:
        snapshot = writer.head["snapshot"]
        with locked(want.course.path):
            if snapshot not in own(want.course):
                taken(want.course, snapshot)
        table = required(want.course, ["origin", "creation", "used", COMMIT, *_KEPT])
        tag("hold", ARCHIVED, f"{want.course.path}@{snapshot}")
        todo = parts(want.course, snapshot, table)
        bases: dict[str, frozenset[str]] = {"": frozenset()}
        done = [entry["part"] for entry in writer.done]
        for number, part in enumerate(todo):
            if asdict(part) in done:
                continue
            say(f"[{number + 1}/{len(todo)}] {part.dataset or want.course.path}@{part.snapshot}")
            if part.base not in bases:
                bases[part.base] = files_of(want.course, part.base)
            writer.note(_written(want.course, writer, part, bases[part.base]))
        manifest = {
            **writer.head,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "created": table[f"{want.course.path}@{snapshot}"]["creation"],
            "used": int(table[want.course.path]["used"]),
            "datasets": {part.dataset: _kept(table[full_name(want.course, part.dataset)]) for part in todo},
            "commits": {part.key: commit for part in todo if (commit := _commit(table, want.course, part))},
            "parts": writer.done,
        }
        total = writer.finish(manifest)
    files = sum(entry["files"] for entry in writer.done if entry["part"]["snapshot"] == snapshot)
    return {"file": str(want.file), "snapshot": snapshot, "size": total, "parts": len(todo), "files": files}


def _head(want: Want) -> dict[str, Any]:
    """What the archive is of: a snapshot that is yet to be taken, the one asked for, or that of the run to go on with.

    Raises Refused, with no file made, where nothing can be written under this name.
    """
    if want.file.exists():
        raise Refused(f"{want.file} is there already: an archive is never overwritten; name another file")
    if not want.file.parent.is_dir():
        raise Refused(f"there is no folder {want.file.parent} for the archive: make it, or mount it")
    there = own(want.course)
    if head := to_go_on_with(want, unfinished(want.file), there):
        _unzippable(f"{want.file}.partial", head["compression"])
        return head
    if want.snapshot not in (None, *there):
        raise Refused(f"{want.course.path} has no snapshot {want.snapshot}; there are: {', '.join(there) or 'none'}")
    return {
        "format": _FORMAT,
        "course": want.course.path,
        "compression": "zstd" if which("zstd") else "gzip",
        "versions": _versions(),
        # One of the schedule's own unless named: its plan prunes it in its time. It is taken once its name is noted, so
        # that no run which is killed leaves one behind.
        "snapshot": want.snapshot or unused_name(there),
    }


def to_go_on_with(want: Want, begun: Unfinished | None, there: Container[str]) -> dict[str, Any] | None:
    """What the archive is of that a killed run began; None where there is nothing to go on with.

    `there` are the course's snapshots. Raises Refused where whole parts of something else are in the way.
    """
    if begun is None:
        return None
    head = begun.head
    same = head["course"] == want.course.path and want.snapshot in (None, head["snapshot"])
    if same and head["snapshot"] in there:
        return head
    if begun.whole:
        what = f"{head['course']}@{head['snapshot']}"
        remedy = "delete it and its journal" if same else "finish that first, or delete it and its journal"
        raise Refused(f"{want.file}.partial is of {what}{', which is not there any more' if same else ''}: {remedy}")
    return None


def _versions() -> dict[str, str]:
    zfs = run(["zfs", "version"]).split()[0] if openzfs() else "zfs-fuse"
    return {"coursehub": VERSION, "zfs": zfs, "python": platform.python_version()}


def _commit(table: Mapping[str, Mapping[str, str]], course: Course, part: Part) -> str:
    """The commit that a version of the template was made from; empty where it is none."""
    return table[full_name(course, part.key)][COMMIT].removeprefix("-")


def _kept(values: Mapping[str, str]) -> dict[str, str]:
    return {key: values[key] for key in _KEPT}


def _written(course: Course, writer: Writer, part: Part, base: frozenset[str]) -> dict[str, Any]:
    lines = files_of(course, part.key)
    number = len(writer.done)
    zipped = writer.head["compression"]
    compress: Argv = ["zstd", "-q", "-c", "-T0"] if zipped == "zstd" else ["gzip", "-c"]
    stream = writer.add(f"{number:05}.zfs.{zipped}", read_from(sending(course, part), compress))
    changes = [*(f"-{line}" for line in sorted(base - lines)), *(f"+{line}" for line in sorted(lines - base))]
    files = writer.add(f"{number:05}.files.gz", [gzip.compress("\n".join(changes).encode(), mtime=0)])
    return {
        "part": asdict(part),
        "stream": asdict(stream),
        "listing": asdict(files),
        "files": len(lines),
        "bytes": size(lines),
        "digest": digest(lines),
    }


def verify(want: Want) -> dict[str, Any]:
    """Hash every byte, receive everything into a pool in a file, and hash every file there.

    Where the course is on this server, it is noted on it that this snapshot is safe. Raises Refused with all that is
    wrong.
    """
    root_needed("verifying an archive")
    archive = _sound(want.file)
    with _scratch_pool(want, archive) as pool:
        course = Course(pool, "course")
        _received(archive, course)
        if wrong := _differences(archive, course):
            raise Refused("\n  ".join([f"{want.file} does not bring back what was archived:", *wrong]))
    noted = _note_verified(want, archive)
    checked = archive.manifest["parts"]
    return {
        "file": str(want.file),
        "snapshot": archive.manifest["snapshot"],
        "parts": len(checked),
        "files": sum(entry["files"] for entry in checked),
        "bytes": sum(entry["bytes"] for entry in checked),
        "noted": noted,
    }


def restore(want: Want) -> dict[str, Any]:
    """Bring a course back where there is none of its name. A run that was killed goes on after its last whole part.

    It grows where nothing can be mounted, and gets its name when every file is as it was archived.
    """
    root_needed("bringing back a course")
    archive = _sound(want.file)
    place = f"{want.course.pool}/{RESTORING}"
    # One at a time for each pool: the same archive grows in the same place, whatever it is to be called.
    with locked(want.course.path), locked(place):
        not_there(want.course)
        nowhere(place)
        growing = Course(want.course.pool, f"{RESTORING}/{archive.seal[:16]}")
        _received(archive, growing)
        if wrong := _differences(archive, growing):
            raise Refused("\n  ".join([f"{growing.path} is not what was archived:", *wrong]))
        for dataset, kept in archive.manifest["datasets"].items():
            for key in ("quota", "readonly"):
                if kept[key] not in ("0", "none", "off", "-"):
                    run_as_root(["zfs", "set", f"{key}={kept[key]}", full_name(growing, dataset)])
        for snapshot, commit in archive.manifest.get("commits", {}).items():
            run_as_root(["zfs", "set", f"{COMMIT}={commit}", full_name(growing, snapshot)])
        into_place(growing, want.course)
        if len(read(place, ["mounted"], depth=1)) == 1:  # else another restoration was broken off there
            patiently(["zfs", "destroy", place])
    say(f"{want.course.path} is back as of {archive.manifest['snapshot']}: `make up` gives it a hub")
    return {"course": want.course.path, "snapshot": archive.manifest["snapshot"]}


def _sound(file: Path) -> Reader:
    archive = Reader(file)
    if archive.manifest["format"] != _FORMAT:
        raise Refused(f"{file} is of format {archive.manifest['format']}: a newer coursehub reads it")
    _unzippable(str(file), archive.manifest["compression"])
    say(f"hashing {file}")
    members = [Member(**entry[kind]) for entry in archive.manifest["parts"] for kind in ("stream", "listing")]
    if wrong := archive.damaged(members):
        raise Refused(f"{file} is damaged: {', '.join(wrong)} is not as it was written. Use another copy")
    return archive


def _unzippable(file: str, zipped: str) -> None:
    if which(zipped) is None:
        raise Refused(f"{file} is compressed by {zipped}, which is not on this server: `apt-get install {zipped}`")


@contextmanager
def _scratch_pool(want: Want, archive: Reader) -> Iterator[str]:
    folder = want.scratch or want.file.parent
    name = f"coursehub-verify-{sha256(str(want.file).encode()).hexdigest()[:12]}"
    disk = folder / f"{name}.img"
    needed = archive.manifest["used"] + _SCRATCH_SPARE
    with locked(name):
        _forget_pool(name, disk)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise Refused(
                f"{folder} has {free:,} bytes free, checking takes up to {needed:,}: name another scratch folder"
            )
        try:
            with disk.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.truncate(2 * needed)
            run_as_root(["zpool", "create", "-O", "mountpoint=none", "-O", "compression=on", name, str(disk)])
            yield name
        finally:
            _forget_pool(name, disk)


def _forget_pool(name: str, disk: Path) -> None:
    if name in run_as_root(["zpool", "list", "-H", "-o", "name"]).split():
        patiently(["zpool", "destroy", "-f", name])
    disk.unlink(missing_ok=True)


def _received(archive: Reader, course: Course) -> None:
    """Receive every part that is not there yet."""
    entries = archive.manifest["parts"]
    there = read(course.path, ["creation"])
    unzip: Argv = [archive.manifest["compression"], "-q", "-d", "-c"]
    for number, entry in enumerate(entries):
        part = Part(**entry["part"])
        if full_name(course, part.key) not in there:
            say(f"[{number + 1}/{len(entries)}] receiving {part.key}")
            write_to(archive.blocks(entry["stream"]["name"]), unzip, receiving(course, part))
        if not part.dataset:
            write_as(course, archive.manifest["datasets"][""])


def _differences(archive: Reader, course: Course) -> list[str]:
    """What is there and was not archived, or the other way round: a line for each part."""
    bases = {entry["part"]["base"] for entry in archive.manifest["parts"]}
    known: dict[str, frozenset[str]] = {"": frozenset()}
    wrong = []
    for number, entry in enumerate(archive.manifest["parts"]):
        part = Part(**entry["part"])
        say(f"[{number + 1}/{len(archive.manifest['parts'])}] checking {part.key}")
        have = files_of(course, part.key)
        changes = gzip.decompress(b"".join(archive.blocks(entry["listing"]["name"]))).decode().split("\n")
        gone, new = ({line[1:] for line in changes if line[:1] == sign} for sign in "-+")
        want = known[part.base] - gone | new
        if have != want or digest(have) != entry["digest"]:
            wrong.append(differing(part, have, want))
        if part.key in bases:
            known[part.key] = want
    return wrong


def _note_verified(want: Want, archive: Reader) -> bool:
    """Say on the course itself which snapshot is safe; the one before need not be held any more."""
    manifest = archive.manifest
    created = int(manifest["created"])
    here = own(want.course) if read(want.course.path, ["mounted"], depth=0) else {}
    if not _is_that(here, manifest):
        say(f"{want.course.path} is not here with the snapshot {manifest['snapshot']}: nothing was noted on it")
        return False
    at = datetime.now(UTC).isoformat(timespec="seconds")
    put(Note(manifest["snapshot"], at, archive.seal, str(want.file)), want.course.path)
    for name, values in here.items():
        # One that somebody named is held by whoever named it, or by nobody, from now on.
        if name != manifest["snapshot"] and values["userrefs"] != "0" and int(values["creation"]) < created:
            tag("release", ARCHIVED, f"{want.course.path}@{name}")
    return True


def _is_that(here: Mapping[str, Mapping[str, str]], manifest: Mapping[str, Any]) -> bool:
    """Whether the snapshot that an archive is of is among those that are here."""
    found = here.get(manifest["snapshot"])
    return found is not None and found["creation"] == manifest["created"]


def safe(course: Course, folder: Path) -> Path:
    """A verified archive, in a folder, of all work as it is when this begins; made unless it is there.

    One that was broken off is finished first, so that no two are. Raises as `write` and `verify`.
    """
    root_needed("archiving everybody's work")
    if gone(course):
        raise Refused(
            f"{course.path} is not there to be archived: bring it back, `zfs list -r {course.pool}` shows all"
        )
    with locked(course.path):
        now = left(course)
        note = noted(course.path)
        if note is not None and not lacking(course, now):
            say(f"{note.file} was verified, and nothing was written since")
            return Path(note.file)
    if begun := archives.look(course, folder).unfinished:
        say(f"finishing {begun}")
        write(Want(course, begun))
    file = archives.look(course, folder).newest
    if file is None or not _has_all(course, file, now):
        file = folder / archives.name(course, datetime.now(UTC))
        write(Want(course, file, now))
    verify(Want(course, file))
    return file


def _has_all(course: Course, file: Path, now: str) -> bool:
    """Whether an archive is of all work that is in a snapshot, or of what became of it since."""
    manifest, here = Reader(file).manifest, own(course)
    if not _is_that(here, manifest):
        return False
    later = manifest["snapshot"] == now or int(manifest["created"]) > int(here[now]["creation"])
    return later or not changed_since(course, manifest["snapshot"], now)
