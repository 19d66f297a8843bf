"""The unit of the students' homes: one copy-on-write clone of the course's template each, with a budget that holds.

    <pool>/<dataset>/template@<version>   what homes start from, made by the unit `template`; they share its blocks
    <pool>/<dataset>/homes                read-only, so that a home that is not mounted takes no data beside it
    <pool>/<dataset>/homes/<student>      the clone; its quota counts the student's own writes alone

Whatever the roster's size, a round reads the machine with two commands, plans from that, and runs what is left to do;
rounds go on until nothing is left. The facts decide what was done, not exit codes: a run that was killed anywhere is
finished by the next one. Nothing is ever destroyed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.before import noted_before
from host.lock import locked
from host.run import Argv, BadSpecification, CommandFailed, Refused, run_as_root, say, succeeds, which

# zfs-fuse mounts 999 datasets at most, of all courses together, and then fails without a word. Some are to spare, for
# looking at snapshots.
FUSE_MOUNTS = 990
_BATCH = 200  # folders for one mkdir or chown: far below what an argument list may hold
_PROGRESS = 50  # homes between two lines of progress
_LONGEST = 255  # bytes of a dataset's full name
_NEARLY_FULL = 0.8  # of the budget

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SIZES = ("used", "referenced", "usedbydataset", "usedbysnapshots")
# What a home has besides. Each of these, set by hand, would keep a home from being mounted, or take room from others.
_AS_MADE = {"canmount": "on", "refquota": "none", "reservation": "none", "refreservation": "none"}
_PROPERTIES = ("type", "mounted", "mountpoint", "readonly", "quota", "origin", *_AS_MADE, *_SIZES)


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
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"{name!r} is no name for a dataset: lower-case letters, digits, - and _, at most 63"
        elif len(want.home(name)) > _LONGEST:
            yield f"the name of the dataset {want.home(name)} is longer than {_LONGEST} bytes"
    if not isinstance(want.version, str) or not _VERSION.fullmatch(want.version):
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


def waits_for(want: Want, have: Facts) -> list[str]:
    """What other units make first, and has not been made yet."""
    course = have.datasets.get(want.course)
    if course is None:
        return [f"the course's dataset {want.course} is not there: the unit `zfs` makes it"]
    if not course.mounted:
        return [f"the course's dataset {want.course} is not mounted: `zfs mount {want.course}`"]
    if want.origin not in have.snapshots:
        return [f"the template's version {want.origin} is not there: the unit `template` makes it"]
    return []


def problems(want: Want, have: Facts) -> list[str]:
    """All that stands in the way, and no other unit can mend, each with its remedy."""
    homes = have.datasets.get(want.homes)
    if have.folders and not (homes and homes.mounted):
        return [f"{want.homes} is not mounted, but there are files in the folder /{want.homes}: move them away first"]
    return [
        *_too_many(want, have),
        *_lost(want, have),
        *_elsewhere(want, have),
        *(
            f"{want.home(student)} is not mounted, but files lie in the folder /{want.home(student)}:"
            " move them away first, they would be hidden"
            for student in want.budgets
            if student in have.folders and have.folders[student].astray
        ),
        *(
            f"{student} already holds {home.used:,} bytes{_in_snapshots(home)}, more than the budget of {budget:,}:"
            " raise the budget, or let the student delete something first"
            for student, budget, home in _there(want, have)
            if home.quota != budget and budget < home.used
        ),
    ]


def _in_snapshots(home: Dataset) -> str:
    held = f", {home.by_snapshots:,} of them in snapshots, where deleting frees them only once the snapshots go"
    return held if home.by_snapshots else ""


def _too_many(want: Want, have: Facts) -> list[str]:
    retained = left(want, have)
    number = len(want.budgets) + len(retained)
    mounted = sum(home.mounted for _, _, home in _there(want, have))
    if have.openzfs or mounted == len(want.budgets) or number + have.other_mounts <= FUSE_MOUNTS:
        return []
    purge = ", or purge the homes of those who left (`./coursehub purge student NAME`)" if retained else ""
    return [
        f"{number:,} homes ({len(want.budgets):,} students, {len(retained):,} who left) and {have.other_mounts:,} other"
        f" datasets of this server are more than the {FUSE_MOUNTS} that zfs-fuse can mount: use OpenZFS, which has no"
        " such limit (`apt-get install zfsutils-linux`, and zfs-dkms where the kernel has no ZFS module)" + purge
    ]


def _lost(want: Want, have: Facts) -> list[str]:
    """An empty home in the place of one that was there would hide that work is missing."""
    gone = [student for student in want.budgets if student in have.made and want.home(student) not in have.datasets]
    if not gone:
        return []
    return [
        f"homes that were there are not any more: {_some(gone)}. `zfs list -r {want.pool}` shows whether they have"
        " other names now, `zfs rename` brings them back; else an archive may have them. To begin with empty ones on"
        " purpose, take them out of the roster, `make up`, and put them back"
    ]


def _elsewhere(want: Want, have: Facts) -> Iterator[str]:
    names = (want.course, want.homes, *map(want.home, want.budgets))
    for name in names:
        dataset = have.datasets.get(name)
        if dataset and dataset.mountpoint != f"/{name}":
            yield f"{name} has the mountpoint {dataset.mountpoint}: `zfs set mountpoint=/{name} {name}` puts it right"


def left(want: Want, have: Facts) -> list[str]:
    """Who has a home, but is not in the roster."""
    prefix = f"{want.homes}/"
    names = (name.removeprefix(prefix) for name in have.datasets if name.startswith(prefix))
    return sorted(name for name in names if name not in want.budgets)


def steps(want: Want, have: Facts) -> list[Argv]:
    """Commands that lead from `have` towards `want`, in order; empty when there is nothing to do.

    Raises Refused, with every reason at once, where that cannot be done without losing something, or at all.
    """
    if found := waits_for(want, have) or problems(want, have):
        raise Refused("\n  ".join(["the homes were not touched:", *found]) if len(found) > 1 else found[0])
    if base := list(_container_steps(want, have)):
        return base
    return [
        *_folder_steps(want, have),
        *_clone_steps(want, have),
        *_property_steps(want, have),
        *_mount_steps(want, have),
        *_owner_steps(want, have),
    ]


def _container_steps(want: Want, have: Facts) -> Iterator[Argv]:
    homes = have.datasets.get(want.homes)
    if homes is None:
        yield ["zfs", "create", "-o", "readonly=on", want.homes]
    elif not homes.mounted:
        yield ["zfs", "mount", want.homes]


def _folder_steps(want: Want, have: Facts) -> Iterator[Argv]:
    """Bare mountpoints. Only while they are made may the container be written to; only root could, then."""
    missing = [f"/{want.home(student)}" for student in want.budgets if student not in have.folders]
    readonly = have.datasets[want.homes].readonly
    if missing and readonly:
        yield ["zfs", "set", "readonly=off", want.homes]
    for folders in _batches(missing):
        yield ["mkdir", "-p", "-m", "555", *folders]
    if missing or not readonly:
        yield ["zfs", "set", "readonly=on", want.homes]


def _clone_steps(want: Want, have: Facts) -> Iterator[Argv]:
    for student, budget in want.budgets.items():
        home = want.home(student)
        if home not in have.datasets:
            yield ["zfs", "clone", "-o", f"quota={budget}", "-o", "readonly=off", want.origin, home]


def _property_steps(want: Want, have: Facts) -> Iterator[Argv]:
    for student, budget, home in _there(want, have):
        if home.quota != budget:
            yield ["zfs", "set", f"quota={budget}", want.home(student)]
        if home.readonly:
            yield ["zfs", "set", "readonly=off", want.home(student)]
        for key in home.by_hand:
            yield ["zfs", "set", f"{key}={_AS_MADE[key]}", want.home(student)]
    for student in left(want, have):
        if not have.datasets[want.home(student)].readonly:
            yield ["zfs", "set", "readonly=on", want.home(student)]


def _mount_steps(want: Want, have: Facts) -> Iterator[Argv]:
    for student, _, home in _there(want, have):
        if not home.mounted:
            yield ["zfs", "mount", want.home(student)]


def _owner_steps(want: Want, have: Facts) -> Iterator[Argv]:
    """Only what is known to be mounted is handed over: a bare mountpoint stays root's."""
    others = [
        f"/{want.home(student)}"
        for student, _, home in _there(want, have)
        if home.mounted and have.folders[student].owner != want.owner
    ]
    for folders in _batches(others):
        yield ["chown", want.owner, *folders]


