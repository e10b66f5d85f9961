"""From records to all that a scenario assumes: one estimate for each number, and what was seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.estimates import ArrivalFit, Estimate, SizeFit, WayFit
from forecast.history.fitting.arrivals import fit_arrivals
from forecast.history.fitting.clock import Clock, find_clock
from forecast.history.fitting.closed_only import doubts, find_closed_only, losses_missing
from forecast.history.fitting.coarse import months_note
from forecast.history.fitting.excess import find_excess, with_excess
from forecast.history.fitting.names import with_safe_names
from forecast.history.fitting.open_items import find_open, onward_chances, thin
from forecast.history.fitting.sizes import fit_sizes
from forecast.history.fitting.throughput import Throughput, find_throughput
from forecast.history.fitting.ways import fit_ways
from forecast.history.gaps import find_gaps
from forecast.history.records import LABELS, LOST, OPEN, UNDATED, UNKNOWN, WON, Gap, Records
from forecast.scenario.quantities import duration_days, month

ENOUGH_LAGS = 100  # from so many on the longest lag seen says what is too old
LATE = 0.3  # by how much more often a label may be known of the won items
SETTLED = 0.6  # of the time that was recorded: a longest lag below it was not cut off


@dataclass(frozen=True)
class Options:
    """Say how far the scenario looks ahead, and by which labels its journey is fitted.

    `by` None: by channel and segment where there are several of them.
    """

    start: dt.date | None = None
    horizon: str = "4 quarters"
    period: str = "month"
    fiscal_year_start: str = "january"
    by: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Fit:
    """Hold what records say about a scenario.

    - `open_items`: a row an item that is open at `as_of`: id, stage, entered (day), channel,
      segment, product, amount (NaN where not known).
    - `segments`: the shares of the segments, where there are several.
    - `stale_after_days`: an open item that is older than that is older than any that ever went
      onward; None where the records are too few or too short to say so.
    """

    as_of: dt.date
    begin: dt.date
    start: dt.date
    horizon: str
    period: str
    fiscal_year_start: str
    currency: str
    stages: tuple[str, ...]
    arrivals: tuple[ArrivalFit, ...]
    ways: tuple[WayFit, ...]
    sizes: tuple[SizeFit, ...]
    clock: Clock
    gaps: Mapping[str, Gap]
    open_items: pd.DataFrame
    throughput: tuple[Throughput, ...] = ()
    segments: Mapping[str, Estimate] = field(default_factory=dict)
    stale_after_days: float | None = None
    items: int = 0
    won: int = 0
    won_last_quarter: int = 0
    left_open: int = 0  # open items that stand no chance, too many to be listed
    notes: tuple[str, ...] = ()


def fit_records(records: Records, *, options: Options | None = None) -> Fit:
    """Fit everything that a scenario needs.

    The same records give the same fit: nothing is drawn. Raises ValueError where there is nothing
    to fit: no items, or none that was ever won.
    """
    options = options or Options()
    if not len(records.items):
        raise ValueError("no items are left to fit")
    records, late = without_late_labels(records)
    records, notes = with_safe_names(records)
    records = find_gaps(records)
    clock = find_clock(records, fiscal_month(options.fiscal_year_start))
    runs = None if clock.month_of_quarter is None else clock.operational_days
    closed = find_closed_only(records)
    settled = records if closed is None else closed.settled
    ways = fit_ways(settled, labels=_labels(records, options.by), clock=runs)
    ways = with_excess(ways, find_excess(settled, ways, runs))
    told = (*doubts(closed), *months_note(records), *losses_missing(records, ways))
    opened = find_open(records)
    n_open = len(opened)
    opened, left_out = thin(opened, onward_chances(opened, ways, records.as_of))
    begin = dt.date.fromordinal(int(records.stays["entered"].min()))
    return Fit(
        as_of=records.as_of,
        begin=begin,
        start=options.start or records.as_of + dt.timedelta(days=1),
        horizon=options.horizon,
        period=options.period,
        fiscal_year_start=options.fiscal_year_start,
        currency=records.currency,
        stages=records.stages,
        arrivals=fit_arrivals(
            records,
            duration_days(options.horizon),
            seen=None if closed is None else closed.seen,
        ),
        ways=ways,
        sizes=fit_sizes(records),
        clock=clock,
        gaps=records.gaps,
        open_items=opened,
        throughput=find_throughput(records),
        segments=_shares(records),
        stale_after_days=_stale_after(records, begin),
        items=len(records.items),
        won=int((records.stays["to"] == WON).sum()),
        won_last_quarter=_won_since(records, records.as_of - dt.timedelta(days=90)),
        left_open=n_open - len(opened),
        notes=(
            *told,
            *months_note(records),
            *losses_missing(records, ways),
            *late,
            *notes,
            *left_out,
        ),
    )


def without_late_labels(records: Records) -> tuple[Records, tuple[str, ...]]:
    """Take away channels and segments that are written down only when a deal is won; says so.

    They are known of those that were won, and would foretell a win of whoever has them.
    """
    won = np.zeros(len(records.items), dtype=bool)
    won[records.stays.loc[(records.stays["to"] == WON).to_numpy(), "item"].to_numpy()] = True
    items, notes = records.items, []
    for label in ("channel", "segment"):
        known = (items[label] != UNKNOWN).to_numpy()
        shares = [float(known[part].mean()) if part.any() else 0.0 for part in (won, ~won)]
        if shares[0] - shares[1] > LATE:
            blank = pd.Series(UNKNOWN, index=items.index, dtype="category")
            items = items.assign(**{label: blank})
            notes.append(
                f"The {label} is known of {shares[0]:.0%} of the won items and of {shares[1]:.0%} "
                "of the others: it seems to be written down when a deal is won, tells nothing of "
                "who will be, and is left out."
            )
    return replace(records, items=items), tuple(notes)


def fiscal_month(name: str) -> int:
    """Number the first month of the fiscal year.

    >>> fiscal_month("april")
    4
    """
    return month(name)


def _labels(records: Records, by: tuple[str, ...] | None) -> tuple[str, ...]:
    """The labels of which there are several groups."""
    wanted = ("channel", "segment") if by is None else by
    return tuple(label for label in wanted if records.items[label].nunique() > 1)


def _shares(records: Records) -> dict[str, Estimate]:
    """The shares of the segments, with Wilson's intervals."""
    counts = records.items["segment"].value_counts()
    counts = counts[counts > 0].sort_index()
    if len(counts) < 2:
        return {}
    from statsmodels.stats.proportion import proportion_confint

    total = int(counts.sum())
    low, high = proportion_confint(counts.to_numpy(), total, alpha=0.1, method="wilson")
    method = "share of all items"
    return {
        str(name): Estimate(number / total, float(a), float(b), total, method)
        for name, number, a, b in zip(counts.index, counts, low, high, strict=True)
    }


def _won_since(records: Records, day: dt.date) -> int:
    """Count what was won on a day or later."""
    stays = records.stays
    left = stays["left"].to_numpy()
    won = (stays["to"] == WON).to_numpy() & (left != UNDATED)
    return int((left[won] >= day.toordinal()).sum())


def _stale_after(records: Records, begin: dt.date) -> float | None:
    """The longest time after which any item went onward, where that is well known."""
    stays = records.stays
    left = stays["left"].to_numpy()
    onward = (left != OPEN) & (left != UNDATED) & (stays["to"] != LOST).to_numpy()
    if onward.sum() < ENOUGH_LAGS:
        return None
    days: NDArray[np.int64] = left[onward] - stays["entered"].to_numpy()[onward]
    longest = float(days.max()) + 1.0
    recorded = (records.as_of - begin).days
    return longest if longest < SETTLED * recorded else None


def known_labels(records: Records) -> tuple[str, ...]:
    """Name the labels that items really have."""
    return tuple(label for label in LABELS if set(records.items[label].cat.categories) - {UNKNOWN})
