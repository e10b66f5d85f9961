"""Pipeline coverage: the opportunities that are decided in time for a goal, against its target.

An opportunity is what enters a stage before won. It counts by the chance that it is won in the
goal's quarters, given that it is won straight from there: so what is lost counts by when it would
have been won. A deal that is open in such a stage at as_of counts likewise, given its age; one with
a chance or an expected close of its own by the chance that it is won in those quarters, given that
it is won at all. An open deal of an earlier stage counts by the opportunities it is expected to
become. Each is worth its amount, a new one what its group books on average; for a goal on revenue,
what would be recognised of that in the goal's quarters, also of those that are won before.

All are closed-form means, at the means of what is uncertain, as if every item were taken up at once
where a stage takes up only so many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecast.analysis.backward import Backward, Floats, inside_of
from forecast.analysis.goal_split import Span
from forecast.engine.assumptions import Draws
from forecast.engine.expected import means_of
from forecast.engine.flows import by_period, expect_rows
from forecast.engine.kernel.ages import BOTH, CLOSE, MODEL
from forecast.engine.kernel.dealmeans import tell_classes
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.opened import new_space
from forecast.engine.kernel.shapes import Tables
from forecast.engine.pipeline import (
    OpenPlan,
    add_deal_means,
    batch_of,
    line_of,
    open_tables,
)
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.request import RequestError
from forecast.scenario.model import MONEY_METRICS, WON, Scenario


@dataclass(frozen=True)
class Coverage:
    """The opportunities that are decided in time for a goal, against its target.

    ``coverage`` is their number (for a goal on deals) or value over the target.
    """

    opportunities: float
    value: float
    of_open: float  # of them, those of open deals
    value_of_open: float
    win_rate: float | None
    coverage: float | None

    @property
    def usual(self) -> float | None:
        """The spreadsheet's 1 / win rate."""
        return None if not self.win_rate else 1.0 / self.win_rate


@dataclass(frozen=True)
class _Due:
    """Opportunities that are due in a goal's quarters, and of them those won: in number, value."""

    number: float
    won: float
    value: float


def check_coverage(span: Span) -> None:
    """Raise ``RequestError`` for a goal that is not about deals or money."""
    metric = span[0].metric
    if metric != "deals" and metric not in MONEY_METRICS:
        must = "a goal on deals, bookings or revenue"
        raise RequestError(f"--coverage: got {metric}; must be {must}. Choose by --metric.")


