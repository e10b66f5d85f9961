"""Leads and costs over time: figures per calendar unit -> leads and spend per period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.layout import Layout, version_weights
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import Arrivals, Number, Rate, Scenario

LEAST_GROWTH = -0.99  # what an uncertain growth falls below with a chance of at most 1e-9


@dataclass(frozen=True)
class Spans:
    """Spans of days that share period, version, calendar unit and month."""

    period: NDArray[np.int64]
    version: NDArray[np.int64]
    unit: NDArray[np.int64]
    month: NDArray[np.int64]
    share: Floats  # of the unit's days that the span holds

    def sum_by_period(self, values: Floats, periods: int) -> Floats:
        """Sum values (row, span) into (row, period)."""
        starts = np.searchsorted(self.period, np.arange(periods))
        if len(starts) == values.shape[1]:
            return values  # one span a period
        return np.add.reduceat(values, starts, axis=1)


def day_spans(scenario: Scenario, per: str) -> Spans:
    """Group the simulated days by period, version, unit ``per`` and month."""
    since = tuple(v.since.toordinal() for v in scenario.versions)
    return _day_spans(scenario.calendar, since, per)


@lru_cache(maxsize=64)
def _day_spans(calendar: Calendar, since: tuple[int, ...], per: str) -> Spans:
    units = calendar.units(per)
    version = np.searchsorted(np.array(since), calendar.days(), side="right") - 1
    parts = np.stack([calendar.period_of_days(), version, units.index, calendar.month_of_days()])
    fresh = np.concatenate([[True], np.any(parts[:, 1:] != parts[:, :-1], axis=0)])
    first = np.flatnonzero(fresh)
    count = np.diff(np.append(first, parts.shape[1]))
    period, version, unit, month = parts[:, first]
    return Spans(period, version, unit, month, count / units.length_days[unit])


def mean_leads(layout: Layout, channel: str, values: Values) -> Floats:
    """Leads to expect of a channel, shape (row, period), but for the factor of ``market``."""
    scenario = layout.scenario
    return _spread(
        scenario,
        [v.channels[channel].leads.per for v in scenario.versions],
        lambda version, unit, month: _mean_leads_at(
            scenario, channel, version, unit, month, values
        ),
        growth(layout, channel, values),
    )


def expected_leads(layout: Layout, channel: str, values: Values) -> Floats:
    """All leads to expect of a channel, with exact ones and the market: (row, period)."""
    random = market_factor(layout.scenario, values)[:, None] * mean_leads(layout, channel, values)
    return random + fixed_counts(layout, channel)


def _mean_leads_at(
    scenario: Scenario, name: str, version: int, unit: int, month: int, values: Values
) -> Floats:
    assumed = scenario.versions[version]
    channel = assumed.channels[name]
    if channel.leads.fixed:
        return np.zeros(1)
    factor = 1.0 if has_one_market(scenario) else assumed.market
    figure = values(channel.leads.figure(unit)) * values(factor)
    return figure * values(channel.seasonality.get(month + 1, 1.0))


def has_one_market(scenario: Scenario) -> bool:
    """Tell whether one market factor holds in all versions."""
    return all(v.market == scenario.versions[0].market for v in scenario.versions)


def market_factor(scenario: Scenario, values: Values) -> Floats:
    """The market's factor on all random leads, shape (row,); 1 where versions hold their own."""
    return values(scenario.versions[0].market if has_one_market(scenario) else 1.0)


def spend_rate(layout: Layout, channel: str, values: Values) -> Floats:
    """A channel's fixed costs, shape (row, period)."""
    scenario = layout.scenario
    costs = [v.channels[channel].cost.fixed for v in scenario.versions]
    return _spread(
        scenario,
        [cost.per for cost in costs],
        lambda version, unit, month: values(costs[version].amount),  # noqa: ARG005
        np.ones((1, scenario.calendar.periods)),
    )


