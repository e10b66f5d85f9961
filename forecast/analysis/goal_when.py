"""By when: what has to arrive in which period for a goal, and the pipeline that it needs.

All figures are closed-form means, at the means of what is uncertain, as if every item were taken up
at once where a stage takes up only so many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.analysis.goal_split import Span
from forecast.engine.assumptions import Draws
from forecast.engine.expected import flow_at
from forecast.engine.flows import by_period
from forecast.engine.kernel.shapes import Tables
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.request import RequestError
from forecast.engine.uses import PIPELINE, uses
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import MONEY_METRICS, WON, Scenario

Floats = NDArray[np.float64]
NEGLIGIBLE = 1e-6  # of the best chance: a lead with no more can no longer help


@dataclass(frozen=True)
class Arriving:
    """What arrives in each period, and how much of it counts for a goal."""

    what: str  # "leads", or the stage that is entered
    periods: tuple[str, ...]
    items: Floats  # (period,)
    counting: Floats  # (period,) of them, those that count for the goal
    latest: str | None  # the last period in which one more can still help

    @property
    def shares(self) -> Floats:
        """What has arrived by the end of each period, of all that counts."""
        total = float(self.counting.sum())
        return np.cumsum(self.counting) / total if total else np.zeros(len(self.counting))


@dataclass(frozen=True)
class Coverage:
    """The opportunities that are decided in time for a goal, against its target.

    ``coverage`` is their number (for a goal on deals) or value over the target; ``usual`` is the
    spreadsheet's 1 / win rate.
    """

    opportunities: float
    value: float
    win_rate: float | None
    coverage: float | None

    @property
    def usual(self) -> float | None:
        """1 / win rate."""
        return None if not self.win_rate else 1.0 / self.win_rate


def period_labels(calendar: Calendar) -> tuple[str, ...]:
    """Name the periods: months as 2027-03, shorter ones by their first day."""
    import datetime as dt

    days = [dt.date.fromordinal(edge) for edge in calendar.edges[:-1]]
    return tuple(f"{d:%Y-%m}" if calendar.unit == "month" else d.isoformat() for d in days)


class Timing:
    """The expected flow of a scenario by period."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.blueprint = make_blueprint(scenario)
        self.values = Draws(scenario, 0).means()
        self.tables: Tables = self.blueprint.maker.tables(self.values)
        flow = flow_at(by_period(self.blueprint), self.values, 1)
        periods, groups = scenario.calendar.periods, len(scenario.groups)
        self.leads = flow.leads[0].reshape(periods, groups)
        self.entered = flow.entered[0].reshape(periods, groups, -1)

    def arriving(self, path: str, span: Span) -> Arriving:
        """Tell what arrives where a path's assumption works, and what of it counts for a goal.

        That is the leads of its channels, or what enters the stage whose transitions it is about.
        """
        goal, _, quarters = span
        stage, groups = self._place(path)
        entry = np.repeat(self.blueprint.plan.entry, len(self.scenario.segments))
        chances = self._chances(goal.metric, quarters)
        if stage is None:
            chance = chances[entry, np.arange(len(entry))].T
            items, what = self.leads, "leads"
        else:
            j = self.scenario.stages.index(stage)
            chance, items, what = chances[j].T, self.entered[:, :, j], stage
        chance, items = chance[:, groups], items[:, groups]
        best = chance.max(axis=1)
        helps = np.flatnonzero(best > NEGLIGIBLE * best.max())
        labels = period_labels(self.scenario.calendar)
        latest = labels[helps[-1]] if len(helps) else None
        return Arriving(what, labels, items.sum(axis=1), (items * chance).sum(axis=1), latest)

    def _chances(self, metric: str, quarters: Sequence[int]) -> Floats:
        """Chance of an item to count for a goal: (stage it enters, group, period)."""
        scenario, plan = self.scenario, self.blueprint.plan
        if metric == "leads":
            shape = len(scenario.stages), len(scenario.groups), scenario.calendar.periods
            return np.broadcast_to(np.isin(plan.quarter_of, quarters).astype(float), shape)
        counted = WON if metric == "deals" or metric in MONEY_METRICS else metric
        wanted = self.blueprint.layout.targets.index(counted)
        inside = np.isin(plan.quarter_of, quarters).astype(np.float64)
        return _counting(self.blueprint, self.tables, wanted, inside)

    def _place(self, path: str) -> tuple[str | None, list[int]]:
        """The stage (None: where leads arrive) and the groups that a path is about."""
        keys = path.split(".")
        stage = None
        if "journey" in keys[:-1]:
            named = keys[keys.index("journey") + 1]
            stage = named if named in self.scenario.stages else None
        groups = [
            g
            for g, (channel, segment) in enumerate(self.scenario.groups)
            if not (keys[0] == "channels" and keys[1] not in (channel, "*"))
            and not (keys[0] == "segments" and keys[1] not in (segment, "*"))
        ]
        return stage, groups

    def coverage(self, span: Span) -> Coverage:
        """Tell what pipeline a goal on deals or money has; raises ``RequestError`` for others.

        An opportunity (what enters a stage before won) is due in the goal's quarters by the chance
        that it is won then, given that it is won straight from there.
        """
        goal, _, quarters = span
        if goal.metric != "deals" and goal.metric not in MONEY_METRICS:
            must = "a goal on deals, bookings or revenue"
            raise RequestError(
                f"--coverage: got {goal.metric}; must be {must}. Choose by --metric."
            )
        if PIPELINE in uses(self.scenario):
            must = "a scenario without open deals"
            raise RequestError(f"--coverage: got a pipeline; must be {must}. Leave out --coverage.")
        due, won = self._due(quarters)
        sizes = self._sizes(quarters)
        number, value = float(due.sum()), float(due @ sizes)
        against = number if goal.metric == "deals" else value
        rate = float(won.sum()) / number if number > 0 else None
        return Coverage(number, value, rate, against / goal.target if goal.target > 0 else None)

    def _due(self, quarters: Sequence[int]) -> tuple[Floats, Floats]:
        """Opportunities that are due in some quarters, and of them those won: (group,) each."""
        plan, tables = self.blueprint.plan, self.tables
        due, won = np.zeros((2, plan.lag_of.shape[1]))
        shares = _shares_of_ways(self.blueprint, tables)
        target = self.blueprint.layout.targets.index(WON)
        inside = np.isin(plan.quarter_of, quarters)
        for stage in range(len(self.scenario.stages)):
            ways = range(plan.first_way[stage], plan.first_way[stage + 1])
            winning = [e for e in ways if plan.target[e] == target]
            for t, phase in enumerate(plan.phase_of):
                rate = shares[phase][:, winning].sum(axis=1)
                timely = np.zeros(len(rate))
                for e in winning:
                    line = tables.lag_first[plan.lag_of[plan.lag_phase_of[t], :, e]]
                    ahead = inside[t : t + tables.lag_chance.shape[1]]
                    timely += shares[phase][:, e] * (tables.lag_chance[line, : len(ahead)] @ ahead)
                wins = self.entered[t, :, stage] * timely
                won += wins
                due += np.divide(wins, rate, out=np.zeros_like(wins), where=rate > 0)
        return due, won

    def _sizes(self, quarters: Sequence[int]) -> Floats:
        """Mean deal size of each group in some quarters, of all groups where it wins nothing."""
        means = flow_at(self.blueprint, self.values, 1)
        groups = len(self.scenario.groups)
        deals, money = (
            array[0, list(quarters)].sum(axis=(0, 3)).reshape(groups)
            for array in (means.deals, means.bookings)
        )
        overall = float(money.sum() / deals.sum()) if deals.sum() > 0 else 0.0
        sizes: Floats = np.divide(money, deals, out=np.full(groups, overall), where=deals > 0)
        return sizes


