"""The mapping: which column of an export says what, and what its values mean."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from forecast.history.exports import mapping_forms as forms
from forecast.history.exports.mapping_forms import ByName, Source, Word
from forecast.history.records import LOST, UNKNOWN, WON, Gap
from forecast.scenario import quantities
from forecast.scenario.errors import ScenarioError, listed, shown
from forecast.scenario.forms import BROKEN, Door, Key, Leaf, Record, choice, is_whole
from forecast.scenario.nodes import Place, Table, Text, read_nodes

OPEN_STATUS, SET_ASIDE = "open", "set aside"
KINDS: Final = ("leads", "deals", "events")
LABELS: Final = ("channel", "segment", "product")
DATES: Final = ("created", "closed", "won", "lost", "at")
COMMON: Final = {
    "id": "what the item is called",
    "amount": "its value if won",
    "currency": "the currency of that value",
    "channel": "where it came from",
    "segment": "who it is",
    "product": "what it would buy",
}
DAYS: Final = {
    "created": "the day on which it arrived",
    "closed": "the day on which it was won or lost",
    "won": "the day on which it was won",
    "lost": "the day on which it was lost",
    "status": "whether it is open, won or lost",
}
COLUMNS: Final = {
    "deals": {**COMMON, **DAYS, "lead": "the id of the lead that it came from"},
    "leads": {**COMMON, **DAYS},
    "events": {**COMMON, "stage": "what happened", "at": "when it happened"},
}


@dataclass(frozen=True)
class TableMap:
    """Say where a table is and what its columns mean.

    `kind` is deals, leads or events. `columns` gives the export's name of each of ours, `entered`
    the column with the day on which an item entered a stage. `status` gives the meaning of each
    value (won, lost, open, set aside, or a stage of events); `others` that of all that are not
    named, if any. `constant` is the status of every row, where no column says it.
    """

    kind: str
    place: Place
    source: Source
    columns: Mapping[str, Text]
    entered: Mapping[str, Text] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)
    constant: str | None = None
    others: str | None = None
    stage: str = ""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leave_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    decimal: str | None = None
    duplicates: str = SET_ASIDE


@dataclass(frozen=True)
class ExportMapping:
    """Say how to read the tables of an export; see ``read_mapping``."""

    file: str
    place: Place
    tables: tuple[TableMap, ...]
    stages: tuple[str, ...]
    as_of: dt.date | None = None
    currency: str = "USD"
    rates: Mapping[str, float] = field(default_factory=dict)
    time_zone: str | None = None
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    blanks: Mapping[str, str] = field(default_factory=dict)
    several: Mapping[str, str] = field(default_factory=dict)
    backdated: str = SET_ASIDE
    zero_amounts: str = "keep"
    unreadable: str = "refuse"
    recorded: Mapping[str, Gap] = field(default_factory=dict)

    def table(self, kind: str) -> TableMap | None:
        """Give the table of a kind, if there is one."""
        return next((table for table in self.tables if table.kind == kind), None)


def read_mapping(path: str | Path) -> ExportMapping:
    """Read and check a mapping file; files in it stand relative to it.

    Raises ``ScenarioError`` with every fault, each with its line.
    """
    return build_mapping(read_nodes(Path(path)))


def build_mapping(document: Table) -> ExportMapping:
    """Make a mapping of a document; raises ``ScenarioError``."""
    door = Door()
    values = MAPPING.read(document, door)
    made = _made(document, values, door) if values is not BROKEN else BROKEN
    if door.faults:
        raise ScenarioError(door.faults)
    mapping: ExportMapping = made
    return mapping


def _meaning(*words: str) -> Leaf:
    return choice(*words, what="others")


def _table_form(kind: str) -> Record:
    meanings = (WON, LOST, OPEN_STATUS, SET_ASIDE) if kind != "events" else ()
    keys = {
        **forms.SOURCE,
        "columns": Key(
            forms.columns(kind, COLUMNS[kind]), "the export's name of each column", required=True,
            example="{id: …}",
        ),
        "status": Key(forms.Meanings(meanings), "what each value of the status means", {}),
        "others": Key(forms.Meaning(meanings), "what values of the status mean that are not named"),
        "only": Key(forms.CHOSEN, "rows to read: a column and its values", {}),
        "except": Key(forms.CHOSEN, "rows to leave out: a column and its values", {}),
        "dates": Key(forms.DateOrders(), "how dates of this table are written"),
        "decimal": Key(forms.DECIMAL, "the decimal mark of this table"),
        "duplicates": Key(
            choice("first", "last", SET_ASIDE, what="duplicates"),
            "which of the rows with one id and different contents holds",
            SET_ASIDE,
        ),
    }  # fmt: skip
    if kind == "events":
        del keys["duplicates"]
    else:
        keys["stage"] = Key(forms.STAGE, "the stage that its items are in")
        keys["entered"] = Key(
            ByName("stages", forms.COLUMN), "the column with the day of entering each stage", {}
        )
    return Record(kind, keys, dict)


_ANY_LABEL: Final = {name: name for name in LABELS}
MAPPING: Final = Record(
    "a mapping",
    {
        "as_of": Key(
            Leaf(quantities.day, "a day", "Write as_of: 2027-12-31.", {"type": "string"}),
            "the last day that the export knows",
        ),
        "currency": Key(
            Leaf(
                lambda text: quantities.name(text, "currency"),
                "a currency",
                "Write currency: USD.",
                {"type": "string"},
            ),
            "the currency of all amounts",
            "USD",
        ),
        "rates": Key(
            ByName("currencies", forms.RATE), "what one unit of other currencies is worth", {}
        ),
        "dates": Key(forms.DateOrders(), "how dates are written"),
        "time_zone": Key(forms.TIME_ZONE, "the time zone whose days count"),
        "decimal": Key(forms.DECIMAL, "the decimal mark of amounts"),
        "stages": Key(forms.STAGES, "the stages in the order of the journey", ()),
        **{kind: Key(_table_form(kind), f"the table of {kind}") for kind in KINDS},
        "aliases": Key(
            forms.by_label(ByName("names", forms.NAME)), "names that are joined with others", {}
        ),
        "blanks": Key(
            forms.labelled(
                {**dict.fromkeys(LABELS, forms.NAME), "amount": forms.BLANK_AMOUNT}, "blanks"
            ),
            "what a blank cell means",
            {},
        ),
        "several": Key(
            forms.by_label(Word("a sign such as ;", 'Write several: {channel: ";"}.')),
            "the sign between several values of a cell, of which the first counts",
            {},
        ),
        "backdated": Key(
            choice("same day", SET_ASIDE, what="backdated"),
            "what becomes of items that were closed before they were created",
            SET_ASIDE,
        ),
        "zero_amounts": Key(
            choice("keep", "unknown", what="zero_amounts"), "what an amount of 0 means", "keep"
        ),
        "unreadable": Key(
            choice("refuse", SET_ASIDE, what="unreadable"),
            "what becomes of a column in which more than one cell of 20 cannot be read",
            "refuse",
        ),
        "recorded": Key(
            ByName("stages", forms.RECORDED), "since when the ways out of a stage are recorded", {}
        ),
    },
    dict,
)


def _made(document: Table, values: dict[str, Any], door: Door) -> Any:
    """Put the tables together, and check what several keys say together."""
    tables = tuple(
        _table(kind, document, values, door) for kind in KINDS if values[kind] is not None
    )
    if not tables:
        mend = "Add deals: {file: …, columns: {id: …, created: …, closed: …, status: …}}."
        door.fault(document.place, "no table", "a mapping with deals, leads or events", mend)
    whole = [table for table in tables if table is not BROKEN]
    stages = _stages(document, values, whole, door)
    for name in values["recorded"] if is_whole(values["recorded"]) else ():
        _known_stage(name, stages, document["recorded"], door)
    if not is_whole(values) or door.faults:
        return BROKEN
    kept = ["as_of", "currency", "rates", "time_zone", "aliases", "several", "backdated"]
    kept += ["zero_amounts", "unreadable"]
    return ExportMapping(
        document.place.file,
        document.place,
        tables,
        stages,
        blanks={key: value for key, value in values["blanks"].items() if value is not None},
        recorded=values["recorded"],
        **{key: values[key] for key in kept},
    )


def _known_stage(name: str, stages: tuple[str, ...], node: Any, door: Door) -> None:
    if name not in stages and stages:
        place = node.place_of(name)
        door.fault(place, shown(name), "a stage", f"The stages are {listed(stages)}.")


def _table(kind: str, document: Table, values: dict[str, Any], door: Door) -> Any:
    """Make one table; what stands at the top of the file counts where the table says nothing."""
    given, node = values[kind], document[kind]
    if given is BROKEN or not isinstance(node, Table):
        return BROKEN
    source = forms.read_source(given, node, door)
    columns, status = given["columns"], given["status"]
    if not is_whole(given) or source is BROKEN:
        return BROKEN
    dates = _dates(values["dates"], given["dates"])
    table = TableMap(
        kind,
        node.place,
        source,
        columns,
        given.get("entered", {}),
        {} if isinstance(status, str) else status,
        status if isinstance(status, str) else None,
        given["others"],
        given.get("stage") or {"deals": "opportunity", "leads": "lead"}.get(kind, ""),
        given["only"],
        given["except"],
        dates,
        given["decimal"] or (values["decimal"] if values["decimal"] is not BROKEN else None),
        given.get("duplicates", SET_ASIDE),
    )
    return table if _check_table(table, document, door) else BROKEN


def _dates(top: Any, own: Any) -> dict[str, str]:
    """How each column of days is written, as far as anybody said."""
    found: dict[str, str] = {}
    for said in (top, own):
        if isinstance(said, Mapping):
            found.update(said)
        elif isinstance(said, str):
            found.update(dict.fromkeys((*DATES, "entered"), said))
    return found


def _check_table(table: TableMap, document: Table, door: Door) -> bool:
    """Refuse a table whose columns do not say when its items were won or lost."""
    before = len(door.faults)
    about = table.kind == "deals" and "events" in document
    columns = table.columns
    node = document[table.kind]
    assert isinstance(node, Table)
    place = node["columns"].place
    needed = {
        "events": ("id", "stage", "at"),
        "leads": ("id", *(() if table.entered else ("created",))),
        "deals": () if about else ("closed",) if "leads" in document else ("created", "closed"),
    }[table.kind]
    for name in needed:
        dated = name == "closed" and {"won", "lost"} & set(columns)
        if name in columns or dated or (name == "created" and table.entered):
            continue
        mend = f"Add {name}: and the name of the column that says it."
        must = f"columns with {name} ({COLUMNS[table.kind][name]})"
        door.fault(place, f"no {name}", must, mend)
    if table.kind == "deals" and not {"id", "lead"} & set(columns):
        mend = "Add id: and the name of the column that says it."
        door.fault(place, "no id", "columns with id (what the item is called)", mend)
    _check_status(table, about, node, door)
    return len(door.faults) == before


def _check_status(table: TableMap, about: bool, node: Table, door: Door) -> None:
    columns = table.columns
    if table.kind == "events" or about:
        used = {"created", "closed", "won", "lost", "status"} & set(columns)
        for name in sorted(used) if about else ():
            mend = f"Delete {name}; beside events, deals give labels and amounts alone."
            place = node["columns"].place.at(name)
            door.fault(place, shown(columns[name]), "left out, for events say it", mend)
        if about and (table.status or table.constant):
            mend = "Delete status; beside events, deals give labels and amounts alone."
            door.fault(node.place_of("status"), "a status", "left out, for events say it", mend)
        return
    said = bool(table.status) or table.others is not None
    if "status" in columns and not said:
        mend = "Add status: {Won: won, Lost: lost, Open: open} with the values of that column."
        door.fault(node.place, "no status", "what the values of the status mean", mend)
    if said and "status" not in columns:
        mend = "Add status: and the name of that column to columns."
        door.fault(node["columns"].place, "no status", "columns with status", mend)
    dated = {"won", "lost"} & set(columns) or table.kind == "leads"
    if table.constant is None and "status" not in columns and not dated:
        mend = "Add the column of the status, or status: won if every closed row was won."
        door.fault(node.place, "no status", "a way to tell won from lost", mend)


def _stages(
    document: Table, values: dict[str, Any], tables: list[TableMap], door: Door
) -> tuple[str, ...]:
    """The stages in their order: as they are listed, or as the tables name them."""
    named: dict[str, Place] = {}
    about = "events" in document
    for table in sorted(tables, key=lambda table: table.kind != "leads"):
        reached = table.kind == "leads" or "created" in table.columns
        if table.kind != "events" and reached and not (about or table.entered):
            named.setdefault(table.stage, table.place)
        for stage in (*table.entered, *table.status.values(), table.others):
            if stage and stage not in (WON, LOST, OPEN_STATUS, SET_ASIDE):
                named.setdefault(stage, table.place)
    stages = values["stages"]
    if not is_whole(stages):
        return ()
    if len(set(stages)) < len(stages):
        mend = "Name each stage once; items may come back to it."
        door.fault(document["stages"].place, listed(stages), "each stage once", mend)
    if not stages:
        if "events" in document:
            mend = "Add stages: [lead, opportunity] with the journey's stages in their order."
            door.fault(document.place, "no stages", "the stages of the events", mend)
        return tuple(named)
    for name, place in named.items():
        if name not in stages:
            got, must = f"the stage {shown(name)}", f"one of stages ({listed(stages)})"
            door.fault(place, got, must, f"Add it to stages, or name one of them for {UNKNOWN}.")
    return tuple(stages)
