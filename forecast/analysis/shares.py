"""Which uncertain assumptions a measure's variance comes from, and how much of it is luck.

With A the uncertain assumptions and Y the measure, Var(Y) = Var(E[Y | A]) + E[Var(Y | A)]: not
knowing, and luck. Of the first part an assumption's first-order share is what knowing it alone
would take away, and its total share is what would be left if all others were known (Sobol 1993;
Homma and Saltelli 1996). Both are estimated by ``scipy.stats.sobol_indices`` (Saltelli et al.
2010), on E[Y | A] itself where that has a closed form, with errors by bootstrap.

Sobol's shares need independent inputs: assumptions that are correlated with one another are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from forecast.analysis.given import Given
from forecast.analysis.measures import Floats, Measure
from forecast.engine.assumptions import Draws
from forecast.scenario.model import Scenario

FEWEST_POINTS, MOST_POINTS = 1_024, 8_192  # of a matrix of Sobol points, a power of 2
MOST_LUCK_RUNS = 20_000  # in which the luck of a metric is measured
RESAMPLES = 200
CERTAIN = 1e-12  # of the squared mean: a smaller variance is rounding

Group = tuple[str, ...]  # names of assumptions that are correlated, or of one
Value = tuple[float, float]  # with its standard error


@dataclass(frozen=True)
class Shares:
    """Shares of a measure's variance; none where the measure does not depend on assumptions.

    ``luck`` is a share of the whole variance, the shares of assumptions are of the rest.
    """

    groups: tuple[Group, ...]
    first_order: tuple[Value, ...]
    total: tuple[Value, ...]
    luck: Value | None
    how: str


def make_shares(
    scenario: Scenario, measure: Measure, *, runs: int = 10_000, seed: int = 0
) -> Shares:
    """Split the variance of a measure over the uncertain assumptions of a scenario."""
    given = Given(scenario, measure, seed)
    groups = independent_groups(given.draws)
    if not groups:
        return Shares((), (), (), (1.0, 0.0), "nothing is uncertain")
    points = _points(given.draws, runs, seed)
    if given.is_exact:
        return _exact(given, groups, points, runs)
    return _simulated(given, groups, points)


def independent_groups(draws: Draws) -> tuple[Group, ...]:
    """Put assumptions that are correlated with one another, however far around, into one group."""
    groups: list[set[str]] = []
    matrix = draws.correlations(draws.together)
    for name in draws.drawn:
        tied = {name}
        if name in draws.together:
            row = matrix[draws.together.index(name)]
            tied |= {other for other, r in zip(draws.together, row, strict=True) if r != 0.0}
        joined = [group for group in groups if group & tied]
        groups = [group for group in groups if not group & tied]
        groups.append(tied.union(*joined))
    ordered = [tuple(n for n in draws.drawn if n in group) for group in groups]
    return tuple(g for g in ordered if any(name in draws.numbers for name in g))


@dataclass(frozen=True)
class _Points:
    """Two independent samples of standard normals, shape (point,) by name."""

    one: dict[str, Floats]
    other: dict[str, Floats]
    count: int

    def with_other(self, names: Sequence[str]) -> dict[str, Floats]:
        """The first sample, some of its columns from the second."""
        return {n: self.other[n] if n in names else column for n, column in self.one.items()}


def _points(draws: Draws, runs: int, seed: int) -> _Points:
    from scipy.special import ndtri
    from scipy.stats import qmc

    count = 1 << (min(max(runs, FEWEST_POINTS), MOST_POINTS).bit_length() - 1)
    names, d = draws.drawn, len(draws.drawn)
    sobol = qmc.Sobol(2 * d, rng=np.random.default_rng([20_270_104, seed % (1 << 63)]))
    uniform = sobol.random(count).T
    normals = ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12))
    one, other = (dict(zip(names, part, strict=True)) for part in (normals[:d], normals[d:]))
    return _Points(one, other, count)


def _exact(given: Given, groups: Sequence[Group], points: _Points, runs: int) -> Shares:
    """Shares of the variance of the closed form."""

    def at(normals: dict[str, Floats]) -> Floats:
        return given.exact(given.at_normals(normals), points.count)

    one, other = at(points.one), at(points.other)
    luck = _luck(given, np.concatenate([one, other]), runs)
    how = "Sobol shares of the closed form given the assumptions"
    if _is_certain(one):
        nothing = ((0.0, 0.0),) * len(groups)
        return Shares(tuple(groups), nothing, nothing, luck, how)
    mixed = np.stack([at(points.with_other(group)) for group in groups])
    first, total = _indices(one, other, mixed, seed=given.seed)
    return Shares(tuple(groups), first, total, luck, how)


def _is_certain(column: Floats) -> bool:
    return float(column.var()) <= CERTAIN * float(np.square(column).mean())


def _indices(
    one: Floats, other: Floats, mixed: Floats, seed: int
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """First-order and total shares with their bootstrap errors; mixed is (group, point).

    The points are drawn anew by hand: scipy's own bootstrap also makes intervals, which take long.
    """
    middle = float(0.5 * (one.mean() + other.mean()))  # estimators are steadier about the mean
    n, rng = len(one), np.random.default_rng(seed % (1 << 63))
    columns = [column - middle for column in (one, other, mixed)]
    found = _sobol(*columns)
    again = [
        _sobol(*(column[..., pick] for column in columns))
        for pick in (rng.integers(n, size=n) for _ in range(RESAMPLES))
    ]
    errors = np.std(again, axis=0, ddof=1)
    return tuple(  # type: ignore[return-value]
        tuple((float(v), float(e)) for v, e in zip(*pair, strict=True))
        for pair in zip(found, errors, strict=True)
    )


def _sobol(one: Floats, other: Floats, mixed: Floats) -> Floats:
    """First-order and total shares, shape (2, group)."""
    from scipy.stats import sobol_indices

    # Twice the same output: with one of one input scipy (1.17) fails to write into a number.
    twice = [np.stack([column] * 2, axis=-2) for column in (one, other, mixed)]
    found = sobol_indices(func=dict(zip(("f_A", "f_B", "f_AB"), twice, strict=True)), n=len(one))
    return np.stack([np.reshape(s, (2, -1))[0] for s in (found.first_order, found.total_order)])


def _luck(given: Given, conditional: Floats, runs: int) -> Value | None:
    """The share of luck: of a chance p(A) it is E[p (1 - p)], else it is measured in the runs."""
    if given.measure.is_chance:
        mean = float(conditional.mean())
        return _ratio(conditional * (1.0 - conditional), np.square(conditional - mean))
    runs = min(runs, MOST_LUCK_RUNS)
    drawn = given.exact(given.own(), runs)
    lucky = given.simulated(given.own(), runs) - drawn
    return _ratio(np.square(lucky), np.square(drawn - drawn.mean()))


def _ratio(within: Floats, between: Floats) -> Value | None:
    """mean(within) / mean(within + between), and its standard error by the delta method."""
    whole = within + between
    size = float(whole.mean())
    if size <= 0.0:
        return None
    share = float(within.mean()) / size
    pull = (within - share * whole) / size
    return share, float(pull.std()) / len(pull) ** 0.5


def _simulated(given: Given, groups: Sequence[Group], points: _Points) -> Shares:
    """Shares of E[Y | A] where only Y can be had: luck is one more input, which is never known.

    Of Y's variance S(all) is due to the assumptions, S(g) to a group alone, S(others) to all but
    it: so its share is S(g) / S(all), its total 1 - S(others) / S(all), and luck is 1 - S(all).
    """
    names = [name for group in groups for name in group]
    others = [tuple(name for name in names if name not in group) for group in groups]
    how = "Sobol shares of simulated futures, luck being one more cause"

    def at(normals: dict[str, Floats], first_run: int = 0) -> Floats:
        return given.simulated(given.at_normals(normals), points.count, first_run)

    one, other = at(points.one), at(points.other, points.count)
    if _is_certain(one):
        return Shares(tuple(groups), (), (), None, how)
    taken = [tuple(names), *groups, *others]
    mixed = np.stack([at(points.with_other(group)) for group in taken])
    (known, *parts), _ = _indices(one, other, mixed, seed=given.seed)
    luck = 1.0 - known[0], known[1]
    if known[0] <= 2.0 * known[1]:  # too little to be split
        return Shares(tuple(groups), (), (), luck, how)
    first = tuple(_of_all(part, known) for part in parts[: len(groups)])
    rest = [_of_all(part, known) for part in parts[len(groups) :]]
    total = tuple((1.0 - share, error) for share, error in rest)
    return Shares(tuple(groups), first, total, luck, how)


def _of_all(part: Value, whole: Value) -> Value:
    """A share of a share, with its error as if both were independent."""
    share = part[0] / whole[0]
    return share, sqrt(part[1] ** 2 + (share * whole[1]) ** 2) / whole[0]
