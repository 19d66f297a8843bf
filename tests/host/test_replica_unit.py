"""A course once more in another pool: sent, killed, sent again, and taken for the course itself."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from host.datasets import patiently
from tests.host.conftest import Unit, home, must, zfs

MIB = 1 << 20


@pytest.fixture
def replica(course: Unit, other_pool: str) -> Unit:
    """The unit of replicas; ada and bob have work of their own."""
    (home(course, "ada") / "thesis.txt").write_text("mine")
    (home(course, "bob") / "big").write_bytes(os.urandom(2 * MIB))
    zfs("zfs", "set", "coursehub:commit=abc", f"{course.spec['pool']}/userdata/template@v1")
    return Unit("replica", {**course.spec, "to": other_pool})


def path(replica: Unit) -> str:
    return f"{replica.spec['to']}/coursehub-replica/{replica.spec['pool']}/userdata"


def snapshots(dataset: str) -> list[str]:
    return zfs("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-r", dataset).split()


def test_a_replica_has_every_home_and_the_template_once(replica: Unit) -> None:
    done = must(replica("apply"))
    assert done["files"] > 8
    origins = zfs(
        "zfs", "get", "-H", "-o", "value", "origin", f"{path(replica)}/homes/ada", f"{path(replica)}/homes/bob"
    )
    assert origins.split() == [f"{path(replica)}/template@v1"] * 2
    assert must(replica("observe"))["noted"]["whole"] is True


def test_the_next_run_sends_what_changed(replica: Unit) -> None:
    first = must(replica("apply"))
    (home(replica, "ada") / "thesis.txt").write_text("mine, more of it")
    again = must(replica("apply"))
    assert again["snapshot"] != first["snapshot"]
    assert f"{path(replica)}/homes/ada@{first['snapshot']}" in snapshots(path(replica))
    assert f"{path(replica)}/homes/ada@{again['snapshot']}" in snapshots(path(replica))
    kept = f"{replica.spec['pool']}/userdata@{again['snapshot']}"
    gone = subprocess.run(["zfs", "destroy", kept], check=False, capture_output=True)
    assert gone.returncode != 0, "the next run is built on it"
    zfs("zfs", "destroy", "-r", f"{replica.spec['pool']}/userdata@{first['snapshot']}")


def test_a_killed_run_is_finished_by_the_next(replica: Unit) -> None:
    for delay in (0.3, 0.6, 0.9, 1.2):
        run = replica.start("apply")
        time.sleep(delay)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    must(replica("apply"))
    held = [name for name in snapshots(f"{replica.spec['pool']}/userdata") if "/userdata@coursehub-" in name]
    assert len(held) == 1, "killed runs leave no snapshots behind"


def test_a_home_that_was_purged_stays_in_the_replica(replica: Unit) -> None:
    first = must(replica("apply"))["snapshot"]
    ada = f"{replica.spec['pool']}/userdata/homes/ada"
    zfs("zfs", "release", "coursehub-replica", f"{ada}@{first}")
    patiently(["zfs", "destroy", "-r", ada])
    must(replica("apply"))
    assert f"{path(replica)}/homes/ada@{first}" in snapshots(path(replica))
    zfs("zfs", "clone", f"{replica.spec['pool']}/userdata/template@v1", ada)
    refused = replica("apply")
    assert refused.returncode == 3
    assert f"zfs rename {path(replica)}/homes/ada" in refused.stderr


def test_a_file_that_differs_is_told(replica: Unit) -> None:
    snapshot = must(replica("apply"))["snapshot"]
    bob = f"{path(replica)}/homes/bob"
    zfs("zfs", "set", f"mountpoint=/{bob}", bob)
    (Path("/", bob) / "big").write_bytes(b"other")
    zfs("zfs", "destroy", f"{bob}@{snapshot}")
    zfs("zfs", "snapshot", f"{bob}@{snapshot}")
    zfs("zfs", "unmount", bob)
    unfinished = json.dumps({"snapshot": snapshot, "at": "", "whole": False, "before": ""})
    note = f"coursehub:replica-{replica.spec['to']}"
    zfs("zfs", "set", f"{note}={unfinished}", f"{replica.spec['pool']}/userdata")
    refused = replica("apply")
    assert refused.returncode == 3
    assert f"homes/bob@{snapshot}: 1 files differ, the first is big" in refused.stderr


def test_a_replica_can_take_the_place_of_a_course_that_was_lost(replica: Unit) -> None:
    must(replica("apply"))
    pool = replica.spec["to"]
    assert must(Unit("replica", {"pool": pool, "dataset": "userdata"})("promote")) == {"course": f"{pool}/userdata"}
    spec = {"pool": pool, "dataset": "userdata", "compression": "gzip", "dedup": True, "quota": None}
    must(Unit("zfs", {**spec, "pool_file": None, "destroy": False})("apply"))
    students = [{"name": name, "budget": 16 * MIB} for name in ("ada", "bob")]
    homes = {"template": {"version": "v1"}, "students": students, "uid": 1000, "gid": 100}
    must(Unit("workspaces", {"pool": pool, "dataset": "userdata", **homes})("apply"))
    assert Path("/", pool, "userdata/homes/ada/thesis.txt").read_text() == "mine"
    assert zfs("zfs", "get", "-H", "-o", "value", "coursehub:commit", f"{pool}/userdata/template@v1").strip() == "abc"
    assert zfs("zfs", "get", "-Hp", "-o", "value", "quota", f"{pool}/userdata/homes/bob").strip() == str(16 * MIB)


def test_a_pool_that_is_not_there_is_told(replica: Unit) -> None:
    refused = replica("apply", to="nowhere")
    assert refused.returncode == 3
    assert "zpool import nowhere" in refused.stderr
    refused = Unit("replica", {"pool": replica.spec["to"], "dataset": "userdata"})("promote")
    assert refused.returncode == 3
    assert "has no replica, of a course userdata" in refused.stderr
