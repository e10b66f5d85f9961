"""A slow and obvious simulator: one lead after the other, in plain Python, from the design's words.

It is what the engine is compared with, so it shares no code with it: only the scenario that was
read, the quantile functions of its families, and the edges of its calendar.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import numpy as np
from naive_customers import Customers
from naive_rules import MONTH_DAYS, UNIT_DAYS, UNIT_MONTHS, Rules, figure_of, pick, poisson

from forecast.scenario.families import Family, Periods
from forecast.scenario.model import (
    Number,
    Rate,
    Referral,
    Scenario,
    Transition,
    Uncertain,
    Variable,
)
from forecast.scenario.uncertain import uncertain_numbers


@dataclass
class Record:
    """One run: what was counted, by names and quarter numbers."""

    leads: Counter = field(default_factory=Counter)  # quarter, channel, segment
    entered: Counter = field(default_factory=Counter)  # quarter, channel, segment, stage
    deals: Counter = field(default_factory=Counter)  # quarter, channel, segment, product
    bookings: Counter = field(default_factory=Counter)  # quarter, channel, segment, product
    revenue: Counter = field(default_factory=Counter)  # quarter, channel, segment, product
    spend: Counter = field(default_factory=Counter)  # quarter, channel
    open: Counter = field(default_factory=Counter)  # quarter, stage
    assumption: dict = field(default_factory=dict)  # name
    backlog: Counter = field(default_factory=Counter)  # quarter, stage; so are the next ones
    worked: Counter = field(default_factory=Counter)
    waited: Counter = field(default_factory=Counter)
    given_up: Counter = field(default_factory=Counter)
    unworked: Counter = field(default_factory=Counter)


def simulate_once(scenario: Scenario, rng: Random) -> Record:
    """Simulate one run of a scenario."""
    return Naive(scenario).run(rng)


class Naive:
    """A scenario with what does not differ from run to run worked out once."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.edges = scenario.calendar.edges
        self.periods = len(self.edges) - 1
        self.quarter_of = scenario.calendar.quarter_of
        last_of = {quarter: period for period, quarter in enumerate(self.quarter_of)}
        self.quarter_ends = sorted(last_of.items())
        self.version_of = {d: self._version_of(d) for d in range(self.edges[0], self.edges[-1])}
        self.weights = [self._weights(period) for period in range(self.periods)]
        self.days = [self._count(lambda v, c=c: v.channels[c].leads.per) for c in scenario.channels]
        self.cost_days = [
            self._count(lambda v, c=c: v.channels[c].cost.fixed.per) for c in scenario.channels
        ]
        self.fixed = [self._fixed_counts(channel) for channel in scenario.channels]
        self.draws: dict[Family, list[float]] = {}

    def run(self, rng: Random) -> Record:
        """Simulate one run."""
        if any(version.capacity for version in self.scenario.versions):
            from naive_queue import QueueRun

            return QueueRun(self, rng).simulate()
        return _Run(self, rng).simulate()

    def draw(self, family: Family, rng: Random) -> float:
        """Draw one value by inversion; uniforms are taken in batches because ppf is slow."""
        ready = self.draws.setdefault(family, [])
        if not ready:
            ready.extend(family.ppf(np.array([rng.random() for _ in range(500)])).tolist())
        return ready.pop()

    def _version_of(self, day: int) -> int:
        """Number the version of the assumptions that holds on a day."""
        versions = self.scenario.versions
        return max(v for v in range(len(versions)) if versions[v].since.toordinal() <= day)

    def _weights(self, period: int) -> dict[int, float]:
        """Give the share of a period's days under each version."""
        first, after = self.edges[period], self.edges[period + 1]
        days = Counter(self.version_of[day] for day in range(first, after))
        return {v: count / (after - first) for v, count in days.items()}

    def spans(self, per: str) -> list[tuple[int, int]]:
        """List the calendar units that hold simulated days: (first day, day after the last)."""
        start, end = self.edges[0], self.edges[-1]
        if per in ("day", "week"):
            step = 1 if per == "day" else 7
            return [(first, first + step) for first in range(start, end, step)]
        months = UNIT_MONTHS[per]
        day = dt.date.fromordinal(start)
        # a fiscal quarter or year begins in a month that lies whole units after the fiscal start
        back = (day.month - self.scenario.calendar.fiscal_year_start) % months
        number = 12 * day.year + day.month - 1 - back
        spans = []
        while _first_of_month(number) < end:
            spans.append((_first_of_month(number), _first_of_month(number + months)))
            number += months
        return spans

    def _count(self, per_of) -> Counter:
        """Count days by (period, version, unit, the unit's days, month)."""
        pers = [per_of(version) for version in self.scenario.versions]
        spans = {per: self.spans(per) for per in pers}
        counts: Counter = Counter()
        for period in range(self.periods):
            for day in range(self.edges[period], self.edges[period + 1]):
                version = self.version_of[day]
                units = enumerate(spans[pers[version]])
                unit, days = next((i, b - a) for i, (a, b) in units if day < b)
                counts[period, version, unit, days, dt.date.fromordinal(day).month] += 1
        return counts

    def _fixed_counts(self, channel: str) -> Counter:
        """Place exact counts item by item: (period) -> leads."""
        counts: Counter = Counter()
        for number, version in enumerate(self.scenario.versions):
            leads = version.channels[channel].leads
            if not leads.fixed:
                continue
            for unit, (first, after) in enumerate(self.spans(leads.per)):
                first = max(first, self.edges[0])
                n, length = int(figure_of(leads, unit)), after - first
                for i in range(n):
                    # the (i + 1/2)/n-th part of the days, in whole numbers so nothing rounds
                    day = first + (2 * i + 1) * length // (2 * n)
                    if self.version_of.get(day) == number:
                        counts[self.period_of(day)] += 1
        return counts

    def units_of(self, per: str, period: int) -> float:
        """How many calendar units a period's days make up."""
        first, after = self.edges[period], self.edges[period + 1]
        spans = self.spans(per)
        return sum(max(0, min(b, after) - max(a, first)) / (b - a) for a, b in spans)

    def period_of(self, day: int) -> int:
        """Find the period of a day."""
        return next(p for p in range(self.periods) if day < self.edges[p + 1])

    def elapsed(self, per: str, period: int) -> float:
        """Time from the start to a period's first day, in units."""
        if self.scenario.calendar.unit == "month" and per in UNIT_MONTHS:
            return period / UNIT_MONTHS[per]
        days = self.edges[period] - self.edges[0]
        return days / (UNIT_DAYS[per] if per in UNIT_DAYS else MONTH_DAYS * UNIT_MONTHS[per])


