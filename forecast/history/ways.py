"""Conversions and cycle lags of every way out of every stage, from records."""

from __future__ import annotations

import math

import numpy as np

from .estimates import Estimate, LagFit, WayFit
from .records import WON, Records
from .seen_lags import values_of
from .stage_fit import VALUES, StageFit, fit_stage
from .summaries import Known, beta_cases, known, moments, rank_correlation
from .tallies import DayClock, stays_of, tally

NORMAL_90 = 1.6449  # of 90%, two-sided


def fit_ways(
    records: Records, *, clock: DayClock | None = None, window: int | None = None
) -> tuple[WayFit, ...]:
    """Estimate where items go in the end and how long that takes, stage by stage.

    Items that are still there count as such (right-censoring), those from before recording began
    by what is known of them (`records.gaps`), and some may never leave. The conversions of a
    stage sum to less than 1: what they leave over is never seen to leave. See ``likelihood`` for
    the formulas and ``cure`` for the prior. `clock` turns day ordinals into days of the clock that
    runs on ways to "won"; `window` leaves out what entered before that day ordinal.

    Values are the likeliest ones; `won` and `lost` are those of the beta with that mean and the
    variance of what is known.
    """
    found: list[WayFit] = []
    for stage in records.stages:
        stays = stays_of(records, stage, window)
        if len(stays.entered) == 0:
            continue
        delayed = stays.gap is not None and not stays.gap.complete
        fit = fit_stage(tally(stays, clock), delayed)
        found += [_way(fit, k) for k in range(len(stays.ways))]
    return tuple(found)


def _way(fit: StageFit, k: int) -> WayFit:
    counts = fit.tally
    entered, gone, here = (
        int(counts.entered.sum()),
        int(counts.seen[k]),
        int(counts.there.sum()),
    )
    method = (
        f"mixture cure with competing risks: of {entered:,} that entered {gone:,} were seen to go "
        f"this way and {here:,} not to leave"
    )
    value, won, lost = _conversion(fit, k)
    share = known(fit.conversions[:, k], fit.weights)
    lag = _lag(fit, k)
    tied = 0.0
    if lag is not None and k not in fit.bins:
        tied = rank_correlation(fit.conversions[:, k], fit.means[:, k], fit.weights)
    return WayFit(
        counts.stage,
        counts.ways[k],
        Estimate(value, min(share.low, value), max(share.high, value), entered, method),
        won,
        lost,
        lag,
        tied,
    )


def _conversion(fit: StageFit, k: int) -> tuple[float, float, float]:
    """The likeliest conversion, and the beta with that mean and the variance of what is known.

    The mean of what is known is further off the truth where it is skewed; it is taken where nobody
    was seen to go this way, for then all that is known is how few they can be.
    """
    mean, variance = moments(fit.conversions[:, k], fit.weights)
    value = float(fit.mode.conversions[k]) if fit.tally.seen[k] > 0 else mean
    won, lost = beta_cases(value, variance)
    return won / (won + lost), won, lost


def _lag(fit: StageFit, k: int) -> LagFit | None:
    """The lag of a way; none where nobody was seen to go it."""
    dated = int(fit.tally.left[k].sum())
    if fit.tally.seen[k] == 0 and fit.tally.ways[k] != WON:
        return None
    if k in fit.bins:
        return _values(fit, k, dated)
    share = known(fit.means[:, k], fit.weights)
    value = fit.mean_and_cv(k)[0] if dated else share.value
    mean = Known(value, min(share.low, value), max(share.high, value))
    family = fit.mode.shapes[k].family
    method = f"{family} by AIC, fitted together with the conversion"
    if dated == 0:
        method = "no lag was seen: a guess, and as wide as that"
    return LagFit(
        family,
        Estimate(mean.value, mean.low, mean.high, dated, method),
        fit.mean_and_cv(k)[1],
        (),
        fit.aic[k],
    )


def _values(fit: StageFit, k: int, dated: int) -> LagFit:
    """A lag as it was seen; its mean is known as that of so many cases is."""
    values = values_of(fit.bins[k])
    days, shares = np.array(values).T
    mean = float(days @ shares)
    sd = float(np.sqrt(shares @ (days - mean) ** 2))
    off = NORMAL_90 * sd / math.sqrt(dated)
    method = f"as seen, in {len(fit.bins[k].chances)} bins: no family fits so many cases"
    return LagFit(
        VALUES,
        Estimate(mean, max(mean - off, 0.0), mean + off, dated, method),
        sd / mean,
        values,
        fit.aic[k],
    )
