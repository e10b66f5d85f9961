"""What has been done already, by fiscal quarter: the part of a goal that is no forecast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np

from forecast.history.records import OPEN, UNDATED, WON, Records
from forecast.scenario.calendar import quarter_label

By = dict[str, float]


def done_by_quarter(records: Records, fiscal_year_start: int = 1) -> dict[str, By]:
    """Count, by metric and quarter, what happened until `as_of`.

    Metrics are deals, bookings, leads and the stages; an amount that is not known counts as 0.
    """
    stays, items = records.stays, records.items
    left = stays["left"].to_numpy()
    won = (stays["to"] == WON).to_numpy() & (left != OPEN) & (left != UNDATED)
    amounts = items["amount"].fillna(0.0).to_numpy()[stays["item"].to_numpy()[won]]
    first = stays["item"].to_numpy() != np.roll(stays["item"].to_numpy(), 1)
    if len(first):
        first[0] = True
    entered = stays["entered"].to_numpy()
    found = {
        "deals": _by_quarter(left[won], np.ones(int(won.sum())), fiscal_year_start),
        "bookings": _by_quarter(left[won], amounts, fiscal_year_start),
        "leads": _by_quarter(entered[first], np.ones(int(first.sum())), fiscal_year_start),
    }
    for stage in records.stages:
        here = (stays["stage"] == stage).to_numpy()
        found[stage] = _by_quarter(entered[here], np.ones(int(here.sum())), fiscal_year_start)
    return {**found, "revenue": found["bookings"]}


def done_in(done: Mapping[str, By], metric: str, label: str) -> float:
    """Add up what was done in a quarter, or in a year, which is named by four digits."""
    by = done.get(metric, {})
    return sum(n for quarter, n in by.items() if quarter == label or quarter[:4] == label)


def won_since(records: Records, day: dt.date) -> int:
    """Count the deals that were won on a day or later."""
    left = records.stays["left"].to_numpy()
    won = (records.stays["to"] == WON).to_numpy() & (left != OPEN) & (left != UNDATED)
    return int((won & (left >= day.toordinal())).sum())


def _by_quarter(days: np.ndarray, figures: np.ndarray, fiscal_year_start: int) -> By:
    """Add up figures by the quarter of their day."""
    found: By = {}
    different, of = np.unique(days, return_inverse=True)
    for day, total in zip(different, np.bincount(of, figures, len(different)), strict=True):
        label = quarter_label(dt.date.fromordinal(int(day)), fiscal_year_start)
        found[label] = found.get(label, 0.0) + float(total)
    return found
