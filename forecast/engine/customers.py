"""What customers are worth and what it costs to win them, by channel: one figure each run.

Of every run and channel, over the whole horizon:

- ``cac`` = spend / deals won of the channel's new leads;
- ``return_on_spend`` = margin of the revenue recognised / spend;
- ``ltv_to_cac`` = a customer's expected lifetime value under the run's assumptions, products mixed
  as they were won in the run, / the run's cac;
- ``payback_months`` = months until the margin to expect of such a customer, recognised evenly and
  not discounted, has reached the run's cac; infinite where it has not after 50 years.

And of every run, channel and product the lifetime value of one customer, drawn: size x margin x
discounted payments. Segments (and sizes before and after a change) are mixed by the deals that are
expected of them at the assumptions' means; so are products where they are taken together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Draws, Floats, Values
from forecast.engine.expected import means_of
from forecast.engine.kernel.collapse import Outcomes
from forecast.engine.kernel.shapes import Futures
from forecast.engine.kernel.stays import fill_uniforms
from forecast.engine.keys import stream_key
from forecast.engine.layout import version_weights
from forecast.engine.lifetimes import lifetime
from forecast.engine.plan import Blueprint
from forecast.engine.worth import sums_of
from forecast.scenario.model import Number, Recurring, Variable

Counts = NDArray[np.int64]

FIGURES = ("cac", "return_on_spend", "payback_months", "ltv_to_cac")
MOST_KEPT = 50_000_000  # figures of all runs together
LONGEST_MONTHS = 600


@dataclass(frozen=True)
class Deal:
    """A kind of won deal: how large it is, what is left of it, how it is paid, and where it is."""

    size: Variable
    margin: Number
    recurring: Recurring | None
    place: tuple[int, int]  # (g, v) of one that is so


@dataclass(frozen=True)
class CustomerRuns:
    """Figures of the first runs: those of channels (run, channel), lifetime values, their means.

    ``ltv`` is (run, channel, product + 1), the last one for the products taken together, and
    ``expected`` (channel, product + 1) the average of the runs' closed forms.
    """

    figures: dict[str, Floats]
    ltv: Floats
    expected: Floats


class Customers:
    """Collects the customers' figures slice by slice; as many runs as fit."""

    def __init__(self, blueprint: Blueprint, draws: Draws, seed: int, runs: int) -> None:
        scenario = blueprint.scenario
        self._blueprint, self._draws, self._seed = blueprint, draws, seed
        channels, products = len(scenario.channels), len(scenario.products)
        self.runs = max(1, min(runs, MOST_KEPT // (channels * (products + 1 + len(FIGURES)))))
        self._deals, self._weights = _mixes(blueprint, draws)
        self._margin = _margin_rows(blueprint)
        self._keys: dict[tuple[str, ...], np.uint64] = {}
        shape = self.runs, channels
        self._kept = CustomerRuns(
            {name: np.empty(shape) for name in FIGURES},
            np.empty((*shape, products + 1)),
            np.zeros((channels, products + 1)),
        )

    def of_slice(self, rows: Futures | Outcomes, first: int) -> CustomerRuns | None:
        """Work out the figures of a slice's runs; None beyond those that are kept."""
        count = min(len(rows.deals), self.runs - first)
        if count <= 0:
            return None
        values = self._draws.draw(first, count)
        worth = [self._worth(deal, values) for deal in self._deals]
        drawn, expected = self._lifetimes(values, first, count, worth)
        figures = self._figures(rows, count, values, worth)
        return CustomerRuns(figures, drawn, expected * count)

    def add(self, part: CustomerRuns, first: int) -> None:
        """Keep a slice's figures."""
        place = slice(first, first + len(part.ltv))
        for name, array in part.figures.items():
            self._kept.figures[name][place] = array
        self._kept.ltv[place] = part.ltv
        self._kept.expected[:] += part.expected / self.runs

    def whole(self) -> CustomerRuns:
        """Give what was kept."""
        return self._kept

    def _worth(self, deal: Deal, values: Values) -> tuple[Floats, Floats]:
        """The margin of a payment to expect, and the lifetime value: (row,) each."""
        factor = values.factor(deal.size.about)
        each = deal.size.family.mean * (np.ones(1) if factor is None else factor)
        each = each * values(deal.margin)
        if deal.recurring is None:
            return each, each
        return each, each * lifetime(deal.recurring, values).value()

    def _lifetimes(
        self, values: Values, first: int, count: int, worth: list[tuple[Floats, Floats]]
    ) -> tuple[Floats, Floats]:
        """One customer's lifetime value by run, channel, product; and what is to be expected."""
        scenario = self._blueprint.scenario
        drawn = np.zeros((count, len(scenario.channels), len(scenario.products) + 1))
        expected = np.zeros(drawn.shape[1:])
        for c, channel in enumerate(scenario.channels):
            for p, product in enumerate(scenario.products):
                names = channel, product
                drawn[:, c, p] = self._draw(self._weights[c, p], names, values, first, count)
                for i in np.flatnonzero(self._weights[c, p]):
                    share = self._weights[c, p, i] / self._weights[c, p].sum()
                    expected[c, p] += share * worth[i][1].mean()
            mix = self._weights[c].sum(axis=1)
            if mix.sum() > 0.0:
                which = self._choose(mix, ("customer's product", channel), first, count)
                drawn[:, c, -1] = drawn[np.arange(count), c, which]
                expected[c, -1] = mix @ expected[c, :-1] / mix.sum()
        return drawn, expected

    def _choose(self, weights: Floats, names: tuple[str, ...], first: int, count: int) -> Counts:
        """Choose an index by weights in each run."""
        edges = np.cumsum(weights) / weights.sum()
        edges[np.flatnonzero(weights)[-1] :] = 1.0
        at = np.searchsorted(edges, self._uniforms(names, first, count), side="right")
        return at.astype(np.int64)

    def _uniforms(self, names: tuple[str, ...], first: int, count: int) -> Floats:
        out = np.empty(count)
        fill_uniforms(self._key(*names), first, out)
        return out

    def _key(self, *names: str) -> np.uint64:
        if names not in self._keys:
            self._keys[names] = np.uint64(stream_key(self._seed, *names))
        return self._keys[names]

    def _draw(
        self, weights: Floats, names: tuple[str, str], values: Values, first: int, count: int
    ) -> Floats:
        """Draw a customer of a channel and product in each run: its kind, its size, its stay."""
        out = np.zeros(count)
        if not weights.any():
            return out
        which = self._choose(weights, ("customer", *names), first, count)
        key = self._key("customer's size", *names)
        one = np.empty((1, count), np.int64)
        for i in np.flatnonzero(weights):
            deal, mine = self._deals[i], which == i
            one[0] = mine
            step = np.zeros(1, np.int64)
            sizes = sums_of(one, self._blueprint.sizes, deal.place, (key, first), step)
            factor = values.factor(deal.size.about)
            value = sizes[0] * (1.0 if factor is None else factor) * values(deal.margin)
            if deal.recurring is not None:
                life = lifetime(deal.recurring, values)
                u, w = (
                    self._uniforms((what, *names), first, count)
                    for what in ("customer's stay", "customer's churn")
                )
                value = value * life.value_of(life.draw(u, w))
            out += np.where(mine, value, 0.0)
        return out

    def _figures(
        self,
        rows: Futures | Outcomes,
        count: int,
        values: Values,
        worth: list[tuple[Floats, Floats]],
    ) -> dict[str, Floats]:
        """Each channel's figures, (run, channel)."""
        deals = rows.deals[:count].sum(axis=1, dtype=np.float64)  # (run, c, s, p)
        if rows.pipeline_deals.size:
            deals = deals - rows.pipeline_deals[:count].sum(axis=1)
        won = deals.sum(axis=2)
        spend = rows.spend[:count].sum(axis=1)
        revenue = rows.revenue if rows.revenue.size else rows.bookings
        earned = self._earned(revenue[:count], values)
        with np.errstate(divide="ignore", invalid="ignore"):
            cac = spend / won.sum(axis=2)
            ratio, months = np.empty_like(cac), np.empty_like(cac)
            for c in range(spend.shape[1]):
                share = won[:, c] / won[:, c].sum(axis=1, keepdims=True)
                ratio[:, c] = self._value(c, share, worth) / cac[:, c]
                months[:, c] = self._payback(c, share, cac[:, c], values, worth)
            return dict(zip(FIGURES, (cac, earned / spend, months, ratio), strict=True))

    def _value(self, c: int, share: Floats, worth: list[tuple[Floats, Floats]]) -> Floats:
        """A channel's lifetime value to expect, products mixed by run: (run,)."""
        total = np.zeros(len(share))
        for p, weights in enumerate(self._weights[c]):
            for i in np.flatnonzero(weights):
                total += share[:, p] * (weights[i] / weights.sum()) * worth[i][1]
        return total

    def _payback(
        self,
        c: int,
        share: Floats,
        cac: Floats,
        values: Values,
        worth: list[tuple[Floats, Floats]],
    ) -> Floats:
        """Months until a channel's customer has repaid its cost, (run,)."""
        at_once = np.zeros(len(share))
        later: dict[Recurring, Floats] = {}
        for p, weights in enumerate(self._weights[c]):
            for i in np.flatnonzero(weights):
                part = share[:, p] * (weights[i] / weights.sum()) * worth[i][0]
                recurring = self._deals[i].recurring
                if recurring is None:
                    at_once += part
                else:
                    later[recurring] = later.get(recurring, 0.0) + part
        curves = [
            (amount, lifetime(recurring, values).payments_until(LONGEST_MONTHS))
            for recurring, amount in later.items()
        ]

        def repaid(months: Counts) -> Floats:
            return sum((amount * curve(months) for amount, curve in curves), at_once)

        return months_until(repaid, cac, LONGEST_MONTHS if curves else 0)

    def _earned(self, revenue: Floats, values: Values) -> Floats:
        """The margin of the revenue of (run, q, c, s, p): (run, c)."""
        if all(number == 1.0 for _, number, _ in self._margin):
            return np.asarray(revenue.sum(axis=(1, 3, 4)))
        runs, quarters, channels = revenue.shape[:3]
        flat = revenue.reshape(runs, quarters, -1)
        out = np.zeros((runs, channels))
        for weight, number, places in self._margin:
            for c in range(channels):
                mine = places[places // (flat.shape[2] // channels) == c]
                brought = flat[:, :, mine].sum(axis=2) @ weight if len(mine) else 0.0
                out[:, c] += brought * values(number)
        return out


def months_until(repaid: Callable[[Counts], Floats], cost: Floats, longest: int) -> Floats:
    """Months until what is repaid by the end of so many months reaches a cost, (run,).

    Infinite where it does not within ``longest`` months; between the ends of two months it grows
    evenly.
    """
    low, high = np.full(len(cost), -1), np.full(len(cost), longest + 1)
    while np.any(high - low > 1):  # it is below the cost at low, and not at high
        middle = np.clip((low + high) // 2, 0, longest)
        reached = repaid(middle) >= cost
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        low = np.where(high <= low, high - 1, low)
    at = np.clip(high, 1, max(longest, 1))
    if longest == 0:
        return np.where(high == 0, 0.0, np.inf)
    before, after = repaid(at - 1), repaid(at)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = at - 1 + (cost - before) / (after - before)
    return np.where(high == 0, 0.0, np.where(high <= longest, within, np.inf))


def _mixes(blueprint: Blueprint, draws: Draws) -> tuple[list[Deal], Floats]:
    """The kinds of deals, and how many of each to expect by channel and product: (c, p, kind)."""
    scenario, layout = blueprint.scenario, blueprint.layout
    each = blueprint.plan._replace(product_of=np.arange(len(layout.variants)))
    tables = blueprint.maker.tables(draws.means())
    means = means_of(replace(blueprint, plan=each), tables, 1).deals[0].sum(axis=0)
    known: dict[tuple[Variable, Number, Recurring | None], int] = {}
    deals: list[Deal] = []
    found: list[tuple[int, int, int, float]] = []
    for g, group in enumerate(scenario.groups):
        c, s = divmod(g, len(scenario.segments))
        for v, variant in enumerate(layout.variants):
            if group not in variant.sizes:
                continue
            first = scenario.versions[variant.versions[group][0]]
            margin = first.products[group][scenario.products[variant.product]].margin
            key = variant.sizes[group], margin, variant.recurring[group]
            if known.setdefault(key, len(known)) == len(deals):
                deals.append(Deal(*key, (g, v)))
            found.append((c, variant.product, known[key], float(means[c, s, v])))
    weights = np.zeros((len(scenario.channels), len(scenario.products), len(deals)))
    for c, p, i, count in found:
        weights[c, p, i] += count
    return deals, weights


def _margin_rows(blueprint: Blueprint) -> list[tuple[Floats, Number, Counts]]:
    """Each margin with its share of every quarter's days, and the (c, s, p) that have it."""
    scenario = blueprint.scenario
    days = np.diff(np.array(scenario.calendar.edges, dtype=np.float64))
    weights = version_weights(scenario) * days[:, None]
    quarter_of, count = np.array(scenario.calendar.quarter_of), len(scenario.calendar.quarters)
    whole = np.bincount(quarter_of, days, count)
    known: dict[tuple[int, Number], list[int]] = {}
    for i, version in enumerate(scenario.versions):
        for g, group in enumerate(scenario.groups):
            for p, name in enumerate(scenario.products):
                margin = version.products[group][name].margin
                known.setdefault((i, margin), []).append(g * len(scenario.products) + p)
    return [
        (np.bincount(quarter_of, weights[:, i], count) / whole, margin, np.array(places))
        for (i, margin), places in known.items()
    ]
