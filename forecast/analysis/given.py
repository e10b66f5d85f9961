"""A measure of a scenario given its uncertain assumptions: exactly where known, else simulated.

Given the assumptions, means of metrics and chances of goals on counts have closed forms; so what
an assumption does needs no luck, and no simulation. Where there is none (the chance of a goal on
money, stages with a capacity) runs are simulated, each with given assumptions and its own luck.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from forecast.analysis.measures import (
    Floats,
    Measure,
    goals_of,
    spans_of,
    with_goals_on_deals,
)
from forecast.engine.assumptions import Draws, Values
from forecast.engine.chance import ExactChances
from forecast.engine.expected import means_of
from forecast.engine.kernel.shapes import Tables
from forecast.engine.limits import unknown_means
from forecast.engine.outcome import reached
from forecast.engine.request import detail_for
from forecast.engine.run import totals_of
from forecast.engine.simulate import bytes_per_run, ready
from forecast.engine.threads import cuts, in_order
from forecast.scenario.model import Scenario

ROWS_AT_ONCE = 256
Give = Callable[[int, int], Values]  # (first row, how many) -> their assumptions


class Given:
    """A measure of a scenario, for any values of its uncertain assumptions."""

    def __init__(self, scenario: Scenario, measure: Measure, seed: int) -> None:
        goals = goals_of(scenario)
        kept = (goals[measure][0],) if measure.is_chance else ()
        self.scenario = dataclasses.replace(scenario, goals=kept)
        self.measure, self.seed = measure, seed
        self._quarters = list(goals[measure][1]) if measure.is_chance else list(
            spans_of(scenario, (measure.metric,))[measure]
        )  # fmt: skip
        self.simulator = ready(
            self.scenario, 1, seed, bytes_per_run(self.scenario, self._detail), self._detail
        )
        self.draws, self.blueprint = self.simulator.draws, self.simulator.blueprint
        counted = with_goals_on_deals(self.blueprint)
        self._exact = ExactChances(counted, bool(self.draws.names), 1)
        goal = counted.scenario.goals[0] if kept else None
        self._row = next(
            (
                i
                for i, (known, label) in enumerate(self._exact.known)
                if known == goal and label == measure.quarter
            ),
            None,
        )

    @property
    def _detail(self) -> str:
        return detail_for([self.measure.of])

    @property
    def is_exact(self) -> bool:
        """Tell whether the measure has a closed form given the assumptions."""
        if self.measure.is_chance:
            return self._row is not None
        return self.measure.metric not in unknown_means(self.scenario)

    def exact(self, give: Give, rows: int) -> Floats:
        """Give the closed form for rows of assumptions, shape (row,)."""

        def one(first: int, count: int) -> Floats:
            tables = self.blueprint.maker.tables(give(first, count))
            found = np.zeros(count)
            found[:] = self._of_tables(tables, count)
            return found

        return np.concatenate([*in_order(one, cuts(rows, ROWS_AT_ONCE))])

    def _of_tables(self, tables: Tables, rows: int) -> Floats:
        if self._row is not None:
            chances: Floats = self._exact.conditional(tables, rows)[self._row]
            return chances
        totals = totals_of(self.blueprint, means_of(self.blueprint, tables, rows))
        totals.setdefault("revenue", totals["bookings"])
        means: Floats = totals[self.measure.metric][:, self._quarters].sum(axis=1)
        return means

    def simulated(self, give: Give, runs: int, first_run: int = 0) -> Floats:
        """Simulate runs with given assumptions, each with the luck of its own; shape (run,)."""
        simulator = self.simulator
        size = simulator.slice_runs()
        simulator.draws = _Rows(self.scenario, self.seed, lambda f, n: give(f - first_run, n))

        def one(first: int, count: int) -> Floats:
            rows = simulator.empty(count)
            simulator.into(first_run + first, rows)
            totals = totals_of(self.blueprint, rows)
            totals.setdefault("revenue", totals["bookings"])
            if self.measure.is_chance:
                hit = reached(totals, self.scenario.goals[0], self._quarters)
                return hit.astype(np.float64)
            of = totals[self.measure.metric][:, self._quarters]
            return np.asarray(of.sum(axis=1), np.float64)

        return np.concatenate([*in_order(one, cuts(runs, size))])

    def own(self, pinned: Mapping[str, float] | None = None) -> Give:
        """The runs' own assumptions, some of them pinned to a value."""
        drawn = Draws(self.scenario, self.seed)
        pins = [(drawn.numbers[name], value) for name, value in (pinned or {}).items()]

        def give(first: int, count: int) -> Values:
            values = drawn.draw(first, count)
            if not drawn.names:
                return drawn.means()
            return Values({**values.of, **{u: np.full(count, value) for u, value in pins}})

        return give

    def at_normals(self, normals: Mapping[str, Floats]) -> Give:
        """Assumptions at independent standard normal points, shape (row,) by name."""

        def give(first: int, count: int) -> Values:
            cut = slice(first, first + count)
            return self.draws.at_normals({name: normals[name][cut] for name in self.draws.drawn})

        return give

    def at_means(self) -> Give:
        """All assumptions at their means, one row."""
        return lambda first, count: self.draws.means()  # noqa: ARG005


class _Rows(Draws):
    """Assumptions that are given, not drawn."""

    def __init__(self, scenario: Scenario, seed: int, give: Give) -> None:
        super().__init__(scenario, seed)
        self._give = give

    def draw(self, first: int, runs: int) -> Values:
        """Give the assumptions of some runs."""
        return self._give(first, runs)
