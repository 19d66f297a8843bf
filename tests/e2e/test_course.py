"""A whole course, from nothing to nothing, in the order a lecturer meets it: each test goes on from the last."""

import base64
import json
import socket
from pathlib import Path

import pytest

from machine.locks import forget_dead_locks
from machine.login import wait_for_login
from tests.e2e.conftest import NAME, POOL, PORT, Stack, docker, inspect, machine_state, state_text
from tests.e2e.student import LoginRefusedError, Student
from tests.host.conftest import zfs

NODE = f"coursehub-{NAME}-control-plane"
URL = f"http://127.0.0.1:{PORT}"
DATASET = f"{POOL}/userdata"


def ada(stack: Stack) -> Student:
    """A student who is logged in and whose server runs."""
    student = Student(URL, "ada")
    student.log_in(stack.output("password"))
    student.start_server()
    return student


def test_a_preview_changes_nothing_on_the_machine(stack: Stack) -> None:
    before = machine_state()
    said = stack.must("preview")
    assert " to create" in said
    assert machine_state() == before


def test_a_wrong_configuration_touches_nothing(stack: Stack) -> None:
    before = machine_state()
    stack.configure(storage={"quota": "much"}, cluster={"nodePort": 80})
    done = stack.up()
    assert done.returncode != 0
    assert "storage.quota: 'much' was given; a size above zero is needed" in done.stdout
    assert "cluster.nodePort: 80 was given; at least 30000 is needed" in done.stdout
    assert "Traceback" not in done.stdout
    assert machine_state() == before
    stack.configure()


def test_a_missing_pool_is_told(stack: Stack) -> None:
    stack.configure(storage={"pool": "nosuchpool", "poolFile": None})
    done = stack.up()
    assert done.returncode != 0
    assert "there is no ZFS pool nosuchpool on this server" in done.stdout
    stack.configure()


def test_a_taken_port_is_told_before_a_cluster_is_made(stack: Stack) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", PORT))
        other.listen()
        done = stack.up()
    assert done.returncode != 0
    assert f"port {PORT} is taken by another program: set cluster.hostPort to a free port" in done.stdout
    assert NODE not in docker("ps", "-a", "--format", "{{.Names}}")


def test_a_stopped_docker_is_told(stack: Stack) -> None:
    done = stack.up(DOCKER_HOST="unix:///run/no-docker-here.sock")
    assert done.returncode != 0
    assert "Docker does not answer: start it" in done.stdout


def test_a_cluster_killed_while_it_is_made_is_finished_by_the_next_up(stack: Stack) -> None:
    stack.kill_host_unit("kind", when="creating cluster")
    half_made = inspect(NODE)["Id"]
    # The next up makes the cluster whole, and is itself killed later on.
    stack.kill_pulumi(when="hub-release creating")
    assert inspect(NODE)["Id"] != half_made


def test_a_release_killed_while_it_is_made_is_finished_by_the_next_up(stack: Stack) -> None:
    assert "pending-install" in stack.kubectl("-n", "jhub", "get", "secrets", "-l", "owner=helm", "--show-labels")
    assert "locked" in stack.up().stdout
    forget_dead_locks(stack.folder.parent / "state", NAME)
    done = stack.up()
    assert done.returncode == 0, done.stdout
    assert "was interrupted: forgetting secret/sh.helm.release.v1.jupyterhub.v1" in done.stdout
    assert stack.output("release") == "deployed"
    assert stack.output("url") == URL


def test_the_default_kubeconfig_is_never_touched(stack: Stack) -> None:
    own = Path(stack.output("kubeconfig"))
    assert own.name == f"coursehub-{NAME}.yaml"
    assert own.stat().st_mode & 0o777 == 0o600
    default = Path.home() / ".kube" / "config"
    assert not default.exists() or NAME not in default.read_text()


def test_a_wrong_password_is_refused(stack: Stack) -> None:
    with pytest.raises(LoginRefusedError, match="Invalid username or password"):
        Student(URL, "ada").log_in("wrong")


def test_a_student_works_and_the_file_is_in_the_dataset(stack: Stack) -> None:
    student = ada(stack)
    assert student.run_cell("6 * 7") == "42"
    assert student.write_file("notes.txt", "first lecture").status_code == 201
    (found,) = Path("/", DATASET).rglob("notes.txt")
    assert found.read_text() == "first lecture"
    assert found.stat().st_uid == 1000


