"""Stays counted: all that the likelihood of a stage's conversions and lags needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.history.fitting.lag_families import FloatArray
from forecast.history.records import OPEN, UNDATED, WON, Gap, Records

IntArray = np.ndarray[Any, np.dtype[np.int64]]
DayClock = Callable[[IntArray], FloatArray]  # day ordinals -> days of a clock of its own speed


@dataclass(frozen=True)
class Tally:
    """Count the stays of a stage by what is known of them. Ages are days + 1; 0 is before entry.

    K ways, D the longest time that is known, in days.

    - left (K, D + 1): those seen to leave, by way and lag.
    - there (M): those not seen to leave; `age` (M, K) at the last day known, on each way's clock,
      and `unseen` (M, K) up to which age leaving was not recorded.
    - undated (K, M): those that left, nobody knows when, at the same ages.
    - late (M): those in the list only because they were still there at age `unseen`.
    - entered (M): all, by day of entry: the M rows are days, and `days_of_entry` says which.
    """

    stage: str
    ways: tuple[str, ...]
    left: FloatArray
    there: FloatArray
    undated: FloatArray
    late: FloatArray
    age: IntArray
    unseen: IntArray
    entered: FloatArray
    days_of_entry: IntArray

    @property
    def longest(self) -> int:
        """Give the longest time that is known, in days."""
        return int(self.left.shape[1]) - 1

    @property
    def seen(self) -> FloatArray:
        """Count those known to have left, by way."""
        return np.asarray(self.left.sum(axis=1) + self.undated.sum(axis=1))


@dataclass(frozen=True)
class Stays:
    """Hold the stays of one stage as plain arrays: days, ways by number (-1 while it stays)."""

    stage: str
    ways: tuple[str, ...]
    item: IntArray
    entered: IntArray
    left: IntArray
    way: IntArray
    as_of: int
    gap: Gap | None


def stays_of(records: Records, stage: str, since: int | None = None) -> Stays:
    """Take a stage's stays (those from day `since` on), and the ways that were ever seen gone.

    Where nothing was ever won the last stage has a way to "won" even so. Under delayed entry those
    that left before recording began are left out: they are there by chance only.
    """
    frame = records.stays[(records.stays["stage"] == stage).to_numpy()]
    entered, left = frame["entered"].to_numpy(np.int64), frame["left"].to_numpy(np.int64)
    codes = frame["to"].cat.codes.to_numpy(np.int64)
    names = list(frame["to"].cat.categories)
    gap = records.gaps.get(stage)
    keep = np.ones(len(entered), dtype=bool) if since is None else entered >= since
    if gap is not None and not gap.complete:
        keep &= (left == UNDATED) | (left >= gap.since.toordinal())
    going = codes[left != OPEN]
    seen = {names[code] for code in np.flatnonzero(np.bincount(going, minlength=len(names)))}
    if stage == records.stages[-1] and not (records.stays["to"] == WON).any():
        seen.add(WON)
    ways = tuple(sorted(seen, key=lambda way: (way != WON, names.index(way))))
    number = np.array([ways.index(name) if name in ways else -1 for name in names], dtype=np.int64)
    way = np.where(left == OPEN, -1, number[codes])
    item = frame["item"].to_numpy(np.int64)
    return Stays(
        stage,
        ways,
        item[keep],
        entered[keep],
        left[keep],
        way[keep],
        records.as_of.toordinal(),
        gap,
    )


def tally(stays: Stays, clock: DayClock | None = None, chosen: Any = slice(None)) -> Tally:
    """Count stays (only the `chosen` ones, a mask), time on the way to "won" by `clock`."""
    entered, left, way = stays.entered[chosen], stays.left[chosen], stays.way[chosen]
    first = int(stays.entered.min())
    days = np.arange(first, stays.as_of + 1)
    since = first if stays.gap is None else stays.gap.since.toordinal()
    clocks = [clock if name == WON else None for name in stays.ways]
    longest = max(
        [int(_passed(None, days[:1], days[-1:])[0])]
        + [int(_passed(c, days, days[-1:]).max()) for c in clocks if c is not None]
    )
    age = np.stack([_passed(c, days, days[-1:]) + 1 for c in clocks], axis=1)
    unseen = np.stack([_passed(c, days, np.maximum(since, days)) for c in clocks], axis=1)
    dated = (way >= 0) & (left != UNDATED) & (left >= since)
    here = np.flatnonzero(np.bincount(entered - first, minlength=len(days)))
    counts = np.zeros((len(stays.ways), longest + 1))
    for k, own in enumerate(clocks):
        mine = dated & (way == k)
        lags = _passed(own, entered[mine], left[mine])
        counts[k] = np.bincount(np.minimum(lags, longest), minlength=longest + 1)

    def by_day(mask: Any) -> FloatArray:
        return np.bincount(entered[mask] - first, minlength=len(days))[here].astype(np.float64)

    late = by_day(entered < since)
    delayed = stays.gap is not None and not stays.gap.complete
    return Tally(
        stays.stage,
        stays.ways,
        counts,
        by_day(~dated & ~((way >= 0) & (left == UNDATED))),
        np.array([by_day((way == k) & (left == UNDATED)) for k in range(len(stays.ways))]),
        late if delayed else np.zeros(len(here)),
        age[here],
        unseen[here],
        by_day(slice(None)),
        days[here],
    )


def _passed(clock: DayClock | None, start: IntArray, end: IntArray) -> IntArray:
    """Days from one day to another; by a clock, rounded to whole ones."""
    if clock is None:
        return np.asarray(end - start)
    return np.asarray(np.rint(clock(end) - clock(start)), dtype=np.int64)