def _counting(blueprint: Blueprint, tables: Tables, wanted: int, inside: Floats) -> Floats:
    """Expected entries of a target in some periods by one item: (stage it enters, group, period).

    Backward over the periods: an item that enters a stage goes on by each way after k periods, and
    counts there; with what is entered at once (k = 0) a linear system remains. Its own entry of
    the target counts too.
    """
    plan, shares = blueprint.plan, _shares_of_ways(blueprint, tables)
    stages, groups, periods = len(plan.first_way) - 1, plan.lag_of.shape[1], len(inside)
    found = np.zeros((stages, groups, periods))
    own = np.zeros((stages, periods))
    if wanted < stages:
        own[wanted] = inside
    for t in range(periods - 1, -1, -1):
        known, at_once = np.zeros((groups, stages)), np.zeros((groups, stages, stages))
        for e, (source, target) in enumerate(zip(plan.source, plan.target, strict=True)):
            line = tables.lag_first[plan.lag_of[plan.lag_phase_of[t], :, e]]
            chance = shares[plan.phase_of[t], :, e, None] * tables.lag_chance[line, : periods - t]
            until = t + chance.shape[1]
            if target < stages:
                later = chance[:, 1:] * found[target, :, t + 1 : until]
                known[:, source] += later.sum(axis=1) + chance[:, 0] * own[target, t]
                at_once[:, source, target] += chance[:, 0]
            elif target == wanted:
                known[:, source] += chance @ inside[t:until]
        entered = np.linalg.solve(np.eye(stages) - at_once, known[..., None])[..., 0]
        found[:, :, t] = entered.T + own[:, None, t]
    return found


def _shares_of_ways(blueprint: Blueprint, tables: Tables) -> Floats:
    """The share of what enters a stage that takes each way: (phase, group, way)."""
    plan, take = blueprint.plan, tables.take[0]
    shares: Floats = np.zeros_like(take)
    for stage in range(len(plan.first_way) - 1):
        left = np.ones(take.shape[:2])
        for e in range(plan.first_way[stage], plan.first_way[stage + 1]):
            shares[..., e] = left * take[..., e]
            left = left - shares[..., e]
    return shares
