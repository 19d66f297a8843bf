"""What a build step is, and how steps are run: cached by the hash of their recipe, resumable, with progress.

A step's key is the hash of all that decides its result: the files of its recipe, its pins and the keys of the steps it
needs. A step makes its result in a scratch folder that is renamed into place when it is whole, so that an
interrupted build never leaves half a result behind and the next one goes on from where this one stopped. What a killed
one left is swept away first; each scratch folder has a name of its own, as a command of the killed one may go on in it.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

WORKERS = 2
_PARTIAL = ".partial-"


class BuildError(Exception):
    """A step failed; the message names the step, the command and where its whole output is."""


@dataclass(frozen=True)
class Workshop:
    """What a step may use while it works."""

    out: Path  # the empty folder to fill
    results: Mapping[str, Path]  # the folders of the steps it needs, by name
    log: Path
    key: str

    def run(self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Run a command with its output in the step's log. Raises BuildError if it fails."""
        words = [str(word) for word in argv]
        if shutil.which(words[0]) is None:
            raise BuildError(f"`{words[0]}` is needed and not on this server: install it, then run this again")
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(words)}\n")
            log.flush()
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        self._must(words, done.returncode)

    def ask(self, argv: Sequence[str], *, cwd: Path) -> str:
        """What a command says that only asks; its errors are in the step's log. Raises BuildError if it fails."""
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(argv)}\n")
            log.flush()
            done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
        self._must(argv, done.returncode)
        return done.stdout.strip()

    def _must(self, words: Sequence[str], code: int) -> None:
        if code != 0:
            tail = "".join(f"    {line}\n" for line in self.log.read_text(errors="replace").splitlines()[-20:])
            raise BuildError(f"`{' '.join(words)}` ended with {code}\n{tail}  all of it: {self.log}")


@dataclass(frozen=True)
class Step:
    """One part to build. `made` tells whether a result that is not only files (a container image) is still there."""

    name: str
    make: Callable[[Workshop], None]
    recipe: Sequence[Path] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    made: Callable[[str], bool] = lambda key: True


def keys(steps: Sequence[Step]) -> dict[str, str]:
    """The key of every step by name: 16 hexadecimal digits. Steps stand after those they need."""
    found: dict[str, str] = {}
    for step in steps:
        digest = hashlib.sha256(step.name.encode())
        for path in step.recipe:
            for file in sorted(_files(path)):
                digest.update(str(file.relative_to(path.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
        digest.update(repr(sorted(step.pins.items())).encode())
        digest.update(repr([found[need] for need in step.needs]).encode())
        found[step.name] = digest.hexdigest()[:16]
    return found


def build(steps: Sequence[Step], cache: Path, say: Callable[[str], None] = print) -> dict[str, Path]:
    """Build what the cache lacks, at most two steps at a time; the result folder of every step by name.

    Raises BuildError for the first step that fails, after the steps under way have ended.
    """
    with _alone(cache, say):
        _sweep(cache)
        key = keys(steps)
        results = {step.name: cache / f"{step.name}-{key[step.name]}" for step in steps}
        with _told():
            lacking = [step for step in steps if not (results[step.name].is_dir() and step.made(key[step.name]))]
        say(f"{len(steps) - len(lacking)} of {len(steps)} parts are there already in {cache}")
        _run(lacking, key, results, cache, say)
        return results


def _run(
    lacking: Sequence[Step],
    key: Mapping[str, str],
    results: Mapping[str, Path],
    cache: Path,
    say: Callable[[str], None],
) -> None:
    todo = {step.name: step for step in lacking}
    running: dict[Future[float], str] = {}
    finished = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        while todo or running:
            ready = [s for s in todo.values() if not any(n in todo or n in running.values() for n in s.needs)]
            for step in ready[: WORKERS - len(running)]:
                say(f"  building {step.name} ...")
                running[pool.submit(_one, step, key[step.name], results, cache)] = step.name
                del todo[step.name]
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                try:
                    with _told():
                        seconds = future.result()
                except BuildError as error:
                    if running:
                        say(f"  {name} failed; waiting for {', '.join(running.values())} to end")
                    raise BuildError(f"{name}: {error}") from None
                finished += 1
                say(f"  [{finished}/{len(lacking)}] {name} built in {seconds:.0f} s")


def _one(step: Step, key: str, results: Mapping[str, Path], cache: Path) -> float:
    start = time.monotonic()
    result = results[step.name]
    partial = cache / f"{_PARTIAL}{step.name}-{secrets.token_hex(4)}"
    partial.mkdir()
    log = cache / "logs" / f"{step.name}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    step.make(Workshop(partial, {need: results[need] for need in step.needs}, log, key))
    shutil.rmtree(result, ignore_errors=True)
    partial.rename(result)
    return time.monotonic() - start


@contextmanager
def _told() -> Iterator[None]:
    """What stops a build from outside, such as a full disk, is an error with a message as well."""
    try:
        yield
    except OSError as error:
        raise BuildError(str(error)) from None


def mounts_below(folder: Path, mountinfo: str) -> list[str]:
    """What is mounted in a folder, innermost first. Read from proc(5) mountinfo."""
    escaped = (line.split(" ")[4] for line in mountinfo.splitlines())
    points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point) for point in escaped]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)


def _sweep(cache: Path) -> None:
    """Take away scratch folders that are left, but never what is mounted in one: debootstrap mounts /proc, for one."""
    for left in cache.glob(f"{_PARTIAL}*"):
        for point in _mounts_in(left):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
        if not _mounts_in(left):
            shutil.rmtree(left, ignore_errors=True)


def _mounts_in(folder: Path) -> list[str]:
    return mounts_below(folder.resolve(), Path("/proc/self/mountinfo").read_text())


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for found in path.rglob("*"):
        if found.is_file() and "__pycache__" not in found.parts:
            yield found


@contextmanager
def _alone(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One build at a time per cache; a second one waits and then finds the work done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is under way; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
