"""The items that are open as of a date: as rows, their chances by the fits, and as a CSV file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.estimates import LagFit, WayFit
from forecast.history.records import LABELS, LOST, OPEN, Records
from forecast.scenario.families import build
from forecast.scenario.source import FORMULA

MOST_OPEN = 100_000  # as many as a scenario reads
NO_CHANCE = 1e-6
COLUMNS = ("id", "stage", "entered", *LABELS, "amount")

Floats = NDArray[np.float64]


def find_open(records: Records) -> pd.DataFrame:
    """Give a row for each open item: id, stage, entered (day), channel, segment, product, amount.

    An item that is in several stages at once stands in the one that it entered last.
    """
    stays = records.stays[(records.stays["left"] == OPEN).to_numpy()]
    stays = stays.drop_duplicates("item", keep="last")
    items = records.items.iloc[stays["item"].to_numpy()]
    found = {
        "id": items["id"].to_numpy(),
        "stage": stays["stage"].astype(str).to_numpy(),
        "entered": stays["entered"].to_numpy(),
        **{label: items[label].astype(str).to_numpy() for label in LABELS},
        "amount": items["amount"].to_numpy(),
    }
    return pd.DataFrame(found)


def onward_chances(opened: pd.DataFrame, ways: Sequence[WayFit], as_of: dt.date) -> Floats:
    """Give the chance of each open item to go onward (not lost) from its stage, given its age.

    With c the share that goes a way in the end and S(a) the chance that its lag is longer than the
    age a, it is the sum of c S(a) over the ways onward, over that of all ways; those who never
    leave have S = 1. Shape (item,). Groups have the chances of all.
    """
    chances = np.ones(len(opened))
    age = as_of.toordinal() + 1 - opened["entered"].to_numpy()
    for stage in opened["stage"].unique():
        here = (opened["stage"] == stage).to_numpy()
        own = [way for way in ways if way.stage == stage and not way.group]
        if not own:
            continue
        ages, of = np.unique(age[here], return_inverse=True)
        onward, lost = np.zeros(len(ages)), np.zeros(len(ages))
        for way in own:
            left = way.conversion.value * longer(way.lag, ages.astype(np.float64))
            if way.to == LOST:
                lost += left
            else:
                onward += left
        never = max(0.0, 1.0 - sum(way.conversion.value for way in own))
        total = onward + lost + never
        chances[here] = np.where(total > 0, onward / np.maximum(total, 1e-300), 0.0)[of]
    return chances


def longer(lag: LagFit | None, days: Floats) -> Floats:
    """Give the chance that a lag is longer than each of some days."""
    if lag is None:
        return np.zeros(len(days))
    if lag.family == "values":
        values, shares = np.array(lag.values).T
        order = np.argsort(values)
        ends = np.concatenate([[0.0], np.cumsum(shares[order])]) / shares.sum()
        return np.asarray(1.0 - ends[np.searchsorted(values[order], days, side="right")])
    family = build(lag.family, {"mean": lag.mean_days.value, "cv": lag.cv})
    return np.asarray(1.0 - family.cdf(days))


def thin(opened: pd.DataFrame, chances: Floats) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out the items that stand no chance where there are too many; says what it left out."""
    if len(opened) <= MOST_OPEN:
        return opened, ()
    keep = chances >= NO_CHANCE
    if keep.sum() > MOST_OPEN:
        # The least likely go; a stable order makes ties go by the order of arrival.
        keep[:] = False
        keep[np.argsort(-chances, kind="stable")[:MOST_OPEN]] = True
    missed = chances[~keep].sum()
    left = "All" if not keep.any() else f"{int((~keep).sum()):,} of"
    whom = "those without a chance" if keep.sum() < MOST_OPEN else "the least likely ones"
    note = (
        f"{left} {len(opened):,} open items are left out of the pipeline file, which holds "
        f"{MOST_OPEN:,}: {whom}, {_expected(float(missed))} expected to go onward from their stage."
    )
    return opened[keep].reset_index(drop=True), (note,)


def _expected(missed: float) -> str:
    return "of which none is" if missed < 0.005 else f"of which {missed:,.2g} are"


def write_open(opened: pd.DataFrame, columns: Sequence[str] = COLUMNS) -> str:
    """Write open items as the CSV text that a scenario reads; an amount not known is left blank.

    `columns` are those that are written, of ``COLUMNS``. An id that a
    spreadsheet would take for a formula gets an apostrophe before it.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    taken: set[str] = set()
    cells = {
        "id": [_unique(written_id(name), taken) for name in opened["id"]],
        "entered": [dt.date.fromordinal(int(day)).isoformat() for day in opened["entered"]],
        "amount": [_money(amount) for amount in opened["amount"]],
        **{name: [written_id(text) for text in opened[name]] for name in ("stage", *LABELS)},
    }
    writer.writerows(zip(*(cells[name] for name in columns), strict=True))
    return written.getvalue()


def _money(amount: float) -> str:
    return "" if np.isnan(amount) else f"{amount:.2f}".removesuffix(".00")


def written_id(text: str) -> str:
    """Write an id or a label printable, on one line, and as no formula.

    Names of a scenario pass as they are: they are looked up there.
    """
    plain = "".join(c if c.isprintable() else " " for c in text).strip()
    return f"'{plain}" if plain.startswith(FORMULA) else plain[:200]


def _unique(name: str, taken: set[str]) -> str:
    found, number = name or "(blank)", 1
    while found in taken:
        number += 1
        found = f"{name} #{number}"
    taken.add(found)
    return found
