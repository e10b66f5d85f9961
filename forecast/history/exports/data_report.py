"""The data report: what became of every row of an export, and what looks strange in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from forecast.scenario.errors import shorten, shown, visible

MOST_EXAMPLES: Final = 3
_LONGEST: Final = 40


@dataclass(frozen=True)
class Example:
    """Hold a row as an example: its table, its line, its id, and what stands in the cell meant."""

    table: str
    line: int
    id: str
    text: str = ""

    def __str__(self) -> str:
        said = f" ({shown(shorten(visible(self.text), _LONGEST))})" if self.text else ""
        name = f" {shorten(visible(self.id), _LONGEST)}" if self.id else ""
        return f"{self.line:,}{name}{said}"


@dataclass(frozen=True)
class Finding:
    """Hold something that was found in some rows: what, in how many, and up to three of them."""

    what: str
    count: int
    examples: tuple[Example, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give it as plain values for JSON."""
        examples = [
            {"table": each.table, "line": each.line, "id": each.id, "text": each.text}
            for each in self.examples
        ]
        return {"what": self.what, "count": self.count, "examples": examples}


@dataclass(frozen=True)
class TableReport:
    """Hold what became of a table's rows: `rows` = `used` + the counts of `set_aside`."""

    kind: str
    source: str
    word: str
    rows: int
    used: int
    set_aside: tuple[Finding, ...]
    blank_rows: int = 0


@dataclass(frozen=True)
class Alike:
    """Offer two spellings of a label that are nearly the same, the rarer first."""

    label: str
    name: str
    count: int
    other: str
    other_count: int


@dataclass(frozen=True)
class DataReport:
    """Hold what an export held: rows, used and set aside with the reasons, and what is suspicious.

    `items` counts them by what became of them (won, lost, open); `first` and `last` are the first
    arrival and the last thing that happened; `aliases` and `blanks` count the cells that were
    joined and filled.
    """

    as_of: dt.date
    as_of_said: bool
    time_zone: str
    tables: tuple[TableReport, ...]
    items: Mapping[str, int]
    first: dt.date | None
    last: dt.date | None
    suspicious: tuple[Finding, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    blanks: Mapping[str, int] = field(default_factory=dict)
    alike: tuple[Alike, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Count the rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def used(self) -> int:
        """Count the rows that are in the records."""
        return sum(table.used for table in self.tables)

    @property
    def set_aside(self) -> int:
        """Count the rows that are not."""
        return self.rows - self.used

    def document(self) -> dict[str, Any]:
        """Give the report as plain values for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "as_of_said": self.as_of_said,
            "time_zone": self.time_zone,
            "rows": self.rows,
            "used": self.used,
            "set_aside": self.set_aside,
            "tables": [
                {
                    "kind": table.kind,
                    "source": table.source,
                    "rows": table.rows,
                    "used": table.used,
                    "set_aside": [reason.document() for reason in table.set_aside],
                    "blank_rows": table.blank_rows,
                }
                for table in self.tables
            ],
            "items": dict(self.items),
            "first": self.first and self.first.isoformat(),
            "last": self.last and self.last.isoformat(),
            "suspicious": [each.document() for each in self.suspicious],
            "aliases": dict(self.aliases),
            "blanks": dict(self.blanks),
            "alike": [vars(each) for each in self.alike],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """Write the report for people."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for table in self.tables:
            aside = table.rows - table.used
            yield f"{table.kind}: {visible(table.source)}"
            yield f"  {table.rows:,} rows = {table.used:,} used + {aside:,} set aside"
            for reason in table.set_aside:
                yield f"    {reason.count:,} {reason.what}{_examples(reason, table.word)}"
            if table.blank_rows:
                yield f"  {table.blank_rows:,} blank rows left out"
        yield self._items_line()
        said = "said in the mapping" if self.as_of_said else "the newest day that is not to come"
        yield f"as of {self.as_of} ({said}), days of {self.time_zone}"
        if self.suspicious:
            yield "suspicious:"
        words = {table.kind: table.word for table in self.tables}
        for each in self.suspicious:
            word = words.get(each.examples[0].table, "row") if each.examples else ""
            yield f"  {each.count:,} {each.what}{_examples(each, word)}"
        for what, counts in (("joined", self.aliases), ("blank", self.blanks)):
            if counts:
                said = "; ".join(f"{visible(name)} {count:,}" for name, count in counts.items())
                yield f"{what}: {said}"
        if self.alike:
            yield "nearly the same (join them with aliases if they are):"
        for pair in self.alike:
            one, other = (visible(name) for name in (pair.name, pair.other))
            yield f"  {pair.label}: {one} ({pair.count:,}), {other} ({pair.other_count:,})"
        yield from self.notes

    def _items_line(self) -> str:
        total = sum(self.items.values())
        parts = ", ".join(f"{count:,} {name}" for name, count in self.items.items())
        between = f" from {self.first} to {self.last}" if self.first else ""
        return f"{total:,} items ({parts}){between}"


def _examples(finding: Finding, word: str) -> str:
    if not finding.examples:
        return ""
    plural = word if len(finding.examples) == 1 else f"{word}s"
    return f": {plural} {', '.join(map(str, finding.examples))}"
