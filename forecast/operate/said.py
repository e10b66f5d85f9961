"""What kept forecasts said of quarters that are over, each beside what came."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from forecast.engine.request import RequestError
from forecast.engine.uses import RECURRING, uses
from forecast.history.backtesting.scores import Floats, crps, pit_ends
from forecast.history.done import done_in
from forecast.operate.archive import Archive
from forecast.operate.explain import DONE, WANTED
from forecast.operate.kept import SUMMARY, Kept, NoForecast
from forecast.operate.outcomes import NOT_KNOWN, Outcomes, first_day_of, last_day_of
from forecast.scenario.calendar import Calendar
from forecast.scenario.errors import listed
from forecast.scenario.forms import offer
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import nodes_of
from forecast.scenario.reader import build_scenario

METRICS = ("deals", "bookings", "leads")
NEAR = 1e-9  # of two figures that are equal but for rounding
LATER = "another forecast of the same day was made later"
WHAT_IF = "a case of a batch, which assumes something else"
BEGUN = "the quarter had begun, and what was done by then is not kept"
CUT_OFF = "the forecast ends before the quarter does"
ONE_RUN = "a single run is no distribution"
REVENUE = "a goal on revenue that recurs, of which the actuals do not say what came"
TORN = "the file cannot be read"


@dataclass(frozen=True)
class Case:
    """A forecast of a metric in a quarter and what came: `days` from as_of to the quarter's end.

    `below` and `up_to` are where the distribution steps at the outcome, `width` that of the
    central 80% interval.
    """

    as_of: str
    quarter: str
    metric: str
    days: int
    outcome: float
    mean: float
    crps: float
    below: float
    up_to: float
    width: float


@dataclass(frozen=True)
class GoalCase:
    """The chance that a forecast gave a goal over a quarter or year, and whether it was reached."""

    as_of: str
    quarter: str
    metric: str
    target: float
    days: int
    chance: float
    reached: bool


@dataclass
class Said:
    """What forecasts of one scenario said; `left_out` holds (as_of, quarter) by why."""

    scenario: str
    currency: str = ""
    forecasts: int = 0
    cases: list[Case] = field(default_factory=list)
    goals: list[GoalCase] = field(default_factory=list)
    left_out: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def leave_out(self, why: str, as_of: str, quarter: str = "") -> None:
        """Note what is not scored, and why."""
        self.left_out.setdefault(why, set()).add((as_of, quarter))


Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """What to score: metrics (deals, bookings, leads or stages), and of which scenario."""

    metrics: Sequence[str] = METRICS
    scenario: str | None = None


def collect(
    archive: Archive,
    outcomes: Outcomes,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> Said:
    """Set all kept forecasts of a scenario beside what came.

    Of each as-of date the forecast that was made last counts. Raises ``RequestError`` where there
    is no forecast, or more than one scenario and none is named.
    """
    asked = asked or Asked()
    forecasts = _chosen(archive, asked.scenario)
    said = Said(forecasts[0].scenario)
    seen: set[str] = set()
    for i, kept in enumerate(forecasts):
        if progress is not None:
            progress(i, len(forecasts))
        try:
            attributes = archive.attributes(kept)
        except NoForecast:
            said.leave_out(TORN, kept.as_of)
            continue
        if json.loads(attributes.get("set", "{}")):
            said.leave_out(WHAT_IF, kept.as_of)
        elif kept.as_of in seen:
            said.leave_out(LATER, kept.as_of)
        else:
            seen.add(kept.as_of)
            one = _One(archive, kept, attributes, asked)
            if len(seen) == 1:
                _check_metrics(asked.metrics, one.scenario)
            one.add_to(said, outcomes)
    said.forecasts = len(seen)
    return said


def _chosen(archive: Archive, scenario: str | None) -> tuple[Kept, ...]:
    forecasts = archive.list(scenario).forecasts
    if not forecasts:
        must = "the name of a scenario with kept forecasts" if scenario else "kept forecasts"
        raise RequestError(
            f"scenario: got {scenario or 'none'}; must be {must}. See forecast history for them."
        )
    names = sorted({kept.scenario for kept in forecasts})
    if len(names) > 1:
        mend = f'Add --scenario "{names[0]}".'
        raise RequestError(f"scenario: got none; must be one of {listed(names)}. {mend}")
    return forecasts


def _check_metrics(metrics: Sequence[str], scenario: Scenario) -> None:
    known = (*METRICS, *scenario.stages)
    for metric in metrics:
        if metric not in known:
            must = f"deals, bookings, leads or a stage of {scenario.name}"
            raise RequestError(f"metric: got {metric}; must be {must}. {offer(metric, known)}")


class _One:
    """One kept forecast."""

    def __init__(
        self, archive: Archive, kept: Kept, attributes: Mapping[str, Any], asked: Asked
    ) -> None:
        self.archive, self.kept, self.attributes = archive, kept, attributes
        self.metrics = asked.metrics
        self.scenario = build_scenario(nodes_of(str(attributes["scenario"]), kept.path))
        self.calendar: Calendar = self.scenario.calendar
        self.fiscal = self.calendar.fiscal_year_start
        # Nightly forecasts say what was done; of others it is known only that nothing was done of
        # quarters that had not begun.
        self.done = json.loads(attributes[DONE]) if DONE in attributes else None

    @cached_property
    def totals(self) -> dict[str, Floats]:
        """What is to come, by metric: (run, quarter)."""
        return self.archive.totals(self.kept, self.metrics)

    def add_to(self, said: Said, outcomes: Outcomes) -> None:
        """Score each quarter and goal whose end is known."""
        said.currency = self.scenario.currency
        as_of = self.kept.as_of
        for q, label in enumerate(self.calendar.quarters):
            for metric in self.metrics:
                came = outcomes.came(metric, label, self.fiscal)
                why = came if isinstance(came, str) else self._why_not([label])
                if isinstance(came, str) or why is not None:
                    about = f" of {metric}" if why == NOT_KNOWN else ""
                    said.leave_out(f"{why}{about}", as_of, label)
                elif metric not in self.totals:
                    said.leave_out(f"the forecast does not say {metric}", as_of, label)
                else:
                    said.cases.append(self._case(q, metric, came))
        said.goals += self._goals(said, outcomes)

    def _why_not(self, labels: Sequence[str]) -> str | None:
        """Say why whole quarters are not what was forecast; None if they are."""
        if self.kept.runs < 2:
            return ONE_RUN
        # A week belongs to the quarter of its middle day.
        slack = self.calendar.period_days / 2 if self.calendar.unit == "week" else 0.0
        begin, end = self.calendar.edges[0] - slack, self.calendar.edges[-1] + slack
        if self.done is None and first_day_of(labels[0], self.fiscal).toordinal() < begin:
            return BEGUN
        if last_day_of(labels[-1], self.fiscal).toordinal() >= end:
            return CUT_OFF
        return None

    def _days_to(self, label: str) -> int:
        return (last_day_of(label, self.fiscal) - self.kept.day) // dt.timedelta(days=1)

    def _case(self, q: int, metric: str, came: float) -> Case:
        label = self.calendar.quarters[q]
        total = done_in(self.done or {}, metric, label) + self.totals[metric][:, q]
        # The same money added up in another order is the same money.
        total = np.where(np.isclose(total, came, rtol=NEAR, atol=NEAR), came, total)
        below, up_to = pit_ends(total, came)
        low, high = np.quantile(total, (0.1, 0.9), method="inverted_cdf")
        return Case(
            self.kept.as_of, label, metric, self._days_to(label), came, float(total.mean()),
            float(crps(total, came)), float(below), float(up_to), float(high - low),
        )  # fmt: skip

    def _goals(self, said: Said, outcomes: Outcomes) -> Iterator[GoalCase]:
        """Give the goals whose quarters are all over and were forecast whole."""
        wanted = json.loads(self.attributes.get(WANTED, "[]"))
        told = json.loads(self.attributes[SUMMARY])["goals"]
        for i, goal in enumerate(told):
            metric, label = str(goal["metric"]), str(goal["quarter"])
            if metric == "revenue" and RECURRING in uses(self.scenario):
                said.leave_out(REVENUE, self.kept.as_of, label)
                continue
            labels = [label] if len(label) > 4 else [f"{label}Q{n}" for n in (1, 2, 3, 4)]
            parts = [outcomes.came(metric, one, self.fiscal) for one in labels]
            came = [part for part in parts if not isinstance(part, str)]
            if len(came) < len(labels) or self._why_not(labels) is not None:
                continue
            target = float(wanted[i]["target"] if wanted else goal["target"])
            chance = goal["probability"] if goal["exact"] is None else goal["exact"]
            reached = sum(came) >= target - NEAR * max(1.0, abs(target))
            days = self._days_to(labels[-1])
            yield GoalCase(self.kept.as_of, label, metric, target, days, float(chance), reached)
