"""What records say about arrivals: the level of each channel, its growth, season and spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from forecast.history.estimates import ArrivalFit, Estimate
from forecast.history.fitting.coarse import spread_months
from forecast.history.fitting.levels import HALF_LIFE_WEEKS, Floats, Levels, filter_levels
from forecast.history.fitting.seasons import MONTHS, find_season, month_of_days
from forecast.history.records import Records

WEEK = 7
DAYS_A_UNIT = {"week": 7.0, "month": 365.25 / 12}
SHORT_WEEKS = 9  # of a history that is told by the week
MOST_WEEKS = 260  # looked at: five years
HORIZON_DAYS = 182.0
DAMPING_A_MONTH = 0.9  # what is left of a growth after a month
JUMP_VARIANCE = 0.3  # of the logarithm of the level, of a jump to come
FEW = 0.02  # share of a channel's items below which a stage of entry is not told apart
ORDER = 90.0  # percent of the intervals


@dataclass(frozen=True)
class _Daily:
    """Arrivals by channel and stage of entry on each day from `first` on: counts (series, day)."""

    names: list[tuple[str, str]]
    counts: Floats
    first: int


def fit_arrivals(
    records: Records,
    horizon_days: float = HORIZON_DAYS,
    *,
    seasons: bool = True,
    seen: Floats | None = None,
) -> tuple[ArrivalFit, ...]:
    """Fit arrivals by channel and stage of entry, in the order of channels and of stages.

    `horizon_days` is how far ahead the forecast will look: growth is damped over it (each month
    keeps nine tenths of the growth of the one before; written is the constant growth that arrives
    at the same mean), and `cv` is that of the level halfway, beside the uncertainty of the growth
    where there is any. Days before a gap that left only survivors are no history. Without items
    the result is empty. `seen` (age in days,) is the chance that an arrival of that age is in the
    list at all; older ones are.

    The level is followed through weekly counts; see ``forecast.history.fitting.levels``. It moves
    by a random walk, how much is estimated, and jumps: a channel that ends drops out within weeks.
    """
    daily = _daily(records)
    if daily is None:
        return ()
    # Where young items are missing their months look poor: no season is read from that.
    looked = seasons and seen is None
    season = _seasons(daily) if looked else [{} for _ in daily.names]
    counts, exposure = _weekly(daily, season, seen)
    levels = filter_levels(counts, exposure)
    short = counts.shape[1] < SHORT_WEEKS
    unit = "week" if short else "month"
    return tuple(
        _told(name, k, levels, _Ask(unit, horizon_days, season[k], int(daily.counts[k].sum())))
        for k, name in enumerate(daily.names)
    )


@dataclass(frozen=True)
class _Ask:
    """What one channel is told by."""

    unit: str
    horizon_days: float
    season: Mapping[str, float]
    n: int


def _told(name: tuple[str, str], k: int, levels: Levels, ask: _Ask) -> ArrivalFit:
    """Average over the grid: the level now and halfway, growth, and the dispersion of a unit."""
    days = DAYS_A_UNIT[ask.unit]
    weight, shape, now = levels.weight[k], levels.shape[k], levels.mean[k]
    half = ask.horizon_days / 2.0 / WEEK
    damped = levels.drift * _damped_weeks(half)
    undamped = levels.drift * (half - _damped_weeks(half))  # nobody knows how long growth lasts
    walked = levels.walk * half + undamped**2 + levels.jumps[k] * half * JUMP_VARIANCE
    mean_now, mean_half = float(weight @ now), float(weight @ (now * np.exp(damped)))
    rate = np.log(max(mean_half, 1e-300) / max(mean_now, 1e-300)) / (half * WEEK)  # a day
    growth = _growth(weight, damped / (half * WEEK) * days, rate * days, ask.n)
    # What is told of growth has an uncertainty of its own; only where none is, it is the level's.
    level = now * np.exp(damped) if growth is None else now
    second = float(weight @ (level**2 * (1.0 + 1.0 / shape) * np.exp(walked)))
    cv = float(np.sqrt(max(second / max(float(weight @ level), 1e-300) ** 2 - 1.0, 0.0)))
    dispersion = float(weight @ levels.dispersion) * WEEK / days
    low, high = _interval(mean_now * days, cv)
    method = (
        f"local level of weekly counts, gamma filter, half-life of its movement "
        f"{HALF_LIFE_WEEKS:.0f} weeks; 90% interval of the level in {ask.horizon_days / 2:.0f} days"
    )
    mean = Estimate(mean_now * days, low, high, ask.n, method)
    return ArrivalFit(
        name[0], ask.unit, mean, cv, growth, ask.season, round(dispersion, 6), enters=name[1]
    )


def _damped_weeks(weeks: float) -> float:
    """The sum of φ^(t) over so many weeks: what is left of that many weeks of growth."""
    decay = -np.log(DAMPING_A_MONTH) * WEEK / DAYS_A_UNIT["month"]
    return float((1.0 - np.exp(-decay * weeks)) / decay)


def _growth(weight: Floats, each: Floats, mean: float, n: int) -> Estimate | None:
    """Growth per unit, or None where it is as good as none."""
    if abs(mean) < 0.001:
        return None
    order = np.argsort(each)
    below = np.cumsum(weight[order])
    low, high = (float(np.expm1(each[order][np.searchsorted(below, p)])) for p in (0.05, 0.95))
    value = float(np.expm1(mean))
    method = "drift of the level, damped, averaged over what the counts leave possible"
    return Estimate(value, min(low, value), max(high, value), n, method)


def _interval(mean: float, cv: float) -> tuple[float, float]:
    if cv <= 0.0 or mean <= 0.0:
        return mean, mean
    law = stats.gamma(1.0 / cv**2, scale=mean * cv**2)
    return float(law.ppf(0.05)), float(law.ppf(0.95))


def _daily(records: Records) -> _Daily | None:
    """Count the arrivals of each day by channel and stage of entry."""
    stays = records.stays
    if len(stays) == 0:
        return None
    item, begin = np.unique(stays["item"].to_numpy(), return_index=True)
    entered = stays["entered"].to_numpy()[begin]
    stage = stays["stage"].cat.codes.to_numpy()[begin].astype(np.int64)
    channels = records.items["channel"].astype("category").cat
    channel = channels.codes.to_numpy()[item].astype(np.int64)
    stage = _main_stages(channel, stage, len(records.stages))
    first = _begin(records, stage, entered)
    days = records.as_of.toordinal() - first + 1
    kept = entered >= first
    key = channel * len(records.stages) + stage
    there, series = np.unique(key, return_inverse=True)
    flat = np.bincount(series[kept] * days + entered[kept] - first, minlength=len(there) * days)
    names = [
        (
            str(channels.categories[k // len(records.stages)]),
            records.stages[k % len(records.stages)],
        )
        for k in there
    ]
    counts = flat.reshape(len(there), days).astype(np.float64)
    return _Daily(names, spread_months(counts, first), first)


def _main_stages(channel: NDArray[np.int64], stage: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Count items that begin where few of their channel do as beginning where most do."""
    channels = int(channel.max()) + 1
    table = np.bincount(channel * n + stage, minlength=channels * n).reshape(channels, n)
    rare = table < FEW * table.sum(axis=1, keepdims=True)
    main = table.argmax(axis=1)
    return np.where(rare[channel, stage], main[channel], stage)


