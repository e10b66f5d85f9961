"""Conversions and cycle lags of every way out of every stage, from records."""

from __future__ import annotations

import numpy as np

from .estimates import Estimate, LagFit, WayFit
from .records import WON, Records
from .stage_fit import StageFit, fit_stage
from .summaries import beta_cases, known, moments, rank_correlation
from .tallies import DayClock, stays_of, tally


def fit_ways(
    records: Records, *, clock: DayClock | None = None, window: int | None = None
) -> tuple[WayFit, ...]:
    """Estimate where items go in the end and how long that takes, stage by stage.

    Items that are still there count as such (right-censoring), those from before recording began
    by what is known of them (`records.gaps`), and some may never leave. The conversions of a
    stage sum to less than 1: what they leave over is never seen to leave. See ``likelihood`` for
    the formulas and ``cure`` for the prior. `clock` turns day ordinals into days of the clock that
    runs on ways to "won"; `window` leaves out what entered before that day ordinal.

    Values are medians; `won` and `lost` have the mean and the variance of what is known.
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
    share = known(fit.conversions[:, k], fit.weights)
    won, lost = beta_cases(*moments(fit.conversions[:, k], fit.weights))
    means = fit.means[:, k]
    lag = _lag(fit, k)
    return WayFit(
        counts.stage,
        counts.ways[k],
        Estimate(share.value, share.low, share.high, entered, method),
        won,
        lost,
        lag,
        0.0 if lag is None else rank_correlation(fit.conversions[:, k], means, fit.weights),
    )


def _lag(fit: StageFit, k: int) -> LagFit | None:
    """The lag of a way; none where nobody was seen to go it."""
    dated = int(fit.tally.left[k].sum())
    if fit.tally.seen[k] == 0 and fit.tally.ways[k] != WON:
        return None
    mean = known(fit.means[:, k], fit.weights)
    family = fit.mode.shapes[k].family
    _, cv = fit.mean_and_cv(k)
    method = f"{family} by AIC, fitted together with the conversion"
    if dated == 0:
        method = "no lag was seen: a guess, and as wide as that"
    return LagFit(
        family,
        Estimate(mean.value, mean.low, mean.high, dated, method),
        float(np.clip(cv, 0.05, 8.0)),
        (),
        fit.aic[k],
    )
