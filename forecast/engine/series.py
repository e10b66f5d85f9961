"""Figures by period: figures per calendar unit, month or version, spread over days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.layout import Layout, version_weights
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import Number, Planned, Scenario, Uncertain


@dataclass(frozen=True)
class Spans:
    """Spans of days that share period, version, calendar unit and month."""

    period: NDArray[np.int64]
    version: NDArray[np.int64]
    unit: NDArray[np.int64]
    month: NDArray[np.int64]
    share: Floats  # of the unit's days that the span holds

    def only(self, mine: NDArray[np.bool_]) -> Spans:
        """Give some of the spans."""
        period, version, unit = self.period[mine], self.version[mine], self.unit[mine]
        return Spans(period, version, unit, self.month[mine], self.share[mine])


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


class Factor(NamedTuple):
    """Numbers, and which of them every span is multiplied with."""

    numbers: Sequence[Number]
    at: NDArray[np.int64]  # (span,)


def by_unit(plans: Sequence[Planned], spans: Spans) -> Factor:
    """What each version's plan has for the unit."""
    units = int(spans.unit.max()) + 1
    numbers = [figure for plan in plans for figure in plan.first(units)]
    return Factor(numbers, spans.version * units + spans.unit)


def by_month(seasons: Sequence[Mapping[int, Number]], spans: Spans) -> Factor:
    """What each version has for the month, 1 where it has nothing."""
    numbers = [season.get(month, 1.0) for season in seasons for month in range(1, 13)]
    return Factor(numbers, spans.version * 12 + spans.month)


def spread(
    scenario: Scenario,
    pers: Sequence[str],
    factors: Callable[[Spans], Iterable[Factor]],
    weight: Floats,
) -> Series:
    """Sum the products of factors over the days of each period, times a weight (period,).

    ``pers``: the unit in which each version's figures are given.
    """
    figures = _Figures(scenario.calendar.periods)
    for per in dict.fromkeys(pers):
        spans = day_spans(scenario, per)
        if len(set(pers)) > 1:
            spans = spans.only(np.array([each == per for each in pers])[spans.version])
        if len(spans.period):
            figures.add_spans(factors(spans), spans.period, spans.share * weight[spans.period])
    return figures.series()


def by_version(layout: Layout, numbers: Sequence[Number]) -> Series:
    """A number of each version, weighted by the days of each period."""
    weights = version_weights(layout.scenario)
    figures = _Figures(len(weights))
    for v, number in enumerate(numbers):
        if isinstance(number, Uncertain):
            figures.add((number,), weights[:, v])
        else:
            figures.add((), number * weights[:, v])
    return figures.series()


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


class _Figures:
    """Figures by period, added up by the uncertain numbers that they are multiplied with."""

    def __init__(self, periods: int) -> None:
        self._certain = np.zeros(periods)
        self._by_numbers: dict[tuple[Uncertain, ...], Floats] = {}

    def add_spans(
        self, factors: Iterable[Factor], period: NDArray[np.int64], weight: Floats
    ) -> None:
        """Add the products of factors times a weight (span,) to the periods of spans."""
        # a span's code tells which uncertain numbers it is multiplied with
        named: list[tuple[Uncertain, ...]] = [()]
        known, code = np.ones(len(period)), np.zeros(len(period), dtype=np.int64)
        for numbers, at in factors:
            known *= np.array([1.0 if isinstance(n, Uncertain) else n for n in numbers])[at]
            here = tuple(dict.fromkeys(n for n in numbers if isinstance(n, Uncertain)))
            if here:
                place = {n: i for i, n in enumerate(here, 1)}
                which = [place[n] if isinstance(n, Uncertain) else 0 for n in numbers]
                code = code * (len(here) + 1) + np.array(which)[at]
                one = [(), *((n,) for n in here)]
                named = [(*before, *more) for before in named for more in one]
        amounts = known * weight
        for i in dict.fromkeys(code.tolist()):
            mine = code == i
            figures = np.bincount(period[mine], amounts[mine], len(self._certain))
            self.add(named[i], figures.astype(np.float64))

    def add(self, numbers: tuple[Uncertain, ...], figures: Floats) -> None:
        """Add figures (period,) times the product of numbers."""
        if numbers:
            held = self._by_numbers.setdefault(numbers, np.zeros_like(figures))
        else:
            held = self._certain
        held += figures

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
