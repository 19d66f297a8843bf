"""The students of a course and the homes that they get."""

from typing import Literal

from config.section import Section
from config.template import Template
from config.types import Size, StudentName


class Participant(Section):
    """One of the roster."""

    name: StudentName
    """The name at login, and of the home's dataset."""
    role: Literal["student", "staff"] = "student"
    """`staff` may see and stop all servers."""
    budget: Size | None = None
    """How much this one may write; `homes.budget` unless given."""


class Homes(Section):
    """Where students' files are. Their number changes no number of resources: a roster is one command."""

    mode: Literal["roster", "dynamic"] = "roster"
    """`roster`: for each of the roster a dataset of its own, a clone of the course's template, with a budget that stops
    a write. `dynamic`: a claim for whoever logs in, as in the paper, whose size nothing enforces."""
    budget: Size = Size(2 << 30)
    """How much each student may write, above the template."""
    template: Template = Template()
    """The course's materials, which new homes start from; homes that are there keep theirs."""
    roster: tuple[Participant, ...] = ()
    """Who has a home and may log in. Who leaves the roster keeps the home, read-only."""
