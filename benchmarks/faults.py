"""Accidents, many times each: does one `up` mend everything, and was a byte of the students' work lost?

    python -m benchmarks.faults [tries] [--only WORD]

Each try notes the hash of every file in every home, has the accident, runs what `make up` runs once, and then asks: did
it succeed, can a student log in, does the next `up` find nothing to do, is every hash the same? Of an archive it is
asked whether one more run finishes it, and whether it is told from a damaged one. An accident that did not hit, as what
was to be killed had ended, is no try: it is had again. Ends with 1 if anything was not recovered, a byte was lost,
or an accident could not be had as often as asked. Uses cluster, pool and ports of the tests. It kills this server's
Docker and zfs-fuse: run it where nothing else needs them.
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from host.datasets import patiently
from machine.locks import forget_dead_locks
from machine.login import wait_for_login
from machine.shell import NotReady
from plan.volumes import DATABASE
from tests.e2e.conftest import NAME, POOL, PORT, ROOT, Stack, fresh_stack, processes
from tests.host.conftest import Unit, must, zfs

COURSE = f"{POOL}/userdata"
NODE = f"coursehub-{NAME}-control-plane"
STUDENTS = tuple(f"student{number:02}" for number in range(10))
FILES, MOST_BYTES = 5, 200_000  # in each home
MOST_MISSES = 4  # accidents that do not hit, for each try that is asked for
SNAPSHOTS = {"hourly": 24, "daily": 14, "weekly": 26}  # how many are kept


@dataclass
class Course:
    """The course that has the accidents."""

    stack: Stack
    chance: random.Random = field(default_factory=lambda: random.Random(20261124))
    changes: Iterator[int] = field(default_factory=itertools.count)

    @property
    def archive(self) -> Unit:
        """The unit of archives, with one file."""
        return unit("archive", file=str(self.stack.folder.parent / "course.tar"))

    def change(self) -> None:
        """Give the next `up` something to do for every host command, and to the release."""
        number = next(self.changes)
        budget = (32, 48)[number % 2] << 20
        materials = self.stack.folder / "materials"
        materials.mkdir(exist_ok=True)
        (materials / "week.bin").write_bytes(self.chance.randbytes(MOST_BYTES))
        # A change of host/ runs each of its commands again, also one whose specification stays the same.
        (self.stack.folder / "host" / "changes").write_text(str(number))
        homes = {
            "mode": "roster",
            "budget": budget,
            "roster": [{"name": name} for name in STUDENTS],
            "template": {"folder": "materials"},
        }
        memory = {"guarantee": "128Mi", "limit": f"{900 + (budget >> 20)}Mi"}
        hub = {"authentication": {"method": "dummy"}, "student": {"memory": memory}}
        snapshots = {"schedule": ("hourly", "daily")[number % 2], **SNAPSHOTS}
        self.stack.configure(homes=homes, hub=hub, storage={"quota": (2 << 30) + budget, "snapshots": snapshots})

    def mend(self) -> str:
        """What `make up` does, once; why it did not end well, or nothing."""
        argv = [sys.executable, "-m", "machine", "ready"]
        ready = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if ready.returncode != 0:
            return ready.stderr
        forget_dead_locks(self.stack.folder.parent / "state", NAME)
        done = self.stack.up()
        if done.returncode != 0:
            return done.stdout
        try:
            wait_for_login(f"http://127.0.0.1:{PORT}", STUDENTS[0], self.stack.output("password"))
        except NotReady as error:
            return str(error)
        again = self.stack.up("--expect-no-changes")
        return "" if again.returncode == 0 else f"the next up was not without changes:\n{again.stdout}"


def hashes() -> dict[str, tuple[int, str]]:
    """Size and hash of every file in every home."""
    homes = Path("/", COURSE, "homes")
    files = (path for path in sorted(homes.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(homes)): (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    }


def write_work(chance: random.Random) -> None:
    """Files of different sizes in every home, safe on the disk."""
    for student in STUDENTS:
        for number in range(FILES):
            file = Path("/", COURSE, "homes", student, f"work{number}.bin")
            file.write_bytes(chance.randbytes(chance.randint(1, MOST_BYTES)))
            os.chown(file, 1000, 100)
    os.sync()


def pulumi(course: Course, *argv: str) -> subprocess.Popen[bytes]:
    """Start pulumi in a process group of its own."""
    quiet = subprocess.DEVNULL
    command = ["pulumi", *argv, "--yes", "--skip-preview", "--stack", NAME, "--non-interactive"]
    return subprocess.Popen(
        command,
        cwd=course.stack.folder,
        env=course.stack.environment,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    )


def unit(name: str, **spec: object) -> Unit:
    """A host unit of the course, to be run by hand."""
    return Unit(name, {"pool": POOL, "dataset": "userdata", **spec})


def was_killed(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> bool:
    """Whether a process ended by SIGKILL, and not by itself before."""
    return process.wait() == -signal.SIGKILL


def killed_up(course: Course) -> bool:
    """`pulumi up` is killed somewhere."""
    course.change()
    running = pulumi(course, "up")
    time.sleep(course.chance.uniform(0.5, 8))
    course.stack.kill_all()
    return was_killed(running)


def killed_destroy(course: Course) -> bool:
    """`pulumi destroy` is killed somewhere."""
    running = pulumi(course, "destroy")
    time.sleep(course.chance.uniform(0.5, 8))
    course.stack.kill_all()
    return was_killed(running)


def killed_unit(name: str, seconds: float, before: Callable[[], object] = lambda: None) -> Callable[[Course], bool]:
    """A host command is killed while an up runs it, within `seconds` of its start.

    `before` gives it something to do, where a change of the configuration does not.
    """

    def accident(course: Course) -> bool:
        course.change()
        before()
        running, hit = pulumi(course, "up"), False
        while running.poll() is None:
            if found := processes(f"-m host {name} apply"):
                time.sleep(course.chance.uniform(0, seconds))
                hit = kill_unit(name, found[0])
                break
            time.sleep(0.01)
        # What had ended before it was killed leaves the up without an error.
        return running.wait() != 0 and hit

    return accident


def kill_unit(name: str, process: int) -> bool:
    """SIGKILL a host command with all that it runs; whether it was still there."""
    try:
        if name == "node":  # run by the program, in whose group it is
            os.kill(process, signal.SIGKILL)
        else:
            os.killpg(os.getpgid(process), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def killed_daemon(name: str) -> Callable[[Course], bool]:
    """A daemon of this server is killed."""

    def accident(course: Course) -> bool:
        hit = False
        for process in processes(name, file="comm"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                hit = True
        time.sleep(2)
        return hit

    return accident


def restarted_node(course: Course) -> bool:
    """The node is restarted."""
    subprocess.run(["docker", "restart", NODE], check=True, capture_output=True)
    return True


def delete_cluster() -> None:
    """Delete the cluster as by hand."""
    subprocess.run(["kind", "delete", "cluster", "--name", f"coursehub-{NAME}"], check=True, capture_output=True)


def deleted_cluster(course: Course) -> bool:
    """The cluster is deleted by hand."""
    delete_cluster()
    return True


def lift_quota_of_the_database() -> None:
    """Lift the quota of the hub's database as by hand."""
    zfs("zfs", "set", "quota=none", f"{COURSE}/{DATABASE.folder}")


