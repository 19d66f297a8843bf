"""What the check of policies runs in pods, run here: it tells what answers, listens, and can be ended."""

import json
import socket
import subprocess
import sys
import time
import uuid

import pytest

from config.faults import check
from host.probe import END, LISTEN, TRY, parse
from host.run import BadSpecification
from plan.probes import probe_spec

SPEC = probe_spec(check({"homes": {"mode": "dynamic"}, "hub": {"authentication": {"adminUsers": ["prof"]}}}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def reached(*ports: int) -> list[bool]:
    targets = json.dumps([["127.0.0.1", port] for port in ports])
    done = subprocess.run([sys.executable, "-c", TRY, targets], capture_output=True, text=True, check=True)
    found: list[bool] = json.loads(done.stdout)
    return found


def test_a_listener_is_reached_at_all_its_ports_until_it_is_ended() -> None:
    word, ports, other = f"test-{uuid.uuid4().hex}", [free_port(), free_port()], free_port()
    with subprocess.Popen([sys.executable, "-c", LISTEN, word, *map(str, ports)]) as listener:
        try:
            deadline = time.monotonic() + 20
            while not all(reached(*ports)) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert reached(*ports, other) == [True, True, False]
            subprocess.run([sys.executable, "-c", END, word], check=True)
            assert listener.wait(10) < 0
        finally:
            listener.kill()
    assert reached(*ports) == [False, False]


def test_the_unit_takes_what_it_is_told() -> None:
    assert len(parse(SPEC).table) == len(SPEC["table"]) > 10


@pytest.mark.parametrize("wrong", [{}, {**SPEC, "more": 1}, {**SPEC, "table": [{"what": "x"}]}])
def test_what_is_no_specification_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSpecification):
        parse(wrong)
