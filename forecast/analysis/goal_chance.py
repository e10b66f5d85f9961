"""A goal's chance: exact where known, over uncertain assumptions by quadrature where these are few.

Given the assumptions the chance of a goal on counts is known (``engine.chance``). Over one or two
assumptions it is integrated by the trapezoidal rule in their independent normal scores, which
converges faster than any power of the step for what is smooth there (Trefethen and Weideman 2014,
doi:10.1137/130932132); two grids have to agree. Over more it is averaged over the runs' draws.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from forecast.engine.assumptions import Draws, Floats, Values
from forecast.engine.chance import ExactChances, GoalSpan
from forecast.engine.outcome import least
from forecast.engine.plan import make_blueprint
from forecast.engine.threads import cuts, in_order
from forecast.engine.uses import PIPELINE, RECURRING, uses
from forecast.scenario.families import Fixed, Listed
from forecast.scenario.model import MONEY_METRICS, Scenario

STEPS = ((0, 0), (144, 288), (40, 60))  # of the coarse and the fine grid, by number of dimensions
EDGE = 8.5  # normal scores beyond it have a chance of 2e-17
PROBES = (-7.0, -2.5, 0.3, 2.5, 7.0)  # scores at which an assumption is tried for its effect
STILL = 1e-14  # a chance that moves no more does not depend on what was tried
AGREED = 1e-6  # two grids that differ by no more give an exact chance
MOST_LISTED = 2_000  # values of a list that are summed up
ROWS_AT_ONCE = 512
FIXED_FORM = "closed form"
BY_QUADRATURE = "closed form, by quadrature over uncertain assumptions"


@dataclass(frozen=True)
class Conditional:
    """A goal's chances given the assumptions at some points, with the points' weights."""

    chances: Floats  # (point,)
    weights: Floats  # (point,) sum to 1
    how: str
    integrated: bool  # no sample: the weighted sum is the exact chance
    error: float = 0.0  # by how much a coarser grid differs

    @property
    def probability(self) -> float:
        """The goal's chance."""
        return float(np.clip(self.weights @ self.chances, 0.0, 1.0))

    @property
    def standard_error(self) -> float:
        """Of the average over the runs' draws; 0 where it is integrated."""
        if self.integrated:
            return 0.0
        return float(np.std(self.chances) / np.sqrt(len(self.chances)))


