"""The unit of the course's dataset: pool in a file where asked for, dataset, properties, mount.

The pool is never made on, or taken from, real disks. `steps` decides from facts alone; `apply` runs one step, looks
again, and so on until nothing is left to do, which is why a run that was killed anywhere is finished by the next one.
"""

from pathlib import Path
from typing import Any

from host import archive, snapshots, trash
from host.datasets import Course, gone
from host.lock import locked
from host.run import Argv, CommandFailed, Refused, run_as_root, say
from host.state import is_new, was_made
from host.zfs_facts import Facts, Want, facts, parse
from host.zfs_steps import can_grow, in_words, properties, refuse_anothers, refuse_to_begin_anew, steps, unused

__all__ = ["apply", "observe", "parse", "remove"]

_FULL_PERCENT = 80  # above it ZFS slows down and little room is left to react


def observe(want: Want) -> dict[str, Any]:
    """What is there now, for people and for `preview`; what `apply` would do; what an admin has to see to."""
    have = facts(want)
    return {
        "dataset": want.path,
        "there": have.properties is not None,
        **(have.properties or {}),
        "drift": drift(want, have),
        "warnings": [*_health(want), *unused(want, have)] if want.pool in have.pools else [],
    }


def drift(want: Want, have: Facts) -> list[str]:
    """What `apply` would do to a dataset that was made before, or why it would refuse."""
    try:
        refuse_to_begin_anew(want, have)
        todo = [in_words(argv, have) for argv in steps(want, have)]
        return [*todo, f"growing pool {want.pool} by {have.idle:,} bytes"] if can_grow(want, have) else todo
    except Refused as refusal:
        return [str(refusal)]


def _health(want: Want) -> list[str]:
    _, health, capacity = run_as_root(["zpool", "list", "-H", "-o", "name,health,capacity", want.pool]).split()
    used = int(capacity.removesuffix("%"))
    found = [f"pool {want.pool} is {health}: `zpool status {want.pool}` tells why"] if health != "ONLINE" else []
    if used >= _FULL_PERCENT:
        found.append(
            f"pool {want.pool} is {used} % full: a full pool takes no snapshots and no new homes; delete or add a disk"
        )
    return found


def apply(want: Want) -> dict[str, Any]:
    """Make the dataset what it is to be. Raises Refused or CommandFailed; running it again goes on from there."""
    with locked(want.path):
        have = facts(want)
        if was_made():
            refuse_to_begin_anew(want, have)
        if is_new():
            refuse_anothers(want, have)
        last: Argv = []
        while todo := steps(want, have):
            if todo[0] == last:
                raise Refused(
                    f"`{' '.join(last)}` ended well but changed nothing; `zfs get all {want.path}` may tell why"
                )
            last = todo[0]
            say(in_words(last, have))
            run_as_root(last)
            have = facts(want)
        if want.pool_file is not None and can_grow(want, have):
            say(f"growing pool {want.pool} by {have.idle:,} bytes")
            run_as_root(["zpool", "online", "-e", want.pool, want.pool_file.path])
        for line in unused(want, have):
            say(line)
        wanted = properties(want, have)
        if wanted["compression"] != want.compression:
            say(f"this ZFS has no {want.compression}: new data is compressed by {wanted['compression']}")
        return {"dataset": want.path, "zfs": "OpenZFS" if have.openzfs else "zfs-fuse", **wanted}


def remove(want: Want) -> dict[str, Any]:
    """Keep the dataset with a held snapshot, archived where asked for; if confirmed, put it into the trash instead.

    Raises Refused, with everything in its place, where work could be lost.
    """
    course = Course(want.pool, want.dataset)
    if want.archive:
        archive.safe(course, Path(want.archive))
    found = facts(want).properties
    if found is None:
        if want.destroy:
            gone(course)  # or refused
        say(f"{want.path} is not there any more")
        return {"dataset": want.path, "kept": False}
    if want.destroy:
        entry = trash.into_trash(course)
        say(f"{want.path} is now {entry}, as storage.confirmDestroy asked; `coursehub purge` deletes it for good")
        return {"dataset": want.path, "kept": False, "trash": entry}
    if not want.archive:
        _leave(course)
    say(f"kept {want.path}, mounted at {found['mountpoint']}: {int(found['used']):,} bytes of students' work")
    return {"dataset": want.path, "kept": True}


def _leave(course: Course) -> None:
    """A held snapshot; a pool that is full, or failing, keeps what it has all the same."""
    try:
        with locked(course.path):
            snapshots.leave(course)
    except CommandFailed as error:
        say(f"no snapshot of {course.path} could be taken: {error}")
