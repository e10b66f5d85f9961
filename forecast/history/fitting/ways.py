"""Conversions and cycle lags of every way out of every stage, from records."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.special import betaincinv

from forecast.history.estimates import Estimate, LagFit, WayFit
from forecast.history.fitting.cohorts import Drift, drift
from forecast.history.fitting.pooling import group_counts, group_lags, pool
from forecast.history.fitting.seen_lags import seen_to_the_end, values_of
from forecast.history.fitting.stage_fit import VALUES, StageFit, fit_stage
from forecast.history.fitting.summaries import Known, beta_cases, known, moments, rank_correlation
from forecast.history.fitting.tallies import DayClock, Stays, stays_of, tally
from forecast.history.records import LABELS, WON, Records

NORMAL_90 = 1.6449  # of 90%, two-sided
MOST_WITHOUT = 2.0 / 3.0  # survivors are left out where the others are so many of all


def fit_ways(
    records: Records,
    *,
    labels: tuple[str, ...] = (),
    clock: DayClock | None = None,
    window: int | None = None,
    between_cohorts: bool = True,
) -> tuple[WayFit, ...]:
    """Estimate where items go in the end and how long that takes, stage by stage.

    Items that are still there count as such (right-censoring), those from before recording began
    by what is known of them (`records.gaps`), and some may never leave. The conversions of a
    stage sum to less than 1: what they leave over is never seen to leave. See ``likelihood`` for
    the formulas, ``cure`` for the prior, ``pooling`` for groups and ``cohorts`` for change.

    `labels` ("channel", "segment", "product") adds the ways of each group after those of all.
    `clock` turns day ordinals into days of the clock that runs on ways to "won"; `window` leaves
    out what entered before that day ordinal. With `between_cohorts` a conversion is not known any
    better than months differ in it, where they clearly do.

    Values are the likeliest ones without their bias (see ``bias``), conversions those of late where
    months of entry differ; `won` and `lost` are those of the beta with that mean and the variance
    of what is known. Raises ValueError for a label that records do not have.
    """
    strange = set(labels) - set(LABELS)
    if strange:
        raise ValueError(f"{sorted(strange)} is not among the labels {list(LABELS)}")
    found: list[WayFit] = []
    for stage in records.stages:
        stays = _enough(stays_of(records, stage, window), records)
        if len(stays.entered) == 0:
            continue
        delayed = stays.gap is not None and not stays.gap.complete
        fit = fit_stage(tally(stays, clock), delayed)
        change = drift(stays, fit, clock, delayed)
        whole = [_way(fit, k, change, between_cohorts) for k in range(len(stays.ways))]
        found += whole
        for label in labels:
            found += _groups(records, stays, fit, whole, (label, clock, delayed))
    return tuple(found)


def _enough(stays: Stays, records: Records) -> Stays:
    """Leave survivors out where those that were seen from their entry on say enough.

    What survivors say hangs on there having been others like them, and those after are alike.
    """
    if stays.gap is None or stays.gap.complete or len(stays.entered) == 0:
        return stays
    if stays.entered.min() >= stays.gap.since.toordinal():
        return stays
    seen = stays_of(records, stays.stage, stays.gap.since.toordinal())
    if len(seen.entered) < MOST_WITHOUT * len(stays.entered):
        return stays
    counts = tally(seen)
    done = seen_to_the_end(counts, int(np.argmax(counts.left.sum(axis=1))))
    return seen if done and seen.ways == stays.ways else stays


def _way(fit: StageFit, k: int, change: Drift, between_cohorts: bool) -> WayFit:
    counts = fit.tally
    entered, gone, here = (
        int(counts.entered.sum()),
        int(counts.seen[k]),
        int(counts.there.sum()),
    )
    method = (
        f"mixture cure with competing risks: of {entered:,} that entered {gone:,} were seen to go "
        f"this way and {here:,} not to leave{change.sentence(k)}"
    )
    value, variance = _conversion(fit, k)
    share = known(fit.conversions[:, k], fit.weights)
    between = change.between[k] if between_cohorts else 0.0
    if between > 0.0:
        value = float(change.now[k])
    won, lost = beta_cases(value, variance + between)
    if between > 0.0:
        share = _beta_known(won, lost)
    lag = _lag(fit, k)
    tied = 0.0
    if lag is not None and k not in fit.bins:
        tied = rank_correlation(fit.conversions[:, k], fit.means[:, k], fit.weights)
        tied *= math.sqrt(variance / (variance + between)) if between else 1.0
    conversion = Estimate(
        won / (won + lost), min(share.low, value), max(share.high, value), entered, method
    )
    return WayFit(counts.stage, counts.ways[k], conversion, won, lost, lag, tied, between=between)


def _conversion(fit: StageFit, k: int) -> tuple[float, float]:
    """The likeliest conversion, and the variance of what is known.

    The mean of what is known is further off the truth where it is skewed; it is taken where nobody
    was seen to go this way, for then all that is known is how few they can be.
    """
    mean, variance = moments(fit.conversions[:, k], fit.weights)
    return (float(fit.values[k]) if fit.tally.seen[k] > 0 else mean), variance


def _beta_known(won: float, lost: float) -> Known:
    low, value, high = betaincinv(won, lost, np.array([0.05, 0.5, 0.95]))
    return Known(float(value), float(low), float(high))


def _lag(fit: StageFit, k: int) -> LagFit | None:
    """The lag of a way; none where nobody was seen to go it."""
    dated = int(fit.tally.left[k].sum())
    if fit.tally.seen[k] == 0 and fit.tally.ways[k] != WON:
        return None
    if k in fit.bins:
        return _values(fit, k, dated)
    share = known(fit.means[:, k], fit.weights)
    value = fit.mean_and_cv(k)[0] if dated else share.value
    family = fit.mode.shapes[k].family
    method = f"{family} by AIC, fitted together with the conversion"
    if dated == 0:
        method = "no lag was seen: a guess, and as wide as that"
    return LagFit(
        family,
        Estimate(value, min(share.low, value), max(share.high, value), dated, method),
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


def _groups(
    records: Records,
    stays: Stays,
    fit: StageFit,
    whole: list[WayFit],
    how: tuple[str, DayClock | None, bool],
) -> list[WayFit]:
    """The ways of each group of a label, pooled."""
    label, clock, delayed = how
    column = records.items[label]
    codes = column.cat.codes.to_numpy()[stays.item]
    there = np.unique(codes)
    if len(there) < 2:
        return []
    tallies = [tally(stays, clock, codes == code) for code in there]
    groups = [group_counts(part, fit.tables, delayed) for part in tallies]
    found: list[WayFit] = []
    for k, way in enumerate(whole):
        value, _ = _conversion(fit, k)
        gone = np.array([group.gone[k] for group in groups])
        cases = np.array([group.cases[k] for group in groups])
        pooled = pool(gone, cases, value)
        # The whole is known less well than by its cases, for want of knowing its lag, or change.
        total = way.won + way.lost
        plain = value * (1.0 - value) / (cases.sum() + 1.0)
        extra = max(way.won * way.lost / total**2 / (total + 1.0) - plain, 0.0)
        extra /= way.conversion.value**2
        lags = group_lags(tallies, groups, fit.mode, fit.tables, k)
        for g, code in enumerate(there):
            mean = float(pooled.mean[g])
            won, lost = beta_cases(mean, float(pooled.variance[g]) + extra * mean**2)
            share = _beta_known(won, lost)
            entered = int(tallies[g].entered.sum())
            method = f"{int(gone[g]):,} of {entered:,}, pooled with other groups by empirical Bayes"
            found.append(
                replace(
                    way,
                    conversion=Estimate(mean, share.low, share.high, entered, method),
                    won=won,
                    lost=lost,
                    lag=_group_lag(way.lag, lags.get(g), int(tallies[g].left[k].sum())),
                    group=(label, str(column.cat.categories[code])),
                    between=way.between * (mean / way.conversion.value) ** 2,
                )
            )
    return found


def _group_lag(lag: LagFit | None, own: tuple[float, float] | None, dated: int) -> LagFit | None:
    if lag is None or own is None:
        return lag
    log_mean, error = own
    low, value, high = (math.exp(log_mean + z * error) for z in (-NORMAL_90, 0.0, NORMAL_90))
    method = f"{lag.family} as of all, with a mean of its own, pooled with other groups"
    return replace(lag, mean_days=Estimate(value, low, high, dated, method))
