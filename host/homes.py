"""The students' homes as a specification wants them and as the machine has them; reading both.

<pool>/<dataset>/template@<version>   what homes start from, made by the unit `template`; they share its blocks
<pool>/<dataset>/homes                read-only, so that a home that is not mounted takes no data beside it
<pool>/<dataset>/homes/<student>      the clone; its quota counts the student's own writes alone
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.before import noted_before
from host.datasets import is_name, is_snapshot, openzfs
from host.run import BadSpecification, CommandFailed, Refused, run_as_root, which

NEARLY_FULL = 0.8  # of the budget
_LONGEST = 255  # bytes of a dataset's full name
_SIZES = ("used", "referenced", "usedbydataset", "usedbysnapshots")
# What a home has besides. Each of these, set by hand, would keep a home from being mounted, or take room from others.
AS_MADE = {"canmount": "on", "refquota": "none", "reservation": "none", "refreservation": "none"}
_PROPERTIES = ("type", "mounted", "mountpoint", "readonly", "quota", "origin", *AS_MADE, *_SIZES)


@dataclass(frozen=True)
class Template:
    """Which version of the template new homes are cloned from."""

    version: str


@dataclass(frozen=True)
class Student:
    """One line of the roster."""

    name: str
    budget: int  # bytes


@dataclass(frozen=True)
class Want:
    """What the homes are to be."""

    pool: str
    dataset: str  # without the pool
    version: str  # of the template; homes already there keep theirs
    budgets: Mapping[str, int]  # bytes each student of the roster may write
    uid: int
    gid: int
    count_snapshots: bool = False  # when observing: each home's; with very many it takes long

    @property
    def course(self) -> str:
        """The course's dataset."""
        return f"{self.pool}/{self.dataset}"

    @property
    def template(self) -> str:
        """The dataset whose snapshots are the template's versions."""
        return f"{self.course}/template"

    @property
    def origin(self) -> str:
        """The snapshot that new homes are cloned from."""
        return f"{self.template}@{self.version}"

    @property
    def homes(self) -> str:
        """The dataset that contains the homes."""
        return f"{self.course}/homes"

    @property
    def owner(self) -> str:
        """Who owns the root folder of a home, as chown and find write it."""
        return f"{self.uid}:{self.gid}"

    def home(self, student: str) -> str:
        """The dataset of one student."""
        return f"{self.homes}/{student}"


@dataclass(frozen=True)
class Dataset:
    """A dataset as it is. Sizes in bytes; a quota of 0 is none."""

    mounted: bool = True
    mountpoint: str = ""
    readonly: bool = False
    quota: int = 0
    used: int = 0  # by the student: what the quota counts, snapshots included
    shared: int = 0  # with the template
    by_snapshots: int = 0  # part of `used` that is in snapshots alone
    origin: str = ""
    by_hand: tuple[str, ...] = ()  # properties that are not as a home's are made

    @property
    def version(self) -> str:
        """The template's version that a home is a clone of."""
        return self.origin.rpartition("@")[2]


@dataclass(frozen=True)
class Folder:
    """A folder in the container of homes: the root of a home that is mounted, or a bare mountpoint."""

    owner: str
    astray: bool = False  # a bare mountpoint that holds something