class Opportunities:
    """The opportunities of a scenario, new ones and open ones."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.blueprint = make_blueprint(scenario)
        self.tables: Tables = self.blueprint.maker.tables(Draws(scenario, 0).means())
        self._won = self.blueprint.layout.targets.index(WON)

    def coverage(self, span: Span) -> Coverage:
        """Tell what pipeline a goal on deals or money has; raises ``RequestError`` for others."""
        check_coverage(span)
        goal, _, quarters = span
        inside = inside_of(self.blueprint, quarters)
        money = "revenue" if goal.metric == "revenue" else "bookings"
        new, old = self._new(money, inside), self._open(money, inside)
        number, value = new.number + old.number, new.value + old.value
        against = number if goal.metric == "deals" else value
        rate = (new.won + old.won) / number if number > 0 else None
        covered = against / goal.target if goal.target > 0 else None
        return Coverage(number, value, old.number, old.value, rate, covered)

    # --- of the leads to come

    def _new(self, money: str, inside: Floats) -> _Due:
        entered = self._entered - self._of_deals(self.blueprint).entered
        number, won = self._due(_by_group(entered), inside[None])
        value, _ = self._due(_by_group(entered), self._worth(money, inside))
        return _Due(number, won, value)

    def _worth(self, money: str, inside: Floats) -> Floats:
        """What a win is worth by its period: (group, period)."""
        return np.asarray(Backward(self.blueprint, self.tables).win_worth(money, inside)[0])

    @cached_property
    def _entered(self) -> Floats:
        """What enters the stages by period, also of open deals and of their customers' leads."""
        return means_of(by_period(self.blueprint), self.tables, 1).entered

    def _due(self, entered: Floats, worth: Floats) -> tuple[float, float]:
        """Of what enters stages (period, group, stage): what is due, and what is won of it.

        ``worth`` is what one counts that is won in a period, (group, period) or (1, period).
        """
        plan, tables = self.blueprint.plan, self.tables
        due = won = 0.0
        shares = shares_of_ways(self.blueprint, tables)
        for stage in range(len(self.scenario.stages)):
            ways = range(plan.first_way[stage], plan.first_way[stage + 1])
            winning = [e for e in ways if plan.target[e] == self._won]
            for t, phase in enumerate(plan.phase_of):
                rate = shares[phase][:, winning].sum(axis=1)
                timely = np.zeros(len(rate))
                for e in winning:
                    line = tables.lag_first[plan.lag_of[plan.lag_phase_of[t], :, e]]
                    ahead = worth[:, t : t + tables.lag_chance.shape[1]]
                    chance = tables.lag_chance[line, : ahead.shape[1]]
                    timely += shares[phase][:, e] * (chance * ahead).sum(axis=1)
                wins = entered[t, :, stage] * timely
                won += float(wins.sum())
                due += float(np.divide(wins, rate, out=np.zeros_like(wins), where=rate > 0).sum())
        return due, won

    # --- of the deals that are open

    def _open(self, money: str, inside: Floats) -> _Due:
        opened = self.blueprint.opened
        if opened is None or not len(opened.order):
            return _Due(0.0, 0.0, 0.0)
        won = self._of_deals(self.blueprint).pipeline_deals
        booked = self._worth("bookings", np.ones_like(inside))
        of_amount = np.divide(
            self._worth(money, inside), booked, out=np.zeros_like(booked), where=booked > 0
        )
        every = np.ones(len(opened.order))
        number = self._open_due(opened, every, inside[None], "pipeline_deals", inside)
        name = "revenue" if money == "revenue" else "pipeline_bookings"
        value = self._open_due(opened, opened.op.deals.amount, of_amount, name, inside)
        return _Due(number, float(won[0][inside > 0].sum()), value)

    def _open_due(
        self, opened: OpenPlan, weights: Floats, worth: Floats, name: str, inside: Floats
    ) -> float:
        """Opportunities of open deals that weigh so much; by what is expected of them as named."""
        later = self._of_deals(replace(self.blueprint, opened=_only(opened, MODEL, weights)))
        due, _ = self._due(_by_group(later.entered), worth)
        straight = self._straight(opened, weights), self._own(opened, weights)
        return due + sum(float(getattr(each, name)[0][inside > 0].sum()) for each in straight)

    def _of_deals(self, blueprint: Blueprint) -> Means:
        """What is expected of open deals alone, by period, without what their customers bring."""
        finer = by_period(blueprint)
        bare = finer.plan._replace(fixed=np.zeros_like(finer.plan.fixed))
        nothing = self.tables._replace(mean=np.zeros_like(self.tables.mean))
        found = expect_rows(replace(finer, plan=bare), nothing, 1)
        if blueprint.opened is not None:
            add_deal_means(blueprint.opened, finer.plan, self.tables, found)
        return found

    def _straight(self, opened: OpenPlan, weights: Floats) -> Means:
        """What is won of deals in a stage before won if all are won straight from there."""
        plan, stages = self.blueprint.plan, len(self.scenario.stages)
        rate = self._rates(opened)[opened.op.batches.mover[batch_of(opened.op)]]
        weights = np.divide(weights, rate, out=np.zeros_like(rate), where=rate > 0)
        nowhere = plan._replace(target=np.where(plan.target < stages, stages + 1, plan.target))
        found = _only(opened, MODEL, weights)
        return self._of_deals(replace(self.blueprint, plan=nowhere, opened=found))

    def _rates(self, opened: OpenPlan) -> Floats:
        """The chance of every class of deals to be won straight from its stage, given its age."""
        plan, op = self.blueprint.plan, opened.op
        asked = replace(opened, hoped=np.ones_like(opened.hoped))
        given = open_tables(asked, plan, self.tables)
        hope = np.zeros_like(given.hope)
        hope[..., self._won] = 1.0
        longest, rate = np.zeros((2, len(op.movers.group)))
        tables = self.tables, given._replace(hope=hope)
        tell_classes(plan, tables, op, new_space(plan), longest, rate)
        return np.append(rate, 0.0)  # of deals without a class, whose number is -1

    def _own(self, opened: OpenPlan, weights: Floats) -> Means:
        """What is won of deals with a chance or a close of their own if all are won."""
        batches = opened.op.batches
        kind = np.where(batches.kind == CLOSE, BOTH, batches.kind)
        op = opened.op._replace(batches=batches._replace(kind=kind))
        won = _only(replace(opened, op=op), None, weights)
        return self._of_deals(replace(self.blueprint, opened=won))


def shares_of_ways(blueprint: Blueprint, tables: Tables) -> Floats:
    """The share of what enters a stage that takes each way: (phase, group, way)."""
    plan, take = blueprint.plan, tables.take[0]
    shares: Floats = np.zeros_like(take)
    for stage in range(len(plan.first_way) - 1):
        left = np.ones(take.shape[:2])
        for e in range(plan.first_way[stage], plan.first_way[stage + 1]):
            shares[..., e] = left * take[..., e]
            left = left - shares[..., e]
    return shares


def _by_group(entered: Floats) -> Floats:
    """Put channels and segments together: (period, group, stage)."""
    periods, channels, segments, stages = entered.shape[1:]
    return np.asarray(entered[0].reshape(periods, channels * segments, stages))


def _only(opened: OpenPlan, kind: int | None, weights: Floats) -> OpenPlan:
    """Open deals with a weight each in the place of their chance: of one kind, or all but MODEL."""
    op, lines = opened.op, opened.lines
    kinds = op.batches.kind[batch_of(op)]
    wanted = kinds != MODEL if kind is None else kinds == kind
    keys, line = line_of(op)
    weight = np.asarray(
        np.bincount(line, np.where(wanted, weights, 0.0), keys.shape[1]), dtype=np.float64
    )
    nothing = np.zeros_like(weight)
    return replace(opened, weighed=lines._replace(number=weight, amount=weight, lost=nothing))