def _begin(records: Records, stage: NDArray[np.int64], entered: NDArray[np.int64]) -> int:
    """The first day of the history: the first arrival, after any gap that left survivors only."""
    first = int(entered.min())
    for name, gap in records.gaps.items():
        if not gap.complete and name in {records.stages[k] for k in np.unique(stage)}:
            first = max(first, gap.since.toordinal())
    last = records.as_of.toordinal()
    return max(min(first, last), last - MOST_WEEKS * WEEK + 1)


def _weekly(
    daily: _Daily, season: list[Mapping[str, float]], seen: Floats | None = None
) -> tuple[Floats, Floats]:
    """Counts and exposures (days, by their season) of weeks that end with the last day."""
    n_series, n_days = daily.counts.shape
    pad = -n_days % WEEK
    month = month_of_days(daily.first, n_days)
    factors = np.array([[s.get(name, 1.0) for name in MONTHS] for s in season])
    exposure = factors[:, month]
    if seen is not None:
        young = seen[:n_days][::-1]
        exposure = exposure.copy()
        exposure[:, n_days - len(young) :] *= young
    wide = ((0, 0), (pad, 0))
    shape = (n_series, -1, WEEK)
    return (
        np.pad(daily.counts, wide).reshape(shape).sum(axis=2),
        np.pad(exposure, wide).reshape(shape).sum(axis=2),
    )


def _seasons(daily: _Daily) -> list[Mapping[str, float]]:
    """The season of each channel: that of all together, unless its own is clearly another."""
    whole = find_season(daily.counts.sum(axis=0), daily.first, None)
    if len(daily.names) == 1:
        return [whole]
    return [find_season(row, daily.first, whole) for row in daily.counts]
