"""Fit one stage: choose a family for each lag by AIC, and average over those that do as well."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .cure import Cure, Mode, Posterior, Shape
from .lag_families import FAMILIES, FloatArray
from .likelihood import Counts
from .tallies import Tally

AS_GOOD = 4.0  # log posterior below the best at which a family does not count any more


@dataclass(frozen=True)
class StageFit:
    """Hold what the stays of a stage say.

    `weights` (N), `conversions` (N, K) and `means` (N, K, days) are draws of what is not known,
    over all families that fit about as well; `mode` is the best fit of the best families, and
    `aic` has each way's, by family.
    """

    tally: Tally
    mode: Mode
    aic: tuple[dict[str, float], ...]
    weights: FloatArray
    conversions: FloatArray
    means: FloatArray
    shifts: tuple[float, ...]

    def mean_and_cv(self, k: int) -> tuple[float, float]:
        """Give the best fit's mean lag on way k, in days, and its cv."""
        log_mean, log_cv = self.mode.lag(k)
        mean = float(np.exp(log_mean))
        return mean + self.shifts[k], float(np.exp(log_cv)) * mean / (mean + self.shifts[k])


def fit_stage(tally: Tally, delayed: bool) -> StageFit:
    """Fit the stays of a stage; `delayed` says that some are missing that left early."""
    cure = Cure(Counts(tally, delayed))
    mode = cure.mode(tuple(Shape("gamma") for _ in tally.ways))
    tried = {mode.shapes: mode}
    order = np.argsort(-tally.left.sum(axis=1))
    for _ in range(2):
        before = mode
        for k in order:
            for family in FAMILIES:
                other = _try(cure, mode, int(k), family, tried)
                if other.log_likelihood > mode.log_likelihood:
                    mode = other
        if mode is before:
            break
    near = [m for m in tried.values() if _steps(m, mode) <= 1]
    good = [m for m in near if m.log_posterior > mode.log_posterior - AS_GOOD]
    aic = tuple(
        {
            m.shapes[k].family: 2.0 * len(m.theta) - 2.0 * m.log_likelihood
            for m in near
            if all(m.shapes[j] == mode.shapes[j] for j in range(len(tally.ways)) if j != k)
        }
        for k in range(len(tally.ways))
    )
    # A lag that is rounded up to whole units is half a unit longer than the law's.
    shifts = tuple(0.5 * unit if unit > 1 else 0.0 for unit in cure.units)
    weights, conversions, log_means = _average([cure.posterior(m) for m in good])
    return StageFit(
        tally, mode, aic, weights, conversions, np.exp(log_means) + np.array(shifts), shifts
    )


def _try(cure: Cure, mode: Mode, k: int, family: str, tried: dict[tuple[Shape, ...], Mode]) -> Mode:
    shapes = tuple(
        replace(shape, family=family) if j == k else shape for j, shape in enumerate(mode.shapes)
    )
    if shapes not in tried:
        tried[shapes] = cure.mode(shapes, mode.theta)
    return tried[shapes]


def _steps(one: Mode, other: Mode) -> int:
    return sum(a != b for a, b in zip(one.shapes, other.shapes, strict=True))


def _average(posteriors: list[Posterior]) -> tuple[FloatArray, FloatArray, FloatArray]:
    evidence = np.array([p.log_evidence for p in posteriors])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    return (
        np.concatenate([s * p.weights for s, p in zip(shares, posteriors, strict=True)]),
        np.concatenate([p.conversions for p in posteriors]),
        np.concatenate([p.log_means for p in posteriors]),
    )
