"""Conversions of groups: each group's own cases, and what groups have in common where it has few.

The lags are those of the whole. A group's cases are weighed by how far they have come: its
likeliest conversion c from w seen gone counts as w of n = w / c cases (young items count in part),
which for a group of finished items are its cases. The conversions of groups are beta distributed
with mean m and kappa cases, so that a group is known as beta(w + kappa m, n - w + kappa (1 - m)):
its own cases have the weight n / (n + kappa). m and kappa are not one pair of numbers but all that
are likely, by the beta-binomial likelihood of all groups, and a prior that makes every weight as
likely as any other for a group of middling size (uniform shrinkage: Christiansen & Morris 1997,
J. Am. Stat. Assoc. 92; empirical Bayes: Efron & Morris 1975, ib. 70).

Lags of groups differ only where that is clear by AIC; their log means are then pooled as normal
ones, the variance between groups by DerSimonian & Laird 1986 (Control. Clin. Trials 7).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, chdtrc

from forecast.history.fitting.cure import Cure, Mode, Shape
from forecast.history.fitting.lag_families import DayTable, FloatArray
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.seen_lags import self_consistent
from forecast.history.fitting.tallies import Tally

WEIGHTS = np.linspace(0.01, 0.99, 50)  # of the whole, in a group of middling size
CENTRES = np.linspace(-2.0, 2.0, 41)  # log odds of m, off those of the whole
CASES_FOR_A_LAG = 30
CLEARLY = 10.0  # of AIC


class GroupCounts(NamedTuple):
    """Hold effective cases of a group, by way (K): gone that way, of so many."""

    gone: FloatArray
    cases: FloatArray
    conversions: FloatArray
    log_likelihood: float


class Pooled(NamedTuple):
    """Hold the conversions of groups (G) with variances, and the variance between groups."""

    mean: FloatArray
    variance: FloatArray
    between: float


def group_counts(tally: Tally, tables: list[DayTable], delayed: bool) -> GroupCounts:
    """Give the effective cases of a group under lags that are known."""
    counts = Counts(tally, delayed)
    conversions, _ = self_consistent(tally, tables, {}, not delayed)
    reached = counts.reached(tables)
    shares = reached.now - reached.before
    exposure = np.maximum(tally.entered @ shares, 1e-6)
    cases = np.where(tally.seen > 0, tally.seen / np.maximum(conversions, 1e-12), exposure)
    value = counts.score(np.maximum(conversions, 1e-9), reached).value
    return GroupCounts(tally.seen, np.maximum(cases, tally.seen), conversions, value)


def pool(gone: FloatArray, cases: FloatArray, mean: float) -> Pooled:
    """Pool the conversions of groups (G); `mean` is about their mean."""
    odds = np.log(min(max(mean, 1e-6), 1.0 - 1e-6) / (1.0 - min(max(mean, 1e-6), 1.0 - 1e-6)))
    centre = 1.0 / (1.0 + np.exp(-(odds + CENTRES)))
    middling = max(float(np.median(cases)), 1.0)
    kappa, m = (grid.ravel() for grid in np.meshgrid(middling * WEIGHTS / (1.0 - WEIGHTS), centre))
    won, lost = gone[:, None] + kappa * m, (cases - gone)[:, None] + kappa * (1.0 - m)
    logs = (betaln(won, lost) - betaln(kappa * m, kappa * (1.0 - m))).sum(axis=0)
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    means = won / (won + lost)
    variances = means * (1.0 - means) / (won + lost + 1.0)
    value = means @ chances
    spread = variances @ chances + ((means - value[:, None]) ** 2) @ chances
    between = float(chances @ (m * (1.0 - m) / (kappa + 1.0)))
    return Pooled(np.asarray(value), np.asarray(spread), between)


def differ(
    groups: list[GroupCounts], tallies: list[Tally], tables: list[DayTable], delayed: bool
) -> float:
    """Give the p-value of no difference between groups' conversions, by the likelihood ratio."""
    seen = sum((g.gone for g in groups), np.zeros(len(tables)))
    cases = sum((g.cases for g in groups), np.zeros(len(tables)))
    common = seen / np.maximum(cases, 1e-9)
    own = sum(g.log_likelihood for g in groups)
    shared = 0.0
    for tally in tallies:
        counts = Counts(tally, delayed)
        shared += counts.score(np.maximum(common, 1e-9), counts.reached(tables)).value
    freedom = len(tables) * (len(groups) - 1)
    return float(chdtrc(freedom, max(2.0 * (own - shared), 0.0))) if freedom else 1.0


def group_lags(
    tallies: list[Tally], groups: list[GroupCounts], mode: Mode, tables: list[DayTable], k: int
) -> dict[int, tuple[float, float]]:
    """Give the log means and their errors of those groups whose lags on way k clearly differ.

    Empty where they do not, where too few groups have cases enough, or where lags are told as seen.
    """
    enough = [g for g, tally in enumerate(tallies) if tally.left[k].sum() >= CASES_FOR_A_LAG]
    if len(enough) < 2 or not mode.shapes[k].free:
        return {}
    better, found = 0.0, dict[int, tuple[float, float]]()
    shapes = tuple(
        shape if j == k else Shape("values", tables[j]) for j, shape in enumerate(mode.shapes)
    )
    place = len(shapes)
    for g in enough:
        cure = Cure(Counts(tallies[g], bool(tallies[g].late.any())))
        own = cure.mode(shapes)
        shared = groups[g].log_likelihood + sum(
            cure.counts.lag_part(j, table) for j, table in enumerate(tables)
        )
        better += 2.0 * (own.log_likelihood - shared) - 4.0
        error = float(np.sqrt(cure.covariance(own)[place, place]))
        found[g] = (own.lag(k)[0], error)
    if better + 4.0 < CLEARLY:  # one pair of parameters is common to all
        return {}
    return _shrunk(found)


def _shrunk(found: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Pool normal estimates with errors."""
    values, errors = np.array(list(found.values())).T
    weights = errors**-2.0
    mean = weights @ values / weights.sum()
    excess = float(weights @ (values - mean) ** 2) - (len(values) - 1)
    between = max(excess, 0.0) / float(weights.sum() - (weights**2).sum() / weights.sum())
    own = between / (between + errors**2)
    weights = 1.0 / (between + errors**2)
    centre = weights @ values / weights.sum()
    pooled = own * values + (1.0 - own) * centre
    spread = np.sqrt(own * errors**2 + (1.0 - own) ** 2 / weights.sum())
    return {g: (float(p), float(s)) for g, p, s in zip(found, pooled, spread, strict=True)}
