"""What scenarios are compared in: metrics by quarter and year, and the chances of their goals.

A measure has a value in every run of a scenario; so a difference between two scenarios, simulated
with common random numbers, is taken run by run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.analysis.goal_chance import as_deals
from forecast.analysis.summary import whole_years
from forecast.engine.assumptions import Draws
from forecast.engine.chance import ExactChances
from forecast.engine.expected import expectation
from forecast.engine.outcome import Totals, reached
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.request import RequestError
from forecast.engine.run import Progress, bytes_of_totals, simulate_totals, totals_of
from forecast.engine.simulate import ready
from forecast.scenario.errors import did_you_mean, listed
from forecast.scenario.model import METRICS, Goal, Scenario

Floats = NDArray[np.float64]

SPEND = "spend"
MEASURED = (*METRICS, SPEND)  # what is compared where nothing is asked for
CHANCE = "chance of "  # begins the name of a goal's chance
# Runs whose exact conditional chances are averaged: all where that is little work, else these.
CHANCE_ROWS = 1_000
CHANCE_STEPS = 2e7


class Measure(NamedTuple):
    """A metric over a quarter or year, or the chance of a goal over its quarters."""

    metric: str  # "deals", or "chance of deals"
    quarter: str  # its label, a year's too
    nth: int = 0  # of the goals of one metric and label

    @property
    def is_chance(self) -> bool:
        """Tell whether it is the chance of a goal."""
        return self.metric.startswith(CHANCE)

    @property
    def of(self) -> str:
        """The metric, or that of the goal."""
        return self.metric.removeprefix(CHANCE).partition(" #")[0]


Spans = Mapping[Measure, tuple[int, ...]]


def spans_of(scenario: Scenario, metrics: Sequence[str]) -> dict[Measure, tuple[int, ...]]:
    """Give the indices of the quarters that each measure of some metrics adds up."""
    calendar = scenario.calendar
    labels = {label: (q,) for q, label in enumerate(calendar.quarters)} | whole_years(calendar)
    spans = {
        Measure(name, label): quarters for name in metrics for label, quarters in labels.items()
    }
    return spans | {
        m: quarters for m, (_, quarters) in goals_of(scenario).items() if m.of in metrics
    }


def goals_of(scenario: Scenario) -> dict[Measure, tuple[Goal, tuple[int, ...]]]:
    """Name every goal by what it is a chance of; a second one of a metric and label has #2."""
    found: dict[Measure, tuple[Goal, tuple[int, ...]]] = {}
    for goal in scenario.goals:
        for label, quarters in goal.quarters:
            nth = sum(m.of == goal.metric and m.quarter == label for m in found)
            name = f"{CHANCE}{goal.metric}" + (f" #{nth + 1}" if nth else "")
            found[Measure(name, label, nth)] = goal, quarters
    return found


def shared_measures(
    scenarios: Sequence[Scenario], metrics: Sequence[str] = (), quarters: Sequence[str] = ()
) -> list[Measure]:
    """Give the measures that scenarios share: the same label over the same quarters.

    ``metrics`` may name stages too; their goals' chances come with them. Raises ``RequestError``
    for a name that one of the scenarios does not have.
    """
    for scenario in scenarios:
        _check_names(scenario, metrics)
    names = tuple(dict.fromkeys(metrics or (*MEASURED, *scenarios[0].stages)))
    known = [_labelled(scenario, names) for scenario in scenarios]
    every = [m for m in known[0] if all(m in k and k[m] == known[0][m] for k in known[1:])]
    if not metrics:
        every = [m for m in every if m.is_chance or m.metric in MEASURED]
    labels = list(dict.fromkeys(m.quarter for m in every))
    for label in quarters:
        if label not in labels:
            of = "one that all scenarios have: " if len(scenarios) > 1 else "one of "
            must = of + listed(labels, "or")
            raise RequestError(f"--quarter: got {label}; must be {must}.")
    found = [m for m in every if not quarters or m.quarter in quarters]
    if not found:
        first, other = (f"{s.calendar.quarters[0]} to {s.calendar.quarters[-1]}" for s in scenarios)
        must = "scenarios with a common quarter"
        raise RequestError(f"quarters: got {first} and {other}; must be {must}. Check start.")
    return found


def _labelled(scenario: Scenario, names: Sequence[str]) -> dict[Measure, tuple[str, ...]]:
    labels = scenario.calendar.quarters
    return {
        m: tuple(labels[q] for q in quarters) for m, quarters in spans_of(scenario, names).items()
    }


