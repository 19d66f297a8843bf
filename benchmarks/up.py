"""What `pulumi up` costs beside the same work by hand: dataset, kind cluster and Helm release, in turns.

    python -m benchmarks.up [rounds]

By hand is what a patient admin would type: zfs, kind and helm with the very same configuration, nothing checked. No
images are loaded on either side: the node's image has them, or they are pulled from their makers.
Ends with 1 where `pulumi up` takes more than 1.25 times as long. Uses cluster, pool and ports of the tests, and takes
all of it away at the end.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex

import yaml

from components.hub import hubside_sources, with_secrets
from components.server import this_server
from config.course import Course
from config.faults import check
from plan.capacity import starts
from plan.hub_values import NAMESPACE, RELEASE, SECRET_BYTES, hub_values
from plan.kind_config import kind_config
from plan.parts import parts
from plan.volumes import DATABASE
from tests.e2e.conftest import ROOT, Stack, forget_course, fresh_stack

MOST = 1.25  # times as long as by hand


def helm(folder: Path) -> str:
    """The helm command: the server's own, else that of the version which the Kubernetes provider is built with."""
    if found := shutil.which("helm"):
        return found
    module = folder / "helm"
    shutil.copytree(ROOT / "offline/go/pulumi-kubernetes", module)
    argv = ["go", "build", "-mod=mod", "-o", str(folder / "bin-helm"), "helm.sh/helm/v3/cmd/helm"]
    subprocess.run(argv, cwd=module, check=True)
    return str(folder / "bin-helm")


def described(stack: Stack) -> Course:
    """The course of the stack's file."""
    (file,) = stack.folder.glob("Pulumi.*.yaml")
    config = yaml.safe_load(file.read_text())["config"]
    return check({key.removeprefix("coursehub:"): value for key, value in config.items()})


def by_hand(course: Course, helm: str, folder: Path) -> None:
    """Dataset, cluster and release, one after the other; ends when hub and proxy are ready."""
    chosen, kubeconfig, path = parts(course), str(folder / "kubeconfig"), course.storage.path
    disk = folder / "hand.img"
    disk.touch()
    subprocess.run(["truncate", "-s", "4G", str(disk)], check=True)
    quiet("zpool", "create", "-O", "canmount=off", course.storage.pool, str(disk))
    quiet("zfs", "create", "-o", "dedup=on", "-o", "compression=gzip", "-o", "atime=off", path)
    quiet("zfs", "create", "-o", f"quota={int(DATABASE.size)}", f"{path}/{DATABASE.folder}")
    quiet("chown", "1000:1000", f"/{path}/{DATABASE.folder}")
    config = json.dumps(kind_config(course, chosen.node_image, f"/{path}"))
    name = ("--name", course.cluster_name)
    quiet("kind", "create", "cluster", *name, "--config", "-", "--kubeconfig", kubeconfig, stdin=config)
    metadata = {"name": DATABASE.name}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": DATABASE.volume(NAMESPACE)}
    quiet("kubectl", "--kubeconfig", kubeconfig, "apply", "-f", "-", stdin=json.dumps(volume))
    drawn = {secret: token_hex(size) for secret, size in SECRET_BYTES.items()}
    values = json.dumps(with_secrets(hub_values(course, chosen, hubside_sources(), starts(this_server())), drawn))
    where = ("--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "--create-namespace")
    source = (chosen.chart, *(("--version", chosen.version) if chosen.version else ()))
    source = (*source, *(("--repo", chosen.repository) if chosen.repository else ()))
    quiet(helm, "install", RELEASE, *source, *where, "--atomic", "--timeout", "10m", "--values", "-", stdin=values)


def quiet(*argv: str, stdin: str = "") -> None:
    """Run a command that must succeed; what it says is shown only if it does not."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv[:3])} failed:\n{done.stdout}{done.stderr}")


def seconds_by_hand(helm: str) -> float:
    """How long the work takes by hand."""
    with tempfile.TemporaryDirectory() as folder, fresh_stack(Path(folder)) as stack:
        course, start = described(stack), time.perf_counter()
        by_hand(course, helm, Path(folder))
        took = time.perf_counter() - start
        forget_course()
    return took


def seconds_by_up() -> float:
    """How long `pulumi up` takes for it."""
    with tempfile.TemporaryDirectory() as folder, fresh_stack(Path(folder)) as stack:
        start = time.perf_counter()
        stack.must("up", "--yes", "--skip-preview")
        return time.perf_counter() - start


def main() -> int:
    """Measure in turns and print; 1 if `pulumi up` takes too long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.up", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    rounds = parser.parse_args().rounds
    hand, up = [], []
    with tempfile.TemporaryDirectory() as folder:
        tool = helm(Path(folder))
        for number in range(1, rounds + 1):
            hand.append(seconds_by_hand(tool))
            up.append(seconds_by_up())
            print(f"round {number}: by hand {hand[-1]:.1f} s, pulumi up {up[-1]:.1f} s", flush=True)
    ratio = statistics.median(up) / statistics.median(hand)
    print(f"median: by hand {statistics.median(hand):.1f} s, pulumi up {statistics.median(up):.1f} s, {ratio:.2f} x")
    if ratio > MOST:
        print(f"that is more than {MOST} x", file=sys.stderr)
    return 1 if ratio > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
