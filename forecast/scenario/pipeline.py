"""The open pipeline of a scenario: where its deals are written, and what becomes of them.

A file is taken into the document while it is read, as CSV text of the columns that are ours, so
that the text kept of a scenario stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.scenario.attachments import Refused, find_file
from forecast.scenario.deals import Known, read_deals
from forecast.scenario.deals_file import read_csv, read_file
from forecast.scenario.deals_sheet import COLUMNS, REQUIRED, Sheet, nearly
from forecast.scenario.errors import listed, shown
from forecast.scenario.forms import (
    BROKEN,
    Door,
    Key,
    Record,
    Schema,
    describe,
    offer,
    positive_duration,
    text,
)
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Items, Node, Nothing, Place, Table, Text

SOURCES = ("file", "csv", "deals")


@dataclass(frozen=True)
class _DealsForm:
    """A list of deals, which the sheet reads."""

    def read(self, node: Node, door: Door) -> Any:
        """Take any list; see ``Form``."""
        if isinstance(node, Items):
            return ()
        mend = "Write deals: [{id: A-1, stage: opportunity, entered: 2026-10-02, amount: 25k}]."
        return door.fault(node.place, describe(node), "a list of open deals", mend)

    def schema(self) -> Schema:
        """Describe the list; see ``Form``."""
        cell = {"type": ["string", "number", "null"]}
        properties = {name: {**cell, "description": note} for name, note in COLUMNS.items()}
        deal = {
            "type": "object",
            "required": list(REQUIRED),
            "additionalProperties": False,
            "properties": properties,
        }
        return {"type": "array", "items": deal}


RECORD = Record(
    "a pipeline",
    {
        "file": Key(
            text("the name of a CSV or Parquet file", "Write file: open-deals.csv."),
            "a CSV or Parquet file with a row for each deal",
        ),
        "csv": Key(
            text("CSV text", "Write csv: | and the rows below it, indented."),
            "the same rows as CSV text",
        ),
        "deals": Key(_DealsForm(), "the same as a list"),
        "stale_after": Key(
            positive_duration("stale_after"),
            "deals that have been in their stage for longer are retired",
        ),
    },
    dict,
)


@dataclass(frozen=True)
class PipelineForm:
    """Where the open deals are, and which of them are too old."""

    def read(self, node: Node, door: Door) -> Any:
        """Read the keys; the deals themselves are read by ``read_pipeline``; see ``Form``."""
        value = RECORD.read(node, door)
        if not isinstance(node, Table):
            return value
        given = [key for key in SOURCES if key in node]
        if len(given) != 1 and all(key in RECORD.keys for key in node):
            must = "one of file, csv and deals"
            mend = "Keep one of them, or set pipeline as a whole: pipeline={file: open-deals.csv}."
            if not given:
                mend = "Write pipeline: {file: open-deals.csv}."
            door.fault(node.place, listed(given) if given else "no deals", must, mend)
        return value

    def schema(self) -> Schema:
        """Describe the pipeline; see ``Form``."""
        return {**RECORD.schema(), "oneOf": [{"required": [key]} for key in SOURCES]}


def take_deals(document: Table, door: Door) -> tuple[Table, Sheet | None]:
    """Find the open deals of a document; gives it with their file in it, and their sheet.

    The sheet is None where there is nothing to read, which the form has words for.
    """
    node = document.get("pipeline")
    given = [key for key in SOURCES if isinstance(node, Table) and key in node]
    if not isinstance(node, Table) or len(given) != 1:
        return document, None
    found = node[given[0]]
    if given == ["deals"]:
        return document, _listed_deals(found) if isinstance(found, Items) else None
    if not isinstance(found, Text) or not found.strip():
        return document, None
    if given == ["csv"]:
        return document, _text_deals(found)
    try:
        sheet = read_file(find_file(found, "a CSV or Parquet file"))
    except Refused as refused:
        door.faults.append(refused.fault)
        return document, None
    return document if sheet.faults else _with_text(document, node, sheet), sheet


def _with_text(document: Table, node: Table, sheet: Sheet) -> Table:
    """Put the rows of a file in the place of its name."""
    place = node.place_of("file")
    csv = Text(sheet.text(), Place(place.file, place.line, "pipeline.csv"), quoted=True)
    content = {("csv" if k == "file" else k): (csv if k == "file" else v) for k, v in node.items()}
    keys_at = {**node.keys_at, "csv": place.line}
    changed = Table(content, node.place, keys_at)
    return Table({**document, "pipeline": changed}, document.place, document.keys_at)


def _text_deals(text: Text) -> Sheet:
    """Read the rows of CSV text that stands in a scenario."""

    def where(row: int, column: str) -> Place:
        # Where its lines stand in the file depends on how the text is quoted; rows do not.
        path = f"{text.place.path}, row {row}, {column}"
        return Place(text.place.file, text.place.line, path)

    sheet = Sheet(where)
    read_csv(sheet, str(text))
    return sheet


def _listed_deals(items: Items) -> Sheet:
    """Read deals that are written one by one; what one leaves out is blank."""

    def where(item: int, column: str) -> Place:
        node = items[item]
        if not isinstance(node, Table) or not column:
            return node.place
        return node.place_of(column) if column in node else node.place.at(column)

    sheet = Sheet(where, word="item")
    sheet.columns = {name: [] for name in COLUMNS}
    for item, node in enumerate(items):
        if not isinstance(node, Table):
            mend = "Write {id: A-1, stage: opportunity, entered: 2026-10-02, amount: 25k}."
            sheet.fault(item, "", describe(node), "a mapping that describes a deal", mend)
            continue
        cells = _cells_of(sheet, item, node)
        sheet.rows.append(item)
        for name, column in sheet.columns.items():
            column.append(cells.get(name, ""))
    return sheet


def _cells_of(sheet: Sheet, item: int, node: Table) -> dict[str, str]:
    """The cells of one deal by their columns."""
    cells: dict[str, str] = {}
    for key, value in node.items():
        name: str | None = key
        if key not in COLUMNS:
            got, must = f"the unknown key {shown(key)}", "a key of a deal"
            sheet.fault(item, key, got, must, offer(key, COLUMNS))
            # The value of a misspelled key is not missed as well.
            name = nearly(key, [each for each in COLUMNS if each not in node])
        elif not isinstance(value, Text | Nothing):
            must, mend = "one value", f"Write {key} as one value."
            sheet.fault(item, key, describe(value), must, mend)
        if name is not None:
            cells[name] = value.strip() if isinstance(value, Text) else ""
    return cells


def read_pipeline(
    sheet: Sheet | None, document: Table, values: Any, calendar: Any, door: Door
) -> Any:
    """Read the open pipeline; None where there is none, ``BROKEN`` where it has faults."""
    if sheet is None:
        return None
    stale_after = values["stale_after"] if isinstance(values, dict) else None
    known = Known(
        stages=_names(document, "journey") or None,
        channel=_names(document, "channels"),
        segment=_names(document, "segments"),
        product=_names(document, "products"),
        calendar=None if calendar is BROKEN else calendar,
    )
    found = read_deals(sheet, known, None if stale_after is BROKEN else stale_after)
    sheet.tell(door)
    return found


def _names(document: Table, key: str) -> tuple[str, ...] | None:
    node = document.get(key)
    return tuple(node) if isinstance(node, Table) else None


def check_amounts(document: Table, scenario: Scenario, door: Door) -> None:
    """Refuse open deals of recurring products whose amount is not known."""
    if scenario.pipeline is None:
        return
    deals, products = scenario.pipeline.deals, scenario.versions[0].products
    for number in np.flatnonzero(np.isnan(deals.amount)):
        group = (
            scenario.channels[deals.channel[number]],
            scenario.segments[deals.segment[number]],
        )
        name = scenario.products[deals.product[number]]
        if products[group][name].recurring is not None:
            got = f"no amount of {shown(deals.ids[number])}, which would buy {shown(name)}"
            must = "an amount, as the product is recurring"
            mend = "Write what its first term would bring."
            door.fault(document["pipeline"].place, got, must, mend)
            return
