"""The template's unit against a real pool in a file: versions, what is shared, what is refused, kills."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.materials import MARKER, survey
from tests.host.conftest import ROOT, Unit, of_folder, zfs

MIB = 1 << 20


def course(template: Unit) -> str:
    return f"{template.spec['pool']}/userdata"


def live(template: Unit) -> Path:
    return Path("/", course(template), "template")


def versions(template: Unit) -> set[str]:
    listed = zfs("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-r", f"{course(template)}/template").split()
    return {name.partition("@")[2] for name in listed}


def versions_or_none(template: Unit) -> set[str]:
    """The versions, also where there is no template yet."""
    return set(json.loads(template("observe").stdout)["versions"])


def clone(template: Unit, version: str) -> Path:
    """What a student begins with in a version."""
    name = f"{course(template)}/clone-{version}"
    zfs("zfs", "clone", f"{course(template)}/template@{version}", name)
    return Path("/", name)


def allocated(template: Unit) -> int:
    """What the course takes of the pool, all of it written."""
    os.sync()
    zfs("zfs", "set", "atime=off", course(template))  # setting any property has zfs-fuse count
    return int(zfs("zfs", "get", "-Hp", "-o", "value", "used", course(template)))


def applied(template: Unit, **changed: Any) -> dict[str, Any]:
    done = template("apply", **changed)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


@pytest.fixture
def materials(tmp_path: Path) -> Path:
    """A course's materials: files, a program, folders, links, and a working copy's history."""
    folder = tmp_path / "materials"
    (folder / "week1" / "empty").mkdir(parents=True, mode=0o700)
    (folder / "week1" / "intro.ipynb").write_text("{}")
    (folder / "week1" / "data.bin").write_bytes(os.urandom(8 * MIB))
    (folder / "week1" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "week1" / "run.sh").chmod(0o6700)
    (folder / "week1" / "secret.txt").write_text("owner only")
    (folder / "week1" / "secret.txt").chmod(0o400)
    (folder / "latest").symlink_to("week1")
    (folder / "a name with spaces, \u00e4 and\na line").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "solutions").write_text("last year's")
    return folder


def git(repository: Path, *arguments: str) -> str:
    who = ["-c", "user.name=prof", "-c", "user.email=prof@example.org", "-c", "init.defaultBranch=main"]
    return zfs("git", "-C", str(repository), *who, *arguments).strip()


@pytest.fixture
def repository(materials: Path) -> Path:
    """The materials as a repository with a tag, a branch and a submodule's empty folder."""
    shutil.rmtree(materials / ".git")
    git(materials, "init", "--quiet")
    git(materials, "add", "-A")
    git(materials, "commit", "--quiet", "-m", "week 1")
    git(materials, "tag", "-a", "v1.0", "-m", "the first")
    return materials


def test_an_empty_template_is_a_version_too(template: Unit) -> None:
    assert applied(template) == {"commit": "", "version": "v1"}
    assert versions(template) == {"v1"}
    assert list(live(template).iterdir()) == []
    assert (live(template).stat().st_uid, live(template).stat().st_gid) == (1000, 100)


def test_the_marker_is_the_last_that_a_version_was_given_and_the_next_version_has_one_of_its_own(
    template: Unit, materials: Path
) -> None:
    (materials / MARKER).write_text("of the home where the lecturer works\n")
    for text in ("week 1", "week 2"):
        (materials / "week.txt").write_text(text)
        home = clone(template, applied(template, **of_folder(materials))["version"])
        status = (home / MARKER).stat()
        assert (home / MARKER).read_text() == f"{of_folder(materials)['version']}\n"
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1000, 100, 0o444)
        assert max(path.lstat().st_ctime_ns for path in home.rglob("*") if not path.is_dir()) == status.st_ctime_ns
    applied(template, version="empty", source=None)
    assert not (clone(template, "empty") / MARKER).exists()


def test_a_second_apply_changes_and_says_nothing(template: Unit, materials: Path) -> None:
    first = template("apply", **of_folder(materials))
    again = template("apply", **of_folder(materials))
    assert (again.returncode, again.stderr, again.stdout) == (0, "", first.stdout)


