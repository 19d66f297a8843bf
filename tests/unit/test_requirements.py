"""What is installed is the same everywhere and always: every package that ours need has its version in the lock."""

import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def lines(name: str) -> list[str]:
    return [line for line in (ROOT / name).read_text().splitlines() if re.match("[A-Za-z]", line)]


LOCK = {
    canonicalize_name(name): version
    for name, _, version in (line.partition("==") for line in lines("requirements.lock"))
}


def needed(requirement: Requirement, seen: set[str]) -> Iterator[NormalizedName]:
    """The packages that one needs here, itself among them."""
    if str(requirement) in seen:
        return
    seen.add(str(requirement))
    yield canonicalize_name(requirement.name)
    for line in distribution(requirement.name).requires or []:
        other = Requirement(line)
        extras = ("", *requirement.extras)
        if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in extras):
            yield from needed(other, seen)


@pytest.mark.parametrize(("file", "deep"), [("requirements.txt", "grpcio"), ("requirements-dev.txt", "pluggy")])
def test_every_package_that_is_installed_has_its_version_in_the_lock(file: str, deep: str) -> None:
    """`make lock` mends it."""
    seen: set[str] = set()
    names = {name for line in lines(file) for name in needed(Requirement(line), seen)}
    assert deep in names, "what is asked for by others alone is looked at too"
    assert {name: distribution(name).version for name in names} == {name: LOCK.get(name) for name in names}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_and_what_we_ask_for_agree(file: str) -> None:
    asked = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines(file))}
    assert asked == {name: LOCK[name] for name in asked}
