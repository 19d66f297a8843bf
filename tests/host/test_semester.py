"""A few semesters on a real pool, drawn by hypothesis: every home ever written is in the course or in the trash."""

import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.host.conftest import Unit, forget_pool, zfs

STUDENTS = ("ada", "bob", "cleo")
KEEP = {"hourly": 1, "daily": 1, "weekly": 0}
EVENTS = st.one_of(
    st.tuples(st.just("up"), st.sets(st.sampled_from(STUDENTS)), st.none() | st.floats(0.1, 0.6)),
    st.tuples(st.just("write"), st.sampled_from(STUDENTS), st.integers(1, 1 << 18)),
    st.tuples(st.just("rotate"), st.just(""), st.none()),
    st.tuples(st.just("archive"), st.booleans(), st.none()),
    st.tuples(st.just("purge"), st.sampled_from(STUDENTS), st.none()),
    st.tuples(st.just("destroy"), st.booleans(), st.none()),
)


class Server:
    """A course on a pool of its own, and what was written to each home and never given up."""

    def __init__(self, folder: Path) -> None:
        self.pool = f"test{secrets.token_hex(4)}"
        self.folder = folder
        self.course = {"pool": self.pool, "dataset": "userdata"}
        file = {"path": str(folder / "pool.img"), "size": 256 << 20}
        rest = {"compression": "off", "dedup": False, "quota": None, "pool_file": file, "destroy": False}
        self.dataset = Unit("zfs", {**self.course, **rest})
        self.roster: set[str] = set()
        self.work: dict[str, bytes] = {}
        self.archives = 0

    def up(self, roster: set[str], kill: float | None) -> None:
        """The roster changes; the run may be killed."""
        self.roster = roster
        students = [{"name": name, "budget": 8 << 20} for name in sorted(roster)]
        rest = {"template": {"version": "v1"}, "students": students, "uid": 1000, "gid": 100}
        self.dataset("apply")
        empty = {"version": "v1", "source": None, "uid": 1000, "gid": 100}
        Unit("template", {**self.course, **empty})("apply")
        homes = Unit("workspaces", {**self.course, **rest})
        process = homes.start("apply")
        if kill is not None:
            time.sleep(kill)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == 0 or kill is not None

    def write(self, student: str, size: int) -> None:
        """A student works, as far as the home lets."""
        file = Path("/", self.pool, "userdata", "homes", student, "work")
        if file.parent.is_mount() and student in self.roster:
            work = os.urandom(size)
            try:
                file.write_bytes(work)
            except OSError as error:
                assert "Read-only" in str(error)  # back in the roster, but the run was killed
            else:
                self.work[student] = work

    def rotate(self, *_: Any) -> None:
        """The schedule takes a snapshot, and prunes."""
        Unit("snapshots", {**self.course, "keep": KEEP})("rotate")

    def archive(self, verified: bool, _: None) -> None:
        """The course is archived; perhaps verified, too."""
        self.archives += 1
        archive = Unit("archive", {**self.course, "file": str(self.folder / f"{self.archives}.tar")})
        archive("write")
        if verified:
            archive("verify")

    def purge(self, student: str, _: None) -> None:
        """Somebody wants to be rid of a home."""
        trash = Unit("trash", {**self.course, "students": sorted(self.roster), "student": student, "confirm": student})
        if trash("bury").returncode == 0:
            assert student not in self.roster

    def destroy(self, confirmed: bool, _: None) -> None:
        """The course is taken down; its destruction may be confirmed."""
        self.dataset("remove", destroy=confirmed)

    def missing(self) -> list[str]:
        """Whose work is nowhere: neither in the course nor in the trash."""
        everything = zfs("zfs", "list", "-H", "-o", "name", "-t", "filesystem", "-r", self.pool).split()
        return [student for student, work in self.work.items() if not self._found(student, work, everything)]

    def _found(self, student: str, work: bytes, datasets: list[str]) -> bool:
        homes = [name for name in datasets if f"/{student}" in name or f".{student}." in name]
        return any(self._read(name) == work for name in homes)

    def _read(self, dataset: str) -> bytes | None:
        snapshot, look = f"{dataset}@look", f"{self.pool}/look"
        zfs("zfs", "snapshot", snapshot)
        zfs("zfs", "clone", "-o", f"mountpoint={self.folder / 'look'}", snapshot, look)
        file = self.folder / "look" / "work"
        content = file.read_bytes() if file.exists() else None
        for argv in (["zfs", "unmount", look], ["zfs", "destroy", look], ["zfs", "destroy", look]):
            subprocess.run(argv, check=False, capture_output=True)  # zfs-fuse is busy once
        for _ in range(5):
            if subprocess.run(["zfs", "destroy", snapshot], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.5)  # the clone's unmount may keep it busy for a moment
        return content

    def end(self) -> None:
        """Take everything away."""
        subprocess.run(["zfs", "unmount", f"{self.pool}/userdata"], check=False, capture_output=True)
        forget_pool(self.pool)


@example(  # one in which a home, and then the course, do get into the trash
    events=[
        ("up", {"ada"}, None),
        ("archive", True, None),
        ("purge", "bob", None),
        ("destroy", True, None),
        ("up", {"ada", "bob"}, None),
        ("write", "bob", 500),
        ("destroy", True, None),
    ]
)
@given(events=st.lists(EVENTS, min_size=6, max_size=12))
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_home_that_was_written_is_lost(events: list[tuple[str, Any, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            server.up({"ada", "bob"}, None)
            server.write("ada", 1000)
            for name, what, more in events:
                event: Callable[[Any, Any], None] = getattr(server, name)
                event(what, more)
            assert server.missing() == []
        finally:
            server.end()


def test_the_check_sees_a_loss(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    server = Server(tmp_path)
    try:
        server.up({"ada"}, None)
        server.write("ada", 1000)
        assert server.missing() == []
        zfs("zfs", "unmount", f"{server.pool}/userdata/homes/ada")
        subprocess.run(["zfs", "destroy", "-r", f"{server.pool}/userdata/homes/ada"], check=False)
        subprocess.run(["zfs", "destroy", "-r", f"{server.pool}/userdata/homes/ada"], check=False)
        assert server.missing() == ["ada"]
    finally:
        server.end()