def test_students_get_the_materials_as_their_own_and_writable(template: Unit, materials: Path) -> None:
    home = clone(template, applied(template, **of_folder(materials))["version"])
    assert survey(home) == survey(materials)
    assert not (home / ".git").exists()
    assert (home / "latest").readlink() == Path("week1")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (home / "week1").iterdir()}
    assert modes == {"intro.ipynb": 0o644, "data.bin": 0o644, "secret.txt": 0o644, "run.sh": 0o755, "empty": 0o755}
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (home, *home.rglob("*"))}
    assert owners == {(1000, 100)}


def test_what_stays_the_same_costs_nothing_again(template: Unit, materials: Path) -> None:
    first = applied(template, **of_folder(materials))["version"]
    before = allocated(template)
    for path in materials.rglob("*.*"):
        os.utime(path)  # as a fresh clone has it: contents decide, not dates
    (materials / "week2.txt").write_text("new")
    with (materials / "week1" / "data.bin").open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"a change in the middle of a large file")
    second = applied(template, **of_folder(materials))["version"]
    assert allocated(template) - before < MIB, "of 8 MiB"
    assert versions(template) == {first, second}
    assert (clone(template, second) / "week2.txt").exists()
    assert not (clone(template, first) / "week2.txt").exists()


def test_what_is_not_in_the_materials_any_more_is_not_in_the_next_version(template: Unit, materials: Path) -> None:
    applied(template, **of_folder(materials))
    shutil.rmtree(materials / "week1")
    (materials / "latest").unlink()
    (materials / "latest").mkdir()
    home = clone(template, applied(template, **of_folder(materials))["version"])
    assert survey(home) == survey(materials)


def test_whatever_lies_in_the_live_template_is_put_right(template: Unit, materials: Path) -> None:
    applied(template)
    (live(template) / "by hand").write_text("x")
    os.mkfifo(live(template) / "pipe")
    (live(template) / "week1").symlink_to("/etc")
    (live(template) / "latest").mkdir()
    home = clone(template, applied(template, **of_folder(materials))["version"])
    assert survey(home) == survey(materials)
    assert not Path("/etc/intro.ipynb").exists()


@pytest.mark.parametrize("hostile", ["device", "pipe", "socket", "absolute link", "link out", "link by a link"])
def test_what_no_student_may_be_given_is_refused(template: Unit, materials: Path, hostile: str) -> None:
    path = materials / "week1" / "hostile"
    match hostile:
        case "device":
            os.mknod(path, 0o20666, os.makedev(1, 3))
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case "absolute link":
            path.symlink_to("/etc/shadow")
        case "link out":
            path.symlink_to("../../secret")
        case "link by a link":
            (materials / "here").symlink_to(".")
            path.symlink_to("../here/../secret")
    done = template("apply", **of_folder(materials))
    assert done.returncode == 3
    assert "'week1/hostile' is a" in done.stderr
    assert "remove it" in done.stderr
    assert f"{course(template)}/template" not in zfs("zfs", "list", "-H", "-o", "name").split()


def test_a_link_that_stays_inside_by_the_folders_own_name_is_refused(template: Unit, materials: Path) -> None:
    """It would lead out of every home."""
    (materials / "here").symlink_to(".")
    (materials / "self").symlink_to("here/../materials/latest")
    done = template("apply", **of_folder(materials))
    assert done.returncode == 3
    assert "'self' is a link to" in done.stderr
    assert versions(template) == set()


def test_a_folder_that_is_not_what_the_version_is_called_after_is_not_copied(template: Unit, materials: Path) -> None:
    spec = of_folder(materials)
    (materials / "late.txt").write_text("x")
    done = template("apply", **spec)
    assert done.returncode == 3
    assert "run it again" in done.stderr
    assert f"{course(template)}/template" not in zfs("zfs", "list", "-H", "-o", "name").split()


def test_a_missing_folder_is_told(template: Unit, tmp_path: Path) -> None:
    done = template("apply", source={"folder": str(tmp_path / "nowhere")})
    assert done.returncode == 3
    assert "there is no folder" in done.stderr


