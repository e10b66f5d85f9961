"""Printing: documents, styled lines, tables of plain text that fit the screen, progress."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from forecast.scenario.model import Scenario

PIPE_COLUMNS = 100  # what a line may take where there is no screen to ask
LEAST_COLUMNS = 40
SHOW_AFTER_SECONDS = 0.5


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=not drawable(), allow_nan=False))


def tell_detail(scenario: Scenario, verbose: bool) -> None:
    """Say on stderr, if wanted, whether deals and money can be simulated by themselves."""
    if not verbose:
        return
    from forecast.engine.uses import ties
    from forecast.scenario.errors import listed

    how = "deals and money are simulated by themselves where only they are asked for"
    if ties(scenario):
        how = f"all stages are simulated together, because of {listed(ties(scenario))}"
    click.echo(f"{scenario.name}: {how}.", err=True)


def columns() -> int:
    """How many characters a line may take."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return max(LEAST_COLUMNS, int(given))
    if not sys.stdout.isatty():
        return PIPE_COLUMNS
    return max(LEAST_COLUMNS, shutil.get_terminal_size((80, 24)).columns)


def drawable() -> bool:
    """Tell whether the output can show line-drawing characters."""
    try:
        "├─●▶≥±".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


_ASCII = str.maketrans(
    {
        "├": "|", "└": "`", "│": "|", "─": "-", "━": "=", "╺": "=", "╸": "=", "●": "o", "▶": ">",
        "↺": "@", "≥": ">=", "±": "+-", "✓": "+", "✗": "x", "≈": "~", "→": "->", "←": "<-",
        "–": "-", "·": ".", "×": "x", "…": "...",
    }
)  # fmt: skip


def say(text: str = "", **style: Any) -> None:
    """Print a line, styled on a terminal unless NO_COLOR is set."""
    if not drawable():
        text = text.translate(_ASCII)
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        text = text.encode(encoding, "replace").decode(encoding, "replace")
    if style and not os.environ.get("NO_COLOR"):
        text = click.style(text, **style)
    click.echo(text)


def wrapped(text: str, hanging: str = "") -> str:
    """Fold a sentence at the width of the screen."""
    import textwrap

    return textwrap.fill(text, columns(), subsequent_indent=hanging, break_on_hyphens=False)


def heading(text: str) -> None:
    """Print what a section is about."""
    for line in wrapped(text).splitlines():
        say(line, bold=True)


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading (a group above it, its own below) and its cells."""

    heading: str
    cells: Sequence[str]
    group: str = ""
    left: bool = False
    keep: int = 0  # columns with the smallest number go first where there is no room

    @property
    def width(self) -> int:
        """Characters that the widest cell takes."""
        return max(len(self.heading), *map(len, self.cells)) if self.cells else len(self.heading)


def fits(every: Sequence[Column], gap: int = 2) -> bool:
    """Tell whether a line of all the columns fits the screen."""
    return sum(c.width + gap for c in every) - gap <= columns()


def fitting(every: Sequence[Column], gap: int = 2) -> list[Column]:
    """Leave out columns, the least important first, until a line fits the screen."""
    kept = list(every)
    while len(kept) > 1 and not fits(kept, gap):
        kept.remove(min(kept, key=lambda c: c.keep))
    return kept


def table_lines(kept: Sequence[Column], gap: int = 2) -> tuple[list[str], list[str]]:
    """Lay out a table as (lines of the heading, lines of the rows)."""
    heads = [_line([(c, c.heading) for c in kept], gap)]
    if any(c.group for c in kept):
        heads.insert(0, _groups(kept, gap))
    rows = [_line([(c, c.cells[i]) for c in kept], gap) for i in range(len(kept[0].cells))]
    return heads, rows


def print_table(every: Sequence[Column]) -> None:
    """Print a table, its heading dim on a terminal."""
    heads, rows = table_lines(fitting(every))
    for head in heads:
        say(head, dim=True)
    for row in rows:
        say(row)


def _line(cells: Sequence[tuple[Column, str]], gap: int) -> str:
    parts = [t.ljust(c.width) if c.left else t.rjust(c.width) for c, t in cells]
    return (" " * gap).join(parts).rstrip()


def _groups(kept: Sequence[Column], gap: int) -> str:
    """The line of group names, each over the first of its columns, a rule over the others."""
    parts: list[str] = []
    at = 0
    while at < len(kept):
        group = kept[at].group
        until = at + 1
        while group and until < len(kept) and kept[until].group == group:
            until += 1
        width = sum(c.width + gap for c in kept[at:until]) - gap
        ruled = bool(group) and len(group) + 4 <= width
        parts.append(f"─ {group} ".ljust(width, "─") if ruled else group[:width].ljust(width))
        at = until
    return (" " * gap).join(parts).rstrip()


class Meter:
    """Progress of long work, on standard error."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task = bar.add_task("Preparing", total=None) if bar else None
        self._shown = monotonic()

    def __call__(self, done: int, runs: int) -> None:
        """Show that so many of the runs are done."""
        if self._bar is None or self._task is None or monotonic() - self._shown < 0.05:
            return
        self._shown = monotonic()
        self._bar.update(self._task, description="Simulating", completed=done, total=runs)


@contextmanager
def progress(quiet: bool) -> Iterator[Meter]:
    """Give a meter that shows itself on a terminal once the work proves long."""
    if quiet or not sys.stderr.isatty():
        yield Meter(None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(*parts, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    late = threading.Timer(SHOW_AFTER_SECONDS, bar.start)
    late.daemon = True
    late.start()
    try:
        yield Meter(bar)
    finally:
        late.cancel()
        late.join()  # it may be starting the bar, which would then hide the cursor for good
        bar.stop()
