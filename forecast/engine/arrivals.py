"""Leads and costs over time: what is planned per calendar unit -> leads and spend per period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.layout import Layout, version_weights
from forecast.engine.response import Answer, Kept
from forecast.engine.series import Factor, Series, Spans, by_month, by_unit, day_spans, spread
from forecast.scenario.calendar import DAYS_IN, Calendar
from forecast.scenario.model import Arrivals, Number, Planned, Rate, Response, Scenario, Uncertain

NO_FIGURES = Planned((0.0,), "month")
LEAST_GROWTH = -0.99  # what an uncertain growth falls below with a chance of at most 1e-9


@dataclass(frozen=True)
class Rates:
    """Growth rates and how long each has worked when a period begins."""

    logs: Floats  # (1, period) what the certain ones add up to, as log1p of the rate times the time
    uncertain: tuple[tuple[Uncertain, Floats], ...]  # each with its time, shape (period,)


@dataclass(frozen=True)
class MeanLeads:
    """Leads to expect of a channel by period, but for the factor of ``market``."""

    series: Series
    answers: tuple[Answer, ...]  # to money
    rates: Rates | None  # None: growth is certain, and in the series

    def __call__(self, values: Values) -> Floats:
        """Give the leads at values, shape (row, period)."""
        leads = self.series(values)
        for answer in self.answers:
            leads = leads + answer(values)
        return leads if self.rates is None else leads * growth(self.rates, values)


def mean_leads(layout: Layout, channel: str) -> MeanLeads:
    """Work out what of a channel's leads to expect is certain, and how the rest comes about."""
    scenario = layout.scenario
    pers = [v.channels[channel].leads.per for v in scenario.versions]
    rates = _rates(layout, channel)
    known = np.ones(scenario.calendar.periods)
    if not rates.uncertain:
        known = growth(rates, Values({}))[0]

    def factors(spans: Spans) -> Iterator[Factor]:
        plans = [_random_figures(v.channels[channel].leads) for v in scenario.versions]
        yield by_unit(plans, spans)
        yield from _factors(scenario, channel, spans)

    return MeanLeads(
        spread(scenario, pers, factors, known),
        tuple(_answers(layout, channel, pers, known)),
        rates if rates.uncertain else None,
    )


def _answers(layout: Layout, channel: str, pers: list[str], known: Floats) -> Iterator[Answer]:
    """Give what each version's response to money brings while the version holds."""
    scenario = layout.scenario
    of = [version.channels[channel].leads.response for version in scenario.versions]
    before = next((response.before for response in of if response is not None), None)
    for v, response in enumerate(of):
        if response is None:
            continue

        def factors(spans: Spans, own: int = v) -> Iterator[Factor]:
            yield Factor([float(each == own) for each in range(len(of))], spans.version)
            yield from _factors(scenario, channel, spans)

        days = day_spans(scenario, pers[v])
        yield Answer(
            response,
            spend_rate(layout, channel),
            np.bincount(days.period, days.share, scenario.calendar.periods).astype(np.float64),
            _kept(scenario, of),
            before,
            DAYS_IN[pers[v]] / DAYS_IN[before.per] if before else 1.0,
            spread(scenario, pers, factors, known),
        )


def _kept(scenario: Scenario, of: Sequence[Response | None]) -> Kept:
    """What every version carries over, while it holds."""
    weights = version_weights(scenario)
    length = np.ones(scenario.calendar.periods)
    length[0] -= scenario.calendar.first_offset
    shares: list[tuple[Number, Floats]] = []
    for v, response in enumerate(of):
        rate = response.carry_over if response is not None else None
        elapsed = scenario.calendar.units_elapsed(rate.per if rate else "month")
        units = np.diff(elapsed) * length * weights[:, v]
        shares.append((rate.amount if rate else 0.0, units))
    return Kept(tuple(shares))


def expected_leads(layout: Layout, channel: str, values: Values) -> Floats:
    """All leads to expect of a channel, with exact ones and the market: (row, period)."""
    random = market_factor(layout.scenario, values)[:, None] * mean_leads(layout, channel)(values)
    return random + fixed_counts(layout, channel)


