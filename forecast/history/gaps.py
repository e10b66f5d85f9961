"""Find what was not recorded from the beginning, in records that do not say so."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.history.records import OPEN, UNDATED, WON, Gap, Records

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
LEAST_MISSED = 12.0  # closings that must have been missed: chance e^-12 that none came by luck
STRAY_SHARE = 0.02  # of the closings to expect may stand before a gap ends
MOST_STRAYS = 20
OVERLAP = 5.0  # closings to expect of older items that the two kinds can be told apart by
MEAN_CV = 0.2  # of the closings to expect of older items: rates move
ERRORS_OFF = 3.0  # standard errors of what was to be expected
RAMP_DAYS = 182  # before a gap in which arrivals are looked at
EARLY_DAYS = 28  # after a gap, in which recording may still be thin


@dataclass(frozen=True)
class _Stage:
    """Stays in a stage: when they began, and until when they were seen and if they ended then."""

    entered: Days
    until: Days  # the day it ended, or the day after as_of
    ended: NDArray[np.bool_]
    last: int


def find_gaps(records: Records) -> Records:
    """Give the records with the gaps that their stages show and nobody has said.

    For each stage the closings (all ways out; or the wins alone) before the first one that was
    recorded are compared with those to expect: with H the cumulative hazard by age, as it was seen
    from that day on, the items of before should have had Λ = Σ H(age) closings by then. If the
    rates were always the same, Λ up to the first closing is exponential of mean 1, whatever the
    arrivals and lags (time rescaling, Brown and others 2002): a history that simply begins has
    small ones. It is a gap from Λ = 12 on, where chance is e^-12; the error of H is taken off.

    Which kind it is, what came of the older items later tells: survivors close like any item of
    their age, and of items that are all there many had closed unseen.
    """
    gaps = dict(records.gaps)
    for name in records.stages:
        if name in gaps:
            continue
        found = _find(records, name)
        if found is not None:
            gaps[name] = found
    return replace(records, gaps=gaps)


def _find(records: Records, name: str) -> Gap | None:
    every = _stage(records, name, wins=False)
    found = _late(every, "closing")
    if found is None and bool((records.stays["to"] == WON).any()):
        found = _late(_stage(records, name, wins=True), "win")
    return found


def _stage(records: Records, name: str, wins: bool) -> _Stage:
    """The stays in a stage whose days are known; what ends otherwise than asked is not seen on."""
    stays = records.stays
    left = stays["left"].to_numpy()
    rows = (stays["stage"] == name).to_numpy() & (left != UNDATED)
    last = records.as_of.toordinal()
    left = left[rows]
    ended = left != OPEN
    if wins:
        ended = ended & (stays["to"] == WON).to_numpy()[rows]
    until = np.where(left == OPEN, last + 1, left)
    return _Stage(stays["entered"].to_numpy()[rows], until, ended, last)


def _late(stage: _Stage, what: str) -> Gap | None:
    """A gap before the first closing, or before the first that is no stray."""
    if stage.ended.sum() < 2:
        return None
    found = None
    for since in _candidates(stage):
        missed, strays = _missed(stage, since)
        before = (0.0, 0) if found is None else found[1]
        more, strange = missed - before[0], strays - before[1]
        if more >= LEAST_MISSED and strange <= STRAY_SHARE * more:
            found = since, (missed, strays)
    return None if found is None else _told(stage, *found, what)


def _candidates(stage: _Stage) -> list[int]:
    """The first closing, and the first after each of the next few strays."""
    days = np.sort(stage.until[stage.ended])
    return sorted({int(day) for day in days[: 1 + min(MOST_STRAYS, len(days) // 20)]})


def _hazard(stage: _Stage, since: int, rows: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Closings and items at risk from the day `since` on, by age in days."""
    entered, until = stage.entered[rows], stage.until[rows]
    ages = int(stage.last - stage.entered.min()) + 2
    begin = np.maximum(since - entered, 0)
    end = until - entered
    seen = end >= begin
    closings = np.bincount(end[seen & stage.ended[rows]], minlength=ages).astype(np.float64)
    # At risk on the day it ends too; an open one is seen up to as_of.
    final = np.where(stage.ended[rows], end, end - 1)
    seen = final >= begin
    change = np.bincount(begin[seen], minlength=ages + 1).astype(np.float64)
    change -= np.bincount(final[seen] + 1, minlength=ages + 1)
    return closings, np.cumsum(change)[:ages]


def _cumulative(closings: Floats, risk: Floats) -> Floats:
    """H up to each age, 0 at the beginning: closings over items at risk, summed."""
    rate = np.divide(closings, risk, out=np.zeros_like(closings), where=risk > 0)
    return np.concatenate([[0.0], np.cumsum(rate)])


def _missed(stage: _Stage, since: int) -> tuple[float, int]:
    """Closings to expect before the day `since`, at the least, and those that were recorded."""
    total, error = _expected(stage, since)
    strays = int((stage.ended & (stage.until < since)).sum())
    return max(total - ERRORS_OFF * error, 0.0), strays