def _spread(
    scenario: Scenario,
    pers: list[str],
    at: Callable[[int, int, int], Floats],
    factor: Floats,
) -> Floats:
    """Sum figures (by version, unit, month) over the days of each period, times a factor."""
    periods = scenario.calendar.periods
    total = np.zeros((1, periods))
    for per in dict.fromkeys(pers):
        days = day_spans(scenario, per)
        known: dict[tuple[int, int, int], Floats] = {}
        columns = []
        for key in zip(days.version, days.unit, days.month, strict=True):
            version, unit, month = (int(k) for k in key)
            if pers[version] != per:
                columns.append(np.zeros(1))
                continue
            if (version, unit, month) not in known:
                known[version, unit, month] = at(version, unit, month)
            columns.append(known[version, unit, month])
        total = total + days.sum_by_period(stack_rows(columns) * days.share, periods)
    return total * factor


def growth(layout: Layout, channel: str, values: Values) -> Floats:
    """Compound growth since the start at the beginning of each period, shape (row, period).

    A version's rate works from its day on, on the level reached until then.
    """
    scenario = layout.scenario
    edges = np.array(scenario.calendar.edges, dtype=np.float64)
    logs = np.zeros((1, scenario.calendar.periods))
    bounds = [float(v.since.toordinal()) for v in scenario.versions] + [edges[-1]]
    for i, version in enumerate(scenario.versions):
        rate: Rate = version.channels[channel].growth
        elapsed = scenario.calendar.units_elapsed(rate.per)
        begin, end = np.interp([bounds[i], bounds[i + 1]], edges, elapsed)
        inside = np.clip(elapsed[:-1], begin, end) - begin
        amount = np.maximum(values(rate.amount), LEAST_GROWTH)
        logs = logs + np.log1p(amount)[:, None] * inside
    return np.asarray(np.exp(logs))


def by_version(layout: Layout, number: Callable[[int], Number], values: Values) -> Floats:
    """A number of each version, weighted by the days of each period, shape (row, period)."""
    weights = version_weights(layout.scenario)
    columns = [values(number(v))[:, None] * weights[:, v] for v in range(weights.shape[1])]
    return np.asarray(sum(columns[1:], columns[0]))


def fixed_counts(layout: Layout, channel: str) -> NDArray[np.int64]:
    """Exact counts of leads by period, 0 where leads are random.

    Item i of n falls at the (i + 1/2)/n-th part of its unit's days (those from the start on), so
    that before the k-th of d days there are ceil(k n / d - 1/2) of them and totals are exact.
    """
    scenario = layout.scenario
    calendar = scenario.calendar
    period_of, days = calendar.period_of_days(), calendar.days()
    counts = np.zeros(calendar.periods, dtype=np.int64)
    bounds = [v.since.toordinal() for v in scenario.versions] + [int(days[-1]) + 1]
    for v, version in enumerate(scenario.versions):
        leads: Arrivals = version.channels[channel].leads
        if leads.fixed:
            mine = (days >= bounds[v]) & (days < bounds[v + 1])
            counts += np.bincount(
                period_of[mine], _daily_counts(leads, calendar)[mine], calendar.periods
            ).astype(np.int64)
    return counts


def _daily_counts(leads: Arrivals, calendar: Calendar) -> Floats:
    units = calendar.units(leads.per)
    days = np.zeros(len(units.index))
    for unit, length in enumerate(units.length_days):
        inside = np.flatnonzero(units.index == unit)
        whole = int(length) - (units.elapsed_days if unit == 0 else 0)
        figure = leads.figure(unit)
        assert isinstance(figure, float)
        k = np.arange(len(inside) + 1)
        days[inside] = np.diff(np.maximum(np.ceil(k * figure / whole - 0.5), 0.0))
    return days


def stack_rows(columns: list[Floats]) -> Floats:
    """Stack columns of 1 or R values into (row, column)."""
    rows = max((len(c) for c in columns), default=1)
    return np.stack([np.broadcast_to(c, (rows,)) for c in columns], axis=1)
