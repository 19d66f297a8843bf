"""What students' homes cost as clones, as plain copies, and as copies on dedup: in one run, on one pool and template.

    python -m benchmarks.clones [students] [--clones-only]
    python -m benchmarks.clones 900 --growth

Makes a pool of its own in a file, and takes it away at the end. The saving is what plain copies take, divided by what
the pool allocated; never `dedupratio`, which says 1.00 for clones. With `--growth`, homes come a ninth at a time, on
one pool: what the last hundred take beside the first. Ends with 1 where the unit takes more than 1.3 times as long as a
bare loop.
"""

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES, FILE_BYTES = 1_400, 37_450  # 50 MiB in all
BUDGET = 1 << 30
MOST = 1.3  # times as long as a bare loop
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Cost:
    """What one way of making all homes took, until it was on disk."""

    way: str
    seconds: float
    allocated: int | None = None  # bytes of the pool; None: not counted


def command(*argv: str, stdin: str = "") -> str:
    """Run a command that must succeed; its stdout."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, input=stdin, cwd=ROOT).stdout


@contextmanager
def course(students: int) -> Iterator[str]:
    """A course's dataset on a pool of its own, large enough for all ways side by side."""
    pool = f"test{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder, "pool.img")
        with disk.open("wb") as file:
            file.truncate((students + 5) * FILES * FILE_BYTES * 3)
        command("zpool", "create", "-O", "canmount=off", pool, str(disk))
        try:
            command("zfs", "create", "-o", "compression=gzip", "-o", "atime=off", f"{pool}/userdata")
            yield f"{pool}/userdata"
        finally:
            retried("zfs", "unmount", f"{pool}/userdata")
            retried("zpool", "destroy", "-f", pool)
            for bare in (Path("/", pool, "userdata"), Path("/", pool)):
                if bare.is_dir():
                    bare.rmdir()  # never recursively: it might be a mountpoint


def retried(*argv: str) -> None:
    """Run a command that a mount may keep busy for a moment."""
    for _ in range(9):
        if subprocess.run(argv, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.5)
    command(*argv)


def settle(dataset: str) -> None:
    """Have everything written and counted: zfs-fuse counts late, but a property that is set makes it count."""
    os.sync()
    command("zfs", "set", "atime=off", dataset)


def allocated(dataset: str) -> int:
    """Bytes the whole pool has allocated, to three digits: zfs-fuse prints no more."""
    settle(dataset)
    printed = command("zpool", "list", "-H", "-o", "allocated", dataset.partition("/")[0]).strip()
    return int(float(printed[:-1]) * UNITS[printed[-1]]) if printed[-1] in UNITS else int(printed)


