"""How results look: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from host.homes import NEARLY_FULL

out = Console(highlight=False, soft_wrap=True)


def as_json(result: Any) -> None:
    """For programs."""
    print(json.dumps(result, indent=2, sort_keys=True))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """For people; `empty` says what there is none of. Columns after the first are numbers or short words."""
    shown = Table(*(column for column in columns), box=None, pad_edge=False, header_style="bold")
    count = 0
    for row in rows:
        shown.add_row(*row)
        count += 1
    if count:
        out.print(shown)
    else:
        out.print(empty)


def size(count: int) -> str:
    """Bytes, as people say them."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def when(seconds: float) -> str:
    """A moment, in this server's time."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def moment(text: str) -> float:
    """A moment that is written as ISO 8601 has it, in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def age(seconds: float) -> str:
    """How long something is ago."""
    minutes = round(seconds / 60)
    for count, unit in ((minutes // 1440, "day"), (minutes // 60, "hour"), (minutes, "minute")):
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def use(used: int, budget: int) -> str:
    """How much of a budget is used; marked where it is nearly all."""
    if not budget:
        return ""
    percent = f"{used / budget:.0%}"
    return f"[bold red]{percent} nearly full[/]" if used > NEARLY_FULL * budget else percent


def plain(text: str) -> str:
    """A text of somebody else's, of which nothing is taken for a colour."""
    return escape(text)
