"""The roster from a file: a CSV or YAML of our own, or what Canvas or Moodle export. Every fault has its line."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from config.faults import Fault, reason
from config.homes import Participant

_PATH = "homes.roster"
_KEYS = ("name", "role", "budget")
_BOM = b"\xef\xbb\xbf"  # Excel begins its UTF-8 with it, Canvas if asked to
_UNDERSTOOD = (
    "the first line is no header that is understood: name,role,budget (the last two may be left out);"
    " a gradebook export of Canvas, with Student and SIS Login ID; or an export of Moodle in English, with First name"
    " and either Username or Email address"
)
_NO_PEOPLE = ("Points Possible", "Student, Test")  # of Canvas: what can be had at most, and its student view


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file, and in which line; `name` is whose line it is, all that is shown of its content."""

    reason: str
    line: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        where = "" if self.line is None else f" line {self.line}"
        return f"{where}: {'' if self.name is None else f'{_shown(self.name)}: '}{self.reason}"


@dataclass(frozen=True)
class Roster:
    """What a file says: those of its lines that are sound, and what is wrong with the others."""

    participants: tuple[Participant, ...] = ()
    problems: tuple[Problem, ...] = ()


def with_roster(raw: Mapping[str, Any], folder: Path, secret: frozenset[str]) -> tuple[Mapping[str, Any], list[Fault]]:
    """A raw configuration with a roster's participants in place of its file's path, which is relative to `folder`.

    Where the file has faults, they are given back and the key is left out.
    """
    homes = raw.get("homes")
    if not isinstance(homes, Mapping) or not isinstance(homes.get("roster"), str):
        return raw, []
    path = homes["roster"]
    roster = _read(folder / path)
    others = {key: value for key, value in homes.items() if key != "roster"}
    if not roster.problems:
        return {**raw, "homes": {**others, "roster": roster.participants}}, []
    file = "the file" if "homes" in secret else path
    return {**raw, "homes": others}, [Fault(_PATH, f"{file}{problem}") for problem in roster.problems]


def _read(file: Path) -> Roster:
    try:
        if not file.is_file():
            return Roster(problems=(Problem("there is no such file: put it there, or mend the path"),))
        data = file.read_bytes()
    except OSError as error:
        remedy = "let the user who runs pulumi read it"
        return Roster(problems=(Problem(f"it cannot be read ({error.strerror}): {remedy}"),))
    return parse(data, is_yaml=file.suffix.lower() in (".yaml", ".yml"))


def parse(data: bytes, *, is_yaml: bool) -> Roster:
    """The roster that a file's content describes."""
    try:
        text = data.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Roster(problems=(Problem("it is not UTF-8: save it as `CSV UTF-8`", line),))
    roster = _checked(_yaml_lines(text) if is_yaml else _csv_lines(text))
    nobody = not roster.participants and not roster.problems
    return Roster(problems=(Problem("nobody is in it: add students and staff"),)) if nobody else roster


@dataclass(frozen=True)
class _Line:
    """What is written of one participant; `problems` is what is wrong with the form of it."""

    number: int
    given: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def _checked(lines: Iterable[_Line]) -> Roster:
    """Sound participants, and every problem; a name counts where it is first."""
    participants: list[Participant] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for line in lines:
        name = line.given.get("name")
        found = list(line.problems)
        if line.given:
            try:
                participants.append(Participant.model_validate(line.given))
            except ValidationError as error:
                found += [
                    reason(detail) if detail["loc"] == ("name",) else f"{detail['loc'][0]}: {reason(detail)}"
                    for detail in error.errors()
                ]
        if name in first:
            found.append(f"it is in line {first[name]} already: remove one, or give it another name")
        elif name:
            first[name] = line.number
        problems += [Problem(why, line.number, name or None) for why in found]
    return Roster(tuple(participants), tuple(problems))


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


Reader = Callable[[Mapping[str, str]], dict[str, str] | None]


