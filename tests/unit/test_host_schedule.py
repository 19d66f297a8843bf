"""What the schedule's files say, for systemd and for cron."""

import json
from pathlib import Path
from typing import Any

import pytest

from host.run import BadSpecification
from host.schedule import files, parse

SPEC: dict[str, Any] = {
    "pool": "jhub-pool",
    "dataset": "uni/physics",
    "every": "hourly",
    "keep": {"hourly": 24, "daily": 7, "weekly": 4},
}


@pytest.mark.parametrize("systemd", [True, False])
def test_the_unit_is_given_what_rotate_needs(systemd: bool) -> None:
    told = files(parse(SPEC), systemd=systemd)
    specification = told[Path("/etc/coursehub/coursehub-physics-IN-uni-IN-jhub-pool.json")]
    assert json.loads(specification) == {key: value for key, value in SPEC.items() if key != "every"}


def test_cron_takes_the_line() -> None:
    (line,) = (text.splitlines()[-1] for path, text in files(parse(SPEC), systemd=False).items() if not path.suffix)
    assert line.startswith("0 * * * * root cd ")
    assert "-m host snapshots rotate <" in line
    assert "%" not in line


@pytest.mark.parametrize("systemd", [True, False])
def test_it_needs_no_environment_that_may_be_made_anew(systemd: bool) -> None:
    lines = "\n".join(files(parse(SPEC), systemd=systemd).values())
    (python,) = (word for line in lines.splitlines() for word in line.split() if "python" in word)
    program = Path(python.partition("=")[2] or python)
    assert program == program.resolve()
    assert program.is_file()


def test_systemd_catches_up_after_a_night_without_power() -> None:
    timer = files(parse({**SPEC, "every": "daily"}), systemd=True)
    assert any("OnCalendar=*-*-* 03:00:00\nPersistent=true" in text for text in timer.values())


def test_no_two_courses_share_a_file() -> None:
    names = [("a", "b-in-c"), ("a", "b/c"), ("a-b", "c"), ("a", "b-c"), ("a", "b_c")]
    assert len({parse({**SPEC, "pool": pool, "dataset": dataset}).name for pool, dataset in names}) == len(names)


@pytest.mark.parametrize("wrong", [{"every": "often"}, {"every": None}, {"keep": None}, {"pool": "a b"}, {"more": 1}])
def test_what_is_no_specification_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        parse({**SPEC, **wrong})