def test_the_dataset_is_what_the_student_writes_to(stack: Stack) -> None:
    """Not a plain folder of the node beside it: what the pod sees as its disk is the dataset."""
    said = ada(stack).run_cell(
        "import subprocess; print(subprocess.run(['df', '/home/jovyan'], capture_output=True).stdout)"
    )
    assert DATASET in said


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    pods = stack.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert stack.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}") == pods


def test_a_quota_changes_in_place(stack: Stack) -> None:
    node = inspect(NODE)
    stack.configure(storage={"quota": "2Gi"})
    preview = stack.must("preview")
    assert "1 to update" in preview
    assert " to create" not in preview
    assert " to replace" not in preview
    assert zfs("zfs", "get", "-Hp", "-o", "value", "quota", DATASET).strip() == str(3 << 30)
    said = stack.must("up", "--yes", "--skip-preview")
    assert f"{DATASET}: quota {3 << 30} -> {2 << 30}" in said
    assert zfs("zfs", "get", "-Hp", "-o", "value", "quota", DATASET).strip() == str(2 << 30)
    after = inspect(NODE)
    assert (after["Id"], after["State"]["StartedAt"]) == (node["Id"], node["State"]["StartedAt"])


def test_every_container_has_requests_and_limits(stack: Stack) -> None:
    pods = json.loads(stack.kubectl("get", "pods", "-n", "jhub", "-o", "json"))["items"]
    containers = [container for pod in pods for container in pod["spec"]["containers"]]
    assert {container["name"] for container in containers} == {"hub", "chp", "notebook"}
    for container in containers:
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) >= {"cpu", "memory"}, container["name"]


def test_no_secret_stands_in_the_state_a_log_or_a_process_list(stack: Stack) -> None:
    password = stack.output("password")
    secret = json.loads(stack.kubectl("get", "secret", "-n", "jhub", "hub", "-o", "jsonpath={.data}"))
    (encoded,) = (value for key, value in secret.items() if key.endswith("auth_token"))
    token = base64.b64decode(encoded).decode()
    assert len(token) == 64
    assert len(password) >= 12
    state = state_text(stack)
    assert password not in state
    assert token not in state
    said = stack.must("preview", "--diff")
    assert password not in said
    commands = [
        (folder / "cmdline").read_bytes() for folder in Path("/proc").glob("[0-9]*") if (folder / "cmdline").exists()
    ]
    assert commands
    assert not any(password.encode() in command for command in commands)


def test_network_policies_are_enforced(stack: Stack) -> None:
    """A student's pod reaches the hub's port 8081 and nothing else of the cluster: the node's kubelet stands for it."""
    student = ada(stack)
    address = inspect(NODE)["NetworkSettings"]["Networks"]["kind"]["IPAddress"]
    probe = (
        "import socket\n"
        "def reaches(host, port):\n"
        "    try:\n"
        "        socket.create_connection((host, port), 3).close()\n"
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        f"print(reaches('hub', 8081), reaches('{address}', 10250))"
    )
    assert student.run_cell(probe).strip() == "True False"
    from_the_node = docker(
        "exec", NODE, "sh", "-c", f"curl -sk -o /dev/null -w '%{{http_code}}' https://{address}:10250/"
    )
    assert from_the_node != "000", "the control: the kubelet answers whoever may ask"


def test_enforcement_and_work_survive_a_stop_of_the_node(stack: Stack) -> None:
    docker("stop", NODE)
    said = stack.must("up", "--yes", "--skip-preview")
    assert f"starting {NODE}, which was stopped" in said
    wait_for_login(URL, "ada", stack.output("password"))
    student = ada(stack)
    assert student.read_file("notes.txt") == "first lecture"
    assert "active" in docker("exec", NODE, "systemctl", "is-active", "kube-router")
    test_network_policies_are_enforced(stack)


def test_native_accounts_are_let_in_by_an_admin(stack: Stack) -> None:
    hub = {"authentication": {"method": "native", "adminUsers": ["prof"]}}
    stack.configure(storage={"quota": "2Gi"}, course={"environment": "production"}, hub=hub)
    said = stack.must("up", "--yes", "--skip-preview")
    assert "Sign up at" in said
    wait_for_login(URL, "prof", "")
    prof, eve = Student(URL, "prof"), Student(URL, "eve")
    assert "at least 10" in eve.sign_up("short")
    prof.sign_up("a-long-enough-passphrase")
    prof.log_in("a-long-enough-passphrase")
    eve.sign_up("another-long-passphrase")
    with pytest.raises(LoginRefusedError):
        eve.log_in("another-long-passphrase")
    prof.let_in("eve")
    eve.log_in("another-long-passphrase")
    stack.configure(storage={"quota": "2Gi"})
    stack.must("up", "--yes", "--skip-preview")