class GoalChances:
    """The conditional chances of all goals of a scenario for which they are known."""

    def __init__(self, scenario: Scenario, seed: int, runs: int) -> None:
        self.blueprint = make_blueprint(as_deals(scenario))
        self.draws = Draws(self.blueprint.scenario, seed)
        self.runs = runs
        self._exact = ExactChances(self.blueprint, bool(self.draws.names), runs)
        written = _spans(scenario)
        counted = dict(zip(written, _spans(self.blueprint.scenario), strict=True))
        known = list(self._exact.known)
        self._grids: dict[frozenset[str], list[Conditional]] = {}
        self._row = {span: known.index(counted[span]) for span in written if counted[span] in known}

    def known(self, spans: Iterable[GoalSpan] | None = None) -> dict[GoalSpan, Conditional]:
        """Give the chances of goals where they are known, integrated where that can be done."""
        wanted = self._row if spans is None else [span for span in spans if span in self._row]
        if not wanted:
            return {}
        if not self.draws.names:
            chances = self._at(self.draws.means(), 1)
            one = np.ones(1)
            return {
                span: Conditional(chances[self._row[span]], one, FIXED_FORM, True)
                for span in wanted
            }
        moving = self._moving()
        rows = {span: self._row[span] for span in wanted}
        found = {
            span: self._integrated(moving[i])[i]
            for span, i in rows.items()
            if self._can_integrate(moving[i])
        }
        good = {span: one for span, one in found.items() if one.error <= AGREED}
        return {**self._averaged([span for span in wanted if span not in good]), **good}

    def _averaged(self, spans: Sequence[GoalSpan]) -> dict[GoalSpan, Conditional]:
        """Chances at the assumptions of the runs, in threads."""
        if not spans:
            return {}

        def one(first: int, count: int) -> Floats:
            return self._at(self.draws.draw(first, count), count)

        chances = np.concatenate([*in_order(one, cuts(self.runs, ROWS_AT_ONCE))], axis=1)
        weights = np.full(self.runs, 1.0 / self.runs)
        how = f"average of {self.runs:,} runs' exact conditional chances"
        return {s: Conditional(chances[self._row[s]], weights, how, False) for s in spans}

    def _at(self, values: Values, rows: int) -> Floats:
        return self._exact.conditional(self.blueprint.maker.tables(values), rows)

    def _moving(self) -> list[frozenset[str]]:
        """The independent scores that each goal's chance depends on, by the assumptions' names."""
        drawn, count = self.draws.drawn, len(self.draws.drawn)
        rng = np.random.default_rng(20_270_102)
        tried = len(PROBES)
        base = np.repeat(rng.uniform(-1.0, 1.0, count)[:, None], tried * count, axis=1)
        for i in range(count):
            base[i, tried * i : tried * (i + 1)] = PROBES
        scores = dict(zip(drawn, base, strict=True))
        chances = self._at(self.draws.at_normals(scores), tried * count)
        spread = np.ptp(chances.reshape(len(chances), count, tried), axis=2)
        return [
            frozenset(name for name, moved in zip(drawn, row, strict=True) if moved > STILL)
            for row in spread
        ]

    def _can_integrate(self, names: frozenset[str]) -> bool:
        if len(names) >= len(STEPS):
            return False
        lists = [f for n in names if isinstance(f := self._family(n), Listed)]
        tied = names & set(self.draws.together)
        return not (lists and tied) and all(len(f.values) <= MOST_LISTED for f in lists)

    def _family(self, name: str) -> object:
        number = self.draws.numbers.get(name)
        return None if number is None else number.family

    def _integrated(self, names: frozenset[str]) -> list[Conditional]:
        """Integrate all goals' chances over some assumptions, on a coarse and a fine grid."""
        if names not in self._grids:
            coarse, fine = (self._on_grid(sorted(names), n) for n in STEPS[len(names)])
            errors = np.abs(fine[0] @ fine[1] - coarse[0] @ coarse[1])
            self._grids[names] = [
                Conditional(chances, fine[1], BY_QUADRATURE, True, float(error))
                for chances, error in zip(fine[0], errors, strict=True)
            ]
        return self._grids[names]

    def _on_grid(self, names: Sequence[str], steps: int) -> tuple[Floats, Floats]:
        """The chances (goal, point) on a grid over some assumptions, and the points' weights."""
        axes = [self._axis(name, steps) for name in names]
        mesh = np.meshgrid(*(points for points, _ in axes), indexing="ij")
        weights = np.ones(1)
        for _, of_axis in axes:
            weights = np.multiply.outer(weights, of_axis).ravel()
        points = {name: axis.ravel() for name, axis in zip(names, mesh, strict=True)}
        parts = [
            self._at(self._values(points, first, count), count)
            for first, count in cuts(len(weights), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts, axis=1), weights

    def _axis(self, name: str, steps: int) -> tuple[Floats, Floats]:
        """Points of one assumption with weights: values of a list, else normal scores."""
        family = self._family(name)
        if isinstance(family, Listed):
            return family.quadrature(0)
        scores = np.linspace(-EDGE, EDGE, steps + 1)
        density = np.exp(-0.5 * scores**2)
        return scores, density / density.sum()

    def _values(self, points: dict[str, Floats], first: int, count: int) -> Values:
        cut = slice(first, first + count)
        scores = {name: np.zeros(count) for name in self.draws.drawn}
        listed = {}
        for name, column in points.items():
            family = self._family(name)
            if isinstance(family, Listed):
                listed[self.draws.numbers[name]] = np.ascontiguousarray(column[cut])
            else:
                scores[name] = column[cut]
        values = self.draws.at_normals(scores)
        return Values({**values.of, **listed}) if listed else values


def as_deals(scenario: Scenario) -> Scenario:
    """Say goals on money as goals on deals where every deal has the same size.

    Of deals worth s each, a target of T is reached by ceil(T / s) of them.
    """
    size = one_size(scenario)
    if size is None:
        return scenario
    goals = tuple(
        dataclasses.replace(goal, metric="deals", target=float(ceil(least(goal) / size)))
        if goal.metric in MONEY_METRICS
        else goal
        for goal in scenario.goals
    )
    return dataclasses.replace(scenario, goals=goals)


def one_size(scenario: Scenario) -> float | None:
    """The size that all deals have, certainly; None where they differ."""
    if uses(scenario) & {PIPELINE, RECURRING}:
        return None
    sizes = {
        product.size
        for version in scenario.versions
        for products in version.products.values()
        for product in products.values()
    }
    if len(sizes) != 1:
        return None
    (size,) = sizes
    if size.about is not None or not isinstance(size.family, Fixed) or size.family.mean <= 0:
        return None
    return float(size.family.mean)


def _spans(scenario: Scenario) -> list[GoalSpan]:
    return [(goal, label) for goal in scenario.goals for label, _ in goal.quarters]
