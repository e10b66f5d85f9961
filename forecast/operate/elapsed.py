"""What of a scenario is over on a later day: units of time, growth, money that still works."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from itertools import pairwise
from math import ceil

import numpy as np

from forecast.engine.arrivals import LEAST_GROWTH, mean_leads
from forecast.engine.assumptions import Draws
from forecast.engine.layout import lay_out
from forecast.engine.response import adstock
from forecast.scenario import quantities
from forecast.scenario.calendar import MONTHS_IN, Calendar, build_calendar
from forecast.scenario.model import Number, Scenario, Uncertain
from forecast.scenario.nodes import Items, Node, Table, Text
from forecast.scenario.reader import build_scenario
from forecast.scenario.scaling import mean_of, scaled

FAR = 3
BEYOND = 62  # days that the old calendar is looked at behind the new start
POINTS = 1_000  # of a distribution, for a mean


class Elapsed:
    """The time from a scenario's start to a new one; `past` has no changes after that."""

    def __init__(self, scenario: Scenario, past: Table, start: dt.date, end: dt.date) -> None:
        self.calendar, self._scenario, self._past = scenario.calendar, scenario, past
        self._start, self._end = start, end
        self._days = (start - self.calendar.start).days
        self._long = self._calendar(self.calendar.start, self._days + BEYOND)
        edges = np.array(self._long.edges)
        self._period = int(np.searchsorted(edges, start.toordinal(), side="right")) - 1
        self._since = start.toordinal() - self._long.edges[self._period]
        self._length = self._long.edges[self._period + 1] - self._long.edges[self._period]

    def _calendar(self, start: dt.date, days: int) -> Calendar:
        unit, fiscal = self.calendar.unit, self.calendar.fiscal_year_start
        return build_calendar(start, (days, "day"), unit, fiscal)

    # --- lists of figures

    def figures(self, node: Node, per: str, then: str, key: str) -> Node:
        """Give a figure, or a list of them by unit of time, from the new start on.

        Exact counts (`fixed`) and slots (`per_period`) of a unit that is partly over are what is
        left of it; other figures are spread over days, which takes care of that.
        """
        over, passed, whole = self._units_over(per)
        if key == "per_period":
            over, passed, whole = self._period, self._since, self._length
        weeks = per not in MONTHS_IN if key != "per_period" else self.calendar.unit != "month"
        parted = passed and (key in ("fixed", "per_period") or weeks)
        if not isinstance(node, Items):
            if not parted or weeks:
                return node
            node = Items([node], node.place)
            then = "last"
        if not parted:
            return _from(node, over, then)
        cut = _counted if key == "fixed" else _part
        # Far enough for a forecast that begins, and ends, later still.
        ahead = self._calendar(self._start, FAR * (self._end - self._start).days)
        many = ahead.periods if key == "per_period" else int(ahead.units(per).index[-1]) + 1
        if not then:  # a list that ends is refused, as in any scenario
            many = min(many, max(len(node) - over, 1))
        plan = [_figure(node, over + i, then) for i in range(many + 1)]
        if not weeks:
            return Items([cut(plan[0], passed, whole)[1], *plan[1:-1]], node.place)
        halves = [cut(figure, passed, whole) for figure in plan]
        return Items([_sum(one[1], other[0]) for one, other in pairwise(halves)], node.place)

    def _units_over(self, per: str) -> tuple[int, int, int]:
        """Count the units that are over; gives the days of the next that are, and all its days."""
        units = self._long.units(per)
        over = int(units.index[self._days])
        first = int(np.flatnonzero(units.index == over)[0])
        whole = int(units.length_days[over]) - (0 if over else units.elapsed_days)
        return over, self._days - first, whole

    # --- growth

    def level(self, channel: str) -> float:
        """How much a channel's leads have grown; the mean where that is uncertain."""
        versions = self._scenario.versions
        days = [v.since.toordinal() for v in versions] + [self._long.edges[-1]]
        level = 1.0
        for i, version in enumerate(versions):
            rate = version.channels[channel].growth
            elapsed = self._long.units_elapsed(rate.per)
            begin, end = np.interp([days[i], days[i + 1]], self._long.edges, elapsed)
            level *= _grown(rate.amount, float(np.clip(elapsed[self._period], begin, end) - begin))
        return level

    # --- money

    def spent_before(self, name: str) -> str | None:
        """Say the spend, in a unit of time, whose effect is there at the new start.

        At the means of what is uncertain. None where nothing lasts, or it is as in the period that
        begins there.
        """
        responses = [v.channels[name].leads.response for v in self._scenario.versions]
        if all(each is None or each.carry_over is None for each in responses):
            return None
        scenario = self._extended
        channel = scenario.versions[-1].channels[name]
        found = channel.leads.response
        if found is None or found.carry_over is None:
            return None
        answer, values = mean_leads(lay_out(scenario), name).answers[-1], Draws(scenario, 0).means()
        rate, kept = answer.spend(values) / answer.units, answer.kept(values)
        before = rate[:, 0]
        if answer.before is not None:
            before = values(answer.before.amount) * answer.before_units
        effect = [float(before[0]), *adstock(rate, kept, before)[0].tolist()]
        now = float(rate[0, self._period])
        share = float(kept[0, self._period]) ** (self._since / self._length)
        spent = now + share * (effect[self._period] - now)
        if answer.before is None and abs(spent - now) <= 1e-9 * now:
            return None
        return f"{spent!r} per {channel.leads.per}"

    @cached_property
    def _extended(self) -> Scenario:
        """The scenario from its own start to the end of the period of the new one."""
        content = {k: node for k, node in self._past.items() if k not in ("goals", "pipeline")}
        days = self._long.edges[self._period + 1] - self._long.edges[0]
        horizon = Text(f"{days} days", self._past["horizon"].place)
        return build_scenario(Table({**content, "horizon": horizon}, self._past.place))


