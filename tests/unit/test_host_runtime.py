"""A sandbox is trusted for what was seen of it alone: its kernel, and the limits of processors and memory."""

import tomllib
from typing import Any

import pytest

from host.run import BadSpecification
from host.runtime import Seen, accounts, has_handler, parse, problems, with_handler

NODE = "Linux version 6.18.44 (builder@somewhere) #1 SMP\n"
GVISOR = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
GROWN = "\n".join(f"grown {16 << i}" for i in range(1, 22))  # to 32 MiB
HOLDS = Seen(f"{GVISOR}\nburning\n{GROWN}\n", 128, cores=0.49, throttled=58)
OF_CONTAINERD_1 = """version = 2

[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""
OF_CONTAINERD_2 = """version = 3

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""
SPEC: dict[str, Any] = {
    "cluster": "c",
    "runtime": "gvisor",
    "image": "i",
    "runtime_class": {"metadata": {"name": "gvisor"}, "handler": "runsc"},
}


def changed(**what: Any) -> Seen:
    return Seen(**{**vars(HOLDS), **what})


def test_a_kernel_of_its_own_and_limits_that_hold_are_trusted() -> None:
    assert problems(NODE, HOLDS) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (changed(log=HOLDS.log.replace(GVISOR, NODE.strip())), "this server's own kernel: Linux version 6.18.44"),
        (changed(log="sh: not found\n"), "does not tell its kernel; it said 'sh: not found'"),
        (changed(log=""), "does not tell its kernel; it said 'nothing'"),
        (changed(cores=1.93, throttled=0), "used 1.93 of the 2 it wanted, and was held back 0 times"),
        (changed(cores=1.93), "used 1.93 of the 2"),
        # Little was used because the server was busy: that proves nothing.
        (changed(cores=0.3, throttled=0), "used 0.30 of the 2"),
        # It is not in the pod's own group at all.
        (changed(cores=0.0, throttled=0), "used 0.00 of the 2"),
        (changed(log=f"{HOLDS.log}grown {256 << 20}\nsurvived\n", exit_code=0), "the pod had more than 256 MiB"),
        (changed(exit_code=0), "a limit of 64 MiB of memory does not hold"),
        (changed(log=f"{GVISOR}\nburning\n", exit_code=2), "ended with 2 before it took any memory"),
    ],
)
def test_whatever_is_not_shown_is_a_problem_with_its_figures(seen: Seen, said: str) -> None:
    assert any(said in problem for problem in problems(NODE, seen)), problems(NODE, seen)


def test_all_problems_are_told_at_once() -> None:
    nothing_holds = Seen(f"{NODE}burning\ngrown {256 << 20}\nsurvived\n", 0, cores=1.9, throttled=0)
    assert len(problems(NODE, nothing_holds)) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("usage_usec 1500000\nuser_usec 1\nnr_periods 9\nnr_throttled 7\n", (1.5, 7)),
        ("nr_periods 9\nnr_throttled 7\nthrottled_time 5\n2500000000\n", (2.5, 7)),
        # Version 2 is mounted beside version 1, without any controller: it counts nothing.
        ("nr_periods 9\nnr_throttled 7\n2500000000\nusage_usec 0\nuser_usec 0\n", (2.5, 7)),
        ("", (0.0, 0)),
    ],
)
def test_a_pod_is_counted_on_both_versions_of_cgroup(text: str, found: tuple[float, int]) -> None:
    assert accounts(text) == found


@pytest.mark.parametrize(
    ("config", "plugin"),
    [(OF_CONTAINERD_1, "io.containerd.grpc.v1.cri"), (OF_CONTAINERD_2, "io.containerd.cri.v1.runtime")],
)
def test_the_handler_is_added_as_each_containerd_calls_it(config: str, plugin: str) -> None:
    added = tomllib.loads(with_handler(config))
    runtimes = added["plugins"][plugin]["containerd"]["runtimes"]
    assert runtimes["runsc"]["runtime_type"] == "io.containerd.runsc.v1"
    assert runtimes["runsc"]["options"]["ConfigPath"] == "/etc/containerd/runsc.toml"
    del runtimes["runsc"]
    assert added == tomllib.loads(config), "nothing else changes"


@pytest.mark.parametrize("config", [OF_CONTAINERD_1, OF_CONTAINERD_2])
def test_a_handler_that_is_there_is_left_alone(config: str) -> None:
    once = with_handler(config)
    assert with_handler(once) == once
    assert has_handler(once, "runsc")
    assert not has_handler(once, "kata")


@pytest.mark.parametrize("wrong", [{"runtime": "runc"}, {"image": None, "x": 1}, {"runtime_class": {}}])
def test_what_is_no_specification_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, **wrong})


def test_a_specification_names_node_and_handler() -> None:
    want = parse(SPEC)
    assert (want.node, want.handler) == ("c-control-plane", "runsc")