def test_the_courses_own_dataset_is_no_material(template: Unit) -> None:
    for folder in (Path("/", course(template)), live(template).parent.parent):
        done = template("apply", source={"folder": str(folder)})
        assert done.returncode == 3
        assert "one in the other" in done.stderr


def of_git(repository: Path, revision: str, version: str = "git") -> dict[str, Any]:
    return {"version": version, "source": {"git": str(repository), "revision": revision}}


def test_a_revision_is_fetched_once_and_its_commit_is_told_and_kept(template: Unit, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    done = template("apply", **of_git(repository, "main"))
    assert json.loads(done.stdout) == {"commit": commit, "version": "git"}
    assert f"{repository} at main is commit {commit}" in done.stderr
    assert json.loads(template("observe").stdout)["versions"]["git"]["commit"] == commit
    (repository / "later.txt").write_text("x")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "-m", "later")
    again = template("apply", **of_git(repository, "main"))
    assert (again.stderr, again.stdout) == ("", done.stdout)


@pytest.mark.parametrize("kind", ["tag", "branch", "commit"])
def test_a_version_is_what_the_revision_holds_without_history(template: Unit, repository: Path, kind: str) -> None:
    revision = {"tag": "v1.0", "branch": "main", "commit": git(repository, "rev-parse", "HEAD")}[kind]
    applied(template, **of_git(repository, revision))
    home = clone(template, "git")
    (repository / "week1" / "empty").rmdir()  # git knows no empty folders
    assert survey(home) == survey(repository)
    assert not (home / ".git").exists()
    assert not list(Path(os.environ["COURSEHUB_CACHE"]).rglob("*.ipynb")), "nothing is left behind"


def test_a_revision_that_is_not_there_is_told(template: Unit, repository: Path) -> None:
    done = template("apply", **of_git(repository, "v9"))
    assert done.returncode == 3
    assert "has no tag and no branch v9" in done.stderr


def test_a_repository_that_is_not_there_is_told(template: Unit, tmp_path: Path) -> None:
    done = template("apply", **of_git(tmp_path / "nowhere", "main"))
    assert done.returncode == 4
    assert "does not appear to be a git repository" in done.stderr


def test_what_a_repository_holds_is_looked_at_like_a_folder(template: Unit, repository: Path) -> None:
    (repository / "passwords").symlink_to("../../../../etc/shadow")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "-m", "hostile")
    done = template("apply", **of_git(repository, "main"))
    assert done.returncode == 3
    assert "'passwords' is a link to" in done.stderr
    assert versions_or_none(template) == set()