def _from(figures: Items, over: int, then: str) -> Items:
    """Give a list's figures from a unit on, in the way it goes on after its end."""
    if then == "repeat":
        turn = over % len(figures)
        return Items([*figures[turn:], *figures[:turn]], figures.place)
    return Items(list(figures[over:]) or [_figure(figures, over, then)], figures.place)


def _figure(figures: Items, unit: int, then: str) -> Node:
    """Give the figure of a unit."""
    if unit < len(figures):
        return figures[unit]
    if then == "repeat":
        return figures[unit % len(figures)]
    return figures[-1] if then == "last" else Text("0", figures.place)


def _part(figure: Node, days: int, whole: int) -> tuple[Node, Node]:
    """Give what of a figure belongs to the first days of a unit, and to the others."""
    if not mean_of(figure):
        return figure, figure
    return scaled(figure, days / whole), scaled(figure, 1.0 - days / whole)


def _counted(figure: Node, days: int, whole: int) -> tuple[Node, Node]:
    """Give the items that come in the first days of a unit, and in the others.

    The i-th of n items comes at its (i + 1/2) / n-th part.
    """
    count = quantities.whole(str(figure))
    come = max(ceil(days * count / whole - 0.5), 0)
    return Text(str(come), figure.place), Text(str(count - come), figure.place)


def _sum(one: Node, other: Node) -> Node:
    """Add two figures; one of them where they are no plain numbers."""
    if isinstance(one, Text) and isinstance(other, Text):
        total = quantities.number(one) + quantities.number(other)
        return Text(repr(total).removesuffix(".0"), one.place)
    return one


def _grown(amount: Number, units: float) -> float:
    """(1 + rate) ** units, or its mean."""
    if not isinstance(amount, Uncertain):
        return float((1.0 + max(amount, LEAST_GROWTH)) ** units)
    chances = (np.arange(POINTS) + 0.5) / POINTS
    rates = np.maximum(amount.family.ppf(chances), LEAST_GROWTH)
    return float(((1.0 + rates) ** units).mean())
