"""Forms: what may stand at each place of a mapping file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forecast.history.exports import dates
from forecast.history.records import LOST, WON, Gap
from forecast.scenario import quantities
from forecast.scenario.errors import listed, nearest, shown
from forecast.scenario.forms import (
    BROKEN,
    Door,
    Form,
    Key,
    Leaf,
    ListOf,
    Record,
    Schema,
    choice,
    describe,
    text,
    within,
)
from forecast.scenario.nodes import Node, Place, Table, Text
from forecast.scenario.quantities import QuantityFault

TEXT: Final[Schema] = {"type": ["string", "number"]}


@dataclass(frozen=True)
class Source:
    """Say where a table is: a file with its `sheet`, `encoding` and `separator`, or a query."""

    place: Place
    file: Path | None = None
    sheet: str | None = None
    encoding: str | None = None
    separator: str | None = None
    url: str | None = None
    query: str | None = None


@dataclass(frozen=True)
class Word:
    """Any text, kept with the place where it stands."""

    must: str
    mend: str

    def read(self, node: Node, door: Door) -> Any:
        """Read a text; see ``Form``."""
        if not isinstance(node, Text) or not (node.strip() or node == "\t"):
            return door.fault(node.place, describe(node), self.must, self.mend)
        return node

    def schema(self) -> Schema:
        """Describe the text; see ``Form``."""
        return TEXT


@dataclass(frozen=True)
class ByName:
    """A table by any names, each value of the same form."""

    what: str
    form: Form

    def read(self, node: Node, door: Door) -> Any:
        """Read every value; see ``Form``."""
        if not isinstance(node, Table) or not node:
            mend = f"Write {self.what} with a colon behind each, as {{first: …, second: …}}."
            return door.fault(node.place, describe(node), f"a mapping by {self.what}", mend)
        return {name: self.form.read(child, door) for name, child in node.items()}

    def schema(self) -> Schema:
        """Describe the table; see ``Form``."""
        return {"type": "object", "additionalProperties": self.form.schema()}


COLUMN: Final = Word("the name of a column", "Write the name as the export has it.")
NAME: Final = text("a name", "Write a name, such as unknown.")
STAGE: Final = Leaf(
    lambda written: _stage(written), "a stage", "Write stage: opportunity.", {"type": "string"}
)
STAGES: Final = ListOf("stages", STAGE, most=200)
CHOSEN: Final = ByName(
    "columns", ListOf("values", Word("a value", 'Write "" for blank cells.'), alone=True)
)
RATE: Final = within(
    quantities.number, 1e-9, 1e9, "a rate above 0", "Write for example rates: {EUR: 1.08}."
)
DECIMAL: Final = choice("point", "comma", what="decimal")
BLANK_AMOUNT: Final = choice("0", "unknown", what="amount")


def _stage(written: str) -> str:
    word = quantities.name(written, "stage", dots_allowed=False)
    if word in (WON, LOST, "open", "set aside"):
        must = "a name for the stage other than won, lost, open and set aside"
        raise QuantityFault(word, must, "Choose another name; this one has a meaning of its own.")
    return word


def _zone(written: str) -> str:
    if not dates.a_zone(written.strip()):
        must = "the name of a time zone"
        raise QuantityFault(shown(written), must, "Write for example time_zone: Europe/Berlin.")
    return written.strip()


TIME_ZONE: Final = Leaf(
    _zone, "the name of a time zone", "Write time_zone: Europe/Berlin.", {"type": "string"}
)


def _order(written: str) -> str:
    word = written.strip()
    known = (*dates.ORDERS, dates.EXCEL)
    if "%" in word:
        if dates.a_pattern(word):
            return word
        mend = "Write for example %d/%m/%y %H:%M."
        raise QuantityFault(shown(word), "a pattern with year, month and day", mend)
    plain = re.sub("[ _/.-]+", "-", word.lower())
    if plain not in known:
        near = nearest(plain, known)
        mend = f"Did you mean {near}? Then write that." if near else f"Write dates: {known[0]}."
        raise QuantityFault(shown(word), f"{listed(known, 'or')}, or a pattern with %", mend)
    return plain


_ORDER: Final = Leaf(
    _order, "the order of day and month", "Write dates: day-month-year.", {"type": "string"}
)


@dataclass(frozen=True)
class DateOrders:
    """How dates are written: one order for all columns, or one for each."""

    def read(self, node: Node, door: Door) -> Any:
        """Read one order or several; see ``Form``."""
        return _BY_COLUMN.read(node, door) if isinstance(node, Table) else _ORDER.read(node, door)

    def schema(self) -> Schema:
        """Describe it; see ``Form``."""
        return {"anyOf": [_ORDER.schema(), _BY_COLUMN.schema()]}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_BY_COLUMN: Final = Record(
    "dates",
    {
        name: Key(_ORDER, f"how {name} is written", example="day-month-year")
        for name in ("created", "closed", "won", "lost", "at", "entered")
    },
    _given,
)


@dataclass(frozen=True)
class Meaning:
    """What a value of the status means: one of some words, or, without them, also a stage."""

    words: tuple[str, ...]

    def read(self, node: Node, door: Door) -> Any:
        """Read a meaning; see ``Form``."""
        every = self.words or (WON, LOST, "set aside")
        must = listed(every, "or") + ("" if self.words else ", or a stage")
        if not isinstance(node, Text):
            return door.fault(node.place, describe(node), must, f"Write {every[0]}.")
        word = " ".join(node.strip().lower().replace("_", " ").split())
        if word in every:
            return word
        if self.words or word == "open":
            near = nearest(word, every)
            mend = f"Did you mean {near}? Then write that." if near else f"Write {every[-2]}."
            return door.fault(node.place, shown(node), must, mend)
        return STAGE.read(node, door)

    def schema(self) -> Schema:
        """Describe it; see ``Form``."""
        return {"enum": list(self.words)} if self.words else {"type": "string"}


@dataclass(frozen=True)
class Meanings:
    """What each value of a status means, or one meaning for every row."""

    words: tuple[str, ...]

    def read(self, node: Node, door: Door) -> Any:
        """Read a table of meanings or one word; see ``Form``."""
        one = Meaning(self.words)
        if isinstance(node, Text) and self.words:
            return choice(WON, LOST, what="status").read(node, door)
        return ByName("values", one).read(node, door)

    def schema(self) -> Schema:
        """Describe it; see ``Form``."""
        several = ByName("values", Meaning(self.words)).schema()
        return {"anyOf": [{"enum": [WON, LOST]}, several]} if self.words else several


def columns(kind: str, ours: Mapping[str, str]) -> Record:
    """The form of a table's columns: our names, and beside each the export's."""
    keys = {name: Key(COLUMN, note, example="…") for name, note in ours.items()}
    return Record(f"columns of {kind}", keys, _given)


def labelled(by: Mapping[str, Form], what: str) -> Record:
    """A form for each of some labels."""
    return Record(what, {name: Key(form, f"{what} of {name}") for name, form in by.items()}, _given)


def by_label(form: Form) -> Record:
    """The same form for every label."""
    return labelled(dict.fromkeys(("channel", "segment", "product"), form), "labels")


RECORDED: Final = Record(
    "a stage's recording",
    {
        "since": Key(
            Leaf(quantities.day, "a day", "Write since: 2027-01-31.", {"type": "string"}),
            "the first day that was recorded",
            required=True,
            example="2027-01-31",
        ),
        "before": Key(
            choice("all", "survivors", what="before"),
            "which items from before are there: all, or those only that had not left yet",
            required=True,
            example="all",
        ),
    },
    lambda since, before: BROKEN if BROKEN in (since, before) else Gap(since, before == "all"),
)

_PLAIN: Final = Word("text", "Write it behind the colon.")
_SQL: Final = Record(
    "a query",
    {
        "url": Key(_PLAIN, "the database's address", required=True, example="${SALES_DB}"),
        "query": Key(_PLAIN, "what to ask it", required=True, example="SELECT * FROM deals"),
    },
    dict,
)
SOURCE: Final = {
    "file": Key(Word("the name of a file", "Write file: deals.csv."), "where the table is"),
    "sql": Key(_SQL, "a query in place of a file"),
    "sheet": Key(Word("the name of a sheet", "Write sheet: Deals."), "the sheet of a workbook"),
    "encoding": Key(Word("an encoding", "Write encoding: utf-8."), "how the text is encoded"),
    "separator": Key(
        Word("a sign", 'Write separator: ";" or separator: tab.'), "the sign between columns"
    ),
}


def read_source(given: Mapping[str, Any], node: Table, door: Door) -> Any:
    """Make a source of the keys of a table."""
    file, sql = given["file"], given["sql"]
    if BROKEN in (file, sql):
        return BROKEN
    if (file is None) == (sql is None):
        got = "no file" if file is None else "a file and a query"
        mend = "Add file: and its name." if file is None else "Delete one of the two."
        return door.fault(node.place, got, "a table with file or sql", mend)
    if sql is not None:
        return Source(node["sql"].place, url=str(sql["url"]), query=str(sql["query"]))
    extra = {name: given[name] for name in ("sheet", "encoding", "separator")}
    plain = {name: None if each is None else str(each) for name, each in extra.items()}
    return Source(file.place, Path(node.place.file).parent / str(file), **plain)
