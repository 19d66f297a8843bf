"""Whatever happens in a semester, and wherever it is interrupted: no home that was written to is ever lost.

Hypothesis draws the semesters; a simulated server runs the commands that the units plan, and fails on all others: above
all on every destruction of a dataset.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from host.run import Refused
from host.snapshots import Retention, Snapshot, scheduled, taken_at, to_prune
from host.workspaces import converge
from tests.unit.test_host_workspaces import HOMES, WANT, Machine

STUDENTS = ("ada", "bob", "cleo", "dan")
ROSTERS = st.dictionaries(st.sampled_from(STUDENTS), st.integers(1, 40))
SMALL = st.integers(0, 3)


class Killed(BaseException):
    """The run ended here, as by a power cut."""


class Semester(RuleBasedStateMachine):
    """One course, from its first day on."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Machine()
        self.now = datetime(2026, 9, 1, tzinfo=UTC)
        self.written: dict[str, int] = {}  # how much is in every home that was ever written to
        self.snapshots: dict[str, Snapshot] = {}
        self.named: set[str] = set()

    @rule(roster=ROSTERS, most=st.none() | st.integers(0, 12))
    def up(self, roster: dict[str, int], most: int | None) -> None:
        """The roster and budgets change; the run may be killed after some commands."""
        want = replace(WANT, budgets=roster)
        start = self.server.commands

        def do(argv: Sequence[str]) -> None:
            if most is not None and self.server.commands - start >= most:
                raise Killed
            self.server.do(argv)

        try:
            have = converge(want, self.server.read(), self.server.read, do)
        except (Killed, Refused):
            return
        for student, budget in roster.items():
            home = have.datasets[f"{HOMES}/{student}"]
            assert (home.quota, home.mounted, home.readonly) == (budget, True, False)
        for student in set(STUDENTS) - set(roster):
            left = have.datasets.get(f"{HOMES}/{student}")
            assert left is None or left.readonly

    @rule(student=st.sampled_from(STUDENTS), size=st.integers(1, 30))
    def write(self, student: str, size: int) -> None:
        """A student works, as far as the home lets."""
        home = self.server.datasets.get(f"{HOMES}/{student}")
        if home and home.mounted and not home.readonly and size <= home.quota:
            self.written[student] = size
            self.server.datasets[f"{HOMES}/{student}"] = replace(home, used=size)

    @rule(hours=st.integers(0, 24 * 20), keep=st.tuples(SMALL, SMALL, SMALL))
    def rotate(self, hours: int, keep: tuple[int, int, int]) -> None:
        """Time goes by; the schedule takes a snapshot and prunes."""
        self.now += timedelta(hours=hours)
        self.snapshot(scheduled(self.now))
        for name in to_prune(self.snapshots.values(), Retention(*keep)):
            assert not self.snapshots.pop(name).held
        assert scheduled(self.now) in self.snapshots, "the last one stays"

    @rule(name=st.sampled_from(["before-exam", "v1", "coursehub-mine", "20260901T000000Z"]))
    def keep_by_name(self, name: str) -> None:
        """Somebody takes a snapshot under a name of the own."""
        self.snapshot(name)
        self.named.add(name)

    @rule(data=st.data(), held=st.booleans())
    def hold(self, data: st.DataObject, held: bool) -> None:
        """Somebody holds a snapshot, or lets it go."""
        if self.snapshots:
            name = data.draw(st.sampled_from(sorted(self.snapshots)))
            self.snapshots[name] = replace(self.snapshots[name], held=held)

    def snapshot(self, name: str) -> None:
        time = int((taken_at(name) or self.now).timestamp())
        self.snapshots.setdefault(name, Snapshot(name, time, held=False, used=0, homes=len(self.written)))

    @invariant()
    def everything_written_is_there(self) -> None:
        for student, size in self.written.items():
            assert self.server.datasets[f"{HOMES}/{student}"].used == size

    @invariant()
    def what_somebody_named_is_there(self) -> None:
        assert self.named <= set(self.snapshots)

    @invariant()
    def no_home_takes_more_than_its_budget(self) -> None:
        for path, home in self.server.datasets.items():
            assert not path.startswith(f"{HOMES}/") or home.used <= home.quota


TestSemester = Semester.TestCase
TestSemester.settings = settings(max_examples=150, stateful_step_count=25, deadline=None, derandomize=True)
