"""Assumptions -> the tables a kernel runs on: leads, conditional shares, lags, costs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from forecast.engine.arrivals import market_factor, mean_leads, spend_rate
from forecast.engine.assumptions import Floats, Rows, Values
from forecast.engine.closing import Clock, days_ahead, make_clock
from forecast.engine.desks import give_up, slots, with_unworked, worked_cost
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.takes import (
    CONVERSION,
    DIRICHLET,
    OF_REST,
    REMAINDER,
    SPARE_ROWS,
    Journeys,
    fill_conditional,
    fill_takes,
)
from forecast.engine.lags import chance_rows, closing_chances, lag_chances, within_chance
from forecast.engine.layout import Layout
from forecast.engine.quality import AT_ONCE, Judged
from forecast.engine.referral import Customers
from forecast.engine.series import by_version, most_rows, stack_columns, stack_rows
from forecast.engine.stays import Stays, booked_of, kept_of, kinds_of, stays_of
from forecast.scenario.model import (
    LOST,
    Group,
    Lag,
    Number,
    Stage,
    Transition,
    Uncertain,
    Variable,
)
from forecast.scenario.quality import is_judged
from forecast.scenario.uncertain import walk_uncertain

LANES = 64  # runs whose journeys are worked out together
T = TypeVar("T")
LagKey = tuple[Lag, float, int | None]  # a lag, the offset, the lag phase where that matters
Within = tuple[Lag, float]  # a chance to be found: that a lag is no longer than so many days


class TableMaker:
    """Makes the tables of a layout for any values of its uncertain assumptions.

    What turns out not to depend on them is made once and kept.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.clock = make_clock(layout.scenario)
        self.lags, self.lag_of = _distinct_lags(layout, self.clock)
        self.kinds = kinds_of(layout)
        self.customers = Customers(layout, self.kinds)
        self._kept: dict[Hashable, Any] = {}
        self._uncertain: set[Hashable] = set()

    def tables(self, values: Values) -> Tables:
        """Fill the tables for rows of assumption values (one row where all is certain)."""
        return Tables(
            self._once("mean", self._mean, values),
            self._once("market", self._market, values),
            self._once("shape", self._shape, values),
            self._once("share", self._share, values),
            self._once("take", self._take, values),
            self._once("mix", self._mix, values),
            self._once("scale", self._scale, values),
            self._once("fixed cost", self._fixed_cost, values),
            self._once("lead cost", self._lead_cost, values),
            self._once("slots", lambda known: slots(self.layout, known), values),
            self._once("give up", lambda known: give_up(self.layout, known), values),
            self._once("worked cost", lambda known: worked_cost(self.layout, known), values),
            self._once("kept", lambda known: kept_of(self.kinds, known), values),
            self._once("booked", lambda known: booked_of(self.kinds, known), values),
            **self._once("lags", self._lag_tables, values),
            brought=self._once("brought", self.customers.brought, values),
            existing=self._once("existing", self.customers.existing, values),
            lag_factor=self._once("lag factor", self._lag_factor, values),
            ahead=self._once("ahead", lambda v: days_ahead(self.clock, self.layout, v), values),
        )

    def stays(self, tables: Tables, values: Values) -> Stays | None:
        """Fill the tables of recurring products; None without such products."""
        if not self.kinds.kinds:
            return None
        made = self._once("stays", lambda known: stays_of(self.kinds, tables, known), values)
        return made._replace(booked=tables.booked)

    def _once(self, name: Hashable, make: Callable[[Values], T], values: Values) -> T:
        """Make something of values, once and for all if it asks for none of them."""
        if name in self._kept:
            kept: T = self._kept[name]
            return kept
        if name in self._uncertain:
            return make(values)
        watch = _Watch(values.of)
        made = make(Values(watch))
        if watch.asked:
            self._uncertain.add(name)
        else:
            self._kept[name] = made
        return made

    def _mean(self, values: Values) -> Floats:
        return _by_channel([leads(values) for leads in self._series["mean"]])

    def _market(self, values: Values) -> Floats:
        return market_factor(self.layout.scenario, values)

    def _shape(self, values: Values) -> Floats:
        dispersion = _by_channel([series(values) for series in self._series["dispersion"]])
        return np.divide(1.0, dispersion, out=np.zeros_like(dispersion), where=dispersion > 0)

    def _fixed_cost(self, values: Values) -> Floats:
        return _by_channel([series(values) for series in self._series["fixed cost"]])

    def _lead_cost(self, values: Values) -> Floats:
        return _by_channel([series(values) for series in self._series["lead cost"]])

    @cached_property
    def _series(self) -> dict[str, list[Callable[[Values], Floats]]]:
        """By channel what gives (row, period)."""
        layout, versions = self.layout, self.layout.scenario.versions
        series: dict[str, list[Callable[[Values], Floats]]] = {}
        for c in layout.scenario.channels:
            of = [version.channels[c] for version in versions]
            found: dict[str, Callable[[Values], Floats]] = {
                "mean": mean_leads(layout, c),
                "dispersion": by_version(layout, [channel.dispersion for channel in of]),
                "fixed cost": spend_rate(layout, c),
                "lead cost": by_version(layout, [channel.cost.per_lead for channel in of]),
            }
            for name, one in found.items():
                series.setdefault(name, []).append(one)
        return series

    def _share(self, values: Values) -> Floats:
        """Segments' conditional shares, shape (row, phase, segment)."""
        columns = []
        for version in self.layout.scenario.versions:
            shares = [values(s) for s in version.shares.values()]
            total = sum(shares[1:], shares[0])
            columns += [share / total for share in shares]
        return self._phased(columns, 1)[:, :, 0]

    def _take(self, values: Values) -> Floats:
        """Conditional chances of the ways, shape (row, phase, group, way)."""
        numbers, journeys = self._journeys
        columns = numbers.columns(values)
        shape = len(self.layout.weights), *self.lag_of.shape[1:]
        out = np.empty((columns.shape[1], *shape))
        work = np.empty((len(journeys.kind) + SPARE_ROWS + out.shape[3], min(len(out), LANES)))
        fill_takes(columns, journeys, work, out)
        return with_unworked(self.layout, values, out)

    @cached_property
    def _journeys(self) -> tuple[_Numbers, Journeys]:
        return _journeys(self.layout)

    def _mix(self, values: Values) -> Floats:
        """Conditional shares of the variants, shape (row, phase, group, variant)."""
        layout = self.layout
        groups, names = layout.scenario.groups, layout.scenario.products
        columns = []
        for v, version in enumerate(layout.scenario.versions):
            for group in groups:
                mixes = [values(version.products[group][name].mix) for name in names]
                total = sum(mixes[1:], mixes[0])
                for variant in layout.variants:
                    held = v in variant.versions.get(group, ())
                    columns.append(mixes[variant.product] / total if held else np.zeros(1))
        return self._phased(columns, len(groups))

    def _phased(self, columns: list[Floats], groups: int) -> Floats:
        """Chances by (version, group, item) -> conditional ones, (row, phase, group, item)."""
        stacked = stack_rows(columns)
        weights = self.layout.weights
        by_version = stacked.reshape(len(stacked), weights.shape[1], groups, -1)
        return conditional(by_version, weights)

    def _scale(self, values: Values) -> Floats:
        layout = self.layout
        columns = []
        for group in layout.scenario.groups:
            for variant in layout.variants:
                size = variant.sizes.get(group)
                factor = values.factor(size.about) if size else None
                columns.append(np.ones(1) if factor is None else factor)
        stacked = stack_rows(columns)
        return stacked.reshape(len(stacked), len(layout.scenario.groups), -1)

    def _lag_factor(self, values: Values) -> Floats:
        """Factors on time, shape (row, lag); none without open deals."""
        if self.layout.scenario.pipeline is None:
            return np.ones((1, 0))
        factors = [values.factor(getattr(lag, "about", None)) for lag, *_ in self.lags]
        return stack_rows([np.ones(1) if factor is None else factor for factor in factors])

    def _lag_tables(self, values: Values) -> dict[str, NDArray[Any]]:
        calendar = self.layout.scenario.calendar

        def chances_of(lag: Lag, offset: float, phase: int | None) -> Callable[[Values], Floats]:
            if phase is not None and isinstance(lag, Variable):
                days = calendar.period_days
                return lambda known: closing_chances(lag, known, self.clock, phase, days)
            return lambda known: lag_chances(
                lag, known, calendar.periods, calendar.period_days, offset
            )

        parts = [self._once(key, chances_of(*key), values) for key in self.lags]
        return chance_rows(parts)


