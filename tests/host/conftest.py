"""A real pool in a file, and the host units as `pulumi` runs them: processes with a specification on stdin."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host.materials import survey

ROOT = Path(__file__).resolve().parents[2]
POOL_BYTES = 256 << 20


def zfs(*argv: str) -> str:
    """Run a command that must succeed; its stdout."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Unit:
    """One host unit with its specification."""

    name: str
    spec: dict[str, Any]

    def __call__(
        self, verb: str, *, made: bool = False, new: bool = False, **changed: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, with parts of the specification changed; `made` and `new` are what a state knows."""
        return subprocess.run(
            [sys.executable, "-m", "host", self.name, verb],
            input=json.dumps({**self.spec, **changed}),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                **({"COURSEHUB_MADE": "1"} if made else {}),
                **({"COURSEHUB_NEW": "1"} if new else {}),
            },
            check=False,
        )

    def start(self, verb: str) -> subprocess.Popen[str]:
        """Start a verb in a process group of its own, so that it can be killed with all that it runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "host", self.name, verb],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(self.spec))
        process.stdin.close()
        return process


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    """The dataset unit with a pool of its own that does not exist yet; both are taken away afterwards."""
    pool = f"test{secrets.token_hex(4)}"
    spec = {
        "pool": pool,
        "dataset": "userdata",
        "compression": "gzip",
        "dedup": True,
        "quota": None,
        "pool_file": {"path": str(tmp_path / "pools" / "pool.img"), "size": POOL_BYTES},
        "destroy": False,
    }
    yield Unit("zfs", spec)
    forget_pool(pool)


@pytest.fixture
def template(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    """The template's unit on a course of its own that has no version yet; its first one is empty."""
    assert unit("apply", compression="off", dedup=False).returncode == 0
    monkeypatch.setenv("COURSEHUB_CACHE", str(tmp_path / "cache"))
    pool = unit.spec["pool"]
    spec = {"pool": pool, "dataset": "userdata", "version": "v1", "source": None, "uid": 1000, "gid": 100}
    yield Unit("template", spec)
    # zfs-fuse leaves the deepest mounts to a later try; the container's folders would then be in the way.
    subprocess.run(["zfs", "unmount", f"{pool}/userdata"], check=False, capture_output=True)


def of_folder(folder: Path) -> dict[str, Any]:
    """The parts of a template's specification that say: the version that this folder is."""
    return {"version": survey(folder).digest, "source": {"folder": str(folder)}}


def forget_pool(pool: str) -> None:
    """Destroy a test's pool and take away its bare mountpoints."""
    os.sync()
    for _ in range(5):  # the first try may find a mount still held
        if pool not in zfs("zpool", "list", "-H", "-o", "name").split():
            break
        subprocess.run(["zpool", "destroy", "-f", pool], check=False, capture_output=True)
    bare = Path("/", pool)
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert not any(line.split()[4].startswith(f"{bare}/") for line in mounts)
    subprocess.run(["chattr", "-R", "-i", str(bare)], check=False, capture_output=True)
    for folder in sorted(bare.rglob("*"), reverse=True):
        folder.rmdir()  # never recursively: it might be a mountpoint
    if bare.is_dir():
        bare.rmdir()


@pytest.fixture
def course(unit: Unit) -> Iterator[Unit]:
    """A course with the homes of ada and bob, clones of a template with one file; any unit but `snapshots` by `of`."""
    assert unit("apply", compression="off", dedup=False).returncode == 0
    pool = unit.spec["pool"]
    zfs("zfs", "create", f"{pool}/userdata/template")
    Path(f"/{pool}/userdata/template/data.bin").write_bytes(os.urandom(1 << 20))
    zfs("chown", "-R", "1000:100", f"/{pool}/userdata/template")
    zfs("zfs", "snapshot", f"{pool}/userdata/template@v1")
    students = [{"name": name, "budget": 16 << 20} for name in ("ada", "bob")]
    homes = {"template": {"version": "v1"}, "students": students, "uid": 1000, "gid": 100}
    done = Unit("workspaces", {"pool": pool, "dataset": "userdata", **homes})("apply")
    assert done.returncode == 0, done.stderr
    yield Unit("snapshots", {"pool": pool, "dataset": "userdata"})
    # zfs-fuse leaves the deepest mounts to a later try; the container's folders would then be in the way.
    subprocess.run(["zfs", "unmount", f"{pool}/userdata"], check=False, capture_output=True)


@pytest.fixture
def other_pool(tmp_path: Path) -> Iterator[str]:
    """A pool as on another server, or on another disk."""
    name = f"test{os.urandom(4).hex()}"
    with (tmp_path / "other.img").open("wb") as file:
        file.truncate(POOL_BYTES)
    zfs("zpool", "create", name, str(tmp_path / "other.img"))
    yield name
    subprocess.run(["zfs", "unmount", f"{name}/userdata"], check=False, capture_output=True)
    forget_pool(name)


def home(course: Unit, student: str) -> Path:
    """Where a student's home is mounted."""
    return Path("/", course.spec["pool"], "userdata", "homes", student)


def must(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The result of a unit that must have ended well."""
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result
