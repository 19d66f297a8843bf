"""The unit of a dataset inside the course's own that one part of the hub keeps its data in, such as its database.

It outlives the cluster, and has a quota and an owner of its own. While it is not mounted, its folder belongs to root
and takes no data: a hub that started then would begin with an empty database.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.datasets import is_name, read
from host.lock import locked
from host.run import Argv, BadSpecification, Refused, run_as_root, say
from host.state import was_made


@dataclass(frozen=True)
class Want:
    """What the dataset is to be."""

    pool: str
    dataset: str  # the course's, without the pool
    name: str  # below the course's
    quota: int  # bytes
    uid: int
    gid: int

    @property
    def course(self) -> str:
        """The course's dataset."""
        return f"{self.pool}/{self.dataset}"

    @property
    def path(self) -> str:
        """The dataset's full name."""
        return f"{self.course}/{self.name}"

    @property
    def owner(self) -> str:
        """Who owns its root folder, as chown writes it."""
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True)
class Facts:
    """What the machine has. `folder_owner` is that of the root folder, or of the bare mountpoint; empty: none."""

    course_mounted: bool
    there: bool = False
    mounted: bool = False
    quota: int = 0  # bytes; 0 is none
    used: int = 0
    folder_owner: str = ""
    astray: bool = False  # a bare mountpoint that holds something


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one, or a name could reach beyond the course."""
    try:
        want = Want(**given)
    except TypeError as error:
        raise BadSpecification(f"not a specification of a volume: {error}") from None
    for name in (want.pool, *str(want.dataset).split("/"), want.name):
        if not is_name(name):
            raise BadSpecification(f"{name!r} is no name for a dataset: lower-case letters, digits, - and _")
    if any(type(number) is not int or number <= 0 for number in (want.quota, want.uid, want.gid)):
        raise BadSpecification("quota, uid and gid must be numbers above zero")
    return want


def steps(want: Want, have: Facts) -> list[Argv]:
    """The next commands towards `want`; empty when nothing is to do. Raises Refused where data would be hidden."""
    folder = f"/{want.path}"
    if not have.course_mounted:
        raise Refused(f"the course's dataset {want.course} is not mounted: `zfs mount {want.course}`")
    if have.astray:
        raise Refused(f"{want.path} is not mounted, but files lie in the folder {folder}: move them away first")
    if not have.mounted:
        bare: list[Argv] = [] if have.folder_owner else [["mkdir", "-m", "555", folder]]
        if have.there:
            return [*bare, ["zfs", "mount", want.path]]
        return [*bare, ["zfs", "create", "-o", f"quota={want.quota}", want.path]]
    if have.quota != want.quota:
        if want.quota < have.used:
            raise Refused(f"{want.path} already holds {have.used:,} bytes, more than the {want.quota:,} it may have")
        return [["zfs", "set", f"quota={want.quota}", want.path]]
    return [["chown", want.owner, folder]] if have.folder_owner != want.owner else []


def drift(want: Want, have: Facts) -> list[str]:
    """What `apply` would do to a dataset that was made before, or why it would refuse."""
    try:
        refuse_to_begin_anew(want, have)
        return [" ".join(argv) for argv in steps(want, have)]
    except Refused as refusal:
        return [str(refusal)]


def refuse_to_begin_anew(want: Want, have: Facts) -> None:
    """Raise Refused where a dataset that was made before is not there: an empty one would hide that data is missing."""
    if have.there or not have.course_mounted:
        return
    raise Refused(
        f"{want.path} is not there, but this stack made it: bring it back by `zfs rename` where it has another name now"
        f" (`zfs list -r {want.pool}` shows all), or from an archive: in its manifest.json is which part holds"
        f" {want.name}, for `zfs receive {want.path}`. To begin with an empty one, in which nobody has an account yet:"
        f" `zfs create {want.path}`, then `make up`"
    )


def facts(want: Want) -> Facts:
    """Read the machine; changes nothing. Raises Refused where there is no ZFS, CommandFailed where it fails."""
    found = read(want.course, ["mounted", "quota", "used"], depth=1)
    volume = found.get(want.path, {})
    mounted = volume.get("mounted") == "yes"
    folder = Path("/", want.path)
    status = folder.stat() if folder.is_dir() else None
    quota = volume.get("quota", "none")
    return Facts(
        course_mounted=found.get(want.course, {}).get("mounted") == "yes",
        there=bool(volume),
        mounted=mounted,
        quota=0 if quota == "none" else int(quota),
        used=int(volume.get("used", 0)),
        folder_owner=f"{status.st_uid}:{status.st_gid}" if status else "",
        astray=status is not None and not mounted and any(folder.iterdir()),
    )


def observe(want: Want) -> dict[str, Any]:
    """What is there now."""
    have = facts(want)
    found = {"dataset": want.path, "mounted": have.mounted, "used": have.used, "quota": have.quota}
    return {**found, "drift": drift(want, have)}


def apply(want: Want) -> dict[str, Any]:
    """Make the dataset what it is to be. Raises Refused or CommandFailed; running it again goes on from there."""
    with locked(want.course):
        if was_made():
            refuse_to_begin_anew(want, facts(want))
        last: list[Argv] = []
        while todo := steps(want, facts(want)):
            if todo == last:
                raise Refused(
                    f"`{' '.join(todo[0])}` ended well but changed nothing; `zfs get all {want.path}` may help"
                )
            last = todo
            for argv in todo:
                run_as_root(argv)
                if argv[0] == "zfs":
                    say(f"zfs {argv[1]} {want.path}")
        return {"dataset": want.path}


def remove(want: Want) -> dict[str, Any]:
    """Keep it: it goes with the course's dataset alone."""
    return {"dataset": want.path, "kept": True}
