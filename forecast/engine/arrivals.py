"""Leads and costs over time: figures per calendar unit -> leads and spend per period."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log1p, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.layout import Layout, version_weights
from forecast.engine.response import Answer, Kept
from forecast.scenario.calendar import DAYS_IN, Calendar
from forecast.scenario.model import Arrivals, Number, Rate, Response, Scenario, Uncertain

LEAST_GROWTH = -0.99  # what an uncertain growth falls below with a chance of at most 1e-9


@dataclass(frozen=True)
class Spans:
    """Spans of days that share period, version, calendar unit and month."""

    period: NDArray[np.int64]
    version: NDArray[np.int64]
    unit: NDArray[np.int64]
    month: NDArray[np.int64]
    share: Floats  # of the unit's days that the span holds


@dataclass(frozen=True)
class Series:
    """Figures by period: certain ones, and others times products of uncertain numbers."""

    certain: Floats  # (1, period)
    uncertain: tuple[Term, ...] = ()

    def __call__(self, values: Values) -> Floats:
        """Give the figures at values, shape (row, period), or (1, period) where all is certain."""
        factors = [_product(term.numbers, values) for term in self.uncertain]
        total = np.repeat(self.certain, most_rows(factors), axis=0) if factors else self.certain
        for term, factor in zip(self.uncertain, factors, strict=True):
            total[:, term.periods] += factor[:, None] * term.figures
        return total


class Term(NamedTuple):
    """Figures of some periods, times the product of some uncertain numbers."""

    numbers: tuple[Uncertain, ...]
    periods: slice | NDArray[np.int64]
    figures: Floats


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


def mean_leads(layout: Layout, channel: str) -> MeanLeads:
    """Work out what of a channel's leads to expect is certain, and how the rest comes about."""
    scenario = layout.scenario
    pers = [v.channels[channel].leads.per for v in scenario.versions]
    rates = _rates(layout, channel)
    known = np.ones(scenario.calendar.periods)
    if not rates.uncertain:
        known = growth(rates, Values({}))[0]

    def at(version: int, unit: int, month: int) -> tuple[Number, ...]:
        return _lead_factors(scenario, channel, version, unit, month)

    return MeanLeads(
        _spread(scenario, pers, at, known),
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

        def at(version: int, _: int, month: int, own: int = v) -> tuple[Number, ...]:
            factors = _factors(scenario, channel, version, month)
            return factors if version == own else (0.0,)

        days = day_spans(scenario, pers[v])
        yield Answer(
            response,
            spend_rate(layout, channel),
            np.bincount(days.period, days.share, scenario.calendar.periods).astype(np.float64),
            _kept(scenario, of),
            before,
            DAYS_IN[pers[v]] / DAYS_IN[before.per] if before else 1.0,
            _spread(scenario, pers, at, known),
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


def _lead_factors(
    scenario: Scenario, name: str, version: int, unit: int, month: int
) -> tuple[Number, ...]:
    """The numbers whose product is the leads to expect of a unit in a month."""
    leads = scenario.versions[version].channels[name].leads
    if leads.fixed or leads.response is not None:
        return (0.0,)
    return leads.figure(unit), *_factors(scenario, name, version, month)


def _factors(scenario: Scenario, name: str, version: int, month: int) -> tuple[Number, Number]:
    """The factors on random leads of a channel: the market's, where versions differ, and season."""
    assumed = scenario.versions[version]
    factor = 1.0 if has_one_market(scenario) else assumed.market
    return factor, assumed.channels[name].seasonality.get(month + 1, 1.0)


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

    def at(version: int, unit: int, month: int) -> tuple[Number, ...]:  # noqa: ARG001
        return (costs[version].figure(unit),)

    return _spread(scenario, [c.per for c in costs], at, np.ones(scenario.calendar.periods))


def _spread(
    scenario: Scenario,
    pers: list[str],
    at: Callable[[int, int, int], tuple[Number, ...]],
    factor: Floats,
) -> Series:
    """Sum figures (by version, unit, month) over the days of each period, times a factor."""
    figures = _Figures(scenario.calendar.periods)
    for per in dict.fromkeys(pers):
        days = day_spans(scenario, per)
        keys = zip(days.version.tolist(), days.unit.tolist(), days.month.tolist(), strict=True)
        for (version, unit, month), period, share in zip(
            keys, days.period.tolist(), days.share.tolist(), strict=True
        ):
            if pers[version] == per:
                figures.add(at(version, unit, month), period, share * factor[period])
    return figures.series()


class _Figures:
    """Figures by period, added up by the uncertain numbers that they are multiplied with."""

    def __init__(self, periods: int) -> None:
        self._certain = np.zeros(periods)
        self._by_numbers: dict[tuple[Uncertain, ...], Floats] = {}

    def add(self, numbers: tuple[Number, ...], at: int | slice, weight: float | Floats) -> None:
        """Add the product of numbers times a weight to some periods."""
        named = tuple(n for n in numbers if isinstance(n, Uncertain))
        known = prod(n for n in numbers if not isinstance(n, Uncertain))
        figures = self._certain
        if named:
            figures = self._by_numbers.setdefault(named, np.zeros_like(figures))
        figures[at] += known * weight

    def series(self) -> Series:
        """Keep of each product's figures the periods in which it has any."""
        terms = []
        for numbers, figures in self._by_numbers.items():
            at = np.flatnonzero(figures)
            if len(at):
                unbroken = len(at) == at[-1] + 1 - at[0]
                where = slice(int(at[0]), int(at[-1]) + 1) if unbroken else at
                terms.append(Term(numbers, where, figures[where]))
        return Series(self._certain[None, :], tuple(terms))


def _product(numbers: tuple[Uncertain, ...], values: Values) -> Floats:
    first, *others = (values(number) for number in numbers)
    for other in others:
        first = first * other
    return first


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
        elapsed = scenario.calendar.units_elapsed(rate.per)
        begin, end = np.interp([bounds[i], bounds[i + 1]], edges, elapsed)
        inside = np.clip(elapsed[:-1], begin, end) - begin
        if isinstance(rate.amount, Uncertain):
            uncertain.append((rate.amount, inside))
        else:
            logs = logs + log1p(max(rate.amount, LEAST_GROWTH)) * inside
    return Rates(logs, tuple(uncertain))


def by_version(layout: Layout, numbers: Sequence[Number]) -> Series:
    """A number of each version, weighted by the days of each period."""
    weights = version_weights(layout.scenario)
    figures = _Figures(len(weights))
    for v, number in enumerate(numbers):
        figures.add((number,), slice(None), weights[:, v])
    return figures.series()


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
    out = np.empty((most_rows(columns), len(columns)))
    for i, column in enumerate(columns):
        out[:, i] = column
    return out


def stack_columns(columns: list[Floats]) -> Floats:
    """Stack columns of 1 or R values into (column, row)."""
    out = np.empty((len(columns), most_rows(columns)))
    for i, column in enumerate(columns):
        out[i] = column
    return out


def most_rows(parts: Iterable[Floats]) -> int:
    """The rows of what has more than one, 1 if none has."""
    return max((len(part) for part in parts), default=1)
