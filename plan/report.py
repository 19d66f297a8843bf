"""What a course takes and what sharing saves, in figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """The homes in figures; sizes in bytes."""

    homes: int
    budget: int  # of all homes
    used: int  # of the budgets
    shared: int  # what homes have in common with the template, counted for each home
    by_snapshots: int  # part of `used` that is in snapshots alone
    copies: int  # what the same homes would take as plain copies of the template, snapshots included
    allocated: int  # what homes and template take in the pool, before dedup: it may be less
    full: tuple[str, ...]  # above 80 % of the budget
    left: tuple[str, ...]  # have a home, and are not in the roster

    @property
    def saving(self) -> float | None:
        """How many times as much plain copies would take; None where nothing is taken."""
        return self.copies / self.allocated if self.homes and self.allocated else None


def report(found: Mapping[str, Any]) -> Report:
    """The figures, by what the unit `workspaces` observes.

    A home that is a clone is charged with its own blocks alone, a plain copy with all of them. The pool's `dedupratio`
    tells nothing of this: it is 1.00 for clones.
    """
    homes = found["homes"].values()
    budget, used, shared, by_snapshots = (
        sum(home[key] for home in homes) for key in ("budget", "used", "shared", "bySnapshots")
    )
    return Report(
        homes=len(homes),
        budget=budget,
        used=used,
        shared=shared,
        by_snapshots=by_snapshots,
        copies=used + shared,
        allocated=found["allocated"],
        full=tuple(found["nearlyFull"]),
        left=tuple(found["left"]),
    )
