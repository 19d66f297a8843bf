"""The build from registries: cached by the hash of the recipe, never half done, told while it goes on."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offline.__main__ import EXTRA, main
from offline.images import IMAGE_STEPS
from offline.node import NODE_STEPS
from offline.parts import TOOL_STEPS, link_tools
from offline.steps import BuildError, Step, Workshop, build, keys, mounts_below

ROOT = Path(__file__).resolve().parents[2]


class Counted:
    """A step that counts how often it was made."""

    def __init__(self, name: str, folder: Path, needs: tuple[str, ...] = ()) -> None:
        self.times = 0
        self.recipe = folder / name
        self.recipe.mkdir(exist_ok=True)
        (self.recipe / "file").write_text("one")
        self.step = Step(name, self._make, recipe=[self.recipe], needs=needs)

    def _make(self, shop: Workshop) -> None:
        self.times += 1
        text = "".join((folder / "out").read_text() for folder in shop.results.values())
        (shop.out / "out").write_text(text + (self.recipe / "file").read_text())


def quiet(message: str) -> None:
    """Nobody listens."""


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    part = Counted("part", tmp_path)
    results = [build([part.step], tmp_path / "cache", quiet)["part"] for _ in range(2)]
    assert part.times == 1
    assert results[0] == results[1]
    assert (results[0] / "out").read_text() == "one"


def test_another_recipe_makes_it_and_what_needs_it_again(tmp_path: Path) -> None:
    below, above, beside = (
        Counted("below", tmp_path),
        Counted("above", tmp_path, ("below",)),
        Counted("beside", tmp_path),
    )
    steps = [below.step, above.step, beside.step]
    build(steps, tmp_path / "cache", quiet)
    (below.recipe / "file").write_text("two")
    results = build(steps, tmp_path / "cache", quiet)
    assert (below.times, above.times, beside.times) == (2, 2, 1)
    assert (results["above"] / "out").read_text() == "twoone"


def test_pins_are_part_of_the_key(tmp_path: Path) -> None:
    one, two = (Step("part", lambda shop: None, pins={"version": version}) for version in "12")
    assert keys([one]) != keys([two])


def test_a_result_that_is_gone_elsewhere_is_made_again(tmp_path: Path) -> None:
    part = Counted("image", tmp_path)
    gone = Step("image", part.step.make, recipe=part.step.recipe, made=lambda key: False)
    for _ in range(2):
        build([gone], tmp_path / "cache", quiet)
    assert part.times == 2


def test_a_failed_step_leaves_no_result_and_tells_its_last_words(tmp_path: Path) -> None:
    def make(shop: Workshop) -> None:
        (shop.out / "half").write_text("done")
        shop.run(["sh", "-c", "echo no room left; exit 7"])

    step = Step("part", make)
    with pytest.raises(BuildError, match=r"(?s)part: `sh -c .*ended with 7.*no room left.*part\.log"):
        build([step], tmp_path / "cache", quiet)
    assert not list((tmp_path / "cache").glob("part-*"))


def test_a_missing_program_is_named_with_the_remedy(tmp_path: Path) -> None:
    step = Step("part", lambda shop: shop.run(["no-such-program"]))
    with pytest.raises(BuildError, match="`no-such-program` is needed and not on this server: install it"):
        build([step], tmp_path / "cache", quiet)


def test_what_an_interrupted_build_left_is_begun_anew(tmp_path: Path) -> None:
    part = Counted("part", tmp_path)
    for name in (".partial-part", ".partial-part-0a1b2c3d", ".partial-gone-0a1b2c3d"):
        half = tmp_path / "cache" / name
        half.mkdir(parents=True)
        (half / "rubbish").write_text("half")
    result = build([part.step], tmp_path / "cache", quiet)["part"]
    assert [file.name for file in result.iterdir()] == ["out"]
    assert not list((tmp_path / "cache").glob(".partial*"))


def test_what_a_command_of_a_killed_build_still_writes_gets_into_no_result(tmp_path: Path) -> None:
    folders: list[Path] = []

    def make(shop: Workshop) -> None:
        folders.append(shop.out)
        raise BuildError("killed")

    for _ in range(2):
        with pytest.raises(BuildError, match="part: killed"):
            build([Step("part", make)], tmp_path / "cache", quiet)
    assert len(set(folders)) == 2


def test_what_is_mounted_in_a_scratch_folder_is_known_innermost_first() -> None:
    mounts = "\n".join(
        f"{number} 1 0:1 / {point} rw,relatime shared:1 - tmpfs tmpfs rw"
        for number, point in enumerate(
            ("/", "/a\\040b/x", "/a\\040b/x/proc", "/a\\040b/x/proc/sys", "/a\\040b/xy/proc")
        )
    )
    assert mounts_below(Path("/a b/x"), mounts) == ["/a b/x/proc/sys", "/a b/x/proc"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "part: .*No space left on device"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "docker"), "part: .*'docker'"),
    ],
)
def test_a_full_disk_ends_in_a_message(error: OSError, words: str, tmp_path: Path) -> None:
    def make(shop: Workshop) -> None:
        raise error

    with pytest.raises(BuildError, match=words):
        build([Step("part", make)], tmp_path / "cache", quiet)


def test_what_a_command_says_is_asked_for_and_its_failure_is_told(tmp_path: Path) -> None:
    def make(shop: Workshop) -> None:
        (shop.out / "said").write_text(shop.ask(["sh", "-c", "echo noise >&2; echo yes"], cwd=tmp_path))
        shop.ask(["sh", "-c", "echo no module >&2; exit 3"], cwd=tmp_path)

    with pytest.raises(BuildError, match=r"(?s)part: `sh -c .*ended with 3.*no module.*part\.log"):
        build([Step("part", make)], tmp_path / "cache", quiet)
    assert [said.read_text() for said in (tmp_path / "cache").glob(".partial*/said")] == ["yes"]


def test_ctrl_c_ends_in_a_message(tmp_path: Path) -> None:
    environment = {**os.environ, "COURSEHUB_CACHE": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that it waits
        argv = [sys.executable, "-m", "offline"]
        with subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=_hear_ctrl_c
        ) as building:
            assert building.stdout and building.stderr
            assert "another build is under way" in building.stdout.readline()
            building.send_signal(signal.SIGINT)
            said = building.stderr.read()
    assert said == "offline build interrupted: run it again, it goes on from there\n"
    assert building.returncode == 130


def _hear_ctrl_c() -> None:
    """As in a terminal: tests that run in the background of a shell pass on that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_progress_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    build([Counted("part", tmp_path).step], tmp_path / "cache", said.append)
    assert said[0].startswith("0 of 1 parts are there already")
    assert said[1:] == ["  building part ...", "  [1/1] part built in 0 s"]