def _first_of_month(number: int) -> int:
    return dt.date(number // 12, number % 12 + 1, 1).toordinal()


class _Run(Customers, Rules):
    """One run: its assumptions, drawn once, and the leads that live through it."""

    def __init__(self, world: Naive, rng: Random) -> None:
        self.world, self.rng, self.scenario = world, rng, world.scenario
        self.record = Record()
        super().__init__()
        self.brought: list[tuple[int, str]] = []  # leads that customers bring: when, whose
        self.values: dict[tuple[str, Family], float] = {}
        self.known_chances: dict[tuple[int, str, str, str], dict[str, float]] = {}
        self._draw_assumptions()

    def simulate(self) -> Record:
        """Live through all leads of all channels."""
        for c, channel in enumerate(self.scenario.channels):
            means = self._mean_leads(c, channel)
            for period in range(self.world.periods):
                count = self.world.fixed[c][period] + self._arrivals(channel, period, means[period])
                self._pay(channel, period, count)
                for _ in range(count):
                    self._live(channel, self._segment(period), period)
            self._pay_fixed(c, channel)
        self._recommend_as_existing()
        while self.brought:
            period, channel = self.brought.pop()
            self._pay(channel, period, 1)
            self._live(channel, self._segment(period), period)
        return self.record

    # --- assumptions --------------------------------------------------------------------------

    def _draw_assumptions(self) -> None:
        """Draw every uncertain number once, the correlated ones through a Gaussian copula."""
        numbers = uncertain_numbers(self.scenario)
        normals = {name: self.rng.gauss(0.0, 1.0) for name in numbers}
        normals.update(self._correlate(normals))
        for name, number in numbers.items():
            chance = 0.5 * math.erfc(-normals[name] / math.sqrt(2.0))
            value = float(number.family.ppf(np.array([chance]))[0])
            # what is the same distribution at the same path is the same number
            value = self.values.setdefault((number.path, number.family), value)
            self.record.assumption[name] = value

    def _correlate(self, normals: dict[str, float]) -> dict[str, float]:
        """Mix independent normals so that they have the correlations 2 sin(pi r / 6)."""
        given = self.scenario.correlations
        names = list(dict.fromkeys(path for c in given for path in c.between))
        wanted = {frozenset(c.between): 2.0 * math.sin(math.pi * c.rank / 6.0) for c in given}
        root: list[list[float]] = []
        for i, name in enumerate(names):
            row: list[float] = []
            for j in range(i):
                r = wanted.get(frozenset((name, names[j])), 0.0)
                shared = sum(a * b for a, b in zip(row, root[j], strict=False))
                row.append((r - shared) / root[j][j])
            row.append(math.sqrt(1.0 - sum(a * a for a in row)))
            root.append(row)
        return {
            name: sum(weight * normals[n] for weight, n in zip(root[i], names, strict=False))
            for i, name in enumerate(names)
        }

    def value(self, number: Number) -> float:
        """Give a number as it is in this run."""
        if isinstance(number, Uncertain):
            return self.values[number.path, number.family]
        return number

    def factor(self, about: Uncertain | None) -> float:
        """Give what an uncertain centre multiplies a lag or a size by."""
        return 1.0 if about is None else self.value(about) / about.family.mean

    # --- arrivals and costs -------------------------------------------------------------------

    def _mean_leads(self, c: int, channel: str) -> list[float]:
        """Leads to expect in each period: every day has its share of its unit's figure."""
        means = [0.0] * self.world.periods
        for (period, v, unit, length, month), days in self.world.days[c].items():
            assumed = self.scenario.versions[v]
            leads = assumed.channels[channel].leads
            if not leads.fixed:
                season = self.value(assumed.channels[channel].seasonality.get(month, 1.0))
                figure = self._answer(c, channel, v, period)
                if leads.response is None:
                    figure = self.value(figure_of(leads, unit))
                means[period] += figure / length * days * season * self.value(assumed.market)
        growth = self._growth(channel)
        return [mean * factor for mean, factor in zip(means, growth, strict=True)]

    def _growth(self, channel: str) -> list[float]:
        """Compound growth up to each period's first day; each day at its own version's rate."""
        rates: list[Rate] = [v.channels[channel].growth for v in self.scenario.versions]
        factors = [1.0]
        for period in range(self.world.periods - 1):
            factor = factors[-1]
            for v, weight in self.world.weights[period].items():
                per = rates[v].per
                units = self.world.elapsed(per, period + 1) - self.world.elapsed(per, period)
                factor *= (1.0 + self.value(rates[v].amount)) ** (units * weight)
            factors.append(factor)
        return factors

    def _arrivals(self, channel: str, period: int, mean: float) -> int:
        """How many random leads arrive: Poisson, or negative binomial when there is dispersion."""
        versions = self.scenario.versions
        dispersion = sum(
            weight * self.value(versions[v].channels[channel].dispersion)
            for v, weight in self.world.weights[period].items()
        )
        if mean > 0.0 and dispersion > 0.0:
            mean *= self.rng.gammavariate(1.0 / dispersion, dispersion)
        return poisson(mean, self.rng)

    def _pay(self, channel: str, period: int, leads: int) -> None:
        versions = self.scenario.versions
        each = sum(
            weight * self.value(versions[v].channels[channel].cost.per_lead)
            for v, weight in self.world.weights[period].items()
        )
        self.record.spend[self.world.quarter_of[period], channel] += each * leads

    def _pay_fixed(self, c: int, channel: str) -> None:
        for period, amount in enumerate(self._fixed_costs(c, channel)):
            self.record.spend[self.world.quarter_of[period], channel] += amount

    def _fixed_costs(self, c: int, channel: str) -> list[float]:
        """What each period costs: every day has its share of its unit's figure."""
        amounts = [0.0] * self.world.periods
        for (period, v, unit, length, _), days in self.world.cost_days[c].items():
            cost = self.scenario.versions[v].channels[channel].cost.fixed
            amounts[period] += self.value(figure_of(cost, unit)) * days / length
        return amounts

    def _segment(self, period: int) -> str:
        shares = self.scenario.versions[self._version(period)].shares
        return self._one_of({name: self.value(share) for name, share in shares.items()})

    def _one_of(self, shares: dict[str, float]) -> str:
        """Choose by shares that are scaled to sum to 1."""
        total = sum(shares.values())
        chosen = pick({name: share / total for name, share in shares.items()}, self.rng)
        # rounding may leave a hair's breadth above the last share
        return chosen if chosen is not None else max(shares, key=lambda name: shares[name])

    # --- the life of a lead -------------------------------------------------------------------

    def _version(self, period: int) -> int:
        """Take the version of a random day of a period."""
        if len(self.scenario.versions) == 1:
            return 0
        first, after = self.world.edges[period], self.world.edges[period + 1]
        return self.world.version_of[self.rng.randrange(first, after)]

    def _live(self, channel: str, segment: str, period: int) -> None:
        """Follow one lead from its arrival to won, lost or the horizon."""
        self.record.leads[self.world.quarter_of[period], channel, segment] += 1
        stage = self.scenario.first_stage(channel)
        while True:
            self.record.entered[self.world.quarter_of[period], channel, segment, stage] += 1
            if stage == "won":
                self._book(channel, segment, period)
                self._recommend(period)
            if stage in ("won", "lost"):
                return
            version = self._version(period)
            chances = self._chances(version, channel, segment, stage)
            target = pick(chances, self.rng)
            target = self._turn_away(target, version, (channel, segment), stage)
            if target is None:
                target, later = "lost", period
            else:
                body = self.scenario.versions[version].journeys[channel, segment][stage]
                later = period + self._delay(body.transitions[target], target, period)
            for quarter, last in self.world.quarter_ends:
                if period <= last < later:
                    self.record.open[quarter, stage] += 1
            if later >= self.world.periods:
                return
            stage, period = target, later

    def _delay(self, way: Transition | Referral, target: str, period: int) -> int:
        """Whole periods that a way takes, or a lead that a customer brings."""
        if isinstance(way.lag, Periods):
            return int(pick(dict(way.lag.chances), self.rng) or 0)
        days = self._vary(way.lag)
        begun = self.scenario.calendar.first_offset if period == 0 else 0.0
        u = begun + (1.0 - begun) * self.rng.random()
        return self._pass(target, period, u, days / UNIT_DAYS[self.scenario.calendar.unit])

    def _vary(self, variable: Variable) -> float:
        return self.world.draw(variable.family, self.rng) * self.factor(variable.about)

    def _chances(self, version: int, channel: str, segment: str, stage: str) -> dict[str, float]:
        """Give the chances of the ways out of a stage; what is left out is lost at once."""
        key = (version, channel, segment, stage)
        if key not in self.known_chances:
            body = self.scenario.versions[version].journeys[channel, segment][stage]
            own = self.scenario.versions[version].qualification.get(stage)
            self.known_chances[key] = self._work_out_chances(body, own)
        return self.known_chances[key]

    def _book(self, channel: str, segment: str, period: int) -> None:
        """Record a deal: a product by its mix, and its size."""
        products = self.scenario.versions[self._version(period)].products[channel, segment]
        name = self._one_of({n: self.value(product.mix) for n, product in products.items()})
        key = (self.world.quarter_of[period], channel, segment, name)
        self.record.deals[key] += 1
        size, recurring = self._vary(products[name].size), products[name].recurring
        if recurring is None:
            self.record.bookings[key] += size
            self.record.revenue[key] += size
        else:
            self._serve(key, size, recurring, period)
