"""Tables with one row for each thing that happened to an item: its stages in their order."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecast.history.exports.amounts import read_money
from forecast.history.exports.dates import READ, UNREADABLE
from forecast.history.exports.deals import check_ids
from forecast.history.exports.joining import Found
from forecast.history.exports.labels import Counts, read_label
from forecast.history.exports.mapping import LABELS, ExportMapping
from forecast.history.exports.rows import Coded, Ints, Rows
from forecast.history.exports.statuses import read_meanings
from forecast.history.records import LOST, UNKNOWN, WON

NOWHERE: Final = -2


@dataclass
class Events:
    """Hold what rows of events say: the item (a code of the ids), its new state (the place of a
    stage, then won and lost), the day and the moment; all arrays are by row."""

    rows: Rows
    state: Ints
    day: Ints
    moment: Ints
    labels: dict[str, Coded] = field(default_factory=dict)
    amount: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


def read_events(rows: Rows, mapping: ExportMapping, counts: Counts) -> Events:
    """Read the rows of a table of events."""
    check_ids(rows)
    meanings = read_meanings(rows, "stage", mapping.stages)
    places = {name: at for at, name in enumerate((*mapping.stages, WON, LOST))}
    state = rows.column("stage").spread([places.get(meaning, 0) for meaning in meanings])
    days = rows.days("at")
    unread = (days.state == UNREADABLE) & rows.live
    if not rows.refuse_unreadable(unread, rows.live, "at", "date"):
        rows.set_aside(unread, "at a time that cannot be read", "at")
    rows.set_aside(days.state != READ, "without the day on which it happened")
    labels = {name: read_label(rows, name, mapping, counts) for name in LABELS if rows.has(name)}
    return Events(rows, state, days.day, days.moment, labels, read_money(rows, mapping))


@dataclass
class About:
    """Hold labels and amounts of items that a table beside the events gives."""

    rows: Rows
    labels: dict[str, Coded]
    amount: npt.NDArray[np.float64]


def read_about(rows: Rows, mapping: ExportMapping, counts: Counts) -> About:
    """Read a table of items beside their events."""
    check_ids(rows)
    labels = {name: read_label(rows, name, mapping, counts) for name in LABELS if rows.has(name)}
    return About(rows, labels, read_money(rows, mapping))


def newest_event(events: Events, today: dt.date) -> int:
    """Give the newest day that is not still to come, 0 if there is none."""
    days = events.day[events.rows.live]
    return int(days[days <= today.toordinal()].max(initial=0))


def settle_events(events: Events, as_of: dt.date, today: dt.date, stages: int) -> None:
    """Set aside what happened later than is known, after a win, or was undone."""
    rows = events.rows
    rows.set_aside(events.day > today.toordinal(), "on a day that is still to come", "at")
    rows.set_aside(events.day > as_of.toordinal(), f"after {as_of}", "at", chosen=True)
    row = _in_order(events)
    item, state = rows.ids.codes[row], events.state[row]
    won = state == stages
    before = np.cumsum(won) - won  # wins before each row, those of earlier items among them
    own = before - np.maximum.accumulate(np.where(_firsts(item), before, 0))
    _aside(rows, row[own > 0], "after the item was won", "stage")
    row = row[own == 0]
    item, state = rows.ids.codes[row], events.state[row]
    lost = state == stages + 1
    place, group = np.arange(len(row)), np.cumsum(_firsts(item)) - 1
    last = np.full(len(row), NOWHERE)
    last[group[~lost]] = place[~lost]  # the last thing that happened to an item but for losses
    undone, again = lost & (place < last[group]), lost & (place > last[group] + 1)
    again &= ~_firsts(item)
    _aside(rows, row[undone], "lost, but went on later", "stage")
    _aside(rows, row[again], "lost a second time", "stage")
    row = row[rows.live[row]]
    item, state = rows.ids.codes[row], events.state[row]
    _aside(
        rows,
        row[_firsts(item) & (state >= stages)],
        "ended without having been in a stage",
        "stage",
    )


def _firsts(item: Ints) -> npt.NDArray[np.bool_]:
    """Tell which of rows in order is the first of its item."""
    found = np.ones(len(item), dtype=bool)
    found[1:] = item[1:] != item[:-1]
    return found


def _aside(rows: Rows, places: npt.NDArray[np.intp], why: str, column: str) -> None:
    mask = np.zeros(len(rows), dtype=bool)
    mask[places] = True
    rows.set_aside(mask, why, column)


def _in_order(events: Events) -> npt.NDArray[np.intp]:
    """Give the rows that are used in the order of what happened to each item."""
    row = np.flatnonzero(events.rows.live)
    codes = events.rows.ids.codes[row]
    return row[np.lexsort((events.state[row], events.moment[row], codes))]


def found_in_events(events: Events, about: About | None) -> Found:
    """Tell what happened to the items of events; a stage that is said again goes on."""
    rows = events.rows
    row = _in_order(events)
    codes, state = rows.ids.codes[row], events.state[row]
    first = _firsts(codes)
    item = np.cumsum(first) - 1
    again = np.r_[False, (state[1:] == state[:-1]) & ~first[1:]] if len(row) else first
    if again.any():
        rows.notes.append(f"{int(again.sum()):,} events repeat the stage of their item: it goes on")
    texts = rows.ids.texts
    ids = [texts[code] for code in codes[first].tolist()]
    labels = {
        name: _first_said(rows, name, each, row, item) for name, each in events.labels.items()
    }
    amount = _last_said(events.amount[row], item, len(ids))
    if about is not None:
        _add(about, rows, codes[first], labels, amount)
    none = Coded(np.zeros(len(ids), dtype=np.int64), [UNKNOWN])
    kept = row[~again]
    return Found(
        ids,
        {name: labels.get(name, none) for name in LABELS},
        amount,
        item[~again],
        state[~again],
        events.day[kept],
        np.arange(len(kept)),  # they are in order
    )


def _first_said(rows: Rows, name: str, label: Coded, row: Any, item: Ints) -> Coded:
    """Give each item the first label that any of its rows says."""
    codes = label.codes[row]
    said = ~label.spread([text in ("", UNKNOWN) for text in label.texts])[row]
    texts = [*label.texts, UNKNOWN]
    found = np.full(int(item.max(initial=-1)) + 1, len(label.texts), dtype=np.int64)
    found[item[said][::-1]] = codes[said][::-1]
    other = np.zeros(len(rows), dtype=bool)
    values = np.array([texts.index(text) for text in texts])
    other[row[said]] = values[codes[said]] != values[found[item[said]]]
    rows.note(other, f"{name} is another one than before of the same item (the first counts)", name)
    return Coded(found, texts)


def _last_said(amount: npt.NDArray[np.float64], item: Ints, count: int) -> Any:
    found = np.full(count, np.nan)
    said = ~np.isnan(amount)
    found[item[said]] = amount[said]  # of several the last one stays
    return found


def _add(about: About, events: Rows, codes: Ints, labels: dict[str, Coded], amount: Any) -> None:
    """Put labels and amounts from the table of items where events have none."""
    rows = about.rows
    places = {text: at for at, text in enumerate(rows.ids.texts)}
    row_of = np.full(len(places) + 1, -1, dtype=np.int64)
    usable = np.flatnonzero(rows.live)
    row_of[rows.ids.codes[usable]] = usable
    texts_of = events.ids.texts
    mine = np.array([places.get(texts_of[code], len(places)) for code in codes.tolist()])
    row = row_of[mine]
    used = np.zeros(len(rows), dtype=bool)
    used[row[row >= 0]] = True
    rows.set_aside(~used, "of which no event is used", "id")
    missing = np.zeros(len(events.ids.texts), dtype=bool)
    missing[codes[row < 0]] = True
    events.note(
        missing[events.ids.codes] & events.live, "of an item that the deals do not have (kept)"
    )
    for name, label in about.labels.items():
        texts = [*label.texts, UNKNOWN]
        own = Coded(np.where(row >= 0, label.codes[row], len(label.texts)), texts)
        said = labels.get(name)
        labels[name] = own if said is None else _prefer(said, own)
    np.copyto(amount, np.where(row >= 0, about.amount[row], np.nan), where=np.isnan(amount))


def _prefer(said: Coded, other: Coded) -> Coded:
    unknown = said.spread([text in ("", UNKNOWN) for text in said.texts])
    codes = np.where(unknown, other.codes + len(said.texts), said.codes)
    return Coded(codes, [*said.texts, *other.texts])
