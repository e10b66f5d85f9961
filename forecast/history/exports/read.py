"""Read the tables that a mapping names into records, with a report of every row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from forecast.history.exports.data_report import DataReport, Example, Finding
from forecast.history.exports.deals import newest_of, read_deals, settle_days
from forecast.history.exports.events import (
    found_in_events,
    newest_event,
    read_about,
    read_events,
    settle_events,
)
from forecast.history.exports.joining import Found, found_in
from forecast.history.exports.labels import MANY_LABELS, Counts, find_alike
from forecast.history.exports.mapping import LABELS, ExportMapping, TableMap, read_mapping
from forecast.history.exports.rows import Rows, load
from forecast.history.exports.stays import make_stays, sort_happenings
from forecast.history.gaps import find_gaps
from forecast.history.records import LOST, OPEN, UNDATED, UNKNOWN, WON, Records, build_records
from forecast.scenario.errors import Fault, ScenarioError, listed
from forecast.scenario.forms import Door

OPEN_ITEM = "open"
FEW = 20  # items that left a stage: of fewer, the slowest says little


def read_records(
    mapping: ExportMapping | str | Path, as_of: dt.date | None = None
) -> tuple[Records, DataReport]:
    """Read an export by a mapping or the path of one.

    `as_of` is the last day to know of, in place of the mapping's; without both it is the newest
    day on which anything happened, as far as that is not still to come.
    Raises ``ScenarioError`` with every fault; a row that cannot be used is set aside and reported.
    """
    if not isinstance(mapping, ExportMapping):
        mapping = read_mapping(mapping)
    if as_of is not None:
        if mapping.as_of is not None and as_of > mapping.as_of:
            mend = f"Ask for {mapping.as_of} or a day before."
            must = f"a day up to {mapping.as_of}, the last that the export knows"
            raise ScenarioError([mapping.place.at("as_of").fault(str(as_of), must, mend)])
        mapping = replace(mapping, as_of=as_of)
    door, counts = Door(), Counts()
    tables = {each.kind: _load(each, door, mapping) for each in mapping.tables}
    _stop(door)
    rows = {str(kind): each for kind, each in tables.items() if each is not None}
    read = _of_events if "events" in rows else _of_deals
    found, last = read(rows, mapping, counts, door)
    if not found.ids:
        _nothing(rows.values())
    records = _records(found, mapping, last)
    return records, _report(records, mapping, rows, counts)


def read_as_of(
    mapping: ExportMapping | str | Path, as_of: dt.date | None
) -> tuple[Records, DataReport]:
    """Read an export; of a day before its last one, what was known then."""
    records, report = read_records(mapping)
    if as_of is None or as_of == records.as_of:
        return records, report
    if as_of > records.as_of:
        return read_records(mapping, as_of)
    return records.known_at(as_of), report


def _of_deals(
    rows: dict[str, Rows], mapping: ExportMapping, counts: Counts, door: Door
) -> tuple[Found, dt.date]:
    """Read tables with one row an item."""
    deals = {kind: read_deals(each, mapping, counts) for kind, each in rows.items()}
    _stop(door)
    today = max(_today(), mapping.as_of or dt.date.min)  # who says a day knows it
    last = mapping.as_of or _day(max(newest_of(each, today) for each in deals.values()), today)
    for each in deals.values():
        settle_days(each, last, today, mapping.backdated)
    found = found_in(deals, mapping)
    _stop(door)
    return found, last


def _of_events(
    rows: dict[str, Rows], mapping: ExportMapping, counts: Counts, door: Door
) -> tuple[Found, dt.date]:
    """Read a table of events, and what another says of its items."""
    events = read_events(rows["events"], mapping, counts)
    about = read_about(rows["deals"], mapping, counts) if "deals" in rows else None
    _stop(door)
    today = max(_today(), mapping.as_of or dt.date.min)
    last = mapping.as_of or _day(newest_event(events, today), today)
    settle_events(events, last, today, len(mapping.stages))
    return found_in_events(events, about), last


def _day(newest: int, today: dt.date) -> dt.date:
    """Where nothing happened yet, every row is set aside by the day of today."""
    return dt.date.fromordinal(newest) if newest else today


def _today() -> dt.date:
    """A day that has begun somewhere is not still to come."""
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)


def _load(table: TableMap, door: Door, mapping: ExportMapping) -> Rows | None:
    try:
        return load(table, door, mapping)
    except ScenarioError as error:
        door.faults.extend(error.faults)
        return None


def _stop(door: Door) -> None:
    if door.faults:
        raise ScenarioError(door.faults)


def _nothing(tables: Iterable[Rows]) -> NoReturn:
    """Refuse an export of which no row can be used, with the reasons."""
    faults: list[Fault] = []
    for rows in tables:
        report = rows.report()
        for reason in report.set_aside:
            line = reason.examples[0].line
            got = f"{reason.count:,} of {report.rows:,} rows {reason.what}"
            mend = "Check columns: and status: of the mapping, and the export."
            faults.append(
                Fault(report.source, line, report.kind, got, "rows that can be used", mend)
            )
    raise ScenarioError(faults)


def _records(found: Found, mapping: ExportMapping, last: dt.date) -> Records:
    order = sort_happenings(found.item, found.moment, found.state, found.day)
    stays = make_stays(found.item[order], found.state[order], found.day[order], mapping.stages)
    items = pd.DataFrame({"id": found.ids, "amount": found.amount})
    for name, coded in found.labels.items():
        names = np.array([text or UNKNOWN for text in coded.texts], dtype=object)
        places, once = pd.factorize(names)
        items[name] = pd.Categorical.from_codes(places[coded.codes], categories=pd.Index(once))
    return build_records(
        items, stays, mapping.stages, last, mapping.currency, dict(mapping.recorded)
    )


def _report(
    records: Records, mapping: ExportMapping, rows: dict[str, Rows], counts: Counts
) -> DataReport:
    stays = records.stays
    left = stays["left"].to_numpy()
    dated = left[(left != OPEN) & (left != UNDATED)]
    first = int(stays["entered"].min())
    last = int(max(stays["entered"].max(), dated.max(initial=0)))
    to = stays["to"].to_numpy()
    won, lost = int((to == WON).sum()), int((to == LOST).sum())
    sizes = {
        label: {str(k): int(n) for k, n in records.items[label].value_counts().items() if n}
        for label in LABELS
    }
    many = [label for label, counted in sizes.items() if len(counted) > MANY_LABELS]
    notes = [note for each in rows.values() for note in each.notes]
    notes += [
        f"{label} has {len(sizes[label]):,} values; small groups say little" for label in many
    ]
    found = [finding for each in rows.values() for finding in each.found]
    return DataReport(
        records.as_of,
        mapping.as_of is not None,
        mapping.time_zone or "UTC",
        tuple(each.report() for each in rows.values()),
        {WON: won, LOST: lost, OPEN_ITEM: len(records.items) - won - lost},
        dt.date.fromordinal(first),
        dt.date.fromordinal(last),
        (*found, *_zombies(records, rows), *_before_recording(records, rows)),
        counts.aliases,
        counts.blanks,
        tuple(pair for label in LABELS for pair in find_alike(label, sizes[label])),
        tuple(notes),
    )


def _zombies(records: Records, rows: dict[str, Rows]) -> list[Finding]:
    """Find items that are open for longer than any took that left the stage on a day."""
    stays, last = records.stays, records.as_of.toordinal()
    left, entered = stays["left"].to_numpy(), stays["entered"].to_numpy()
    ended = (left != OPEN) & (left != UNDATED)
    found = []
    for place, stage in enumerate(records.stages):
        here = stays["stage"].cat.codes.to_numpy() == place
        if (here & ended).sum() < FEW:
            continue
        longest = int((left - entered)[here & ended].max())
        old = here & (left == OPEN) & (last - entered > longest)
        if old.any():
            ids = records.items["id"].to_numpy()[stays["item"].to_numpy()[old][:3]]
            what = f"open in {stage} for longer than any took that left it ({longest:,} days)"
            examples = tuple(_example(str(name), rows) for name in ids)
            found.append(Finding(what, int(old.sum()), examples))
    return found


def _before_recording(records: Records, rows: dict[str, Rows]) -> list[Finding]:
    """Find the items that were in a stage before its ways out were recorded."""
    stays, found = records.stays, []
    for stage, gap in find_gaps(records).gaps.items():
        here = (stays["stage"] == stage).to_numpy()
        early = here & (stays["entered"].to_numpy() < gap.since.toordinal())
        if early.any():
            ids = records.items["id"].to_numpy()[stays["item"].to_numpy()[early][:3]]
            kept = "all of them are there" if gap.complete else "only survivors are there"
            said = "the mapping says" if stage in records.gaps else "it seems"
            what = f"in {stage} before {gap.since}, when recording began as {said} ({kept})"
            examples = tuple(_example(str(name), rows) for name in ids)
            found.append(Finding(what, int(early.sum()), examples))
    return found


def _example(name: str, rows: dict[str, Rows]) -> Example:
    """Find the row that an item came from."""
    for kind, each in rows.items():
        ids = each.ids
        if name in ids.texts:
            row = int(np.flatnonzero(ids.codes == ids.texts.index(name))[0])
            return Example(kind, each.raw.line_of(row), name)
    return Example(listed(rows), 0, name)