@dataclass(frozen=True)
class Facts:
    """What the machine has."""

    openzfs: bool
    datasets: Mapping[str, Dataset] = field(default_factory=dict)  # the course's, by full name
    snapshots: frozenset[str] = frozenset()
    folders: Mapping[str, Folder] = field(default_factory=dict)  # by the name of the home
    made: frozenset[str] = frozenset()  # students of the roster who had a home when the last run ended
    other_mounts: int = 0  # of zfs-fuse, and no home of this course


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification with all that is wrong with it."""
    try:
        students = [Student(**student) for student in given["students"]]
        want = Want(
            version=Template(**given["template"]).version,
            budgets={student.name: student.budget for student in students},
            **{key: value for key, value in given.items() if key not in ("students", "template")},
        )
    except (KeyError, TypeError) as error:
        raise BadSpecification(f"not a specification of homes: {error}") from None
    if found := list(_faults(want, students)):
        raise BadSpecification("\n  ".join(found))
    return want


def _faults(want: Want, students: Iterable[Student]) -> Iterator[str]:
    """All that is wrong with a specification. The configuration has an allow-list too; this one trusts nobody."""
    for name in (want.pool, *str(want.dataset).split("/"), *(student.name for student in students)):
        if not is_name(name):
            yield f"{name!r} is no name for a dataset: lower-case letters, digits, - and _, at most 63"
        elif len(want.home(name)) > _LONGEST:
            yield f"the name of the dataset {want.home(name)} is longer than {_LONGEST} bytes"
    if not is_snapshot(want.version):
        yield f"{want.version!r} is no name for a version: letters, digits, . - and _, at most 63"
    seen: set[str] = set()
    for student in students:
        if student.name in seen:
            yield f"{student.name!r} is twice among the students"
        seen.add(student.name)
        if type(student.budget) is not int or student.budget <= 0:
            yield f"the budget of {student.name!r} is {student.budget!r}: it must be a number of bytes"
    for key, number in (("uid", want.uid), ("gid", want.gid)):
        if type(number) is not int or number <= 0:
            yield f"{key} is {number!r}: it must be a number, and not root's"


def left(want: Want, have: Facts) -> list[str]:
    """Who has a home, but is not in the roster."""
    prefix = f"{want.homes}/"
    names = (name.removeprefix(prefix) for name in have.datasets if name.startswith(prefix))
    return sorted(name for name in names if name not in want.budgets)


def roster_homes(want: Want, have: Facts) -> Iterator[tuple[str, int, Dataset]]:
    """The students of the roster who have a home, with budget and home."""
    for student, budget in want.budgets.items():
        if home := have.datasets.get(want.home(student)):
            yield student, budget, home


def facts(want: Want) -> Facts:
    """Read the machine, with as many commands for 5,000 homes as for one; changes nothing.

    Raises Refused where there is no ZFS, and CommandFailed where it does not answer.
    """
    if which("zfs") is None:
        raise Refused("there is no ZFS on this server: `make up` installs it, or `apt-get install zfsutils-linux`")
    datasets, snapshots = read_table(_table(want), openzfs=openzfs())
    return Facts(
        openzfs=openzfs(),
        datasets=datasets,
        snapshots=snapshots,
        folders=_folders(Path("/", want.homes)),
        made=frozenset(noted_before().get("students", ())),
        other_mounts=other_mounts(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"), want.homes),
    )


def _table(want: Want) -> str:
    # A depth of 2 reaches homes and the template's versions, but no snapshots of homes, which may be very many.
    ask = ["zfs", "get", "-Hp", "-d", "2", "-o", "name,property,value,source", ",".join(_PROPERTIES), want.course]
    try:
        return run_as_root(ask)
    except CommandFailed as error:
        if "does not exist" in error.stderr:
            return ""
        raise


def read_table(table: str, *, openzfs: bool) -> tuple[dict[str, Dataset], frozenset[str]]:
    """Datasets and snapshots of a course, by full name, from what `zfs get -Hp` prints."""
    found: dict[str, dict[str, str]] = {}
    for row in table.splitlines():
        name, key, value, source = row.split("\t")
        found.setdefault(name, {})[key] = value if openzfs else _stored(value, source)
    datasets = {name: _dataset(values) for name, values in found.items() if values["type"] == "filesystem"}
    return datasets, frozenset(name for name, values in found.items() if values["type"] == "snapshot")


def other_mounts(mountinfo: str, homes: str) -> int:
    """How many datasets zfs-fuse has mounted but those below `homes`: proc(5), mountinfo."""
    found = set()
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        kind, source = fields[fields.index("-") + 1 :][:2]
        if kind == "fuse.zfs" and not source.startswith(f"{homes}/"):
            found.add(source)
    return len(found)


def _stored(value: str, source: str) -> str:
    """The value of a property with zfs-fuse. `temporary` says that the mount shows another one than the dataset has.

    It mounts everything as `rw` and refuses the writes itself: read-only is printed as `off`, `temporary`. With OpenZFS
    what the mount shows is what holds.
    """
    return {"on": "off", "off": "on"}.get(value, value) if source == "temporary" else value


def _dataset(values: Mapping[str, str]) -> Dataset:
    return Dataset(
        mounted=values["mounted"] == "yes",
        mountpoint=values["mountpoint"],
        readonly=values["readonly"] == "on",
        quota=0 if values["quota"] == "none" else int(values["quota"]),
        used=int(values["used"]),
        shared=int(values["referenced"]) - int(values["usedbydataset"]),
        by_snapshots=int(values["usedbysnapshots"]),
        origin="" if values["origin"] == "-" else values["origin"],
        by_hand=tuple(key for key, value in AS_MADE.items() if values[key] not in (value, "0")),
    )


def _folders(container: Path) -> dict[str, Folder]:
    """What lies in the container and, of what is not mounted, whether it holds something. Enters no home."""
    if not container.is_dir():
        return {}
    look = ["find", str(container), "-xdev", "-mindepth", "1", "-maxdepth", "2", "-printf", r"%U:%G %P\0"]
    found: dict[str, Folder] = {}
    for line in run_as_root(look).split("\0")[:-1]:  # a folder comes before what it holds
        owner, _, path = line.partition(" ")
        name, _, within = path.partition("/")
        found[name] = Folder(found[name].owner if within else owner, astray=bool(within))
    return found