def make_template(dataset: str) -> None:
    """Course materials whose files compress to about a half, all different."""
    command("zfs", "create", f"{dataset}/template")
    content = random.Random(1)
    for number in range(FILES):
        file = Path("/", dataset, "template", f"week{number % 14}", f"file{number}")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content.randbytes(FILE_BYTES // 2) + b"abcdefgh" * (FILE_BYTES // 16))
    command("chown", "-R", "1000:100", f"/{dataset}/template")
    command("zfs", "snapshot", f"{dataset}/template@v1")


def by_bare_loop(dataset: str, students: int) -> None:
    """Nothing but `zfs clone`, once for each home."""
    for number in range(students):
        source, home = f"{dataset}/template@v1", f"{dataset}/bare/student{number}"
        command("zfs", "clone", "-o", f"quota={BUDGET}", "-o", "readonly=off", source, home)


def by_unit(dataset: str, students: int) -> None:
    """The unit, as `pulumi up` runs it."""
    pool, _, name = dataset.partition("/")
    spec = {
        "pool": pool,
        "dataset": name,
        "template": {"version": "v1"},
        "students": [{"name": f"student{number}", "budget": BUDGET} for number in range(students)],
        "uid": 1000,
        "gid": 100,
    }
    command(sys.executable, "-m", "host", "workspaces", "apply", stdin=json.dumps(spec))


def by_copies(dataset: str, container: str, students: int) -> None:
    """A plain copy of the template for each home."""
    for number in range(students):
        command("cp", "-a", f"/{dataset}/template", f"/{dataset}/{container}/student{number}")


def timed(way: str, dataset: str, make: Callable[[], None]) -> Cost:
    """What a way costs, the pool's growth included."""
    before = allocated(dataset)
    start = time.perf_counter()
    make()
    settle(dataset)
    seconds = time.perf_counter() - start
    return Cost(way, seconds, allocated(dataset) - before)


def grown(students: int) -> list[tuple[int, float]]:
    """Seconds that each further ninth of the homes takes the unit, on one pool; by how many there are then."""
    step = max(students // 9, 1)
    with course(students) as dataset:
        make_template(dataset)
        found = []
        for there in range(step, students + 1, step):
            start = time.perf_counter()
            by_unit(dataset, there)
            found.append((there, time.perf_counter() - start))
        return found


def growth_table(found: list[tuple[int, float]]) -> str:
    """The seconds as text, and what the last ones are beside the first."""
    (first, before), (last, after) = found[0], found[-1]
    lines = [f"{'homes':>7}{'seconds':>9}", *(f"{there:>7}{seconds:>9.2f}" for there, seconds in found), ""]
    lines.append(
        f"the first {first}: {before:.2f} s; the last {first} of {last}: {after:.2f} s, {after / before:.2f} x"
    )
    return "\n".join(lines)


def measure(students: int, *, copies: bool) -> list[Cost]:
    """The costs of all ways; that of clones includes the one template they share."""
    with course(students) as dataset:
        empty = allocated(dataset)
        make_template(dataset)
        template = allocated(dataset) - empty
        command("zfs", "create", f"{dataset}/bare")
        bare = timed("bare loop of zfs clone", dataset, lambda: by_bare_loop(dataset, students))
        # The unit is to begin with as many mounts as the loop did.
        retried("zfs", "unmount", f"{dataset}/bare")
        retried("zfs", "destroy", "-r", f"{dataset}/bare")
        unit = timed("clones", dataset, lambda: by_unit(dataset, students))
        again = timed("clones, second apply", dataset, lambda: by_unit(dataset, students))
        costs = [
            Cost(bare.way, bare.seconds),
            Cost(unit.way, unit.seconds, template + (unit.allocated or 0)),
            Cost(again.way, again.seconds),
        ]
        if copies:
            command("zfs", "create", f"{dataset}/plain")
            costs.append(timed("plain copies", dataset, lambda: by_copies(dataset, "plain", students)))
            command("zfs", "create", "-o", "dedup=on", f"{dataset}/dedup")
            costs.append(timed("copies on dedup", dataset, lambda: by_copies(dataset, "dedup", students)))
        return costs


def table(students: int, costs: list[Cost]) -> str:
    """The costs as text."""
    by_way = {cost.way: cost for cost in costs}
    bare, plain = by_way["bare loop of zfs clone"], by_way.get("plain copies")
    lines = [f"{students} homes from a template of {FILES:,} files, {FILES * FILE_BYTES / 2**20:.0f} MiB", ""]
    lines.append(f"{'way':<24}{'seconds':>9}{'ms a home':>11}{'to bare':>9}{'MiB':>9}{'saving':>9}")
    for cost in costs:
        size = "" if cost.allocated is None else f"{cost.allocated / 2**20:.1f}"
        saving = f"{plain.allocated / cost.allocated:.1f} x" if cost.allocated and plain and plain.allocated else ""
        per_home, ratio = cost.seconds / students * 1000, cost.seconds / bare.seconds
        lines.append(f"{cost.way:<24}{cost.seconds:>9.2f}{per_home:>11.1f}{ratio:>9.2f}{size:>9}{saving:>9}")
    return "\n".join(lines)


def ratio(costs: list[Cost]) -> float:
    """How much longer than a bare loop the unit takes."""
    by_way = {cost.way: cost.seconds for cost in costs}
    return by_way["clones"] / by_way["bare loop of zfs clone"]


def main() -> int:
    """Measure and print; 1 where the unit takes too long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clones", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("students", nargs="?", type=int, default=100)
    parser.add_argument("--clones-only", action="store_true", help="leave out the copies, which take minutes")
    parser.add_argument("--growth", action="store_true", help="what the last ninth of the homes takes beside the first")
    given = parser.parse_args()
    if given.growth:
        print(growth_table(grown(given.students)))
        return 0
    costs = measure(given.students, copies=not given.clones_only)
    print(table(given.students, costs))
    found = ratio(costs)
    print(f"\nclones to bare loop: {found:.2f}, <= {MOST}: {'yes' if found <= MOST else 'no'}")
    return 0 if found <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