def _random_figures(leads: Arrivals) -> Planned:
    """The plan of leads that are neither exact counts nor answer to money."""
    return NO_FIGURES if leads.fixed or leads.response is not None else leads


def _factors(scenario: Scenario, channel: str, spans: Spans) -> Iterator[Factor]:
    """The factors on random leads of a channel: the market's, where versions differ, and season."""
    if not has_one_market(scenario):
        yield Factor([version.market for version in scenario.versions], spans.version)
    seasons = [version.channels[channel].seasonality for version in scenario.versions]
    if any(seasons):
        yield by_month(seasons, spans)


def has_one_market(scenario: Scenario) -> bool:
    """Tell whether one market factor holds in all versions."""
    return all(v.market == scenario.versions[0].market for v in scenario.versions)


def market_factor(scenario: Scenario, values: Values) -> Floats:
    """The market's factor on all random leads, shape (row,); 1 where versions hold their own."""
    return values(scenario.versions[0].market if has_one_market(scenario) else 1.0)


def spend_rate(layout: Layout, channel: str) -> Series:
    """A channel's fixed costs by period."""
    scenario = layout.scenario
    costs = [v.channels[channel].cost.fixed for v in scenario.versions]

    def factors(spans: Spans) -> Iterator[Factor]:
        yield by_unit(costs, spans)

    return spread(scenario, [c.per for c in costs], factors, np.ones(scenario.calendar.periods))


def growth(rates: Rates, values: Values) -> Floats:
    """Compound growth since the start at the beginning of each period, shape (row, period)."""
    logs = rates.logs
    for number, time in rates.uncertain:
        logs = logs + np.log1p(np.maximum(values(number), LEAST_GROWTH))[:, None] * time
    return np.asarray(np.exp(logs))


def _rates(layout: Layout, channel: str) -> Rates:
    """A version's rate works from its day on, on the level reached until then."""
    scenario = layout.scenario
    edges = np.array(scenario.calendar.edges, dtype=np.float64)
    logs = np.zeros((1, scenario.calendar.periods))
    uncertain = []
    bounds = [float(v.since.toordinal()) for v in scenario.versions] + [edges[-1]]
    for i, version in enumerate(scenario.versions):
        rate: Rate = version.channels[channel].growth
        if rate.amount == 0.0:
            continue
        elapsed = scenario.calendar.units_elapsed(rate.per)
        begin, end = np.interp([bounds[i], bounds[i + 1]], edges, elapsed)
        inside = np.clip(elapsed[:-1], begin, end) - begin
        if isinstance(rate.amount, Uncertain):
            uncertain.append((rate.amount, inside))
        else:
            logs = logs + log1p(max(rate.amount, LEAST_GROWTH)) * inside
    return Rates(logs, tuple(uncertain))


def fixed_counts(layout: Layout, channel: str) -> NDArray[np.int64]:
    """Exact counts of leads by period, 0 where leads are random.

    Item i of n falls at the (i + 1/2)/n-th part of its unit's days (those from the start on), so
    that before the k-th of d days there are ceil(k n / d - 1/2) of them and totals are exact.
    """
    scenario = layout.scenario
    calendar = scenario.calendar
    counts = np.zeros(calendar.periods, dtype=np.int64)
    if not any(version.channels[channel].leads.fixed for version in scenario.versions):
        return counts
    period_of, days = calendar.period_of_days(), calendar.days()
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
    lengths = units.length_days
    for unit, (length, figure) in enumerate(zip(lengths, leads.first(len(lengths)), strict=True)):
        inside = np.flatnonzero(units.index == unit)
        whole = int(length) - (units.elapsed_days if unit == 0 else 0)
        assert isinstance(figure, float)
        k = np.arange(len(inside) + 1)
        days[inside] = np.diff(np.maximum(np.ceil(k * figure / whole - 0.5), 0.0))
    return days
