"""Tables with one row an item: when it arrived, and when and how it ended."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.exports.amounts import read_money
from forecast.history.exports.dates import BLANKS, READ, UNREADABLE
from forecast.history.exports.labels import Counts, read_label
from forecast.history.exports.mapping import LABELS, OPEN_STATUS, SET_ASIDE, ExportMapping
from forecast.history.exports.rows import Coded, DayColumn, Ints, Mask, Rows
from forecast.history.exports.statuses import read_meanings
from forecast.history.records import LOST, UNKNOWN, WON
from forecast.scenario.errors import shown

IS_OPEN, IS_WON, IS_LOST = 0, 1, 2
OUTCOMES: Final = {OPEN_STATUS: IS_OPEN, WON: IS_WON, LOST: IS_LOST}
NAMES: Final = (OPEN_STATUS, WON, LOST)
NEVER: Final = np.int64(0)  # in place of a day that is not there


@dataclass
class Deals:
    """Hold what rows of items say: an `outcome`, the days of `created` and `closed` (NEVER where
    not there), those of `entered` stages, labels and amounts; all arrays are by row."""

    rows: Rows
    outcome: npt.NDArray[np.int8]
    created: Ints
    closed: Ints
    entered: dict[str, Ints] = field(default_factory=dict)
    moments: dict[str, Ints] = field(default_factory=dict)
    labels: dict[str, Coded] = field(default_factory=dict)
    amount: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def stages(self) -> dict[str, Ints]:
        """Give the day on which each row entered each stage, NEVER where it did not."""
        return self.entered or {self.rows.table.stage: self.created}


def read_deals(rows: Rows, mapping: ExportMapping, counts: Counts) -> Deals:
    """Read the rows of a table with one row an item."""
    check_ids(rows)
    _check_twice(rows)
    outcome = _outcomes(rows)
    closed = _closing(rows, outcome)
    deals = Deals(rows, outcome, _arrival(rows, outcome), closed)
    if rows.table.entered:
        _read_entered(deals)
    deals.labels = {name: read_label(rows, name, mapping, counts) for name in LABELS}
    deals.amount = read_money(rows, mapping)
    _mean_amounts(deals, mapping, counts)
    return deals


def check_ids(rows: Rows) -> None:
    """Set aside rows without an id, and those that are the same as another."""
    ids = rows.ids
    name = "id" if rows.has("id") else "lead"
    rows.set_aside(ids.spread([not text for text in ids.texts]), "without an id")
    rows.set_aside(
        ids.spread([text.casefold() in BLANKS for text in ids.texts]),
        "with a word for nothing as the id",
        name,
    )
    columns = [rows.column(each).codes for each in rows.theirs]
    columns += [rows.coded(column).codes for column in rows.entered.values()]
    same = _repeated(columns, rows.live)
    rows.set_aside(same, "the same as an earlier row", chosen=True)


def _check_twice(rows: Rows) -> None:
    """Settle ids that stand in several rows with different contents."""
    if not rows.has("id"):
        return
    ids = rows.ids
    twice = _repeated([ids.codes], rows.live, keep=rows.table.duplicates)
    which = {"first": "an earlier", "last": "a later"}.get(rows.table.duplicates)
    if which:
        rows.set_aside(twice, f"with the id of {which} row", chosen=True)
        return
    count = int(twice.sum())
    if count > 20 and count > 0.05 * rows.live.sum():
        row = int(np.flatnonzero(twice)[0])
        got = (
            f"{shown(ids[row])}, one of {count:,} of {len(rows):,} rows that share their id with "
            "others of different contents"
        )
        mend = (
            "If each row is a change, read them as events:; if one of them holds, add "
            "duplicates: last, or choose it with only:."
        )
        rows.fault(twice, "id", got, "an id that no other row has", mend)
    rows.set_aside(twice, "with an id that other rows with different contents have too")


def _repeated(columns: list[Ints], live: Mask, keep: str = "first") -> Mask:
    """Tell which live rows are repeated in some columns: all but the first or last, or all."""
    frame = pd.DataFrame({str(at): codes[live] for at, codes in enumerate(columns)})
    which = keep if keep in ("first", "last") else False
    found = np.zeros(len(live), dtype=bool)
    found[live] = frame.duplicated(keep=which).to_numpy()  # type: ignore[arg-type]
    return found


def _outcomes(rows: Rows) -> npt.NDArray[np.int8]:
    """Tell what became of each row's item by its status; see ``Deals``."""
    outcome = np.zeros(len(rows), dtype=np.int8)
    if not rows.has("status"):
        return outcome
    coded = rows.column("status")
    meanings = read_meanings(rows, "status")
    for meaning, number in OUTCOMES.items():
        outcome[coded.spread([each == meaning for each in meanings])] = number
    return outcome


def _closing(rows: Rows, outcome: npt.NDArray[np.int8]) -> Ints:
    """Read when rows were closed; settles their outcome where only the days tell it."""
    table = rows.table
    own = {name: rows.days(name) for name in ("won", "lost", "closed") if rows.has(name)}
    if table.constant and "closed" in own:
        filled = own["closed"].state
        ended = (filled == READ) | (filled == UNREADABLE)
        outcome[ended] = OUTCOMES[table.constant]
    elif not rows.has("status"):
        dated = {
            name: np.isin(own[name].state, (READ, UNREADABLE))
            for name in ("won", "lost")
            if name in own
        }
        if len(dated) == 2:
            rows.set_aside(dated["won"] & dated["lost"], "both won and lost", "won")
        for name, mask in dated.items():
            outcome[mask] = OUTCOMES[name]
    closed = np.zeros(len(rows), dtype=np.int64)
    for number in (IS_WON, IS_LOST):
        mask = (outcome == number) & rows.live
        named = [NAMES[number], "closed"] if NAMES[number] in own else ["closed"]
        _close(rows, mask, number, [(name, own[name]) for name in named if name in own], closed)
    return closed


