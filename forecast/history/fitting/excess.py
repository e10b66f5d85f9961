"""How much more than by chance the closings of a month vary, and what that does to a forecast.

Items of one month share what is not in any record: who was on holiday, a campaign, a backlog that
was worked off. With E the closings to expect of a month from the items at risk in it,

    E = Σ items ∫ h(age) over the month,    h_k = c_k f_k / (1 - Σ c_j F_j),

and O those that came, O - E are martingale differences of variance E where items are independent
(Aalen 1978). Where they vary more, O has the variance E + (s E)^2, and s is estimated by moments:
s^2 = Σ ((O - E)^2 - E) / Σ E^2 (as DerSimonian & Laird 1986 do).

A scenario draws each conversion once per run, and items are independent given that. So the noise of
months goes into the uncertainty of the conversion: right for each period, too wide for sums of
several if the noise of months is independent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from forecast.history.estimates import WayFit
from forecast.history.fitting.open_items import longer
from forecast.history.fitting.tallies import DayClock
from forecast.history.records import LOST, OPEN, UNDATED, Records

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

LEAST_MONTHS = 3
LEAST_EXPECTED = 5.0  # closings of a month that is looked at
SURE = 0.01  # chance that independent items vary so much: above it nothing is added
LATEST_BEGIN = 10  # day of the month on which the first of them may begin
MOST = 0.6  # of s: beyond, months have nothing in common


@dataclass(frozen=True)
class Excess:
    """Hold the months of one way: closings that came, those to expect, and s as above."""

    stage: str
    to: str
    seen: Floats
    expected: Floats
    spread: float
    p_value: float


def find_excess(
    records: Records, ways: Sequence[WayFit], clock: DayClock | None = None
) -> tuple[Excess, ...]:
    """Compare the closings of each calendar month with those to expect, for each way onward."""
    found = []
    for stage in records.stages:
        own = [w for w in ways if w.stage == stage and not w.group]
        entered, left, to = _stays(records, stage)
        if not own or not len(entered):
            continue
        edges = _months(records, stage, int(entered.min()))
        if len(edges) <= LEAST_MONTHS:
            continue
        for way in own:
            if way.to != LOST and way.lag is not None:
                mine = to == way.to
                seen = np.histogram(left[mine], edges)[0].astype(np.float64)
                expected = _expected(_Risk(entered, left, edges, clock), way, own)
                found.append(_judged(stage, way.to, seen, expected))
    return tuple(found)


def with_excess(ways: Sequence[WayFit], found: Sequence[Excess]) -> tuple[WayFit, ...]:
    """Make conversions as uncertain as months differ: cv^2 grows by s^2 (1 + 1 / months)."""
    by_way = {(e.stage, e.to): e for e in found if e.spread > 0.0}
    return tuple(_widened(way, by_way.get((way.stage, way.to))) for way in ways)


def _widened(way: WayFit, excess: Excess | None) -> WayFit:
    if excess is None:
        return way
    mean, cases = way.won / (way.won + way.lost), way.won + way.lost
    variance = mean * (1.0 - mean) / (cases + 1.0)
    months = float((excess.expected >= LEAST_EXPECTED).sum())
    beyond = (mean * excess.spread) ** 2 * (1.0 + 1.0 / months)
    # That months of entry differ may be in the variance already: it is the same seen from there.
    variance += max(beyond - way.between, 0.0)
    cases = max(mean * (1.0 - mean) / variance - 1.0, 2.0)
    law = stats.beta(mean * cases, (1.0 - mean) * cases)
    low, high = (float(law.ppf(p)) for p in (0.05, 0.95))
    estimate = way.conversion
    method = (
        f"{estimate.method}; its uncertainty holds that months differ by {excess.spread:.0%} "
        "beyond chance"
    )
    low, high = min(low, estimate.low), max(high, estimate.high)
    return replace(
        way,
        conversion=replace(estimate, low=low, high=high, method=method),
        won=mean * cases,
        lost=(1.0 - mean) * cases,
    )


def _judged(stage: str, to: str, seen: Floats, expected: Floats) -> Excess:
    enough = expected >= LEAST_EXPECTED
    o, e = seen[enough], expected[enough]
    if len(e) < LEAST_MONTHS:
        return Excess(stage, to, seen, expected, 0.0, 1.0)
    e = e * o.sum() / max(e.sum(), 1e-300) if o.sum() > 0 else e
    square = float(((o - e) ** 2 / np.maximum(e, 1e-300)).sum())
    p_value = float(stats.chi2(len(e) - 1).sf(square))
    # The total is fitted: one degree of freedom less.
    moments = len(e) / (len(e) - 1) * ((o - e) ** 2).sum() - e.sum()
    spread = float(np.sqrt(max(moments, 0.0) / max((e**2).sum(), 1e-300)))
    return Excess(stage, to, seen, expected, min(spread, MOST) if p_value < SURE else 0.0, p_value)


@dataclass(frozen=True)
class _Risk:
    """Stays at risk: days of entry and of leaving, months to look at, the clock of ways to won."""

    entered: Days
    left: Days
    edges: Days
    clock: DayClock | None


def _stays(records: Records, stage: str) -> tuple[Days, Days, NDArray[np.object_]]:
    stays = records.stays
    rows = (stays["stage"] == stage).to_numpy() & (stays["left"] != UNDATED).to_numpy()
    part = stays[rows]
    return (
        part["entered"].to_numpy(np.int64),
        part["left"].to_numpy(np.int64),
        part["to"].astype(str).to_numpy(dtype=object),
    )


def _months(records: Records, stage: str, first: int) -> Days:
    """The first days of the months in which leaving was recorded, and the day after the last."""
    gap = records.gaps.get(stage)
    begin = dt.date.fromordinal(first)
    if gap is not None:
        begin = max(begin, gap.sure)
    # What is left of the first month counts as one if it is most of it.
    months = [begin if begin.day <= LATEST_BEGIN else _next(begin)]
    while _next(months[-1]) <= records.as_of + dt.timedelta(1):
        months.append(_next(months[-1]))
    return np.array([m.toordinal() for m in months], dtype=np.int64)


def _next(day: dt.date) -> dt.date:
    return (day.replace(day=1) + dt.timedelta(32)).replace(day=1)


def _expected(risk: _Risk, way: WayFit, own: Sequence[WayFit]) -> Floats:
    """The closings to expect of each month from the stays at risk in it."""
    since, until = risk.edges[0], risk.edges[-1]
    end = np.minimum(np.where(risk.left == OPEN, until, risk.left + 1), until)
    rows = (end > since) & (risk.entered < until)
    entered, end = risk.entered[rows], end[rows]

    def age(days: Days) -> Floats:
        if risk.clock is None:
            return np.asarray(days - entered, dtype=np.float64)
        return np.asarray(risk.clock(days) - risk.clock(entered), dtype=np.float64)

    hazard = _cumulative(way, own, int(age(end).max()) + 2)
    grid = np.arange(len(hazard), dtype=np.float64)
    total = [
        float(np.interp(age(np.clip(edge, entered, end)), grid, hazard).sum())
        for edge in risk.edges
    ]
    return np.diff(np.array(total))


def _cumulative(way: WayFit, own: Sequence[WayFit], days: int) -> Floats:
    """The cumulative hazard of one way at whole days of age.

    Days are those of records, an item that enters on a day entering evenly within it.
    """
    edges = np.arange(days + 2, dtype=np.float64)
    below = {w.to: _gone(w, edges) for w in own}
    there = 1.0 - np.sum([w.conversion.value * below[w.to] for w in own], axis=0)
    step = way.conversion.value * np.diff(below[way.to])
    rate = step / np.maximum(there[:-1], 1e-9)
    return np.concatenate([[0.0], np.cumsum(rate)])


def _gone(way: WayFit, edges: Floats) -> Floats:
    """The share that has gone by each whole day after entry, entry being even within its day."""
    if way.lag is None:
        return np.asarray(edges > 0, dtype=np.float64)
    by = 1.0 - longer(way.lag, edges)
    return np.concatenate([[0.0], 0.5 * (by[1:] + by[:-1])])
