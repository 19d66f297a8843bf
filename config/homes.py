"""The students of a course and the homes that they get."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

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


def _a_list(given: Any) -> Any:
    """By now a file has been read, and its participants stand in its place."""
    if not isinstance(given, list | tuple):
        raise PydanticCustomError(
            "roster", "a list such as `- name: ada` is needed, or the path of a file such as participants.csv"
        )
    return given


def _or_a_file(schema: dict[str, Any]) -> None:
    """For editors: what may be written is a list or the path of a file."""
    participants = {"type": schema.pop("type"), "items": schema.pop("items")}
    schema["anyOf"] = [participants, {"type": "string", "format": "path", "minLength": 1}]


class Homes(Section):
    """Where students' files are. Their number changes no number of resources: a roster is one command."""

    mode: Literal["roster", "dynamic"] = "roster"
    """`roster`: for each of the roster a dataset of its own, a clone of the course's template, with a budget that stops
    a write. `dynamic`: a claim for whoever logs in, as in the paper, whose size nothing enforces."""
    budget: Size = Size(2 << 30)
    """How much each student may write, above the template."""
    closed: bool = False
    """The course has ended: its roster stays, but students' homes are read-only, like those of students who left, and
    staff alone may log in."""
    template: Template = Template()
    """The course's materials, which new homes start from; homes that are there keep theirs."""
    roster: Annotated[tuple[Participant, ...], BeforeValidator(_a_list), Field(json_schema_extra=_or_a_file)] = ()
    """Who has a home and may log in, besides the admins: a list, or a file beside the stack's file:
    CSV with the headers `name`, `role` and `budget`, YAML, or an export of Canvas or Moodle. Who leaves the roster
    keeps the home, read-only."""