class _Watch(Mapping[Uncertain, Floats]):
    """The values of assumptions, and whether any of them was asked for."""

    def __init__(self, of: Mapping[Uncertain, Floats]) -> None:
        self._of = of
        self.asked = False

    def __getitem__(self, number: Uncertain) -> Floats:
        self.asked = True
        return self._of[number]

    def __iter__(self) -> Iterator[Uncertain]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def conditional(by_version: Floats, weights: Floats) -> Floats:
    """Chances (row, version, group, item) -> conditional ones, (row, phase, group, item)."""
    rows, _, groups, items = by_version.shape
    out = np.empty((rows, len(weights), groups, items))
    fill_conditional(by_version, weights, np.array([0, items]), out)
    return out


class _Numbers:
    """The numbers that a kernel's transitions use, each with its place: see ``Journeys``."""

    def __init__(self) -> None:
        self._uncertain: dict[Uncertain | Within | Judged, int] = {}
        self._certain: dict[float, int] = {}
        self._with_lags = False
        self._known: tuple[Mapping[Uncertain, int], NDArray[np.int64]] | None = None

    def place(self, number: Number) -> int:
        """Give a number its place."""
        if isinstance(number, Uncertain):
            return self._uncertain.setdefault(number, len(self._uncertain))
        return -1 - self._certain.setdefault(number, len(self._certain))

    def place_within(self, lag: Lag, days: float | None) -> int:
        """Give the chance that a lag is within so many days its place."""
        about = getattr(lag, "about", None)
        if days is None or about is None:
            return self.place(float(within_chance(lag, Values({}), days)[0]))
        self._with_lags = True
        return self._uncertain.setdefault((lag, days), len(self._uncertain))

    def place_judged(self, way: Transition) -> int:
        """Give the share that takes a way, on which quality may have a part, its place."""
        if not is_judged(way):
            return self.place(way.share)
        made = Judged(way if way.within is not None else replace(way, lag=AT_ONCE))
        if not any(walk_uncertain(made)):
            return self.place(float(made.of(Values({}))[0]))
        self._with_lags = True
        return self._uncertain.setdefault(made, len(self._uncertain))

    def certain(self) -> Floats:
        """Give the certain numbers in order."""
        return np.array([*self._certain], dtype=np.float64)

    def columns(self, values: Values) -> Floats:
        """Give the uncertain numbers in order, shape (number, row)."""
        if isinstance(values.of, Rows) and not self._with_lags:
            return values.of.block[self._places(values.of.at)]
        return stack_columns([_column(of, values) for of in self._uncertain])

    def _places(self, at: Mapping[Uncertain, int]) -> NDArray[np.int64]:
        """Give the rows where the uncertain numbers stand; the draws of one seed share them."""
        known = self._known
        if known is None or known[0] is not at:
            rows = [at[of] for of in self._uncertain if isinstance(of, Uncertain)]
            known = self._known = at, np.array(rows, dtype=np.int64)
        return known[1]


