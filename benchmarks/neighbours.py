"""One student attacks: how long do the others wait, as a ratio to rest, and what does the attacker read?

    python -m benchmarks.neighbours [rounds]

A neighbour starts a server and runs a cell in a new kernel, at rest and under each attack, all in one run; each time
another neighbour, whom no throttle knows yet, and for each attack another attacker. Ends with 1 if hub or proxy
restarted, an attack ended before the neighbours had been looked at, or an attacker was refused without a reason that
people can read. Uses cluster, pool and ports of the tests, and takes all of it away at the end.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests

from machine.login import wait_for_login
from plan.quotas import DISK
from tests.e2e.conftest import PORT, Stack, fresh_stack
from tests.e2e.student import LoginRefusedError, Student

URL = f"http://127.0.0.1:{PORT}"
HEAD_START = 20  # seconds for the attacker's server to start and the attack to begin
ROUND_SECONDS = 50  # that an attack lasts for each round, besides
GUESSERS = 8

# What every attack by a program begins with. `goes_on` is asked all the time: it also says something now and then, as
# the connection of one whose program is silent for a minute would end. What is printed last is what the attacker read.
_PRELUDE = """
import hashlib, os, shutil, subprocess, sys, threading, time
end, heard, said = {end}, 0, 'nothing'
def goes_on():
    global heard
    if time.time() - heard > 10:
        heard = time.time()
        print('...', flush=True)
    return time.time() < end
"""
# In a program of its own: what the kernel of the server ends is that, and another one goes on.
_HOLD = "import os\nheld = []\nwhile True:\n    held.append(bytearray(os.urandom(1 << 20)) * 16)"
# Each process tells once what stopped it, where the others do so too: there is no room for 2,000 answers.
_FORK = """
import os, sys, time
told = False
while time.time() < float(sys.argv[1]):
    try:
        os.fork()
    except OSError as error:
        if not told:
            open('/tmp/said', 'w').write(str(error))
        told = True
        time.sleep(0.1)
"""
CELLS = {
    "fills memory": f"""
while goes_on():
    child = subprocess.Popen([sys.executable, '-c', {_HOLD!r}])
    while child.poll() is None and goes_on():
        time.sleep(0.1)
    if child.poll() is not None:
        said = f'its programs are ended with {{child.returncode}}'
    child.kill()
    child.wait()
print(said)
""",
    "spins all cores": """
def spin():
    while time.time() < end:
        hashlib.sha256(bytes(1 << 20)).digest()
threads = [threading.Thread(target=spin) for _ in range(64)]
for thread in threads:
    thread.start()
while goes_on():
    time.sleep(1)
for thread in threads:
    thread.join()
print(said)
""",
    "forks without end": f"""
subprocess.Popen([sys.executable, '-c', {_FORK!r}, str(end)])
while goes_on():
    time.sleep(1)
print(open('/tmp/said').read() if os.path.exists('/tmp/said') else said)
""",
    "fills the disk": """
while goes_on():
    try:
        with open('big', 'wb', buffering=0) as file:
            while goes_on():
                file.write(os.urandom(1 << 20))
    except OSError as error:
        said = error
    os.unlink('big')
print(said)
""",
    "writes 10,000 small files": """
while goes_on():
    os.makedirs('many', exist_ok=True)
    try:
        for number in range(10_000):
            with open(f'many/{number}', 'w') as file:
                file.write('x')
            if not goes_on():
                break
    except OSError as error:
        said = error
    shutil.rmtree('many')
print(said)
""",
    # Up to twice of what it may have, so that the server's own disk is not filled where nobody stops it.
    "fills /tmp": f"""
while goes_on():
    try:
        with open('/tmp/big', 'wb', buffering=0) as file:
            while goes_on() and file.tell() < {2 * DISK}:
                file.write(os.urandom(1 << 20))
        full = time.time()
        while goes_on() and time.time() - full < 30:
            time.sleep(1)
    except OSError as error:
        said = error
    os.unlink('/tmp/big')
print(said)
""",
}
# Words that an attacker must have read: who cannot know why will try again.
REFUSALS = {
    "fills the disk": "Disk quota exceeded",
    "hammers spawn": "You started your server very often",
    "hammers login": "Too many wrong passwords",
}


@dataclass(frozen=True)
class Waits:
    """Seconds that the neighbours waited: for a server, and for a cell in a new kernel."""

    start: float
    cell: float


@dataclass
class Attack:
    """One attacker at work until `end`, in seconds since 1970."""

    attacker: Student
    end: float
    read: list[str] = field(default_factory=list)
    busy: float = 0  # seconds in which the attack really went on


def student(stack: Stack, name: str) -> Student:
    """Somebody who is logged in."""
    found = Student(URL, name)
    found.log_in(stack.output("password"))
    return found


def measure(neighbours: Sequence[Student]) -> Waits:
    """The medians over some neighbours, one after the other."""
    starts, cells = [], []
    for neighbour in neighbours:
        starts.append(neighbour.start_server())
        begin = time.perf_counter()
        assert neighbour.run_cell("1 + 1") == "2"
        cells.append(time.perf_counter() - begin)
        neighbour.stop_server()
    return Waits(statistics.median(starts), statistics.median(cells))


def by_cell(code: str) -> Callable[[Attack], None]:
    """An attack by a program in the attacker's own server; where that is ended, another one is started."""

    def attack(attack: Attack) -> None:
        while time.time() < attack.end:
            begin = None
            try:
                attack.attacker.start_server()
                begin = time.time()
                printed = attack.attacker.run_cell(_PRELUDE.format(end=attack.end) + code)
                attack.read.append(printed.strip().splitlines()[-1])
            except Exception as error:  # whatever ends the attacker's program is what the attacker reads
                attack.read.append(f"the server is gone: {type(error).__name__}")
                time.sleep(1)
            attack.busy += 0 if begin is None else time.time() - begin

    return attack


