"""One student attacks: how long do the others wait, as a ratio to rest, and what does the attacker read?

    python -m benchmarks.neighbours [rounds]

A neighbour starts a server and runs a cell in a new kernel, at rest and under each attack, all in one run. In the end
the hub must not have restarted. Uses cluster, pool and ports of the tests, and takes all of it away at the end.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from machine.login import wait_for_login
from tests.e2e.conftest import PORT, Stack, fresh_stack
from tests.e2e.student import LoginRefusedError, Student

URL = f"http://127.0.0.1:{PORT}"
SECONDS = 40  # that an attack lasts
MALLORY, NEIGHBOUR = "mallory", "grace"
_UNTIL = f"import os, time\nend = time.time() + {SECONDS}\n"
CELLS = {
    "fills memory": "held = []\nwhile True:\n    held.append(bytearray(os.urandom(1 << 20)) * 16)",
    "spins all cores": "import threading, hashlib\n"
    "def spin():\n    while time.time() < end:\n        hashlib.sha256(bytes(1 << 20)).digest()\n"
    "for _ in range(64):\n    threading.Thread(target=spin).start()",
    "forks without end": "while time.time() < end:\n    try:\n        os.fork()\n    except OSError as error:\n"
    "        said = error\n        time.sleep(0.1)\nprint(said)",
    "fills the disk": "try:\n    with open('big', 'wb') as file:\n        while True:\n"
    "            file.write(os.urandom(1 << 20))\nexcept OSError as error:\n    print(error)",
    "writes 10,000 small files": "os.makedirs('many', exist_ok=True)\nfor number in range(10_000):\n    try:\n"
    "        open(f'many/{number}', 'w').write('x')\n    except OSError as error:\n        print(error)\n        break",
}


@dataclass(frozen=True)
class Waits:
    """Seconds that the neighbour waited: for a server, and for a cell in a new kernel."""

    start: float
    cell: float


def student(stack: Stack, name: str) -> Student:
    """Somebody who is logged in."""
    found = Student(URL, name)
    found.log_in(stack.output("password"))
    return found


def measure(neighbour: Student, rounds: int) -> Waits:
    """The medians over some rounds."""
    starts, cells = [], []
    for _ in range(rounds):
        neighbour.stop_server()
        starts.append(neighbour.start_server())
        begin = time.perf_counter()
        assert neighbour.run_cell("1 + 1") == "2"
        cells.append(time.perf_counter() - begin)
    return Waits(statistics.median(starts), statistics.median(cells))


def by_cell(code: str) -> Callable[[Stack, list[str]], None]:
    """An attack by a program in the attacker's own server."""

    def attack(stack: Stack, read: list[str]) -> None:
        mallory = student(stack, MALLORY)
        try:
            mallory.start_server()
            read.append(mallory.run_cell(_UNTIL + code).strip()[-80:] or "nothing")
        except Exception as error:  # whatever ends the attacker's program is what the attacker reads
            read.append(f"the kernel is gone: {type(error).__name__}")

    return attack


def hammer_spawn(stack: Stack, read: list[str]) -> None:
    """Starts and stops without a pause."""
    mallory, end = student(stack, MALLORY), time.time() + SECONDS
    answers = []
    while time.time() < end:
        answer = mallory.hub("POST", f"/users/{MALLORY}/server")
        answers.append(f"{answer.status_code} {answer.json().get('message', '') if answer.status_code > 400 else ''}")
        mallory.hub("DELETE", f"/users/{MALLORY}/server")
    read.append(f"{len(answers)} tries; the last: {answers[-1][:80]}")


def hammer_login(stack: Stack, read: list[str]) -> None:
    """Wrong passwords without a pause, by eight threads."""
    end, answers = time.time() + SECONDS, []

    def guess() -> None:
        while time.time() < end:
            try:
                Student(URL, MALLORY).log_in("wrong")
            except (LoginRefusedError, requests.RequestException) as error:
                answers.append(str(error)[:80])

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read.append(f"{len(answers)} tries; the last: {answers[-1]}")


ATTACKS: dict[str, Callable[[Stack, list[str]], None]] = {
    **{name: by_cell(code) for name, code in CELLS.items()},
    "hammers spawn": hammer_spawn,
    "hammers login": hammer_login,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.neighbours", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("rounds", nargs="?", type=int, default=2)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, fresh_stack(Path(folder)) as stack:
        roster = [{"name": MALLORY}, {"name": NEIGHBOUR}]
        stack.configure(homes={"mode": "roster", "budget": 64 << 20, "roster": roster})
        stack.must("up", "--yes", "--skip-preview")
        wait_for_login(URL, NEIGHBOUR, stack.output("password"))
        neighbour = student(stack, NEIGHBOUR)
        neighbour.start_server()
        rest = measure(neighbour, rounds + 1)
        print(f"{'attack':<28}{'start':>8}{'to rest':>9}{'cell':>8}{'to rest':>9}  the attacker reads")
        print(f"{'(at rest)':<28}{rest.start:>7.1f}s{'':>9}{rest.cell:>7.1f}s")
        for name, attack in ATTACKS.items():
            read: list[str] = []
            attacker = threading.Thread(target=attack, args=(stack, read))
            attacker.start()
            time.sleep(8)  # until the attacker's server runs and the attack has begun
            waits = measure(neighbour, rounds)
            attacker.join()
            ratios = waits.start / rest.start, waits.cell / rest.cell
            shown = f"{waits.start:>7.1f}s{ratios[0]:>9.2f}{waits.cell:>7.1f}s{ratios[1]:>9.2f}"
            print(f"{name:<28}{shown}  {' '.join(read)}", flush=True)
            with suppress(Exception):  # the next attack begins in an empty home, or finds no server at all
                mallory = student(stack, MALLORY)
                mallory.run_cell(
                    "import shutil, os\nshutil.rmtree('many', True)\nos.path.exists('big') and os.unlink('big')"
                )
                mallory.stop_server()
        restarts = ("get", "pods", "-n", "jhub", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
        print(f"restarts of hub, proxy and servers: {stack.kubectl(*restarts)}")


if __name__ == "__main__":
    main()