def test_neither_a_hook_nor_another_repository_of_the_caller_is_touched(
    template: Unit, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, settings, other = tmp_path / "hooks", tmp_path / "gitconfig", tmp_path / "other"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    settings.write_text(f"[core]\nhooksPath = {hooks}\n")
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    applied(template, **of_git(repository, "main"))
    assert not (tmp_path / "ran").exists()
    assert not (other / ".git" / "FETCH_HEAD").exists()


@pytest.mark.parametrize(
    "source",
    [
        {"git": "--upload-pack=touch /tmp/x", "revision": "main"},
        {"git": "ext::sh -c touch% /tmp/x", "revision": "main"},
        {"git": "/srv/course.git", "revision": "--upload-pack=x"},
        {"folder": "-rf"},
        {"folder": "host:/etc"},
    ],
)
def test_hostile_sources_touch_nothing(template: Unit, source: dict[str, str]) -> None:
    done = template("apply", source=source)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert versions_or_none(template) == set()


def test_materials_that_do_not_fit_make_no_version_and_leave_a_way_on(template: Unit, materials: Path) -> None:
    zfs("zfs", "set", f"quota={4 * MIB}", course(template))
    done = template("apply", **of_folder(materials))
    assert done.returncode == 4
    assert "rsync" in done.stderr
    assert versions(template) == set()
    zfs("zfs", "set", f"quota={64 * MIB}", course(template))
    assert survey(clone(template, applied(template, **of_folder(materials))["version"])) == survey(materials)


def test_observing_changes_nothing(template: Unit, materials: Path) -> None:
    before = zfs("zfs", "list", "-H", "-o", "name", "-r", course(template))
    done = template("observe", **of_folder(materials))
    seen = json.loads(done.stdout)
    assert (seen["there"], seen["versions"], seen["problems"], len(seen["drift"])) == (False, {}, [], 1)
    assert zfs("zfs", "list", "-H", "-o", "name", "-r", course(template)) == before
    applied(template)
    seen = json.loads(template("observe").stdout)
    assert (seen["there"], set(seen["versions"]), seen["drift"]) == (True, {"v1"}, [])
    assert abs(seen["versions"]["v1"]["created"] - time.time()) < 600


def test_a_course_that_is_not_there_is_observed_and_refused(template: Unit) -> None:
    assert json.loads(template("observe", dataset="elsewhere").stdout)["versions"] == {}
    done = template("apply", dataset="elsewhere")
    assert done.returncode == 3
    assert "elsewhere is not mounted" in done.stderr


def test_remove_keeps_every_version(template: Unit, materials: Path) -> None:
    applied(template)
    applied(template, **of_folder(materials))
    assert json.loads(template("remove").stdout) == {"kept": 2}
    assert len(versions(template)) == 2


def test_a_template_that_is_not_mounted_is_mounted_before_it_is_filled(template: Unit, materials: Path) -> None:
    applied(template)
    zfs("zfs", "unmount", f"{course(template)}/template")
    home = clone(template, applied(template, **of_folder(materials))["version"])
    assert survey(home) == survey(materials)


def test_files_below_an_unmounted_template_are_never_hidden(template: Unit, materials: Path) -> None:
    applied(template)
    zfs("zfs", "unmount", f"{course(template)}/template")
    (live(template) / "astray").write_text("x")
    done = template("apply", **of_folder(materials))
    assert done.returncode == 3
    assert "move them away first" in done.stderr
    (live(template) / "astray").unlink()


def test_killed_anywhere_the_next_apply_finishes_the_work(template: Unit, materials: Path) -> None:
    """Kills at random moments of an apply; whenever a version is there, it is whole. Each gets another version."""
    moments = random.Random(20261123)
    for number in range(300):
        (materials / "week1" / f"file{number}").write_bytes(os.urandom(4096))
    killed, whole = 0, 0
    for _ in range(16):
        (materials / "week1" / "data.bin").write_bytes(os.urandom(8 * MIB))
        spec = of_folder(materials)
        process = replace(template, spec={**template.spec, **spec}).start("apply")
        time.sleep(moments.uniform(0.1, 0.9))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if spec["version"] in versions_or_none(template):
            assert survey(clone(template, spec["version"])).digest == spec["version"]
            whole += 1
    assert killed > 5, "too few applies were slow enough to be killed: the test proves little"
    assert whole < 16
    assert survey(clone(template, applied(template, **spec)["version"])) == survey(materials)


def test_a_command_that_outlives_its_run_is_waited_for(template: Unit, materials: Path) -> None:
    """Else it could write into a version that the next run has just looked through."""
    (materials / "large").write_bytes(os.urandom(64 * MIB))
    first = replace(template, spec={**template.spec, **of_folder(materials)}).start("apply")
    while not (live(template) / "large").exists():
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)
    first.kill()  # the run alone, not the rsync that it started
    first.wait()
    (materials / "large").write_bytes(os.urandom(MIB))
    spec = {**template.spec, **of_folder(materials)}
    argv, pipe = [sys.executable, "-m", "host", "template", "apply"], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as second:
        assert second.stdin is not None and second.stderr is not None
        second.stdin.write(json.dumps(spec))
        second.stdin.close()
        said = second.stderr.readline()
        os.killpg(first.pid, signal.SIGCONT)
        said_then = second.stderr.read()
    assert "another run is at work" in said
    assert second.returncode == 0, said_then
    assert survey(clone(template, spec["version"])) == survey(materials)
