"""Choose goals, metrics and quarters of a scenario by the names that people give."""

from __future__ import annotations

from collections.abc import Sequence

from forecast.analysis.goal_split import Span
from forecast.engine.request import RequestError
from forecast.scenario.errors import did_you_mean, listed
from forecast.scenario.model import METRICS, Scenario


def metric_named(scenario: Scenario, name: str) -> str:
    """Check a metric: deals, bookings, revenue, leads or a stage; raises ``RequestError``."""
    known = (*METRICS, *scenario.stages)
    if name not in known:
        must = f"one of {listed(known, 'or')}"
        mend = did_you_mean(name, known) or "Choose one of them."
        raise RequestError(f"--metric: got {name}; must be {must}. {mend}")
    return name


def quarters_named(scenario: Scenario, label: str) -> tuple[int, ...]:
    """Give the indices of a quarter's or a fiscal year's quarters; raises ``RequestError``."""
    calendar = scenario.calendar
    if label in calendar.quarters:
        return (calendar.quarters.index(label),)
    if label in calendar.years:
        return calendar.years[label]
    first, last = calendar.quarters[0], calendar.quarters[-1]
    mend = f"Write it as {last}, or a year as {last[:4]}."
    must = f"a quarter from {first} to {last}, or a year"
    raise RequestError(f"--quarter: got {label}; must be {must}. {mend}")


def goals_named(
    scenario: Scenario, metrics: Sequence[str] = (), quarters: Sequence[str] = ()
) -> list[Span]:
    """Give the goals of some metrics and quarters, all where none are named.

    Raises ``RequestError`` where there is none.
    """
    for name in metrics:
        metric_named(scenario, name)
    for label in quarters:
        quarters_named(scenario, label)
    found = [
        (goal, label, which)
        for goal in scenario.goals
        for label, which in goal.quarters
        if (not metrics or goal.metric in metrics) and (not quarters or label in quarters)
    ]
    if not scenario.goals:
        raise RequestError("goals: got none; must be one or more. Add goals to the scenario.")
    if not found:
        have = ", ".join(
            dict.fromkeys(f"{goal.metric} {q}" for goal in scenario.goals for q, _ in goal.quarters)
        )
        asked = " ".join([*metrics, *quarters])
        raise RequestError(f"goals: got {asked}; must be those of a goal. There are {have}.")
    return found