def _close(
    rows: Rows, mask: Mask, number: int, columns: list[tuple[str, DayColumn]], closed: Ints
) -> None:
    """Take the closing day of the rows with an outcome from the first column that has it."""
    missing = mask.copy()
    name = NAMES[number]
    for column, days in columns:
        read = missing & (days.state == READ)
        closed[read] = days.day[read]
        unread = missing & (days.state == UNREADABLE)
        if not rows.refuse_unreadable(unread, mask, column, "date"):
            rows.set_aside(unread, f"{name} on a day that cannot be read", column)
        missing &= ~read & ~unread
    if number == IS_WON:
        rows.set_aside(missing, "won, but nobody knows when", columns[0][0] if columns else "")
    else:
        rows.note(missing & rows.live, "lost, but nobody knows when (kept)")


def _arrival(rows: Rows, outcome: npt.NDArray[np.int8]) -> Ints:
    """Read when items arrived."""
    if not rows.has("created"):
        return np.zeros(len(rows), dtype=np.int64)
    days = rows.days("created")
    live = rows.live
    unread = (days.state == UNREADABLE) & live
    if not rows.refuse_unreadable(unread, live, "created", "date"):
        rows.set_aside(unread, "arrived on a day that cannot be read", "created")
    if not rows.table.entered:
        for number, name in enumerate(NAMES):
            missing = (days.state != READ) & (outcome == number)
            said = "status" if rows.has("status") else "created"
            rows.set_aside(missing, f"{name}, without the day on which it arrived", said)
    return np.where(days.state == READ, days.day, NEVER)


def _read_entered(deals: Deals) -> None:
    """Read when rows entered stages; the first of them, or created, is the arrival."""
    rows = deals.rows
    for stage, column in rows.entered.items():
        days = rows.days(f"entered {stage}", column)
        unread = (days.state == UNREADABLE) & rows.live
        rows.set_aside(unread, f"entered {stage} on a day that cannot be read")
        deals.entered[stage] = np.where(days.state == READ, days.day, NEVER)
        deals.moments[stage] = days.moment
    first = next(iter(deals.entered))
    if rows.has("created"):
        blank = deals.entered[first] == NEVER
        deals.entered[first] = np.where(blank, deals.created, deals.entered[first])
    reached = np.stack([*deals.entered.values()])
    rows.set_aside((reached == NEVER).all(axis=0), "without the day on which it entered any stage")
    far = np.where(reached == NEVER, np.iinfo(np.int64).max, reached)
    deals.created = np.where((reached == NEVER).all(axis=0), NEVER, far.min(axis=0))
    late = (reached.max(axis=0) > deals.closed) & (deals.closed != NEVER)
    rows.set_aside(late, "entered a stage after it was closed")


def _mean_amounts(deals: Deals, mapping: ExportMapping, counts: Counts) -> None:
    """Settle what blank amounts and those of 0 mean."""
    rows, amount = deals.rows, deals.amount
    if not rows.has("amount"):
        return
    won = (deals.outcome == IS_WON) & rows.live
    blank = won & np.isnan(amount)
    meant = mapping.blanks.get("amount", UNKNOWN)
    if meant == "0":
        amount[blank] = 0.0
    if blank.any():
        key = f"amount of won deals = {meant}"
        counts.blanks[key] = counts.blanks.get(key, 0) + int(blank.sum())
    lost = deals.outcome == IS_LOST
    amount[lost & (amount == 0)] = np.nan  # what is lost is worth nothing to those who write 0
    rows.note(won & (amount == 0), f"won at 0 ({mapping.zero_amounts})", "amount")
    if mapping.zero_amounts == "unknown":
        amount[amount == 0] = np.nan


def newest_of(deals: Deals, today: dt.date) -> int:
    """Give the newest day on which something happened that is not still to come, 0 if none is."""
    live, newest = deals.rows.live, 0
    ended = np.where(deals.outcome == IS_OPEN, NEVER, deals.closed)
    for days in (deals.created, ended, *deals.entered.values()):
        past = days[live & (days <= today.toordinal())]
        newest = max(newest, int(past.max(initial=0)))
    return newest


def settle_days(deals: Deals, as_of: dt.date, today: dt.date, backdated: str) -> None:
    """Set aside what arrived or closed after the last day that is known, and what ran backwards.

    What closed between `as_of` and `today` was open on `as_of`.
    """
    rows, last, now = deals.rows, as_of.toordinal(), today.toordinal()
    far = deals.created > now
    rows.set_aside(
        far, "arrived on a day that is still to come", "created" if rows.has("created") else ""
    )
    rows.set_aside(
        deals.created > last,
        f"arrived after {as_of}",
        "created" if rows.has("created") else "",
        chosen=True,
    )
    ended = deals.outcome != IS_OPEN
    closing = "closed" if rows.has("closed") else ""
    for number in (IS_WON, IS_LOST):
        mask = (deals.outcome == number) & (deals.closed > now)
        rows.set_aside(mask, f"{NAMES[number]} on a day that is still to come", closing)
    later = ended & (deals.closed > last)
    rows.note(later & rows.live, f"closed after {as_of}, open on that day", closing)
    deals.outcome[later] = IS_OPEN
    deals.amount[later] = np.nan
    deals.closed[later] = NEVER
    back = (deals.closed != NEVER) & (deals.created != NEVER) & (deals.closed < deals.created)
    if backdated == SET_ASIDE:
        rows.set_aside(back, "closed before it arrived", closing)
    else:
        rows.note(back & rows.live, "closed before it arrived, taken as the same day", closing)
        deals.closed[back] = deals.created[back]