def _column(of: Uncertain | Within | Judged, values: Values) -> Floats:
    """What a number is in the runs of the values, shape (row,)."""
    if isinstance(of, Uncertain):
        return values(of)
    return of.of(values) if isinstance(of, Judged) else within_chance(of[0], values, of[1])


def _journeys(layout: Layout) -> tuple[_Numbers, Journeys]:
    """Lay out what the transitions of all versions and groups take, equal journeys once."""
    scenario, numbers = layout.scenario, _Numbers()
    rows: list[tuple[int, int, int]] = []
    first = [0]
    known: dict[int, dict[tuple[str, str], int]] = {}  # the reader gives equal ones as one object
    for version in scenario.versions:
        for journey in version.journeys.values():
            if id(journey) not in known:
                places = known[id(journey)] = {}
                for stage, body in journey.items():
                    for target, row in _transitions(body, numbers):
                        places[stage, target] = len(rows)
                        rows.append(row)
                    first.append(len(rows))
    way = np.full((len(scenario.versions), len(scenario.groups), len(layout.ways)), len(rows))
    for v, version in enumerate(scenario.versions):
        for g, group in enumerate(scenario.groups):
            for e, one in enumerate(layout.ways):
                if v in one.versions.get(group, ()) and not one.unworked:
                    pair = layout.targets[one.source], layout.targets[one.target]
                    way[v, g, e] = known[id(version.journeys[group])][pair]
    kind, number, over = (np.array(column) for column in zip(*rows, strict=True))
    return numbers, Journeys(
        kind,
        number,
        over,
        np.array(first),
        numbers.certain(),
        way,
        layout.weights,
        layout.first_way,
    )


def _transitions(body: Stage, numbers: _Numbers) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Give a stage's transitions, each with its target: see ``Journeys``."""
    one = numbers.place(1.0)
    for target, beta in body.dirichlet.items():
        yield target, (DIRICHLET, numbers.place(beta), one)
    for target, way in body.transitions.items():
        if way.conversion is not None:
            if is_judged(way):
                yield target, (CONVERSION, numbers.place_judged(way), one)
                continue
            over = numbers.place_within(way.lag, way.within)
            yield target, (CONVERSION, numbers.place(way.conversion), over)
        elif way.share_of_rest is not None:
            yield target, (OF_REST, numbers.place_judged(way), one)
        elif target == LOST and LOST not in body.dirichlet:
            yield target, (REMAINDER, one, one)


def _distinct_lags(layout: Layout, clock: Clock) -> tuple[list[LagKey], NDArray[np.int64]]:
    """Number the distinct lags; gives them and (lag phase, group, way) -> number."""
    groups = layout.scenario.groups
    known: dict[LagKey, int] = {}
    lag_of = np.zeros((len(clock.offsets), len(groups), len(layout.ways)), dtype=np.int64)
    for phase, offset in enumerate(clock.offsets):
        for g, group in enumerate(groups):
            for e, way in enumerate(layout.ways):
                lag = _lag_at(way.lags, group)
                closes = clock.closing is not None and way.target == layout.won
                uneven = closes and isinstance(lag, Variable)
                key = lag, offset, phase if uneven else None
                lag_of[phase, g, e] = known.setdefault(key, len(known))
    return list(known), lag_of


def _lag_at(lags: Mapping[Group, Lag], group: Group) -> Lag:
    """A group's lag of a way, or any where the group does not take the way."""
    return lags[group] if group in lags else next(iter(lags.values()))


def _by_channel(parts: list[Floats]) -> Floats:
    """Stack channels' (row, period) into (row, channel, period)."""
    out = np.empty((most_rows(parts), len(parts), parts[0].shape[1]))
    for c, part in enumerate(parts):
        out[:, c] = part
    return out
