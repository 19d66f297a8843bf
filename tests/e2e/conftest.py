"""A course of the tests' own on a real cluster: a copy of the program with its own stack, pool, ports and state."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from machine.way import way
from plan.parts import MAKERS, REGISTRIES
from tests.host.conftest import forget_pool, zfs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("__main__.py", "Pulumi.yaml", "config", "plan", "components", "host", "hubside", "lab", "offline/chart")
NAME = "e2e"
POOL = "e2e-pool"
PORT, API_PORT = 31080, 31443
NODE_IMAGE = (MAKERS if way() == "makers" else REGISTRIES).node_image


@dataclass(frozen=True)
class Stack:
    """One stack of the program, driven by the pulumi command as a user would."""

    folder: Path
    environment: dict[str, str]

    def configure(self, **sections: Any) -> None:
        """Write the stack's file: the tests' own course, with sections changed."""
        config: dict[str, Any] = {
            "course": {"name": NAME, "environment": "development"},
            "parts": way(),
            "storage": {
                "pool": POOL,
                "dataset": "userdata",
                "quota": "3Gi",
                "poolFile": {"path": str(self.folder.parent / "pool.img"), "size": "4Gi"},
            },
            "homes": {"mode": "dynamic"},
            "cluster": {"hostPort": PORT, "apiPort": API_PORT},
            "hub": {
                "student": {"memory": {"guarantee": "128Mi", "limit": "1Gi"}},
                "authentication": {"method": "dummy"},
                # Another chart than that of the parts: a folder that holds the official one.
                **({"chart": os.environ["COURSEHUB_CHART"]} if "COURSEHUB_CHART" in os.environ else {}),
            },
        }
        file = self.folder / f"Pulumi.{NAME}.yaml"
        before = yaml.safe_load(file.read_text()) if file.exists() else {}
        merged = {
            f"coursehub:{key}": {**value, **sections.get(key, {})} if isinstance(value, dict) else value
            for key, value in {**sections, **config}.items()
        }
        file.write_text(yaml.safe_dump({**(before or {}), "config": merged}))

    def pulumi(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run pulumi to its end; stdout and stderr together as `stdout`."""
        return subprocess.run(
            ["pulumi", *argv, "--stack", NAME, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def up(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`pulumi up` without asking."""
        return self.pulumi("up", "--yes", "--skip-preview", *argv, **environment)

    def must(self, *argv: str) -> str:
        """Run pulumi, which must succeed; what it said."""
        done = self.pulumi(*argv)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def output(self, name: str) -> str:
        """One output of the stack, also a secret one."""
        return subprocess.run(
            ["pulumi", "stack", "output", name, "--show-secrets", "--stack", NAME],
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def init(self) -> None:
        """Make the stack, with an empty state."""
        (self.folder.parent / "state").mkdir()
        argv = ["pulumi", "stack", "init", NAME]
        subprocess.run(argv, cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def lose_state(self) -> None:
        """Forget all that pulumi knows of the stack, as a lost disk would."""
        shutil.rmtree(self.folder.parent / "state")
        self.init()

    def kubectl(self, *argv: str) -> str:
        """Ask the cluster, from within its node."""
        return docker(
            "exec", f"coursehub-{NAME}-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", *argv
        )

    def end_servers(self) -> None:
        """End all students' servers: those that a module leaves take the places that the next one needs."""
        servers = ("-n", "jhub", "-l", "component=singleuser-server")
        self.kubectl("delete", "pods", *servers, "--now")

    def kill_host_unit(self, unit: str, *, when: str) -> None:
        """Start `pulumi up`; 5 s after it says `when`, SIGKILL the unit's process with all that it runs."""

        def kill() -> None:
            time.sleep(5)
            (unit_process,) = processes(f"-m host {unit} apply")
            os.killpg(os.getpgid(unit_process), signal.SIGKILL)

        self._pulumi_until("up", when, kill)

    def kill_pulumi(self, *, when: str) -> None:
        """Start `pulumi up`; 2 s after it says `when`, SIGKILL pulumi, its plugins and the program, all at once."""

        def kill() -> None:
            time.sleep(2)
            self.kill_all()

        self._pulumi_until("up", when, kill)

    def kill_destroy(self, *, when: str) -> None:
        """Start `pulumi destroy`; when it says `when`, SIGKILL pulumi, its plugins and what they run, all at once."""
        self._pulumi_until("destroy", when, self.kill_all)

    def kill_all(self) -> None:
        """SIGKILL pulumi with its plugins, the program and all that they run."""
        for process in processes(self.environment["PULUMI_BACKEND_URL"], file="environ"):
            if process != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def _pulumi_until(self, verb: str, when: str, kill: Callable[[], None]) -> None:
        argv = ["pulumi", verb, "--yes", "--skip-preview", "--stack", NAME, "--non-interactive", "--color=never"]
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        with subprocess.Popen(argv, cwd=self.folder, env=self.environment, stdout=pipe, stderr=both, text=True) as run:
            assert run.stdout is not None
            assert any(when in line for line in run.stdout), f"`{when}` was never said"
            kill()
            run.stdout.read()
        assert run.returncode != 0, f"something was killed and `pulumi {verb}` succeeded all the same"


def docker(*argv: str) -> str:
    """Run docker, which must succeed; its stdout."""
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout


def machine_state() -> dict[str, Any]:
    """What a preview could have changed on this machine; the pools of host tests that run beside it are left out."""
    kubeconfigs = sorted((Path.home() / ".kube").glob("*")) if (Path.home() / ".kube").is_dir() else []
    return {
        "datasets": _without_tests(zfs("zfs", "list", "-H", "-o", "name,mountpoint,quota")),
        "clusters": docker("ps", "-a", "--filter", "name=coursehub-", "--format", "{{.ID}} {{.Names}} {{.State}}"),
        "kubeconfigs": {file.name: file.read_bytes() for file in kubeconfigs if file.is_file()},
        "mounts": [line for line in _without_tests(Path("/proc/self/mounts").read_text()) if "zfs" in line],
    }


def _without_tests(table: str) -> list[str]:
    return [line for line in table.splitlines() if not line.startswith(("test", "coursehub-verify"))]


def processes(words: str, file: str = "cmdline") -> list[int]:
    """The processes that have `words` in their command line, or in another file of /proc. Shells are not meant."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (folder / file).read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words in text and (folder / "comm").read_text().strip() not in ("sh", "bash"):
                found.append(int(folder.name))
    return found


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, not yet up."""
    with fresh_stack(tmp_path_factory.mktemp("course")) as found:
        yield found


@contextlib.contextmanager
def fresh_stack(base: Path) -> Iterator[Stack]:
    """A stack in an empty folder. What an interrupted run left behind is taken away first, and all of it at the end."""
    forget_course()
    folder = base / "program"
    for part in PROGRAM:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (base / "passphrase").write_text("only for the tests")
    environment = {
        **os.environ,
        "COURSEHUB_STATE": str(base / "state"),
        "PULUMI_BACKEND_URL": f"file://{base / 'state'}?metadata=skip",  # as env.sh has it
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(base / "passphrase"),
    }
    found = Stack(folder, environment)
    found.configure()
    found.init()
    try:
        yield found
    finally:
        forget_course()


def forget_course(name: str = NAME, pool: str = POOL) -> None:
    """Take away a cluster and a pool of the tests, which hold nothing but what the tests made."""
    kubeconfig = Path.home() / ".kube" / f"coursehub-{name}.yaml"
    Path(f"{kubeconfig}.lock").unlink(missing_ok=True)  # of a kind that a test killed
    subprocess.run(
        ["kind", "delete", "cluster", "--name", f"coursehub-{name}", "--kubeconfig", str(kubeconfig)],
        check=True,
        capture_output=True,
    )
    kubeconfig.unlink(missing_ok=True)
    forget_pool(pool)


def state_text(stack: Stack) -> str:
    """Everything that the state folder holds, history and backups included."""
    files = [file for file in (stack.folder.parent / "state").rglob("*") if file.is_file()]
    assert files
    return "\n".join(file.read_text(errors="replace") for file in files)


def inspect(container: str) -> Any:
    """What docker knows of a container."""
    return json.loads(docker("inspect", container))[0]