def full_pool(course: Course) -> bool:
    """The pool is full while an up changes everything; then there is room again."""
    course.change()
    zfs("zfs", "create", f"{POOL}/filler")
    with contextlib.suppress(OSError), Path("/", POOL, "filler", "big").open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(1 << 22))
    course.stack.up()
    Path("/", POOL, "filler", "big").unlink()
    os.sync()
    patiently(["zfs", "destroy", f"{POOL}/filler"])
    return True


def exported_pool(course: Course) -> bool:
    """The pool is exported while the course stands still."""
    subprocess.run(["docker", "stop", NODE], check=True, capture_output=True)
    subprocess.run(["zfs", "unmount", COURSE], check=False, capture_output=True)
    zfs("zpool", "export", POOL)
    return True


def two_ups(course: Course) -> bool:
    """Two `up` at the same time: one of them finds the stack locked."""
    course.change()
    both = pulumi(course, "up"), pulumi(course, "up")
    return any([running.wait() != 0 for running in both])


def lost_state(course: Course) -> bool:
    """The state is lost."""
    course.stack.lose_state()
    return True


def broken_off_archive(course: Course) -> bool:
    """Writing an archive is killed somewhere."""
    writing = course.archive.start("write")
    time.sleep(course.chance.uniform(0.5, 5))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(writing.pid, signal.SIGKILL)
    file = Path(course.archive.spec["file"])
    return was_killed(writing) and file.with_name(f"{file.name}.partial").exists()


def archive_is_whole(course: Course) -> str:
    """Why one more run does not finish the archive, or it is not verified, or nothing; it is taken away."""
    file = Path(course.archive.spec["file"])
    try:
        for verb in ("verify",) if file.exists() else ("write", "verify"):
            done = course.archive(verb)
            if done.returncode != 0:
                return done.stderr
    finally:
        file.unlink(missing_ok=True)
    return ""


def truncated_copy(course: Course) -> bool:
    """A copy of an archive ends somewhere."""
    whole = Path(must(course.archive("write"))["file"])
    os.truncate(shutil.copy(whole, copy_of(whole)), course.chance.randrange(whole.stat().st_size))
    return True


def truncated_copy_is_refused(course: Course) -> str:
    """Why the truncated copy is not told from the whole archive, or nothing; both are taken away."""
    copy = copy_of(Path(course.archive.spec["file"]))
    done = course.archive("verify", file=str(copy))
    copy.unlink()
    trouble = archive_is_whole(course)
    return (
        trouble if done.returncode == 3 else f"verifying a truncated copy ended with {done.returncode}: {done.stderr}"
    )


def copy_of(archive: Path) -> Path:
    """Where the copy of an archive is."""
    return archive.with_name(f"copy-of-{archive.name}")