def test_every_part_comes_after_what_it_needs() -> None:
    steps = [*TOOL_STEPS, *IMAGE_STEPS, *NODE_STEPS]
    known: set[str] = set()
    for step in steps:
        assert set(step.needs) <= known, step.name
        known.add(step.name)


def test_programs_and_plugins_are_put_where_they_are_looked_for(tmp_path: Path) -> None:
    results = {step.name: tmp_path / step.name for step in TOOL_STEPS}
    for step, programs in {
        "pulumi": ["pulumi"],
        "pulumi-language-python": ["pulumi-language-python", "pulumi-language-python-exec"],
        "kind": ["kind"],
        "kubernetes": ["kubectl"],
        "command": ["pulumi-resource-command"],
        "pulumi-kubernetes": ["pulumi-resource-kubernetes"],
    }.items():
        results[step].mkdir()
        for program in programs:
            (results[step] / program).write_text(program)
    cache = tmp_path / "cache"
    for _ in range(2):  # the second time over the first
        tools = link_tools(results, cache)
    assert (tools / "pulumi").read_text() == "pulumi"
    plugin = cache / "pulumi" / "plugins" / "resource-command-v1.2.1" / "pulumi-resource-command"
    assert plugin.read_text() == "pulumi-resource-command"


def test_what_few_courses_want_is_built_only_when_asked_for() -> None:
    usual = {step.name for step in [*TOOL_STEPS, *IMAGE_STEPS, *NODE_STEPS]}
    assert EXTRA
    assert not usual & set(EXTRA)
    assert not {need for step in [*TOOL_STEPS, *IMAGE_STEPS, *NODE_STEPS] for need in step.needs} & set(EXTRA)


def test_a_part_that_there_is_not_is_told_before_anything_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gvizor"]) == 2
    assert "there is no part gvizor: gvisor can be asked for" in capsys.readouterr().err
