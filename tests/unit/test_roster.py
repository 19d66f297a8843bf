"""A roster from a file: what is read, what is left out, and every fault with its line."""

import csv
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.course import Course
from config.faults import WrongConfiguration
from config.raw import course_of
from config.roster import parse
from config.stack_file import read
from tests.unit.test_config import HOSTILE

ADMIN = {"authentication": {"adminUsers": ["prof"]}}
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (23),Final Score
,,,,,Manual Posting,
    Points Possible,,,,,10.00,(read only)
"Lovelace, Ada",11,S1,ADA,8175 - Block 3,9,90
"Hopper, Grace",12,S2,Grace@uni.edu,8175 - Block 3,8,80
"Student, Test",15,,3b1c95f7a9d8e0aa1c2f5d8e9b7a6c5d4e3f2a1b,8175 - Block 3,,
"""
CANVAS_TWO_NAMES = """LastName,FirstName,ID,SIS Login ID,Section,Quiz 1 (23)
    Points Possible,,,,,10.00
Lovelace,Ada,11,ada,8175,9
Student,Test,15,3b1c95f7a9d8e0aa1c2f5d8e9b7a6c5d4e3f2a1b,8175,
"""
MOODLE_PARTICIPANTS = """"First name","Last name","ID number","Email address",Groups
Ada,Lovelace,1815,Ada@uni.edu,"Group 1, Group 2"
Grace,Hopper,1906,ghopper@cs.uni.edu,
"""
MOODLE_GRADES = """First name,Surname,Username,ID number,Institution,Department,Email address,Quiz: One (Real)
Ada,Lovelace,ada,1815,,,lovelace@uni.edu,8.00
"""


def separated(text: str, separator: str) -> str:
    """The same table with another separator."""
    table = io.StringIO()
    csv.writer(table, delimiter=separator).writerows(csv.reader(io.StringIO(text)))
    return table.getvalue()


def written(folder: Path, text: str | bytes, name: str = "participants.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def course(folder: Path, roster: Any, **sections: Any) -> Course:
    given = {"homes": json.dumps({"roster": roster}), "hub": json.dumps(ADMIN), **sections}
    return course_of(given, "dev", frozenset(), folder)


def told(folder: Path, text: str | bytes, name: str = "participants.csv", **sections: Any) -> list[str]:
    """The faults of a course whose roster is a file with this text."""
    written(folder, text, name)
    with pytest.raises(WrongConfiguration) as error:
        course(folder, name, **sections)
    return [str(fault) for fault in error.value.faults]


def names(text: str | bytes, *, is_yaml: bool = False) -> list[str]:
    roster = parse(text if isinstance(text, bytes) else text.encode(), is_yaml=is_yaml)
    assert not roster.problems
    return [participant.name for participant in roster.participants]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_our_own_csv(separator: str, end: str, bom: bytes) -> None:
    lines = ["Name,role,budget", "ada,staff,", ",,", "", '"1234567",,10Gi', " grace ,student,500Mi", ""]
    roster = parse(bom + end.join(lines).replace(",", separator).encode(), is_yaml=False)
    assert not roster.problems
    assert [(p.name, p.role, p.budget and str(p.budget)) for p in roster.participants] == [
        ("ada", "staff", None),
        ("1234567", "student", "10Gi"),
        ("grace", "student", "500Mi"),
    ]


def test_a_column_of_names_is_enough() -> None:
    assert names("name\nada\ngrace") == ["ada", "grace"]


def test_yaml_takes_names_as_they_are_written() -> None:
    text = "# the course\n- ada\n- { name: grace, role: staff, budget: 1Gi }\n- 0123\n- no\n-\n  name: edsger\n"
    roster = parse(text.encode(), is_yaml=True)
    assert not roster.problems
    assert [p.name for p in roster.participants] == ["ada", "grace", "0123", "no", "edsger"]
    assert roster.participants[1].role == "staff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CANVAS, ["ada", "grace"]),
        (separated(CANVAS, ";"), ["ada", "grace"]),
        (CANVAS_TWO_NAMES, ["ada"]),
        (MOODLE_PARTICIPANTS, ["ada", "ghopper"]),
        (MOODLE_GRADES, ["ada"]),
    ],
)
def test_exports_give_the_names_at_login(text: str, expected: list[str]) -> None:
    roster = parse(text.encode("utf-8-sig"), is_yaml=False)
    assert not roster.problems
    assert [p.name for p in roster.participants] == expected
    assert {p.role for p in roster.participants} == {"student"}


def test_a_line_of_an_export_without_a_login_is_a_fault() -> None:
    text = CANVAS + '"Nobody, N.",16,,,8175,,\n'
    assert [str(problem) for problem in parse(text.encode(), is_yaml=False).problems] == [" line 7: a name is needed"]


def test_two_addresses_with_the_same_name_are_a_fault() -> None:
    text = "First name,Last name,Email address\nAda,L,ada@uni.edu\nAda,M,Ada@elsewhere.org\n"
    (problem,) = parse(text.encode(), is_yaml=False).problems
    assert str(problem).startswith(" line 3: 'ada': it is in line 2 already")


def test_all_faults_of_a_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = "name,role,budget\nada,student,\na b,,\nAda,boss,much\ngrace,,\n-rf,,\nada,,\na_b,,\na-b,,,x\n"
    found = told(tmp_path, text, storage=json.dumps({"quota": "much"}))
    assert [fault.partition(": ")[2][:31] if "homes" in fault else fault[:13] for fault in found] == [
        "participants.csv line 3: 'a b':",
        "participants.csv line 4: 'Ada':",
        "participants.csv line 4: 'Ada':",
        "participants.csv line 4: 'Ada':",
        "participants.csv line 6: '-rf':",
        "participants.csv line 7: 'ada':",
        "participants.csv line 8: 'a_b':",
        "participants.csv line 9: 'a-b':",
        "storage.quota",
    ]
    assert "write it in lower case" in found[1]
    assert "role: allowed is 'student' or 'staff'" in found[2]
    assert "budget: a size above zero is needed" in found[3]
    assert "line 2 already" in found[5]
    assert "no header" in found[7]


@pytest.mark.parametrize("name", [*(name for name in HOSTILE if name), "Ada", "a_b", "ada.l", "ada-", "a" * 64, "a,b"])
@pytest.mark.parametrize("is_yaml", [False, True])
def test_no_hostile_name_of_a_file_passes(name: str, is_yaml: bool) -> None:
    quoted = json.dumps(name) if is_yaml else '"{}"'.format(name.replace('"', '""'))
    text = f"- ok\n- {quoted}\n" if is_yaml else f"name\nok\n{quoted}\n"
    roster = parse(text.encode(), is_yaml=is_yaml)
    assert [participant.name for participant in roster.participants] == ["ok"]
    (problem,) = roster.problems
    assert problem.line == (2 if is_yaml else 3)
    assert len(str(problem)) < 300


@pytest.mark.parametrize("login", ["..", "a b@uni.edu", "-rf", "\u0430da", "\u212aelvin", "a+b@uni.edu", "a@b@c", "@"])
def test_no_hostile_login_of_an_export_passes(login: str) -> None:
    text = f"First name,Last name,Email address\nA,B,{login}\n"
    assert [problem.line for problem in parse(text.encode(), is_yaml=False).problems] == [2]


def test_a_letter_that_only_looks_like_one_is_named() -> None:
    (problem,) = parse("name\n\u0430da\n".encode(), is_yaml=False).problems
    assert "CYRILLIC SMALL LETTER A" in str(problem)


def test_lines_are_counted_as_an_editor_does() -> None:
    text = 'name,role\nada,\n\n\n"a\nb",\n,\nB,\n'
    assert [problem.line for problem in parse(text.encode(), is_yaml=False).problems] == [5, 8]
    yaml = "# who\n\n- ada\n- name: B\n  role: student\n- name: C\n"
    assert [problem.line for problem in parse(yaml.encode(), is_yaml=True).problems] == [4, 6]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "name,role,budget"),
        ("Vorname,Nachname,E-Mail-Adresse\nAda,L,ada@uni.edu\n", 1, "name,role,budget"),
        ("ada\ngrace\n", 1, "gradebook export of Canvas"),
        ("First name,Last name,ID number\nAda,L,1\n", 1, "Username or Email address"),
        ("name,buget\nada,1Gi\n", 1, "column 2"),
        ("name,name\nada,grace\n", 1, "once more"),
        ("name\n", None, "nobody is in it"),
        ('name,role\n"ada,\ngrace,\n', 2, "quotation mark"),
        (b"name\nada\nj\xfcrgen\n", 3, "UTF-8"),
        ("name\nada\n".encode("utf-16"), 1, "UTF-8"),
    ],
)
def test_what_is_no_roster_is_told_with_the_remedy(content: str | bytes, line: int | None, words: str) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    problem = parse(data, is_yaml=False).problems[0]
    assert problem.line == line
    assert words in problem.reason


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ada: student\n", 1),
        ("ada\n", 1),
        ("- ada\n- [grace]\n", 2),
        ("- ada\n- { nmae: grace }\n", 2),
        ("- ada\n- { name: grace, name: bob }\n", 2),
        ("- ada\n- ada\n", 2),
        ("[ada, grace, ada]\n", 1),
        ("- ada\n- { role: staff }\n", 2),
        ("- ada\n- { name: [grace] }\n", 2),
        ("- ada\n- { name: grace\n- bob\n", 4),
        ("- *nobody\n", 1),
        ("- ada\n-\n", 2),
        ("\x00", 1),
        ("- &a ada\n- *a\n- ? {}\n", 3),
    ],
)
def test_what_is_no_list_of_participants_is_told(text: str, line: int) -> None:
    assert line in [problem.line for problem in parse(text.encode(), is_yaml=True).problems]


@pytest.mark.parametrize("is_yaml", [False, True])
@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode) | st.text('name,"\n\t;:-{}[]&*', max_size=60).map(str.encode))
def test_no_file_whatever_ends_in_an_error_of_ours(is_yaml: bool, data: bytes) -> None:
    roster = parse(data, is_yaml=is_yaml)
    assert roster.participants or roster.problems


def test_nothing_of_a_file_is_shown_but_names(tmp_path: Path) -> None:
    columns = "name,role,budget\nAda,hunter2,hunter2,hunter2\n"
    for text in (
        columns,
        "name,hunter2\nada,x\n",
        "hunter2\nhunter2\n",
        "user:hunter2\n",
        CANVAS.replace("9,90", "hunter2"),
    ):
        with_fault = text.replace(",ADA,", ",a b,")
        assert not [fault for fault in told(tmp_path, with_fault) if "hunter2" in fault]
    for text in (
        "key: hunter2\n",
        "- { name: A, role: hunter2 }\n",
        "- { hunter2: a }\n",
        "- [hunter2\n",
        "- *hunter2\n",
    ):
        assert not [fault for fault in told(tmp_path, text, "people.yaml") if "hunter2" in fault]


def test_a_file_is_found_beside_the_stacks_file_and_by_an_absolute_path(tmp_path: Path) -> None:
    file = written(tmp_path, CANVAS, "2026-11-24T0312_Grades - Physics.csv")
    for path in (file.name, str(file)):
        assert [p.name for p in course(tmp_path, path).participants] == ["ada", "grace", "prof"]
    stack = written(
        tmp_path, json.dumps({"config": {"coursehub:homes": {"roster": file.name}, "coursehub:hub": ADMIN}})
    )
    assert [p.name for p in read(stack.rename(tmp_path / "Pulumi.physics.yaml")).homes.roster] == ["ada", "grace"]


def test_what_a_file_ends_in_says_what_it_is(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.YML"):
        written(tmp_path, "- ada\n", name)
        assert [p.name for p in course(tmp_path, name).homes.roster] == ["ada"]


@pytest.mark.parametrize("path", ["missing.csv", "", ".", "/dev/zero", "a\0b"])
def test_a_file_that_is_none_is_told_with_the_remedy(tmp_path: Path, path: str) -> None:
    with pytest.raises(WrongConfiguration) as error:
        course(tmp_path, path)
    assert [fault.path for fault in error.value.faults] == ["homes.roster"]
    assert "mend the path" in str(error.value)


def test_a_file_that_may_not_be_read_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    written(tmp_path, "name\nada\n")
    monkeypatch.setattr(Path, "read_bytes", denied)  # root, who runs the tests, may read all
    with pytest.raises(WrongConfiguration, match="let the user who runs pulumi read it"):
        course(tmp_path, "participants.csv")


def test_of_a_section_with_a_secret_not_even_the_path_is_shown(tmp_path: Path) -> None:
    written(tmp_path, "name\nA\n", "hunter2")
    with pytest.raises(WrongConfiguration) as error:
        course_of({"homes": {"roster": "hunter2"}, "hub": ADMIN}, "dev", frozenset({"homes"}), tmp_path)
    assert "hunter2" not in str(error.value)
    assert "homes.roster: the file line 2: 'A'" in str(error.value)


def test_what_is_neither_a_list_nor_a_path_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match=r"homes\.roster: 5 was given; a list .* or the path of a file"):
        course(tmp_path, 5)


def test_rules_hold_for_a_file_as_for_a_list(tmp_path: Path) -> None:
    written(tmp_path, "name,budget\nada,3Gi\n")
    with pytest.raises(WrongConfiguration, match="the budget of ada is more than the whole course may take"):
        course(tmp_path, "participants.csv", storage='{"quota": "2Gi"}')


def test_ten_times_the_students_are_ten_times_the_work(tmp_path: Path) -> None:
    """Counted in calls, from the file to the course with all its rules."""

    def calls(students: int) -> int:
        written(tmp_path, "\n".join(["name,budget", *(f"s{number},1Gi" for number in range(students))]))
        counted = Counter[str]()
        sys.setprofile(lambda _frame, event, _function: counted.update((event,)))
        try:
            found = course(tmp_path, "participants.csv")
        finally:
            sys.setprofile(None)
        assert len(found.homes.roster) == students
        return counted["call"] + counted["c_call"]

    assert calls(5_000) < 11 * calls(500)


def test_ten_thousand_students_are_read_and_every_fault_of_theirs_is_told() -> None:
    names = [f"s{number}" for number in range(10_000)]
    for is_yaml, before, head in ((False, "", "name\n"), (True, "- ", "")):
        text = head + "\n".join(f"{before}{name}" for name in names)
        assert len(parse(text.encode(), is_yaml=is_yaml).participants) == 10_000
        assert len(parse(text.upper().replace("NAME", "name").encode(), is_yaml=is_yaml).problems) == 10_000
