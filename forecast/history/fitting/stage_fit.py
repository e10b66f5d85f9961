"""Fit one stage: choose a family for each lag by AIC, and average over those that do as well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from forecast.history.fitting.bias import unbiased
from forecast.history.fitting.cure import Cure, Mode, Shape
from forecast.history.fitting.lag_families import FAMILIES, DayTable, FloatArray
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.seen_lags import (
    Bins,
    bins_table,
    equal_bins,
    seen_to_the_end,
    self_consistent,
)
from forecast.history.fitting.tallies import Tally
from forecast.history.records import LOST

VALUES = "values"
CLEARLY = 10.0  # of AIC: bins are taken if they are better than any family by more
MOST_AVERAGED = 4
AS_GOOD = 4.0  # log posterior below the best at which a family does not count any more


@dataclass(frozen=True)
class StageFit:
    """Hold what the stays of a stage say.

    `weights` (N), `conversions` (N, K) and `means` (N, K, days) are draws of what is not known,
    over all models that fit about as well; `mode` is the best fit of the best model, and `aic` has
    each way's, by family. `values` and `log_means` (K) are its conversions and log mean lags (NaN
    where no family tells them) without their bias. `bins` has the lags that are
    told as they were seen.
    """

    tally: Tally
    mode: Mode
    values: FloatArray
    log_means: FloatArray
    aic: tuple[dict[str, float], ...]
    weights: FloatArray
    conversions: FloatArray
    means: FloatArray
    shifts: tuple[float, ...]
    bins: dict[int, Bins]
    tables: list[DayTable]

    def mean_and_cv(self, k: int) -> tuple[float, float]:
        """Give the mean lag on way k, told by a family, in days, and its cv."""
        mean, log_cv = float(np.exp(self.log_means[k])), self.mode.lag(k)[1]
        return mean + self.shifts[k], float(np.exp(log_cv)) * mean / (mean + self.shifts[k])


def fit_stage(tally: Tally, delayed: bool) -> StageFit:
    """Fit the stays of a stage; `delayed` says that some are missing that left early."""
    cure = Cure(Counts(tally, delayed))
    mode = cure.mode(tuple(Shape("gamma") for _ in tally.ways))
    tried = {mode.shapes: mode}
    mode = _best_families(cure, mode, tried)
    mode, bins, tried_bins = _with_bins(cure, mode, tried, delayed)
    models = [(cure, m) for m in tried.values() if _steps(m, mode) <= 1]
    if LOST in tally.ways and len(tally.ways) > 1:
        whole, other, others = _where_all_leave(cure, mode, bins)
        models += [(whole, m) for m in others.values() if _steps(m, other) <= 1]
        if other.log_posterior > mode.log_posterior:
            cure, mode, tried = whole, other, others
    for k in bins:  # what families would have made of it
        for family in FAMILIES:
            _try(cure, mode, k, family, tried)
    aic = tuple(
        {
            m.shapes[k].family: _aic(m, tried_bins)
            for m in tried.values()
            if _steps(m, mode, but=k) == 0 and _steps(m, mode) <= 1
        }
        for k in range(len(tally.ways))
    )
    # A lag that is rounded up to whole units is half a unit longer than the law's.
    shifts = tuple(0.5 * unit if unit > 1 else 0.0 for unit in cure.units)
    weights, conversions, log_means = _average(_good(models, bins))
    means = np.exp(log_means) + np.array(shifts)
    values, log_values = unbiased(cure, mode, cure.covariance(mode))
    tables = cure.tables(mode.shapes, mode.theta)
    known = weights, conversions, means
    return StageFit(tally, mode, values, log_values, aic, *known, shifts, bins, tables)


def _where_all_leave(
    cure: Cure, mode: Mode, bins: dict[int, Bins]
) -> tuple[Cure, Mode, dict[tuple[Shape, ...], Mode]]:
    """Fit the model that none stays forever, with the best families of it."""
    whole = Cure(cure.counts, all_leave=True)
    found = whole.mode(mode.shapes)
    tried = {found.shapes: found}
    return whole, _best_families(whole, found, tried, set(bins)), tried


def _good(models: list[tuple[Cure, Mode]], bins: dict[int, Bins]) -> list[tuple[Cure, Mode]]:
    """Choose the models that fit about as well as the best."""
    same = [
        (cure, m)
        for cure, m in models
        if all((shape.family == VALUES) == (k in bins) for k, shape in enumerate(m.shapes))
    ]
    same = sorted(same, key=lambda pair: -pair[1].log_posterior)[:MOST_AVERAGED]
    return [pair for pair in same if pair[1].log_posterior > same[0][1].log_posterior - AS_GOOD]


def _best_families(
    cure: Cure, mode: Mode, tried: dict[tuple[Shape, ...], Mode], but: Collection[int] = ()
) -> Mode:
    """Try families way by way, the one with the most cases first, until none is better."""
    order = [int(k) for k in np.argsort(-cure.counts.gone) if k not in but]
    for _ in range(3):
        before = mode
        for k in order:
            for family in FAMILIES:
                other = _try(cure, mode, k, family, tried)
                if other.log_posterior > mode.log_posterior:
                    mode = other
        if mode is before:
            break
    return mode


def _with_bins(
    cure: Cure, mode: Mode, tried: dict[tuple[Shape, ...], Mode], delayed: bool
) -> tuple[Mode, dict[int, Bins], dict[int, Bins]]:
    """Tell lags as they were seen where that fits clearly better; give all bins tried, too."""
    tally, found, tried_bins = cure.counts.tally, dict[int, Bins](), dict[int, Bins]()
    for k in range(len(tally.ways)):
        if cure.units[k] > 1 or not seen_to_the_end(tally, k):
            continue
        edges = {j: bins.edges for j, bins in found.items()} | {k: equal_bins(tally, k)}
        other, bins = mode, dict[int, Bins]()
        for _ in range(2):  # the other ways' lags are fitted to the bins, and the bins to them
            tables = cure.tables(other.shapes, other.theta)
            _, bins = self_consistent(tally, tables, edges, not delayed)
            shapes = tuple(
                Shape(VALUES, bins_table(bins[j], tally.longest)) if j in bins else shape
                for j, shape in enumerate(mode.shapes)
            )
            other = cure.mode(shapes)
        tried[other.shapes] = other
        tried_bins |= bins
        if _aic(other, bins) < _aic(mode, found) - CLEARLY:
            mode, found = other, bins
            mode = _best_families(cure, mode, tried, found)
    return mode, found, tried_bins


def _aic(mode: Mode, bins: dict[int, Bins]) -> float:
    """Akaike's criterion with the prior; all but one of the bins' chances are parameters."""
    free = sum(
        len(bins[k].chances) - 1 if shape.family == VALUES and k in bins else shape.free
        for k, shape in enumerate(mode.shapes)
    )
    return 2.0 * (mode.odds + free) - 2.0 * mode.log_posterior


def _try(cure: Cure, mode: Mode, k: int, family: str, tried: dict[tuple[Shape, ...], Mode]) -> Mode:
    shapes = tuple(Shape(family) if j == k else shape for j, shape in enumerate(mode.shapes))
    if shapes not in tried:
        same = all(shape.free for shape in mode.shapes)
        tried[shapes] = cure.mode(shapes, mode.theta if same else None)
    return tried[shapes]


def _steps(one: Mode, other: Mode, but: int = -1) -> int:
    """Count the ways whose families differ, all but one of them."""
    pairs = enumerate(zip(one.shapes, other.shapes, strict=True))
    return sum(a != b for k, (a, b) in pairs if k != but)


def _average(models: list[tuple[Cure, Mode]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Average models by their evidence."""
    posteriors = [cure.posterior(mode, cure.covariance(mode)) for cure, mode in models]
    evidence = np.array([p.log_evidence for p in posteriors])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    return (
        np.concatenate([s * p.weights for s, p in zip(shares, posteriors, strict=True)]),
        np.concatenate([p.conversions for p in posteriors]),
        np.concatenate([p.log_means for p in posteriors]),
    )
