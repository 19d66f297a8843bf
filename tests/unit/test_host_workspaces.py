"""The homes' planner: a table of facts to commands, hostile names, and a simulated `zfs` for rosters of any size."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import pytest

from host.homes import Dataset, Facts, Folder, Want, left, other_mounts, parse, read_table
from host.homes_steps import problems, steps, waits_for
from host.run import BadSpecification, CommandFailed, Refused
from host.workspaces import converge, seen
from plan.homes_changes import Seen, Wanted, changes

COURSE = "jhub-pool/userdata"
HOMES = f"{COURSE}/homes"
MANY = 950
WANT = Want("jhub-pool", "userdata", "v2", {"ada": 4096, "bob": 8192}, 1000, 100)


def home(student: str, quota: int, **changed: Any) -> Dataset:
    sound = Dataset(mountpoint=f"/{HOMES}/{student}", quota=quota, origin=f"{COURSE}/template@v1")
    return replace(sound, **changed)


BASE: dict[str, Dataset] = {
    COURSE: Dataset(mountpoint=f"/{COURSE}"),
    f"{COURSE}/template": Dataset(mountpoint=f"/{COURSE}/template"),
    HOMES: Dataset(mountpoint=f"/{HOMES}", readonly=True),
}
SOUND = Facts(
    openzfs=True,
    datasets={**BASE, f"{HOMES}/ada": home("ada", 4096), f"{HOMES}/bob": home("bob", 8192)},
    snapshots=frozenset({f"{COURSE}/template@v1", f"{COURSE}/template@v2"}),
    folders={"ada": Folder("1000:100"), "bob": Folder("1000:100")},
)


def without(*names: str, **folders: Folder) -> Facts:
    """Sound facts that lack some datasets; homes that lack lose their folder, too, unless one is given."""
    gone = {f"{COURSE}/{name}" if name else COURSE for name in names}
    students = {name.removeprefix("homes/") for name in names}
    return replace(
        SOUND,
        datasets={name: dataset for name, dataset in SOUND.datasets.items() if name not in gone},
        folders={name: folder for name, folder in SOUND.folders.items() if name not in students} | folders,
    )


def having(student: str, **changed: Any) -> Facts:
    """Sound facts but for one home."""
    path = f"{HOMES}/{student}"
    return replace(
        SOUND,
        datasets={**SOUND.datasets, path: replace(SOUND.datasets.get(path, home(student, 1)), **changed)},
        folders={student: Folder("1000:100"), **SOUND.folders},
    )


def test_nothing_is_done_where_all_is_as_wanted() -> None:
    assert steps(WANT, SOUND) == []


CLONE_BOB = f"zfs clone -o quota=8192 -o readonly=off {COURSE}/template@v2 {HOMES}/bob"


@pytest.mark.parametrize(
    ("have", "commands"),
    [
        (without("homes/bob", bob=Folder("0:0")), [CLONE_BOB]),
        (
            without("homes/bob"),
            [
                f"zfs set readonly=off {HOMES}",
                f"mkdir -p -m 555 /{HOMES}/bob",
                f"zfs set readonly=on {HOMES}",
                CLONE_BOB,
            ],
        ),
        (having("bob", quota=99), [f"zfs set quota=8192 {HOMES}/bob"]),
        (having("bob", quota=0), [f"zfs set quota=8192 {HOMES}/bob"]),
        (having("bob", mounted=False), [f"zfs mount {HOMES}/bob"]),
        (having("bob", readonly=True), [f"zfs set readonly=off {HOMES}/bob"]),
        (
            having("bob", by_hand=("canmount", "refquota"), mounted=False),
            [f"zfs set {setting} {HOMES}/bob" for setting in ("canmount=on", "refquota=none")]
            + [f"zfs mount {HOMES}/bob"],
        ),
        (having("cleo"), [f"zfs set readonly=on {HOMES}/cleo"]),
        (having("cleo", readonly=True, mounted=False, quota=1), []),
        (
            replace(SOUND, folders={"ada": Folder("0:0"), "bob": Folder("0:0")}),
            [f"chown 1000:100 /{HOMES}/ada /{HOMES}/bob"],
        ),
        (
            replace(SOUND, datasets={**SOUND.datasets, HOMES: replace(BASE[HOMES], readonly=False)}),
            [f"zfs set readonly=on {HOMES}"],
        ),
        (
            replace(SOUND, datasets={**BASE, HOMES: replace(BASE[HOMES], mounted=False)}, folders={}),
            [f"zfs mount {HOMES}"],
        ),
        (without("homes", "homes/ada", "homes/bob"), [f"zfs create -o readonly=on {HOMES}"]),
    ],
)
def test_only_what_is_missing_or_differs_is_done(have: Facts, commands: list[str]) -> None:
    assert [" ".join(argv) for argv in steps(WANT, have)] == commands


def test_what_is_not_mounted_is_not_handed_over() -> None:
    have = replace(having("bob", mounted=False), folders={"ada": Folder("1000:100"), "bob": Folder("0:0")})
    assert steps(WANT, have) == [["zfs", "mount", f"{HOMES}/bob"]]


def test_nothing_is_ever_destroyed() -> None:
    nobody = replace(WANT, budgets={})
    words = {word for want in (WANT, nobody) for argv in steps(want, having("cleo")) for word in argv}
    assert "readonly=on" in words
    assert not words & {"destroy", "rollback", "rm", "-R", "-r", "-f"}


@pytest.mark.parametrize(
    ("have", "reasons"),
    [
        (without(""), ["is not there"]),
        (replace(SOUND, datasets={**SOUND.datasets, COURSE: Dataset(mounted=False)}), ["is not mounted"]),
        (replace(SOUND, snapshots=frozenset({f"{COURSE}/template@v1"})), ["template@v2 is not there: the unit"]),
        (without("homes"), ["there are files in the folder"]),
        (replace(without("homes/bob"), folders={"bob": Folder("0:0", astray=True)}), ["they would be hidden"]),
        (having("bob", mountpoint="/mnt"), [f"zfs set mountpoint=/{HOMES}/bob {HOMES}/bob"]),
        (having("bob", quota=9999, used=9000), ["bob already holds 9,000 bytes, more than the budget of 8,192"]),
        (having("bob", quota=9999, used=9000, by_snapshots=7000), ["9,000 bytes, 7,000 of them in snapshots, where"]),
        (having("bob", quota=8192, used=8300), []),
    ],
)
def test_what_stands_in_the_way_is_told_with_a_remedy(have: Facts, reasons: list[str]) -> None:
    found = waits_for(WANT, have) or problems(WANT, have)
    assert len(found) == len(reasons)
    assert all(reason in text for reason, text in zip(reasons, found, strict=True))
    if reasons:
        with pytest.raises(Refused):
            steps(WANT, have)


def test_all_budgets_that_are_too_low_are_told_at_once() -> None:
    want = replace(WANT, budgets={"ada": 10, "bob": 20})
    both = {f"{HOMES}/{student}": home(student, 4096, used=1000) for student in ("ada", "bob")}
    with pytest.raises(Refused, match=r"(?s)ada already holds 1,000 .* 10:.*bob already holds 1,000 .* 20:"):
        steps(want, replace(SOUND, datasets={**BASE, **both}))


def test_zfs_fuse_is_refused_more_homes_than_it_can_mount_and_who_left_counts() -> None:
    want = replace(WANT, budgets={f"s{number}": 1 for number in range(MANY)})
    empty = Facts(openzfs=False, datasets=BASE, other_mounts=40)
    assert problems(want, empty) == []
    (reason,) = problems(want, replace(empty, datasets={**BASE, f"{HOMES}/gone": home("gone", 1)}))
    assert "951 homes (950 students, 1 who left) and 40 other datasets of this server are more than the 990" in reason
    assert "purge student" in reason
    assert problems(want, replace(SOUND, openzfs=True, other_mounts=999)) == []


def test_zfs_fuse_is_asked_for_no_more_than_there_is_where_other_courses_have_the_rest() -> None:
    (reason,) = problems(WANT, replace(without("homes/bob"), openzfs=False, other_mounts=989))
    assert "zfs-dkms where the kernel has no ZFS module" in reason
    assert "purge" not in reason, "nobody left"
    assert problems(WANT, replace(SOUND, openzfs=False, other_mounts=989)) == [], "all are mounted already"


MOUNTINFO = """\
21 27 0:39 / /zfs-kstat rw shared:21 - fuse kstat rw,user_id=0
22 43 0:40 / /jhub-pool/userdata rw,relatime shared:22 - fuse.zfs jhub-pool/userdata rw
24 45 0:42 / /jhub-pool/userdata/homes rw shared:24 - fuse.zfs jhub-pool/userdata/homes rw
25 46 0:43 / /jhub-pool/userdata/homes/ada rw shared:25 - fuse.zfs jhub-pool/userdata/homes/ada rw
26 46 0:43 / /mnt/ada rw - fuse.zfs jhub-pool/userdata/homes/ada rw
27 47 0:44 / /jhub-pool/physics/homes/ada rw - fuse.zfs jhub-pool/physics/homes/ada rw
28 48 0:44 / /mnt/physics rw - fuse.zfs jhub-pool/physics/homes/ada rw
29 1 0:45 / / rw,relatime - ext4 /dev/sda1 rw
"""


def test_mounts_of_the_whole_server_are_counted_but_for_the_courses_own_homes() -> None:
    assert other_mounts(MOUNTINFO, HOMES) == 3
    assert other_mounts("", HOMES) == 0


def test_a_home_that_was_there_is_never_replaced_by_an_empty_one() -> None:
    have = replace(without("homes/bob"), made=frozenset({"ada", "bob", "cleo"}))
    with pytest.raises(Refused, match=r"not any more: bob\. .*zfs rename.*put them back"):
        steps(WANT, have)
    assert steps(replace(WANT, budgets={"ada": 4096}), have) == [], "that is how to begin anew"
    assert steps(WANT, without("homes/bob")), "one that never was"


def test_who_left_is_listed_in_order() -> None:
    gone = {f"{HOMES}/{student}": home(student, 1) for student in ("zoe", "cleo")}
    assert left(WANT, replace(SOUND, datasets={**SOUND.datasets, **gone})) == ["cleo", "zoe"]


def row(dataset: str, key: str, value: str, source: str = "-") -> str:
    return "\t".join((dataset, key, value, source))


def table(changed: Mapping[str, tuple[str, str]], students: int = 1) -> str:
    """What `zfs get -Hp` prints of a course with these homes, all with values and sources changed."""
    sizes = dict.fromkeys(("used", "referenced", "usedbydataset", "usedbysnapshots"), ("4096", "-"))
    none = dict.fromkeys(("refquota", "reservation", "refreservation"), ("0", "default"))
    sound = {"type": ("filesystem", "-"), "mounted": ("yes", "-"), "quota": ("4096", "local"), **none, **sizes}
    sound |= {"canmount": ("on", "default"), "readonly": ("off", "local"), "origin": (f"{COURSE}/template@v2", "-")}
    rows = [
        row(path, key, *value)
        for path in (COURSE, HOMES, *(f"{HOMES}/student{number}" for number in range(students)))
        for key, value in {**sound, "mountpoint": (f"/{path}", "default"), **changed}.items()
    ]
    return "\n".join([*rows, *(row(f"{COURSE}/template@v2", key, "-") for key in sound), ""]).replace(
        "@v2\ttype\t-", "@v2\ttype\tsnapshot"
    )


def one(*, openzfs: bool = True, **changed: tuple[str, str]) -> Dataset:
    datasets, snapshots = read_table(table(changed), openzfs=openzfs)
    assert snapshots == {f"{COURSE}/template@v2"}
    return datasets[f"{HOMES}/student0"]


def test_a_home_is_read_as_zfs_prints_it() -> None:
    assert one() == home("student0", 4096, used=4096, by_snapshots=4096, origin=f"{COURSE}/template@v2")
    assert one(mounted=("no", "-"), quota=("none", "default")).quota == 0


def test_what_somebody_set_by_hand_is_seen() -> None:
    assert one(canmount=("noauto", "local"), refquota=("99", "local")).by_hand == ("canmount", "refquota")
    assert one(reservation=("none", "default")).by_hand == ()


@pytest.mark.parametrize(
    ("printed", "source", "fuse", "openzfs"),
    [
        ("off", "local", False, False),
        ("on", "local", True, True),
        # The dataset says what zfs-fuse does, whatever its mount shows; with OpenZFS the mount says what holds.
        ("off", "temporary", True, False),
        ("on", "temporary", False, True),
    ],
)
def test_read_only_is_what_refuses_a_write(printed: str, source: str, fuse: bool, openzfs: bool) -> None:
    assert one(openzfs=False, readonly=(printed, source)).readonly is fuse
    assert one(openzfs=True, readonly=(printed, source)).readonly is openzfs


SPEC: dict[str, Any] = {
    "pool": "jhub-pool",
    "dataset": "userdata",
    "template": {"version": "v2"},
    "students": [{"name": "ada", "budget": 4096}, {"name": "bob", "budget": 8192}],
    "uid": 1000,
    "gid": 100,
}


def test_a_specification_is_read() -> None:
    assert parse(SPEC) == WANT


HOSTILE = ["..", ".", "-rf", "a b", "a;b", "$(id)", "", "/etc", "a@b", "a%b", "Ada", "ada\n", "\u0430da", "a" * 64, 7]


@pytest.mark.parametrize("name", [*HOSTILE, "a/b"])
def test_the_unit_trusts_no_student(name: Any) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, "students": [{"name": name, "budget": 1}]})


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["pool", "dataset"])
def test_the_unit_trusts_no_dataset(key: str, name: Any) -> None:
    if (key, name) != ("dataset", 7):  # a number is a name
        with pytest.raises(BadSpecification):
            parse({**SPEC, key: name})


@pytest.mark.parametrize("version", ["", "..", "-r", "a b", "a@b", "v1\n", "a/b", "x" * 64, 1, None])
def test_the_unit_trusts_no_version(version: Any) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, "template": {"version": version}})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**SPEC, "more": 1},
        {**SPEC, "template": {}},
        {**SPEC, "students": [{"name": "ada"}]},
        {**SPEC, "students": [{"name": ["ada"], "budget": 1}]},
        {**SPEC, "students": "ada"},
        {**SPEC, "students": [{"name": "ada", "budget": 1}] * 2},
        {**SPEC, "uid": 0},
        {**SPEC, "gid": "users"},
        {**SPEC, "dataset": "/".join(["a" * 60] * 5)},
        *({**SPEC, "students": [{"name": "ada", "budget": budget}]} for budget in (0, -1, 1.5, "1G", True, None)),
    ],
)
def test_what_is_no_specification_is_said_to_be_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadSpecification, match=r"(?s)'-rf'.*'\.\.'.*budget of 'ada'"):
        parse({**SPEC, "students": [{"name": name, "budget": 0} for name in ("-rf", "..", "ada")]})


@dataclass
class Machine:
    """A server that knows the commands this unit may run, and no others."""

    datasets: dict[str, Dataset] = field(default_factory=lambda: {COURSE: BASE[COURSE]})
    snapshots: set[str] = field(default_factory=lambda: {f"{COURSE}/template@v2"})
    owners: dict[str, str] = field(default_factory=dict)
    mountless: set[str] = field(default_factory=set)  # clones that are made, but silently not mounted
    broken: set[str] = field(default_factory=set)  # what cannot be mounted at all
    commands: int = 0
    reads: int = 0

    def read(self) -> Facts:
        self.reads += 1
        return Facts(
            openzfs=True,
            datasets=dict(self.datasets),
            snapshots=frozenset(self.snapshots),
            folders={name: Folder(owner) for name, owner in self.owners.items()},
        )

    def do(self, argv: Sequence[str]) -> None:
        self.commands += 1
        match argv:
            case ["zfs", "create", *_, path]:
                self.datasets[path] = Dataset(mountpoint=f"/{path}", readonly="readonly=on" in argv)
            case ["zfs", "set", setting, path]:
                key, _, value = setting.partition("=")
                assert key in ("readonly", "quota")
                changed = {"readonly": value == "on"} if key == "readonly" else {key: int(value)}
                self.datasets[path] = replace(self.datasets[path], **changed)
            case ["mkdir", "-p", "-m", "555", *folders]:
                assert not self.datasets[HOMES].readonly
                self.owners.update({folder.rpartition("/")[2]: "0:0" for folder in folders})
            case ["zfs", "clone", "-o", quota, "-o", "readonly=off", origin, path]:
                name = path.rpartition("/")[2]
                assert origin in self.snapshots
                assert name in self.owners
                assert path not in self.datasets
                mounted = name not in self.mountless
                self.datasets[path] = home(name, int(quota.removeprefix("quota=")), mounted=mounted, origin=origin)
            case ["zfs", "mount", path]:
                if path in self.broken:
                    raise CommandFailed(argv, 1, "", f"cannot mount {path}")
                self.datasets[path] = replace(self.datasets[path], mounted=True)
            case ["chown", owner, *folders]:
                for name in {folder.rpartition("/")[2] for folder in folders} & self.owners.keys():
                    assert self.datasets[f"{HOMES}/{name}"].mounted
                    self.owners[name] = owner
            case _:
                raise AssertionError(f"the unit ran {argv}")


def course_of(students: int) -> Want:
    return replace(WANT, budgets={f"student{number}": 4096 for number in range(students)})


@pytest.mark.parametrize("students", [1, 200, 201, 1_000, 10_000])
def test_the_number_of_commands_grows_with_the_students_alone(students: int) -> None:
    machine, want = Machine(), course_of(students)
    converge(want, machine.read(), machine.read, machine.do)
    base = 1  # the container
    windows, batches = 2, -(-students // 200)
    assert machine.commands == base + windows + batches + students + batches
    assert machine.reads == 4, "as many as for one student"


def make(students: int) -> None:
    machine, want = Machine(), course_of(students)
    converge(want, machine.read(), machine.read, machine.do)


def preview(students: int) -> None:
    """Read what ZFS prints, and tell what would change: half of the students are new, the others get a budget."""
    datasets, snapshots = read_table(table({}, students), openzfs=False)
    other_mounts(MOUNTINFO * students, HOMES)
    folders = {f"student{number}": Folder("1000:100") for number in range(students)}
    have = Facts(openzfs=True, datasets=datasets, snapshots=snapshots, folders=folders)
    want = replace(
        course_of(0), budgets={f"student{number}": 8192 for number in range(students // 2, students * 3 // 2)}
    )
    found = Seen.from_units({"versions": {}, "problems": []}, seen(want, have))
    said = changes(Wanted(want.budgets, "v3", "materials/"), found)
    assert [sentence.partition(" ")[0] for sentence in said[2:4]] == [f"{students // 2:,}"] * 2


@pytest.mark.parametrize("work", [make, preview])
def test_the_work_of_planning_grows_with_the_students_alone(work: Callable[[int], None]) -> None:
    """Lines that run until a whole course is made, or its preview is told: linear to the last line."""
    small, middle, large = (lines_run(work, students) for students in (2_000, 4_000, 10_000))
    assert large - middle == 3 * (middle - small) > 0


def lines_run(work: Callable[[int], None], students: int) -> int:
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return (
            trace
            if frame.f_code.co_filename.endswith(
                ("host/homes.py", "host/homes_steps.py", "host/workspaces.py", "plan/homes_changes.py")
            )
            else None
        )

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(students)
    finally:
        sys.settrace(before)
    return lines


def test_a_home_that_was_silently_not_mounted_is_mounted_and_handed_over() -> None:
    machine, want = Machine(mountless={"student3"}), course_of(5)
    have = converge(want, machine.read(), machine.read, machine.do)
    assert steps(want, have) == []
    assert have.datasets[f"{HOMES}/student3"].mounted
    assert set(machine.owners.values()) == {"1000:100"}


def test_the_trouble_of_one_home_does_not_keep_the_others_from_theirs() -> None:
    machine, want = Machine(mountless={"student0"}, broken={f"{HOMES}/student0"}), course_of(5)
    with pytest.raises(CommandFailed, match="cannot mount"):
        converge(want, machine.read(), machine.read, machine.do)
    assert [machine.owners[f"student{number}"] for number in range(5)] == ["0:0", *["1000:100"] * 4]
    assert machine.datasets[HOMES].readonly


def test_commands_that_change_nothing_do_not_go_on_for_ever() -> None:
    with pytest.raises(Refused, match="ended well but changed nothing"):
        converge(WANT, having("bob", mounted=False), lambda: having("bob", mounted=False), lambda _: None)


@pytest.mark.parametrize("most", range(12))
def test_stopped_after_any_command_the_next_run_finishes(most: int) -> None:
    class Killed(BaseException):
        pass

    def do_some(argv: Sequence[str]) -> None:
        if machine.commands == most:
            raise Killed
        machine.do(argv)

    machine, want = Machine(), course_of(3)
    with pytest.raises(Killed):
        converge(want, machine.read(), machine.read, do_some)
        raise Killed
    have = converge(want, machine.read(), machine.read, machine.do)
    assert len([path for path in have.datasets if path.startswith(f"{HOMES}/")]) == 3
    assert have.datasets[HOMES].readonly
    assert steps(want, have) == []
