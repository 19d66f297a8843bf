"""What Docker says is told with what helps, in words for somebody who knows a shell."""

import pytest

from host.docker import not_started, program, taken_port, why

NODE = "coursehub-dev-control-plane"
ENDPOINT = "Error response from daemon: driver failed programming external connectivity on endpoint x (1a2b): "
SS = 'LISTEN 0 5 127.0.0.1:30080 0.0.0.0:* users:(("python3",pid=4711,fd=3))\n'


def test_who_may_not_use_docker_is_told_so_and_not_to_start_it() -> None:
    said = "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    assert "usermod -aG docker" in why(said)
    assert "start" not in why(said)


@pytest.mark.parametrize("said", ["", "warning\nCannot connect to the Docker daemon. Is the docker daemon running?\n"])
def test_a_docker_that_does_not_answer_is_to_be_started(said: str) -> None:
    assert "systemctl start docker" in why(said)
    assert why(said).endswith("nothing" if not said else "Is the docker daemon running?")


@pytest.mark.parametrize(
    ("said", "port"),
    [
        (f"{ENDPOINT}Bind for 127.0.0.1:30080 failed: port is already allocated", 30080),
        (f"{ENDPOINT}Error starting userland proxy: listen tcp4 0.0.0.0:443: bind: address already in use", 443),
        ("failed to bind host port for 127.0.0.1:16443:172.18.0.2:6443/tcp: address already in use", 16443),
        ("failed to bind host port 127.0.0.1:16443/tcp: address already in use", 16443),
        ("Error response from daemon: error while mounting volume '/var/lib/docker/volumes/x'", None),
    ],
)
def test_the_port_that_somebody_else_has_is_found(said: str, port: int | None) -> None:
    assert taken_port(said) == port


def test_who_listens_is_named_where_that_can_be_told() -> None:
    assert program(SS) == "python3, process 4711"
    assert program("LISTEN 0 5 127.0.0.1:30080 0.0.0.0:*\n") == ""
    assert program("") == ""


REMEDY = "`kind delete cluster --name coursehub-dev` (the course's data is not in it), then `make up`"


def test_a_node_that_does_not_start_for_a_port_names_it_and_a_remedy_that_works() -> None:
    told = not_started(NODE, "", 30080, program(SS))
    assert "port 30080 is taken by python3, process 4711" in told
    assert REMEDY in told
    assert "by another program" in not_started(NODE, "", 30080, "")


def test_a_node_that_does_not_start_at_all_has_a_remedy_too() -> None:
    told = not_started(NODE, "one\nno such network\n", None, "")
    assert REMEDY in told
    assert told.endswith("no such network")
