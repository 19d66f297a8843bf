"""The two commands of README on a course of their own: up, up again, down, and up with all of the students' work."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from host.listing import digest, listing
from tests.e2e.conftest import ROOT, docker, forget_course
from tests.host.conftest import zfs

NAME = "make"
POOL = "make-pool"
DATASET = f"{POOL}/userdata"
HOME = Path("/", DATASET, "homes", "ada")
PORT, API_PORT = 32080, 32443
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "tests", "docs", "benchmarks", "Pulumi.*.yaml")
CONFIG: dict[str, Any] = {
    "course": {"name": NAME, "environment": "development"},
    "storage": {"pool": POOL, "quota": "3Gi"},
    "homes": {"budget": "64Mi", "roster": [{"name": "ada", "role": "staff"}, {"name": "grace"}]},
    "cluster": {"hostPort": PORT, "apiPort": API_PORT},
    "hub": {
        "student": {"memory": {"guarantee": "128Mi", "limit": "1Gi"}},
        "authentication": {"method": "dummy"},
    },
}


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout, with a stack and a state of its own."""

    folder: Path

    def make(self, target: str) -> str:
        """What `make` says, which must succeed. The environment of Python is that of the tests."""
        environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
        argv = ["make", "--old-file=.venv/ready", target, f"STACK={NAME}", f"PYTHON={sys.executable}"]
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**environment, "COURSEHUB_STATE": str(self.folder.parent / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The checkout, with nothing up."""
    base = tmp_path_factory.mktemp("make")
    forget_course(NAME, POOL)
    folder = base / "checkout"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    (folder / ".venv").symlink_to(sys.prefix)
    storage = {**CONFIG["storage"], "poolFile": {"path": str(base / "pool.img"), "size": "4Gi"}}
    config = {f"coursehub:{key}": value for key, value in {**CONFIG, "storage": storage}.items()}
    (folder / f"Pulumi.{NAME}.yaml").write_text(yaml.safe_dump({"config": config}))
    yield Checkout(folder)
    forget_course(NAME, POOL)


def summary(said: str) -> dict[str, int]:
    """How many resources were created, updated, deleted, or are unchanged."""
    counted = said.partition("Resources:")[2]
    return {
        what: int(number) for number, what in re.findall(r"(\d+) (created|updated|replaced|deleted|unchanged)", counted)
    }


def identity() -> str:
    """What tells the dataset from another one of the same name."""
    return zfs("zfs", "get", "-Hp", "-o", "value", "guid", DATASET).strip()


def test_up_up_again_down_and_up_keeps_the_work(checkout: Checkout) -> None:
    said = checkout.make("up")
    assert f"a login works: http://127.0.0.1:{PORT}" in said
    made = summary(said)
    assert set(made) == {"created"}
    work = HOME / "thesis" / "chapter1.md"
    work.parent.mkdir()
    work.write_bytes(os.urandom(100_000))
    for path in (work.parent, work):
        os.chown(path, 1000, 100)
    before = identity(), digest(listing(HOME))

    said = checkout.make("up")
    assert summary(said) == {"unchanged": made["created"]}

    checkout.make("down")
    assert f"coursehub-{NAME}" not in docker("ps", "-a", "--format", "{{.Names}}")
    assert (identity(), digest(listing(HOME))) == before

    said = checkout.make("up")
    assert f"a login works: http://127.0.0.1:{PORT}" in said
    assert summary(said) == made
    assert (identity(), digest(listing(HOME))) == before

    # A pulumi that is killed while it writes such a file cannot read the state any more.
    assert not list((checkout.folder.parent / "state").rglob("*.attrs"))