def _expected(stage: _Stage, since: int) -> tuple[float, float]:
    """Closings to expect before the day `since`, with the standard error (Greenwood's).

    The hazard is only known as well as the closings from that day on tell it.
    """
    closings, risk = _hazard(stage, since, np.ones(len(stage.entered), dtype=bool))
    before = stage.entered < since
    age = np.minimum(since, stage.until)[before] - stage.entered[before]
    aged = np.cumsum(np.bincount(age, minlength=len(closings) + 1)[::-1])[::-1][1:]
    some = closings > 0
    each = aged[: len(closings)][some] / risk[some]
    total = float(each @ closings[some])
    return total, float(np.sqrt(each**2 @ closings[some]))


def _told(stage: _Stage, since: int, found: tuple[float, int], what: str) -> Gap:
    """Tell the two kinds apart, and say what was found."""
    missed, strays = found
    complete = _complete(stage, since)
    day = dt.date.fromordinal(since)
    n = int((stage.entered < since).sum())
    recorded = "none" if strays == 0 else f"{strays:,}"
    said = (
        f"{n:,} items entered before {day}, of which at least {missed:,.0f} {what}s were to be "
        f"expected by then and {recorded} recorded: {what}s are recorded from {day} on"
    )
    thin = _thin(stage, since)
    if complete:
        said += "; the items of before are all there"
    else:
        said += "; only items that were still open then are there from before"
    full = day + dt.timedelta(EARLY_DAYS) if thin else None
    return Gap(day, complete, f"{said}{thin}.", full)


def _thin(stage: _Stage, since: int) -> str:
    """A word on recording that begins slowly."""
    upto = since + EARLY_DAYS
    if upto > stage.last:
        return ""
    expected = _expected(stage, upto)[0] - _expected(stage, since)[0]
    seen = int((stage.ended & (stage.until >= since) & (stage.until < upto)).sum())
    if expected < 10.0 or seen > 0.5 * expected:
        return ""
    return f"; in the {EARLY_DAYS} days after it {seen:,} of about {expected:,.0f}"


def _complete(stage: _Stage, since: int) -> bool:
    """Whether the items from before are all there, by what closed of them later.

    At the same age an item is at risk with the hazard h if it is a survivor, and with h S(age at
    `since`) if it may have closed unseen; which of the two means the count is nearer to is
    compared. So are the arrivals: the older they are, the fewer survivors are left.
    """
    young = stage.entered >= since
    if not young.any():
        return True
    total = _cumulative(*_hazard(stage, since, young))
    reach = len(total) - 1
    known = int(stage.last - since)  # no young item was seen older
    old = ~young & (since - stage.entered < known)
    start = np.minimum(since - stage.entered[old], reach)
    end = np.minimum(np.minimum(stage.until[old] - stage.entered[old], known), reach)
    each = np.maximum(total[end] - total[start], 0.0)
    alive = np.exp(-total[start])
    seen = (stage.ended[old] & (stage.until[old] - stage.entered[old] < known)).sum()
    survivors, mixed = float(each.sum()), float(each @ alive)
    score = _thinned(stage, since)
    if survivors >= OVERLAP:
        score += _log_normal(int(seen), survivors) - _log_normal(int(seen), mixed)
    return bool(score <= np.log(20.0))


def _thinned(stage: _Stage, since: int) -> float:
    """How much more likely the arrivals before `since` are as survivors: a log ratio.

    By weeks. The level before is free, and as levels move each week's count has a dispersion of
    0.2; the share of survivors by age is that of all items under observation.
    """
    reach = min(int(since - stage.entered.min()), RAMP_DAYS) // 7
    if reach < 4:
        return 0.0
    total = _cumulative(*_hazard(stage, since, np.ones(len(stage.entered), dtype=bool)))
    week = (since - 1 - stage.entered) // 7
    before = np.bincount(week[(week >= 0) & (week < reach)], minlength=reach).astype(np.float64)
    alive = np.exp(-total[np.minimum(np.arange(reach) * 7 + 3, len(total) - 1)])
    return float(np.clip(_shape(before, alive) - _shape(before, np.ones(reach)), -6.0, 6.0))


def _shape(counts: Floats, pattern: Floats) -> float:
    """The log-likelihood of counts in proportion to a pattern, whose dispersion is 0.2."""
    share = pattern / pattern.sum()
    mean = np.maximum(counts.sum() * share, 1e-9)
    spread = mean + 0.2 * mean**2 + 0.5
    return float(-0.5 * ((counts - mean) ** 2 / spread + np.log(spread)).sum())


def _log_normal(count: int, mean: float) -> float:
    """The log-density of a count whose mean is known to a fifth."""
    spread = mean + (MEAN_CV * mean) ** 2
    return float(-0.5 * ((count - mean) ** 2 / spread + np.log(spread)))