def _csv_lines(text: str) -> Iterator[_Line]:
    """Lines of a CSV file. Its separator is the one that makes the headers, in the first line, understood."""
    for separator in ",;\t":
        rows = _rows(text, separator)
        first = next(rows, _Row(1))
        headers = [header.lower() for header in first.cells]
        read = _layout(headers)
        if read is not None:
            break
    else:
        yield _Line(1, problems=(_UNDERSTOOD,))
        return
    if read is _own and (problems := tuple(_of_headers(headers))):
        yield _Line(first.number, problems=problems)
    for row in rows:
        # Of two columns of the same header the first counts: a teacher may name those of an export at will.
        given = read(dict(reversed([*zip_longest(headers, row.cells[: len(headers)], fillvalue="")])))
        if row.broken:
            yield _Line(row.number, problems=("from here on a quotation mark is out of place or left open: mend it",))
        elif given is not None:
            stray = read is _own and any(cell for cell, header in zip_longest(row.cells, headers) if not header)
            yield _Line(row.number, given, ("a field has no header: remove it",) if stray else ())


@dataclass(frozen=True)
class _Row:
    """A line with something in it; a cell with line breaks is part of the line where it begins."""

    number: int
    cells: Sequence[str] = ()
    broken: bool = False  # and the last, as nobody can say where the next would begin


def _rows(text: str, separator: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 1
    try:
        for row in reader:
            cells = [cell.strip(" \t") for cell in row]
            if any(cells):
                yield _Row(number, cells)
            number = reader.line_num + 1
    except csv.Error:
        yield _Row(number, broken=True)


def _layout(headers: Sequence[str]) -> Reader | None:
    """How the lines below these headers are read; None where that is not known."""
    if "sis login id" in headers and ("student" in headers or "lastname" in headers):
        return _canvas
    if "first name" in headers and ("username" in headers or "email address" in headers):
        return _moodle
    return _own if "name" in headers else None


def _own(cells: Mapping[str, str]) -> dict[str, str]:
    return {key: cells[key] for key in _KEYS if cells.get(key) or key == "name"}


def _canvas(cells: Mapping[str, str]) -> dict[str, str] | None:
    """Of a gradebook export, as lib/gradebook_exporter.rb in Canvas makes it. Lines without a person are left out:
    whether grades are posted, how many points there are, and the test student."""
    login = cells["sis login id"]
    person = cells.get("student") or ", ".join(filter(None, (cells.get("lastname"), cells.get("firstname"))))
    return None if person in _NO_PEOPLE or not (person or login) else {"name": _login(login)}


def _moodle(cells: Mapping[str, str]) -> dict[str, str]:
    """Of an export of participants or grades. Which columns there are is for Moodle's administrators to say."""
    return {"name": _login(cells["username"] if "username" in cells else cells["email address"])}


def _login(text: str) -> str:
    """The name at login: of an address what is before the @, in lower case, as JupyterHub writes it."""
    name = text.rpartition("@")[0] if "@" in text else text
    # In lower case, some characters that only look like one become a letter of a to z, such as the sign of Kelvin.
    return name.lower() if name.isascii() else name


def _of_headers(headers: Sequence[str]) -> Iterator[str]:
    for column, header in enumerate(headers, 1):
        if header and header not in _KEYS:
            yield f"the header of column {column} is none of {', '.join(_KEYS)}: mend it, or remove the column"
        elif header and header in headers[: column - 1]:
            yield f"column {column} is {header} once more: remove one"


def _yaml_lines(text: str) -> Iterator[_Line]:
    """Lines of a YAML list. Values are taken as they are written: a number or `no` is a name like any other."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        yield _Line(mark.line + 1 if mark else 1, problems=("here or just above it is no YAML: mend it",))
        return
    if tree is not None and not isinstance(tree, yaml.SequenceNode):
        yield _Line(1, problems=("a list is needed, such as `- ada`, or `- { name: ada, role: staff }`",))
        return
    for node in tree.value if tree else ():
        number = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            yield _Line(number, {"name": node.value})
        elif isinstance(node, yaml.MappingNode) and all(_is_plain(pair) for pair in node.value):
            given = {key.value: value.value for key, value in node.value}
            twice = ("a key is there twice: remove one",) if len(given) < len(node.value) else ()
            yield _Line(number, {"name": "", **given}, twice)
        else:
            yield _Line(number, problems=(f"a name is needed, or a mapping of {', '.join(_KEYS)}",))


def _is_plain(pair: tuple[yaml.Node, yaml.Node]) -> bool:
    key, value = pair
    return isinstance(key, yaml.ScalarNode) and key.value in _KEYS and isinstance(value, yaml.ScalarNode)