def _batches(folders: Sequence[str]) -> Iterator[Sequence[str]]:
    return (folders[first : first + _BATCH] for first in range(0, len(folders), _BATCH))


def _there(want: Want, have: Facts) -> Iterator[tuple[str, int, Dataset]]:
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
    openzfs = succeeds(["zfs", "version"])
    datasets, snapshots = read_table(_table(want), openzfs=openzfs)
    return Facts(
        openzfs=openzfs,
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
        by_hand=tuple(key for key, value in _AS_MADE.items() if values[key] not in (value, "0")),
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


def observe(want: Want) -> dict[str, Any]:
    """What is there now, for people and for `preview`; nothing at all where there is no ZFS. Sizes in bytes.

    Of each home, also of those who left: what an admin's table needs.
    """
    have = facts(want) if which("zfs") else Facts(openzfs=True)
    there = want.homes in have.datasets
    return seen(want, have, _snapshot_counts(want) if there and want.count_snapshots else None)


def seen(want: Want, have: Facts, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What `observe` says of these facts; `counts` is how many snapshots each home has."""
    gone = left(want, have)
    homes = {name: have.datasets[want.home(name)] for name in (*(s for s, _, _ in _there(want, have)), *gone)}
    return {
        "homes": {
            name: {
                "budget": home.quota,
                "used": home.used,
                "shared": home.shared,
                "bySnapshots": home.by_snapshots,
                **({} if counts is None else {"snapshots": counts.get(want.home(name), 0)}),
                "template": home.version,
                "mounted": home.mounted,
                "readonly": home.readonly,
                "left": name not in want.budgets,
            }
            for name, home in homes.items()
        },
        # Of homes and template together, snapshots included; dedup may make the pool take less.
        "allocated": sum(have.datasets[name].used for name in (want.homes, want.template) if name in have.datasets),
        "missing": [student for student in want.budgets if want.home(student) not in have.datasets],
        "left": gone,
        "nearlyFull": [student for student, _, home in _there(want, have) if home.used > _NEARLY_FULL * home.quota > 0],
        "problems": problems(want, have),
        "drift": _drift(want, have),
    }


def _drift(want: Want, have: Facts) -> list[str]:
    """What `apply` would do now, or why it would not."""
    try:
        return list(_in_words(want, have, steps(want, have)))
    except Refused as refusal:
        return [str(refusal)]


def _snapshot_counts(want: Want) -> Counter[str]:
    """How many snapshots each home has, by one command for the whole course."""
    listed = run_as_root(["zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-r", want.homes])
    return Counter(name.partition("@")[0] for name in listed.splitlines())


def apply(want: Want) -> dict[str, Any]:
    """Give every student of the roster a home. Raises Refused or CommandFailed; running it again goes on from there.

    The result is the same whether there was something to do or not: what was done is told on stderr.
    """
    with locked(want.course):
        have = facts(want)
        if _lowers(want, have):
            # zfs-fuse counts late; setting any property, here to what it is, makes it count.
            run_as_root(["zfs", "set", "readonly=on", want.homes])
            have = facts(want)
        have = converge(want, have, lambda: facts(want), run_as_root)
        return {"students": sorted(want.budgets), "left": left(want, have), "template": want.version}


def _lowers(want: Want, have: Facts) -> bool:
    return any(budget < home.quota or not home.quota for _, budget, home in _there(want, have))


def converge(want: Want, have: Facts, read: Callable[[], Facts], do: Callable[[Argv], object]) -> Facts:
    """Do what is left to do until nothing is, and give back the last facts.

    One home's trouble does not keep the others from being made. Raises CommandFailed with the first trouble that
    stays, Refused where commands end well but change nothing.
    """
    last: list[Argv] = []
    failures: list[CommandFailed] = []
    while todo := steps(want, have):
        if todo == last:
            raise _trouble(failures, todo)
        for line in _in_words(want, have, todo):
            say(line)
        last, failures = todo, _run(want, have, todo, do)
        have = read()
    return have


def _run(want: Want, have: Facts, todo: Iterable[Argv], do: Callable[[Argv], object]) -> list[CommandFailed]:
    """Run commands to the last, whatever becomes of each; those that failed."""
    failures: list[CommandFailed] = []
    there, made = sum(1 for _ in _there(want, have)), 0
    for argv in todo:
        try:
            do(argv)
        except CommandFailed as failure:
            failures.append(failure)
        if argv[1] == "clone":
            made += 1
            if made % _PROGRESS == 0:
                say(f"{there + made} of {len(want.budgets)} homes")
    return failures


def _trouble(failures: Sequence[CommandFailed], todo: Sequence[Argv]) -> Exception:
    for failure in failures[1:]:
        say(str(failure))
    if failures:
        return failures[0]
    return Refused(f"`{' '.join(todo[0])}` ended well but changed nothing; `zfs get all {todo[0][-1]}` may tell why")


def remove(want: Want) -> dict[str, Any]:
    """Keep every home: they are the students' work."""
    have = facts(want)
    kept = [student for student, _, _ in _there(want, have)] + left(want, have)
    say(f"kept {len(kept)} homes below {want.homes}: nothing of the students' work is removed here")
    return {"kept": len(kept)}


def _in_words(want: Want, have: Facts, todo: Iterable[Argv]) -> Iterator[str]:
    """What a round does, as the user would say it: a line for each kind of change."""
    groups: dict[str, list[str]] = {}
    for argv in todo:
        name = argv[-1].removeprefix(f"{want.homes}/")
        match argv[:3]:
            case ["zfs", "clone", _]:
                groups.setdefault(f"making homes from {want.origin}", []).append(name)
            case ["zfs", "mount", _]:
                groups.setdefault("mounting", []).append(name)
            case ["zfs", "set", setting] if setting.startswith("quota="):
                change = f"{name} {have.datasets[argv[-1]].quota} -> {setting.removeprefix('quota=')}"
                groups.setdefault("changing budgets", []).append(change)
            case ["zfs", "set", "readonly=on"] if argv[-1] != want.homes:
                groups.setdefault("no longer in the roster, kept read-only", []).append(name)
            case ["zfs", "set", "readonly=on"] if not have.datasets[want.homes].readonly:
                groups.setdefault("refusing writes beside the homes", []).append(want.homes)
            case ["zfs", "set", "readonly=off"] if argv[-1] != want.homes:
                groups.setdefault("back in the roster, writable again", []).append(name)
            case ["zfs", "set", setting] if setting.partition("=")[0] in _AS_MADE:
                groups.setdefault(f"putting {setting} right, which somebody changed", []).append(name)
            case ["zfs", "create", *_]:
                groups.setdefault("creating", []).append(argv[-1])
            case ["chown", *_]:
                groups.setdefault(f"handing over to {want.owner}", []).extend(
                    folder.removeprefix(f"/{want.homes}/") for folder in argv[2:]
                )
    for kind, names in groups.items():
        yield f"{kind}: {_some(names)}"


def _some(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
