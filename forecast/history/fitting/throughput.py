"""What stages got through in a month: whether the records show a limit on how many are worked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.history.records import LOST, OPEN, UNDATED, Records

FEWEST_MONTHS, FEWEST_A_MONTH = 6, 5.0
FLAT = 0.5  # variance over mean: 1 by chance alone
GROWING = 1.2  # of the last third's number inside to the first third's

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Throughput:
    """Hold what entered and left a stage in whole calendar months.

    `entered` and `onward` are to expect in a month, `most_onward` the largest month; the
    `dispersion` is variance over mean (1: chance alone); `inside` counts what was in the stage at
    the first and the last month's end. `flat` says that what went onward hardly varied while what
    entered did and the number inside grew: as if no more could be worked.
    """

    stage: str
    months: int
    entered: float
    entered_dispersion: float
    onward: float
    onward_dispersion: float
    most_onward: int
    most_onward_month: str
    inside: tuple[int, int]
    flat: bool


def find_throughput(records: Records) -> tuple[Throughput, ...]:
    """Count by month what entered each stage and what went onward (not lost) out of it."""
    edges = _month_edges(records)
    if len(edges) <= FEWEST_MONTHS:
        return ()
    stays = records.stays
    entered, left = stays["entered"].to_numpy(), stays["left"].to_numpy()
    stage = stays["stage"].cat.codes.to_numpy()
    lost = (stays["to"] == LOST).to_numpy()
    dated = (left != OPEN) & (left != UNDATED)
    found = []
    for code, name in enumerate(records.stages):
        here = stage == code
        into = _by_month(entered[here], edges)
        out = _by_month(left[here & dated], edges)
        onward = _by_month(left[here & dated & ~lost], edges)
        before = int((entered[here] < edges[0]).sum() - (left[here & dated] < edges[0]).sum())
        undated = _by_month(entered[here & (left == UNDATED)], edges)
        inside = before + np.cumsum(into - out - undated)
        found.append(_judged(name, into, onward, inside, edges))
    return tuple(found)


def _judged(name: str, into: Counts, onward: Counts, inside: Counts, edges: Counts) -> Throughput:
    third = max(1, len(into) // 3)
    grown = inside[-third:].mean() > GROWING * max(inside[:third].mean(), 1.0)
    scatter, rate = _dispersion(into), _dispersion(onward)
    # The first months fill an empty stage, so only the later ones tell whether its outflow is flat.
    late = _dispersion(onward[third:])
    flat = bool(onward.mean() >= FEWEST_A_MONTH and late < FLAT and scatter > 1.0 and grown)
    best = int(np.argmax(onward))
    month = dt.date.fromordinal(int(edges[best])).strftime("%Y-%m")
    return Throughput(
        name,
        len(into),
        float(into.mean()),
        scatter,
        float(onward.mean()),
        rate,
        int(onward[best]),
        month,
        (int(inside[0]), int(inside[-1])),
        flat,
    )


def _dispersion(counts: Counts) -> float:
    return float(counts.var(ddof=1) / counts.mean()) if len(counts) > 1 and counts.any() else 0.0


def _by_month(days: NDArray[np.int64], edges: Counts) -> Counts:
    month = np.searchsorted(edges, days, side="right") - 1
    inside = (month >= 0) & (days < edges[-1])
    return np.bincount(month[inside], minlength=len(edges) - 1).astype(np.int64)


def _month_edges(records: Records) -> Counts:
    """The first days of the whole months that were recorded, and of the month behind them."""
    since = [gap.since for gap in records.gaps.values()]
    first = int(records.stays["entered"].min()) if len(records.stays) else 1
    begin = max([dt.date.fromordinal(first), *since])
    day = begin if begin.day == 1 else _next_month(begin)
    edges = []
    while day <= records.as_of + dt.timedelta(days=1):
        edges.append(day.toordinal())
        day = _next_month(day)
    return np.array(edges, dtype=np.int64)


def _next_month(day: dt.date) -> dt.date:
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