@dataclass(frozen=True)
class Fault:
    """An accident, which says whether it really hit; and its mending, which says why it failed, or nothing."""

    accident: Callable[[Course], bool]
    mend: Callable[[Course], str] = Course.mend


FAULTS: dict[str, Fault] = {
    "SIGKILL of pulumi up": Fault(killed_up),
    "SIGKILL of pulumi destroy": Fault(killed_destroy),
    "SIGKILL of host zfs": Fault(killed_unit("zfs", 0.5)),
    "SIGKILL of host volume": Fault(killed_unit("volume", 0.5, lift_quota_of_the_database)),
    "SIGKILL of host schedule": Fault(killed_unit("schedule", 0.3)),
    "SIGKILL of host template": Fault(killed_unit("template", 1.5)),
    "SIGKILL of host workspaces": Fault(killed_unit("workspaces", 1.5)),
    "SIGKILL of host kind": Fault(killed_unit("kind", 10, delete_cluster)),
    "SIGKILL of host node": Fault(killed_unit("node", 0.5)),
    "SIGKILL of host secrets": Fault(killed_unit("secrets", 0.1)),
    "SIGKILL of dockerd": Fault(killed_daemon("dockerd")),
    "SIGKILL of zfs-fuse": Fault(killed_daemon("zfs-fuse")),
    "restart of the node": Fault(restarted_node),
    "cluster deleted by hand": Fault(deleted_cluster),
    "pool full": Fault(full_pool),
    "pool exported": Fault(exported_pool),
    "two ups at once": Fault(two_ups),
    "state lost": Fault(lost_state),
    "SIGKILL of host archive": Fault(broken_off_archive, archive_is_whole),
    "truncated archive": Fault(truncated_copy, truncated_copy_is_refused),
}


@dataclass(frozen=True)
class Try:
    """What came of one accident: whether it hit, why it was not mended at once, and the bytes of work that are lost."""

    hit: bool
    trouble: str
    lost: int

    @property
    def counts(self) -> bool:
        """An accident that did not hit is no try, unless something went wrong all the same."""
        return self.hit or bool(self.trouble) or self.lost > 0

    def __str__(self) -> str:
        if not self.counts:
            return "did not hit, once more"
        return f"{'NOT MENDED' if self.trouble else 'mended'}, {self.lost} bytes lost"


@dataclass(frozen=True)
class Row:
    """One fault's line of the table; bytes in `lost`."""

    fault: str
    tries: int
    recovered: int
    lost: int

    def __str__(self) -> str:
        return f"{self.fault:<28}{self.tries:>6}{self.recovered:>11}{self.lost:>12}"


def one_try(course: Course, fault: Fault) -> Try:
    """Have the accident once, and mend it."""
    before = hashes()
    if not before:
        raise SystemExit("the students' work is not there any more: nothing can be said of what comes after")
    hit = fault.accident(course)
    trouble = fault.mend(course)
    after = hashes()
    return Try(hit, trouble, sum(size for path, (size, hashed) in before.items() if after.get(path) != (size, hashed)))


def had(course: Course, name: str, fault: Fault, tries: int) -> Row:
    """Have an accident until it hit so many times, or missed too often. Raises SystemExit if all is broken."""
    results: list[Try] = []
    counted: Sequence[Try] = ()
    while len(counted) < tries and len(results) < tries * (1 + MOST_MISSES):
        results.append(one_try(course, fault))
        counted = [result for result in results if result.counts]
        print(f"{name} {len(counted)}: {results[-1]}", flush=True)
        if results[-1].trouble:
            print(results[-1].trouble, flush=True)
            if still := course.mend():
                raise SystemExit(f"a second up does not mend it either:\n{still}")
    return Row(
        name,
        len(counted),
        sum(not result.trouble for result in counted),
        sum(result.lost for result in counted),
    )


def main() -> int:
    """Have the accidents and print the table; 1 if anything was not recovered, lost, or not tried often enough."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tries", nargs="?", type=int, default=5)
    parser.add_argument("--only", default="", help="the faults whose name has this word")
    given = parser.parse_args()
    chosen = {name: fault for name, fault in FAULTS.items() if given.only in name}
    if not chosen:
        parser.error(f"no fault has {given.only!r} in its name: {', '.join(FAULTS)}")
    base = Path(tempfile.mkdtemp())
    rows: list[Row] = []
    try:
        with fresh_stack(base) as stack:
            course = Course(stack)
            course.change()
            try:
                if trouble := course.mend():
                    raise SystemExit(trouble)
                write_work(course.chance)
                for name, fault in chosen.items():
                    rows.append(had(course, name, fault, given.tries))
            finally:  # else it would look for the course at set times, for ever
                unit("schedule", every="daily", keep=SNAPSHOTS)("remove")
    finally:
        shutil.rmtree(base, ignore_errors=True)
        print(f"\n{'fault':<28}{'tries':>6}{'recovered':>11}{'bytes lost':>12}", *rows, sep="\n", flush=True)
    return 0 if all(row.tries == row.recovered == given.tries and row.lost == 0 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
