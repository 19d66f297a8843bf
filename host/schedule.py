"""The unit that has snapshots taken by themselves: a systemd timer, or a line for cron where there is no systemd."""

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.datasets import Course
from host.run import BadSpecification, Refused, run_as_root, say, which
from host.snapshots import parse as parse_snapshots

_PROJECT = Path(__file__).resolve().parent.parent
# Not that of an environment, which is called by several names and may be made anew: host/ needs its standard library.
_PYTHON = str(Path(sys.executable).resolve())
_SYSTEMD = Path("/etc/systemd/system")
_CRON = Path("/etc/cron.d")
_SPECIFICATIONS = Path("/etc/coursehub")
_EVERY = {"hourly": "0 * * * *", "daily": "0 3 * * *"}
_CALENDAR = {"hourly": "hourly", "daily": "*-*-* 03:00:00"}


@dataclass(frozen=True)
class Want:
    """Which course, how often, and the specification that `snapshots rotate` is given."""

    course: Course
    every: str
    rotate: str

    @property
    def name(self) -> str:
        """What its files are called. Cron takes letters, digits, - and _; the courses' own names have no capitals."""
        return f"coursehub-{'-IN-'.join(reversed(self.course.path.split('/')))}"


def parse(given: dict[str, Any]) -> Want:
    """Read the specification. Raises BadSpecification if it is not one."""
    rotate = {key: value for key, value in given.items() if key != "every"}
    every = given.get("every")
    if every not in _EVERY:
        raise BadSpecification(f"{every!r} is no schedule: {' or '.join(_EVERY)}")
    if not (want := parse_snapshots(rotate)).keep:
        raise BadSpecification("not a specification of a schedule: `keep` is missing")
    return Want(want.course, every, json.dumps(rotate, sort_keys=True))


def files(want: Want, *, systemd: bool) -> dict[Path, str]:
    """The files that make the schedule, by path."""
    about = f"Snapshots of the course {want.course.path}"
    specification = _SPECIFICATIONS / f"{want.name}.json"
    command = f"{shlex.quote(_PYTHON)} -m host snapshots rotate"
    if systemd:
        service = f"Type=oneshot\nWorkingDirectory={_PROJECT}\nStandardInput=file:{specification}\nExecStart={command}"
        timer = f"OnCalendar={_CALENDAR[want.every]}\nPersistent=true\n\n[Install]\nWantedBy=timers.target"
        schedule = {
            _SYSTEMD / f"{want.name}.service": f"[Unit]\nDescription={about}\n\n[Service]\n{service}\n",
            _SYSTEMD / f"{want.name}.timer": f"[Unit]\nDescription={about}\n\n[Timer]\n{timer}\n",
        }
    else:
        line = f"cd {shlex.quote(str(_PROJECT))} && {command} < {specification} > /dev/null"
        schedule = {_CRON / want.name: f"# {about}\n{_EVERY[want.every]} root {line.replace('%', chr(92) + '%')}\n"}
    return {specification: f"{want.rotate}\n", **schedule}


def observe(want: Want) -> dict[str, Any]:
    """Whether it is there as wanted, and what `apply` would do."""
    wanted = files(want, systemd=_systemd())
    installed = all(path.is_file() and path.read_text() == text for path, text in wanted.items())
    todo = f"no snapshots of {want.course.path} are taken by themselves: installing the schedule, {want.every}"
    return {"installed": installed, "drift": [] if installed else [todo]}


def apply(want: Want) -> dict[str, Any]:
    """Install it. Raises Refused where nothing on this server would ever run it."""
    systemd = _systemd()
    if not systemd and which("cron") is None and which("crond") is None:
        raise Refused(
            "there is neither systemd nor cron on this server to take snapshots: `apt-get install cron`,"
            " or remove storage.snapshots"
        )
    wanted = files(want, systemd=systemd)
    if not observe(want)["installed"]:
        for path, text in wanted.items():
            run_as_root(["mkdir", "-p", str(path.parent)])
            run_as_root(["tee", str(path)], stdin=text)
        say(f"snapshots of {want.course.path}: {want.every}, by {'systemd' if systemd else 'cron'}")
        if systemd:
            run_as_root(["systemctl", "daemon-reload"])
            run_as_root(["systemctl", "enable", f"{want.name}.timer"])
            run_as_root(["systemctl", "restart", f"{want.name}.timer"])
    return {"files": sorted(map(str, wanted))}


def remove(want: Want) -> dict[str, Any]:
    """Take it away; the snapshots stay."""
    all_files = {**files(want, systemd=True), **files(want, systemd=False)}
    there = [path for path in all_files if path.exists()]
    for path in there:
        if path.suffix == ".timer" and _systemd():
            run_as_root(["systemctl", "disable", "--now", path.name])
        run_as_root(["rm", "-f", str(path)])
    return {"removed": sorted(map(str, there))}


def _systemd() -> bool:
    return Path("/run/systemd/system").is_dir()
