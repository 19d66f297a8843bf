"""Accidents, many times each: does one `up` mend everything, and was a byte of the students' work lost?

    python -m benchmarks.faults [tries] [--only WORD]

Each try notes the hash of every file in every home, has the accident, runs what `make up` runs once, and then asks: did
it succeed, can a student log in, does the next `up` find nothing to do, is every hash the same? Uses cluster, pool and
ports of the tests. It kills this server's Docker and zfs-fuse: run it where nothing else needs them.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from machine.locks import forget_dead_locks
from machine.login import wait_for_login
from machine.shell import NotReady
from tests.e2e.conftest import NAME, POOL, PORT, ROOT, Stack, fresh_stack, processes
from tests.host.conftest import zfs

COURSE = f"{POOL}/userdata"
NODE = f"coursehub-{NAME}-control-plane"
STUDENTS = tuple(f"student{number:02}" for number in range(10))
FILES, MOST_BYTES = 5, 200_000  # in each home


@dataclass
class Course:
    """The course that has the accidents."""

    stack: Stack
    chance: random.Random = field(default_factory=lambda: random.Random(20261124))
    budgets: Iterator[int] = field(default_factory=lambda: itertools.cycle((32 << 20, 48 << 20)))

    def change(self) -> None:
        """Give the next `up` something to do to the dataset, the homes and the release."""
        budget = next(self.budgets)
        roster = [{"name": name} for name in STUDENTS]
        memory = {"guarantee": "128Mi", "limit": f"{900 + (budget >> 20)}Mi"}
        hub = {"authentication": {"method": "dummy"}, "student": {"memory": memory}}
        quota = {"quota": (2 << 30) + budget}
        self.stack.configure(homes={"mode": "roster", "budget": budget, "roster": roster}, hub=hub, storage=quota)

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


def kill_all_of(course: Course) -> None:
    """SIGKILL pulumi with its plugins, the program and all that they run."""
    for process in processes(course.stack.environment["PULUMI_BACKEND_URL"], file="environ"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def killed_up(course: Course) -> None:
    """`pulumi up` is killed somewhere."""
    course.change()
    running = pulumi(course, "up")
    time.sleep(course.chance.uniform(0.5, 8))
    kill_all_of(course)
    running.wait()


def killed_destroy(course: Course) -> None:
    """`pulumi destroy` is killed somewhere."""
    running = pulumi(course, "destroy")
    time.sleep(course.chance.uniform(0.5, 8))
    kill_all_of(course)
    running.wait()


def killed_unit(unit: str) -> Callable[[Course], None]:
    """A host command is killed while an up runs it."""

    def accident(course: Course) -> None:
        course.change()
        if unit == "kind":
            subprocess.run(
                ["kind", "delete", "cluster", "--name", f"coursehub-{NAME}"], check=True, capture_output=True
            )
        running = pulumi(course, "up")
        while running.poll() is None:
            if found := processes(f"-m host {unit} apply"):
                time.sleep(course.chance.uniform(0, 10 if unit == "kind" else 0.3))
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(os.getpgid(found[0]), signal.SIGKILL)
                break
            time.sleep(0.01)
        running.wait()

    return accident


def killed_daemon(name: str) -> Callable[[Course], None]:
    """A daemon of this server is killed."""

    def accident(course: Course) -> None:
        found = [
            p for p in Path("/proc").glob("[0-9]*") if (p / "comm").exists() and (p / "comm").read_text() == name + "\n"
        ]
        for process in found:
            os.kill(int(process.name), signal.SIGKILL)
        time.sleep(2)

    return accident


def restarted_node(course: Course) -> None:
    """The node is restarted."""
    subprocess.run(["docker", "restart", NODE], check=True, capture_output=True)


def deleted_cluster(course: Course) -> None:
    """The cluster is deleted by hand."""
    subprocess.run(["kind", "delete", "cluster", "--name", f"coursehub-{NAME}"], check=True, capture_output=True)


def full_pool(course: Course) -> None:
    """The pool is full while an up changes everything; then there is room again."""
    course.change()
    zfs("zfs", "create", f"{POOL}/filler")
    with contextlib.suppress(OSError), Path("/", POOL, "filler", "big").open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(1 << 22))
    course.stack.up()
    Path("/", POOL, "filler", "big").unlink()
    os.sync()
    zfs("zfs", "destroy", f"{POOL}/filler")


def exported_pool(course: Course) -> None:
    """The pool is exported while the course stands still."""
    subprocess.run(["docker", "stop", NODE], check=True, capture_output=True)
    subprocess.run(["zfs", "unmount", COURSE], check=False, capture_output=True)
    zfs("zpool", "export", POOL)


def two_ups(course: Course) -> None:
    """Two `up` at the same time."""
    course.change()
    first, second = pulumi(course, "up"), pulumi(course, "up")
    first.wait()
    second.wait()


def lost_state(course: Course) -> None:
    """The state is lost."""
    course.stack.lose_state()


FAULTS: dict[str, Callable[[Course], None]] = {
    "SIGKILL of pulumi up": killed_up,
    "SIGKILL of pulumi destroy": killed_destroy,
    "SIGKILL of host zfs": killed_unit("zfs"),
    "SIGKILL of host workspaces": killed_unit("workspaces"),
    "SIGKILL of host kind": killed_unit("kind"),
    "SIGKILL of dockerd": killed_daemon("dockerd"),
    "SIGKILL of zfs-fuse": killed_daemon("zfs-fuse"),
    "restart of the node": restarted_node,
    "cluster deleted by hand": deleted_cluster,
    "pool full": full_pool,
    "pool exported": exported_pool,
    "two ups at once": two_ups,
    "state lost": lost_state,
}


def run(course: Course, accident: Callable[[Course], None]) -> tuple[str, int]:
    """One try: why it was not mended by one up, or nothing; and how many bytes of work were lost."""
    before = hashes()
    accident(course)
    trouble = course.mend()
    after = hashes()
    return trouble, sum(size for path, (size, hashed) in before.items() if after.get(path) != (size, hashed))


def main() -> None:
    """Have the accidents and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tries", nargs="?", type=int, default=5)
    parser.add_argument("--only", default="", help="the faults whose name has this word")
    given = parser.parse_args()
    base = Path(tempfile.mkdtemp())
    rows = []
    with fresh_stack(base) as stack:
        course = Course(stack)
        course.change()
        if trouble := course.mend():
            raise SystemExit(trouble)
        write_work(course.chance)
        for fault, accident in FAULTS.items():
            if given.only not in fault:
                continue
            results = []
            for number in range(given.tries):
                results.append(run(course, accident))
                trouble, lost = results[-1]
                print(f"{fault} {number + 1}: {'NOT MENDED' if trouble else 'mended'}, {lost} bytes lost", flush=True)
                if trouble:
                    print(trouble, flush=True)
                    course.mend()
            rows.append(
                (fault, len(results), sum(not trouble for trouble, _ in results), sum(lost for _, lost in results))
            )
    shutil.rmtree(base, ignore_errors=True)
    print(f"\n{'fault':<28}{'tries':>6}{'recovered':>11}{'bytes lost':>12}")
    for fault, tries, recovered, lost in rows:
        print(f"{fault:<28}{tries:>6}{recovered:>11}{lost:>12}")


if __name__ == "__main__":
    main()