def hammer_spawn(attack: Attack) -> None:
    """Starts and stops without a pause."""
    begin, path = time.time(), f"/users/{attack.attacker.name}/server"
    while time.time() < attack.end:
        try:
            answer = attack.attacker.hub("POST", path)
            said = answer.json().get("message", "") if answer.status_code > 400 else ""
            attack.read.append(f"{answer.status_code} {said}")
            attack.attacker.hub("DELETE", path)
        except requests.RequestException as error:
            attack.read.append(str(error))
    attack.busy = time.time() - begin


def hammer_login(attack: Attack) -> None:
    """Wrong passwords without a pause, by some threads."""
    begin = time.time()

    def guess() -> None:
        while time.time() < attack.end:
            try:
                Student(URL, attack.attacker.name).log_in("wrong")
            except (LoginRefusedError, requests.RequestException) as error:
                attack.read.append(str(error))

    threads = [threading.Thread(target=guess) for _ in range(GUESSERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attack.busy = time.time() - begin


ATTACKS: dict[str, Callable[[Attack], None]] = {
    **{name: by_cell(code) for name, code in CELLS.items()},
    "hammers spawn": hammer_spawn,
    "hammers login": hammer_login,
}


@dataclass(frozen=True)
class Row:
    """What came of one attack; `share` is that of its time in which it really went on."""

    name: str
    waits: Waits
    lasted: bool
    share: float
    read: Sequence[str]

    def text(self, rest: Waits) -> str:
        """The line of the table."""
        starts = f"{self.waits.start:>7.1f}s{self.waits.start / rest.start:>9.2f}"
        cells = f"{self.waits.cell:>7.1f}s{self.waits.cell / rest.cell:>9.2f}"
        return f"{self.name:<28}{starts}{cells}{self.share:>7.0%}  {len(self.read)} answers, {self._told()}"

    def _told(self) -> str:
        """The refusal, or else what the attacker read last."""
        refusals = [line[line.index(self.refusal) :] for line in self.read if self.refusal in line]
        return refusals[-1][:100] if refusals else self.read[-1][-100:] if self.read else "nothing"

    @property
    def refusal(self) -> str:
        """Words that the attacker must have read; empty where nothing but the others' waiting counts."""
        return REFUSALS.get(self.name, "")

    def troubles(self) -> Iterator[str]:
        """What makes the figures worth nothing, or the refusal."""
        if not self.lasted:
            yield f"{self.name}: the attack had ended before all neighbours were served: its figures are those of rest"
        if self.refusal and not any(self.refusal in line for line in self.read):
            yield f"{self.name}: the attacker never read {self.refusal!r}"


def under(name: str, attacker: Student, neighbours: Sequence[Student]) -> Row:
    """How long the neighbours wait under an attack."""
    begin = time.time()
    attack = Attack(attacker, begin + HEAD_START + ROUND_SECONDS * len(neighbours))
    at_work = threading.Thread(target=ATTACKS[name], args=(attack,))
    at_work.start()
    time.sleep(HEAD_START)
    waits = measure(neighbours)
    lasted = at_work.is_alive() and time.time() < attack.end
    at_work.join()
    return Row(name, waits, lasted, attack.busy / (attack.end - begin), attack.read)


def hub_and_proxy(stack: Stack) -> str:
    """Which pods of hub and proxy there are, and how often each has restarted."""
    one = "{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}"
    shown = f"jsonpath={{range .items[*]}}{one};{{end}}"
    found = stack.kubectl("get", "pods", "-n", "jhub", "-l", "component in (hub, proxy)", "-o", shown)
    assert found.count(";") == 2, found
    return found


def main() -> int:
    """Measure and print; 1 if hub or proxy restarted, or a row says nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.neighbours", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("rounds", nargs="?", type=int, default=2)
    rounds = parser.parse_args().rounds
    mallories = {name: f"mallory{number}" for number, name in enumerate(ATTACKS)}
    graces = [f"grace{number}" for number in range(1 + rounds * (1 + len(ATTACKS)))]
    with tempfile.TemporaryDirectory() as folder, fresh_stack(Path(folder)) as stack:
        roster = [{"name": name} for name in (*mallories.values(), *graces)]
        stack.configure(homes={"mode": "roster", "budget": 64 << 20, "roster": roster})
        stack.must("up", "--yes", "--skip-preview")
        wait_for_login(URL, graces[0], stack.output("password"))
        # Before the first attack: who logs in is looked at as well, but is not what is measured.
        neighbours = iter([student(stack, name) for name in graces])
        measure([next(neighbours)])  # the first start of all, which finds nothing in the server's memory
        before = hub_and_proxy(stack)
        rest = measure([next(neighbours) for _ in range(rounds)])
        print(f"{'attack':<28}{'start':>8}{'to rest':>9}{'cell':>8}{'to rest':>9}{'lasted':>7}  the attacker reads")
        print(f"{'(at rest)':<28}{rest.start:>7.1f}s{'':>9}{rest.cell:>7.1f}s", flush=True)
        troubles: list[str] = []
        for name, mallory in mallories.items():
            row = under(name, student(stack, mallory), [next(neighbours) for _ in range(rounds)])
            print(row.text(rest), flush=True)
            troubles += row.troubles()
            # Its server may be in any state; the next attack begins without it.
            stack.kubectl("delete", "pod", f"jupyter-{mallory}", "-n", "jhub", "--ignore-not-found")
        after = hub_and_proxy(stack)
        print(f"hub and proxy, each with its restarts: {after}")
        if after != before:
            troubles.append(f"hub or proxy restarted; before the attacks: {before}")
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