def test_another_port_makes_the_cluster_anew_and_the_work_stays(stack: Stack) -> None:
    node = inspect(NODE)["Id"]
    token = ada(stack).new_token()
    stack.configure(storage={"quota": "2Gi"}, cluster={"hostPort": PORT + 1})
    assert " to replace" in stack.must("preview")
    stack.must("up", "--yes", "--skip-preview")
    assert inspect(NODE)["Id"] != node
    student = Student(stack.output("url"), "ada")
    assert student.is_known_by(token), "users and tokens outlive the cluster"
    assert not student.is_known_by("0" * 32)
    student.log_in(stack.output("password"))
    student.start_server()
    assert student.read_file("notes.txt") == "first lecture"
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")
    stack.configure()


def test_a_destroy_that_was_killed_is_made_good_by_the_next_up(stack: Stack) -> None:
    """Pulumi has forgotten the release by then, and the cluster still has it."""
    stack.kill_destroy(when="cluster-kind deleting")
    forget_dead_locks(stack.folder.parent / "state", NAME)
    done = stack.up()
    assert done.returncode == 0, done.stdout
    assert ada(stack).read_file("notes.txt") == "first lecture"


def test_destroy_removes_the_cluster_and_keeps_the_work(stack: Stack) -> None:
    dataset = _guid()
    said = stack.must("destroy", "--yes", "--skip-preview")
    assert f"kept {DATASET}" in said
    assert NODE not in docker("ps", "-a", "--format", "{{.Names}}")
    assert not (Path.home() / ".kube" / f"coursehub-{NAME}.yaml").exists()
    (found,) = Path("/", DATASET).rglob("notes.txt")
    assert found.read_text() == "first lecture"
    assert _guid() == dataset


def _guid() -> str:
    """What tells a dataset from another of the same name."""
    return zfs("zfs", "get", "-Hp", "-o", "value", "guid", DATASET)


def test_the_next_up_gives_the_student_the_work_back(stack: Stack) -> None:
    done = stack.up()
    assert done.returncode == 0, done.stdout
    assert ada(stack).read_file("notes.txt") == "first lecture"


def test_a_lost_state_is_made_good_by_the_next_up(stack: Stack) -> None:
    stack.lose_state()
    done = stack.up()
    assert done.returncode == 0, done.stdout
    assert "this stack's state does not know it: making it anew" in done.stdout
    assert ada(stack).read_file("notes.txt") == "first lecture"


def test_only_a_confirmed_destruction_destroys(stack: Stack) -> None:
    stack.configure(storage={"onDestroy": "destroy"})
    refused = stack.up()
    assert "storage.confirmDestroy" in refused.stdout
    assert refused.returncode != 0
    stack.configure(storage={"onDestroy": "destroy", "confirmDestroy": DATASET})
    stack.must("up", "--yes", "--skip-preview")
    kept = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert kept.returncode != 0
    assert "never archived and verified" in kept.stdout
    assert DATASET in zfs("zfs", "list", "-H", "-o", "name").split()
    assert ada(stack).read_file("notes.txt") == "first lecture", "a refusal comes before anything is taken down"


def test_an_archive_is_verified_before_the_course_is_gone_and_the_work_is_in_the_trash(
    stack: Stack, tmp_path: Path
) -> None:
    stack.configure(storage={"onDestroy": "archive", "archive": str(tmp_path)})
    stack.must("up", "--yes", "--skip-preview")
    assert f"kept {DATASET}" in stack.must("destroy", "--yes", "--skip-preview")
    # One while all ran, and another if a server wrote something as it ended.
    assert 1 <= len(list(tmp_path.glob("*.tar"))) <= 2
    stack.configure(storage={"onDestroy": "destroy", "confirmDestroy": DATASET})
    stack.must("up", "--yes", "--skip-preview")
    said = stack.must("destroy", "--yes", "--skip-preview")
    assert f"{DATASET} is now {POOL}/coursehub-trash/" in said
    assert DATASET not in zfs("zfs", "list", "-H", "-o", "name").split()
