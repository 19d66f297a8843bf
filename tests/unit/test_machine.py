"""What is decided about a server before anything is done to it: facts in, decisions out."""

import ast
import fcntl
import hashlib
import io
import json
import tarfile
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from machine import engine, makers, nudge, packages, runc_without_sys_resource, zfs
from machine.server import refusal
from machine.shell import NotReady
from machine.way import MAKERS, way

MOUNTS = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
42 27 0:39 / /zfs-kstat rw,nosuid shared:21 - fuse kstat rw,allow_other
50 27 0:40 / /pool/course rw,relatime shared:22 - fuse.zfs pool/course rw,allow_other
51 50 0:41 / /pool/course/homes/alice rw,relatime shared:23 - fuse.zfs pool/course/homes/alice rw,allow_other
52 27 0:42 / /mnt/laptop rw,relatime shared:24 - fuse.sshfs prof@laptop: rw
53 27 0:43 / /pool/alive rw,relatime shared:25 - fuse.zfs pool/alive rw,allow_other
"""


@pytest.mark.parametrize(
    ("known", "expected"),
    [(set(MAKERS), "makers"), (set(MAKERS) - {MAKERS[-1]}, "registries"), (set(), "registries")],
)
def test_the_way_leads_to_the_makers_only_if_all_their_names_resolve(known: set[str], expected: str) -> None:
    assert way({}, known.__contains__) == expected


def test_the_environment_decides_the_way_without_asking_for_names() -> None:
    def resolves(host: str) -> bool:
        raise AssertionError(f"asked for {host}")

    assert way({"COURSEHUB_WAY": "makers"}, resolves) == "makers"
    with pytest.raises(NotReady, match="COURSEHUB_WAY is 'internet': set it to makers or registries"):
        way({"COURSEHUB_WAY": "internet"}, resolves)


def test_only_packages_whose_program_is_missing_are_installed() -> None:
    assert packages.missing({"dockerd": "docker.io", "chattr": "e2fsprogs"}, {"chattr"}.__contains__) == ["docker.io"]


@pytest.mark.parametrize(
    ("line", "shared"),
    [
        ("27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw", True),
        ("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw", False),
        ("27 1 254:0 / / rw,relatime master:1 - ext4 /dev/vda rw", False),
        ("28 1 254:0 / /home rw,relatime shared:1 - ext4 /dev/vda rw", False),
    ],
)
def test_only_a_shared_root_passes_mounts_on(line: str, shared: bool) -> None:
    assert engine.root_is_shared(f"{line}\n") is shared


@pytest.mark.parametrize(("bounding", "granted"), [("000001ffffffffff", True), ("000001fffeffffff", False)])
def test_the_capability_is_read_from_the_bounding_set(bounding: str, granted: bool) -> None:
    status = f"Name:\tpython3\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\nCapAmb:\t0000000000000000\n"
    assert engine.may_grant_sys_resource(status) is granted


def test_an_engine_that_may_all_keeps_the_runtime_it_has() -> None:
    assert engine.settings({}, None) == {"storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"]}


def test_the_servers_own_settings_stay_in_force() -> None:
    own = {
        "storage-driver": "zfs",
        "data-root": "/data/docker",
        "exec-opts": ["native.cgroupdriver=systemd", "isolation=default"],
        "runtimes": {"own": {"path": "/own"}},
    }
    assert engine.settings(own, Path("/wrapper")) == {
        "storage-driver": "zfs",
        "data-root": "/data/docker",
        "exec-opts": ["isolation=default", "native.cgroupdriver=cgroupfs"],
        "runtimes": {"own": {"path": "/own"}, "coursehub": {"path": "/wrapper"}},
        "default-runtime": "coursehub",
    }


@pytest.mark.parametrize(
    ("stat", "name"),
    [
        ("558 (containerd) S 557 557 557 0", "containerd"),
        ("558 (containerd) Z 1 557 557 0", ""),
        ("558 (a) b) (c) R 1 557 557 0", "a) b) (c"),
    ],
)
def test_a_process_that_nobody_buried_does_not_run(stat: str, name: str) -> None:
    assert engine.program(stat) == name


@pytest.mark.parametrize(("running", "stale"), [("dockerd", False), ("", True), ("sleep", True)])
def test_a_pid_file_is_stale_unless_its_own_program_runs(tmp_path: Path, running: str, stale: bool) -> None:
    file = tmp_path / "docker.pid"
    file.write_text("4711\n")
    assert engine.is_stale(file, "dockerd", {"4711": running}.__getitem__) is stale


def test_only_nodes_that_see_a_dead_mount_are_restarted() -> None:
    nodes = "/physics-control-plane 71 /lib/modules /var/local-path-provisioner\n/other-control-plane 72 /lib/modules\n"
    assert engine.blind(nodes, {"/proc/71/root/var/local-path-provisioner"}.__contains__) == ["physics-control-plane"]
    assert engine.blind(nodes, lambda path: False) == []


def test_dead_mounts_go_outermost_first_and_others_stay() -> None:
    assert zfs.dead_mounts(MOUNTS, lambda mount: mount != "/pool/alive") == [
        "/zfs-kstat",
        "/pool/course",
        "/pool/course/homes/alice",
    ]


def test_one_dataset_is_asked_and_all_of_them_only_where_it_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for answers, asked in ((True, [["/one"]]), (False, [["/one"], ["/one", "/two"]])):
        questions = Mock(answered=Mock(return_value=answers))
        monkeypatch.setattr(nudge, "fuse_mounts", lambda mountinfo: ["/one", "/two"])
        assert nudge.look(questions) is not answers
        assert [call.args[0] for call in questions.answered.call_args_list] == asked


def test_who_owes_an_answer_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = threading.Event(), []

    def ask(mount: str) -> None:
        asked.append(mount)
        if mount == "/slow":
            answer.wait()

    monkeypatch.setattr("os.statvfs", ask)
    questions = nudge.Questions()
    assert not questions.answered(["/slow", "/quick"], 0.01)
    assert not questions.answered(["/slow", "/quick"], 0.01)
    answer.set()
    assert questions.answered(["/slow"], 10)
    assert asked.count("/slow") == 1


def test_a_second_nudge_ends_at_once_and_leaves_the_first_ones_process_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudge, "STATE", tmp_path)
    with nudge.lock_file().open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        first.write("123\n")
        first.flush()
        nudge.run()
        assert nudge.lock_file().read_text() == "123\n"


def test_a_container_is_asked_for_all_capabilities_but_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda program, argv: executed.append(argv))
    sets = {"bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"]}
    config, process = tmp_path / "config.json", tmp_path / "process.json"
    config.write_text(json.dumps({"process": {"args": ["init"], "capabilities": sets}, "root": {"path": "/"}}))
    process.write_text(json.dumps({"args": ["sh"], "capabilities": sets}))
    commands = [
        ["--root", "/run/runc", "create", "--bundle", str(tmp_path), "id"],
        ["exec", f"--process={process}", "id"],
        ["state", "id"],
    ]
    for command in commands:
        runc_without_sys_resource.main(command)
    left = {"bounding": ["CAP_SYS_ADMIN"], "effective": []}
    assert json.loads(config.read_text()) == {
        "process": {"args": ["init"], "capabilities": left},
        "root": {"path": "/"},
    }
    assert json.loads(process.read_text()) == {"args": ["sh"], "capabilities": left}
    assert executed == [["runc", *command] for command in commands]


@pytest.mark.parametrize(
    ("body", "taken"), [(b"program", True), (b"programs", False), (b"", False)], ids=["whole", "another", "empty"]
)
@pytest.mark.parametrize("kind", ["sha256", "sha512"])
@pytest.mark.parametrize("written", ["runsc", "*runsc", "./runsc", "dist/runsc"])
def test_a_program_is_taken_only_with_its_makers_checksum(body: bytes, taken: bool, kind: str, written: str) -> None:
    digest = hashlib.new(kind, b"program").hexdigest()
    others = f"{hashlib.new(kind, b'other').hexdigest()}  other\n"
    assert makers.is_published("runsc", body, f"{others}{digest}  {written}\n") is taken
    for without in ("", digest, others, f"{digest}  other\n", f"{digest[:32]}  runsc\n"):
        assert not makers.is_published("runsc", b"program", without)


def test_a_tool_is_replaced_at_another_version_and_never_half_there(tmp_path: Path) -> None:
    assert not makers.is_there(tmp_path, "pulumi", "1")
    makers.put(tmp_path, "pulumi", "1", {"pulumi": b"one", "pulumi-language-python": b"one"})
    assert makers.is_there(tmp_path, "pulumi", "1")
    assert not makers.is_there(tmp_path, "pulumi", "2")
    assert not makers.is_there(tmp_path, "kind", "1")
    (tmp_path / ".pulumi-language-python").mkdir()  # as if the disk were full
    with pytest.raises(OSError):
        makers.put(tmp_path, "pulumi", "2", {"pulumi": b"two", "pulumi-language-python": b"two"})
    assert not makers.is_there(tmp_path, "pulumi", "1")
    assert not makers.is_there(tmp_path, "pulumi", "2")
    assert (tmp_path / "pulumi-language-python").read_bytes() == b"one"
    (tmp_path / ".pulumi-language-python").rmdir()
    makers.put(tmp_path, "pulumi", "2", {"pulumi": b"two", "pulumi-language-python": b"two"})
    assert makers.is_there(tmp_path, "pulumi", "2")
    assert (tmp_path / "pulumi").read_bytes() == b"two"
    assert (tmp_path / "pulumi").stat().st_mode & 0o777 == 0o755
    (tmp_path / "pulumi").unlink()
    assert not makers.is_there(tmp_path, "pulumi", "2")


def test_the_programs_of_an_archive_lie_side_by_side() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("pulumi/pulumi", "pulumi/pulumi-language-python", "../../outside"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"one"))
        link = tarfile.TarInfo("pulumi/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    found = makers.programs(packed.getvalue())
    assert found == {"pulumi": b"one", "pulumi-language-python": b"one", "outside": b"one"}


@pytest.mark.parametrize(
    ("version", "machine", "words"),
    [
        ((3, 11), "x86_64", ""),
        ((3, 14), "amd64", ""),
        ((3, 9), "x86_64", "Python 3.9, 3.11 or newer is needed"),
        ((3, 13), "aarch64", "its processor is aarch64: take a server with amd64"),
    ],
)
def test_what_a_server_must_be_is_said_at_once(version: tuple[int, ...], machine: str, words: str) -> None:
    assert bool(refusal(version, machine)) == bool(words)
    assert words in refusal(version, machine)


def test_who_asks_whether_python_is_too_old_is_understood_by_an_old_one() -> None:
    for module in ("__init__", "server"):
        ast.parse((Path(makers.__file__).with_name(f"{module}.py")).read_text(), feature_version=(3, 7))
    main = ast.parse(Path(makers.__file__).with_name("__main__.py").read_text())
    ours = [node.module for node in ast.walk(main) if isinstance(node, ast.ImportFrom)]
    assert ours[0] == "machine.server"
