"""Dates that only tell the month: exports that write each day as the first of its month."""

from __future__ import annotations

import calendar
import datetime as dt

import numpy as np
from numpy.typing import NDArray

from forecast.history.records import Records

FEWEST_MONTHS = 3
NEARLY_ALL = 0.95  # of the items on first days of months: 3% would be there by chance

Floats = NDArray[np.float64]


def are_months(days: NDArray[np.int64]) -> bool:
    """Tell whether days (proleptic ordinals) stand for months: nearly all of them first days."""
    if not len(days):
        return False
    found, counts = np.unique(days, return_counts=True)
    first = np.array([dt.date.fromordinal(int(day)).day == 1 for day in found])
    return bool(first.sum() >= FEWEST_MONTHS and counts[first].sum() >= NEARLY_ALL * len(days))


def spread_months(counts: Floats, first: int) -> Floats:
    """Spread counts (series, day from `first` on) of first days over their months, as far as known.

    Left as they are where days are told.
    """
    total = counts.sum(axis=0)
    days = np.flatnonzero(total) + first
    if not are_months(np.repeat(days, total[days - first].astype(np.int64))):
        return counts
    spread = np.zeros_like(counts)
    end = counts.shape[1]
    for at in np.flatnonzero(total):
        day = dt.date.fromordinal(int(at) + first)
        length = calendar.monthrange(day.year, day.month)[1] if day.day == 1 else 1
        # The last month is complete or not: nobody says so, and its rate is that of a whole one.
        known = min(length, end - at)
        spread[:, at : at + known] += counts[:, at : at + 1] / length
    return spread


def months_note(records: Records) -> tuple[str, ...]:
    """Say that the dates are months, and what the last day should be then."""
    begin = records.stays.groupby("item", sort=True)["entered"].min().to_numpy()
    if not are_months(begin):
        return ()
    last = records.as_of
    end = calendar.monthrange(last.year, last.month)[1]
    text = (
        "Nearly all items came on the first day of a month: the dates tell months, not days. "
        "Arrivals are spread over each month; lags are known to a month only."
    )
    if last.day == 1:
        text += (
            f" If {last:%Y-%m} is complete write as_of: {last.replace(day=end)} in the mapping, "
            "else as_of: with the last day that the export knows."
        )
    return (text,)