def _check_names(scenario: Scenario, metrics: Iterable[str]) -> None:
    known = (*MEASURED, *scenario.stages)
    for name in metrics:
        if name not in known:
            mend = did_you_mean(name, known) or "Choose one of them."
            must = f"one of {listed(known, 'or')}"
            raise RequestError(f"--metric: got {name}; must be {must}. {mend}")


@dataclass(frozen=True)
class Futures:
    """A scenario's measures: simulated run by run, and what is known of them exactly."""

    scenario: Scenario
    totals: Totals
    expected: Mapping[str, Floats]  # closed-form means, (quarter,); nothing where not known
    chances: Mapping[Measure, Floats]  # exact conditional chances, (row,)
    rows: int  # of these, where something is uncertain

    def column(self, measure: Measure) -> Floats:
        """Give a measure's value in every run; of a goal 1 where it is reached, shape (run,)."""
        if measure.is_chance:
            goal, quarters = goals_of(self.scenario)[measure]
            return reached(self.totals, goal, quarters).astype(np.float64)
        quarters = spans_of(self.scenario, (measure.metric,))[measure]
        total: Floats = self.totals[measure.metric][:, list(quarters)].sum(axis=1, dtype=np.float64)
        return total

    def columns(self, measures: Sequence[Measure]) -> Floats:
        """Give several measures' values, shape (measure, run)."""
        return np.stack([self.column(measure) for measure in measures])

    def known(self, measure: Measure) -> Floats:
        """Give what is known of a measure: its exact mean, shape (1,), or a chance, (row,).

        Not a number where nothing is known.
        """
        if measure.is_chance:
            return self.chances.get(measure, np.full(1, np.nan))
        if measure.metric not in self.expected:
            return np.full(1, np.nan)
        quarters = spans_of(self.scenario, (measure.metric,))[measure]
        return np.array([self.expected[measure.metric][list(quarters)].sum()])


def futures_of(
    scenario: Scenario, *, runs: int, seed: int, rows: int, progress: Progress | None = None
) -> Futures:
    """Simulate a scenario's measures, the same runs as ``forecast run`` has.

    Exact chances are those of the first ``rows`` runs. Raises ``RequestError`` for runs that cannot
    be simulated or kept.
    """
    simulator = ready(scenario, runs, seed, bytes_of_totals(scenario))
    totals, _ = simulate_totals(simulator, runs, None, nullcontext(), progress)
    blueprint, draws = simulator.blueprint, simulator.draws
    return Futures(
        scenario,
        totals,
        closed_means(blueprint, draws),
        exact_chances(blueprint, draws, rows),
        rows,
    )


def chance_rows(scenarios: Iterable[Scenario], runs: int) -> int:
    """Choose for how many runs exact chances are worked out, the same for all scenarios."""
    steps = max(
        len(s.groups) * len(s.stages) ** 2 * s.calendar.periods**2 * max(len(goals_of(s)), 1)
        for s in scenarios
    )
    return min(runs, max(CHANCE_ROWS, int(CHANCE_STEPS / steps)))


def closed_means(blueprint: Blueprint, draws: Draws) -> dict[str, Floats]:
    """Give the exact means of all totals by quarter; nan or none where they are not known."""
    expected = expectation(blueprint, draws, 1)
    if expected.runs is not None:
        return {}
    means = totals_of(blueprint, expected.means)
    means.setdefault("revenue", means["bookings"])
    return {name: np.asarray(array[0], np.float64) for name, array in means.items()}


def exact_chances(blueprint: Blueprint, draws: Draws, rows: int) -> dict[Measure, Floats]:
    """Give the exact chances of goals, given the assumptions of the first runs, shape (row,).

    One row where nothing is uncertain; nothing for a goal without a closed form.
    """
    written = goals_of(blueprint.scenario)
    blueprint = with_goals_on_deals(blueprint)
    if not draws.names:
        rows = 1
    exact = ExactChances(blueprint, bool(draws.names), rows)
    if not exact.known:
        return {}
    counted = goals_of(blueprint.scenario)
    spans = ((goal, m.quarter) for m, (goal, _) in counted.items())
    names = dict(zip(spans, written, strict=True))
    values = draws.draw(0, rows) if draws.names else draws.means()
    chances = exact.conditional(blueprint.maker.tables(values), rows)
    return {names[span]: row for span, row in zip(exact.known, chances, strict=True)}


def with_goals_on_deals(blueprint: Blueprint) -> Blueprint:
    """Say goals on money as goals on deals, where every deal has the same size."""
    counted = as_deals(blueprint.scenario)
    return blueprint if counted is blueprint.scenario else make_blueprint(counted)
