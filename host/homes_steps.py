"""What is left to do for the students' homes: a table of what is wanted and what is there, to commands. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from host.homes import AS_MADE, Dataset, Facts, Want, left, roster_homes
from host.run import Argv, Refused

# zfs-fuse mounts 999 datasets at most, of all courses together, and then fails without a word. Some are to spare, for
# looking at snapshots.
FUSE_MOUNTS = 990
_BATCH = 200  # folders for one mkdir or chown: far below what an argument list may hold


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
            for student, budget, home in roster_homes(want, have)
            if home.quota != budget and budget < home.used
        ),
    ]


def _in_snapshots(home: Dataset) -> str:
    held = f", {home.by_snapshots:,} of them in snapshots, where deleting frees them only once the snapshots go"
    return held if home.by_snapshots else ""


def _too_many(want: Want, have: Facts) -> list[str]:
    retained = left(want, have)
    number = len(want.budgets) + len(retained)
    mounted = sum(home.mounted for _, _, home in roster_homes(want, have))
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
    for student, budget, home in roster_homes(want, have):
        if home.quota != budget:
            yield ["zfs", "set", f"quota={budget}", want.home(student)]
        if home.readonly:
            yield ["zfs", "set", "readonly=off", want.home(student)]
        for key in home.by_hand:
            yield ["zfs", "set", f"{key}={AS_MADE[key]}", want.home(student)]
    for student in left(want, have):
        if not have.datasets[want.home(student)].readonly:
            yield ["zfs", "set", "readonly=on", want.home(student)]


def _mount_steps(want: Want, have: Facts) -> Iterator[Argv]:
    for student, _, home in roster_homes(want, have):
        if not home.mounted:
            yield ["zfs", "mount", want.home(student)]


def _owner_steps(want: Want, have: Facts) -> Iterator[Argv]:
    """Only what is known to be mounted is handed over: a bare mountpoint stays root's."""
    others = [
        f"/{want.home(student)}"
        for student, _, home in roster_homes(want, have)
        if home.mounted and have.folders[student].owner != want.owner
    ]
    for folders in _batches(others):
        yield ["chown", want.owner, *folders]


def _batches(folders: Sequence[str]) -> Iterator[Sequence[str]]:
    return (folders[first : first + _BATCH] for first in range(0, len(folders), _BATCH))


def in_words(want: Want, have: Facts, todo: Iterable[Argv]) -> Iterator[str]:
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
            case ["zfs", "set", setting] if setting.partition("=")[0] in AS_MADE:
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
