"""A plan with what came in place of what was assumed, cause by cause.

Counts say less than assumptions: of a conversion they tell how many more, or fewer, items went on
than the plan expects of those that were really there. So each conversion is multiplied by

    what entered the next stage / what the plan expects to enter it, all before it as it came,

over the quarters that are over, with the plan's lags, or those that came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from forecast.analysis.actuals import Actuals, added
from forecast.analysis.expectations import Floats, expect, leads_by_period
from forecast.analysis.levers import document_of
from forecast.analysis.rewrite import ANY, Change, Pattern, rewrite, scale_conversions, times
from forecast.scenario.errors import ScenarioError
from forecast.scenario.facts import find
from forecast.scenario.families import Periods
from forecast.scenario.model import WON, Scenario
from forecast.scenario.nodes import Items, Node, Table, Text
from forecast.scenario.reader import build_scenario
from forecast.scenario.scaling import NotScalable, mean_of

VOLUME, MIX, CRITERIA, FOLLOW_UP = "lead volume", "mix", "criteria", "follow-up"
CLOSE, CYCLE, SIZE = "close ratio", "cycle time", "deal size"
CAUSES = (VOLUME, MIX, CRITERIA, FOLLOW_UP, CLOSE, CYCLE, SIZE)
ARRIVING = ("leads", "seasonality", "growth", "dispersion")
PASSES = 4  # over the factors: a loop lets later ones change earlier ones
CLOSE_ENOUGH = 1e-6
HALVINGS = 20


@dataclass
class Realised:
    """A plan, cut after the quarters that are over, and what came of it."""

    whole: Scenario
    actuals: Actuals
    factors: dict[str, float] = field(default_factory=dict)  # of conversions, by next stage

    def __post_init__(self) -> None:
        self.plan = build_scenario(_cut(self.whole, len(self.actuals.quarters)))
        self.document = document_of(self.plan)
        self.planned = expect(self.plan)
        self._fit()

    @cached_property
    def causes(self) -> tuple[str, ...]:
        """The causes that the actuals tell something about, in the order of the journey."""
        actuals = self.actuals
        told = {
            VOLUME: actuals.total("leads") is not None,
            MIX: actuals.named("leads") is not None and len(self.plan.channels) > 1,
            CRITERIA: any(to != WON for to in self.factors),
            FOLLOW_UP: any(q.followed_up for q in actuals.quarters.values()),
            CLOSE: WON in self.factors,
            CYCLE: bool(actuals.lags),
            SIZE: self.size_factors() != {},
        }
        told[MIX] = told[MIX] or self.actual_mix() is not None
        return tuple(cause for cause in CAUSES if told[cause])

    def scenario(self, causes: Collection[str]) -> Scenario:
        """Build the plan with some causes as they came."""
        return build_scenario(self.text_of(causes)) if causes else self.plan

    def text_of(self, causes: Collection[str]) -> Table:
        """Give the document of the plan with some causes as they came."""
        document = self.document
        if VOLUME in causes or MIX in causes:
            document = self._with_leads(document, VOLUME in causes, MIX in causes)
        for to, factor in self.factors.items():
            if (CLOSE if to == WON else CRITERIA) in causes and factor != 1.0:
                document = scale_conversions(document, to, factor)
        for pattern, change in self._changes(causes):
            document = rewrite(document, pattern, change)
        return document

    # --- factors of conversions

    def _fit(self) -> None:
        """Find the factor of each next stage that was counted."""
        counted = {stage: self.actuals.entries(stage) for stage in self.plan.stages}
        counted[WON] = self.actuals.total("deals")
        found = {to: n for to, n in counted.items() if n is not None and self._leads_to(to)}
        self.factors = dict.fromkeys(found, 1.0)
        for _ in range(PASSES):
            before = dict(self.factors)
            for to, count in found.items():
                self._match(to, count)
            if all(abs(self.factors[to] - f) <= CLOSE_ENOUGH * f for to, f in before.items()):
                return

    def _match(self, to: str, count: float) -> None:
        others = [c for c in (VOLUME, MIX, FOLLOW_UP, CRITERIA, CLOSE, CYCLE) if self._known(c)]
        wanted, now = count - self._arriving(to), self._entering(others, to)
        if now <= 0:
            return
        low, high = self.factors[to], self.factors[to] * max(wanted, 0.0) / now
        self.factors[to] = high
        if self._builds(others):
            return
        for _ in range(HALVINGS):  # more came than could: as near as it gets
            self.factors[to] = 0.5 * (low + high)
            low, high = (
                (self.factors[to], high) if self._builds(others) else (low, self.factors[to])
            )
        self.factors[to] = low

    def _known(self, cause: str) -> bool:
        if cause in (VOLUME, MIX):
            return self.actuals.total("leads") is not None
        return True

    def _builds(self, causes: Collection[str]) -> bool:
        try:
            self.scenario(causes)
        except (ScenarioError, NotScalable):
            return False
        return True

    def _entering(self, causes: Collection[str], to: str) -> float:
        """How many enter a stage from another one, or are won."""
        found = expect(self.scenario(causes))
        return float(found.by_quarter("deals" if to == WON else to).sum()) - self._arriving(to)

    def _arriving(self, to: str) -> float:
        """How many leads begin in a stage."""
        entering = [self.plan.first_stage(c) == to for c in self.plan.channels]
        leads = self.actual_leads() if self._known(VOLUME) else self.planned.leads
        return float(leads[:, entering].sum())

    def _leads_to(self, to: str) -> bool:
        return any(to in stage.transitions for stage in self.plan.journey.values())

    # --- leads

    def actual_leads(self) -> Floats:
        """Give the leads that came, shape (q, c); shared out as planned where not by channel."""
        rows = []
        for q, quarter in enumerate(self.actuals.quarters.values()):
            planned = self.planned.leads[q]
            if isinstance(quarter.leads, dict):
                rows.append([quarter.leads.get(c, 0.0) for c in self.plan.channels])
            else:
                total = planned.sum() or 1.0
                rows.append(list(planned / total * (added(quarter.leads) or 0.0)))
        return np.array(rows, dtype=np.float64)

    def _with_leads(self, document: Table, volume: bool, mix: bool) -> Table:
        """Put leads by period into the channels: their total, their shares or both as they came."""
        if self.actuals.total("leads") is None:
            return document
        came, planned = self.actual_leads(), self.planned.leads
        totals = (came if volume else planned).sum(axis=1, keepdims=True)
        figures = self._by_period(_shares(came if mix else planned, planned) * totals)
        content: dict[str, Node] = {
            key: node for key, node in document.items() if not _of_arrivals([key])
        }
        document = Table(content, document.place, document.keys_at)
        for c, channel in enumerate(self.plan.channels):
            mean: list[Node] = [Text(repr(float(x))) for x in figures[:, c]]
            unit = Text(self.plan.calendar.unit)
            told: dict[str, Node] = {"mean": Items(mean), "per": unit, "then": Text("zero")}
            document = rewrite(document, ("channels", channel), _arriving(Table(told)))
        return _without(_without(document, "changes", _changing), "correlation", _tied)

    def _by_period(self, leads: Floats) -> Floats:
        """Spread leads over periods as the plan does, shape (t, c), as figures of whole periods."""
        quarter = np.array(self.plan.calendar.quarter_of)
        pattern, even = self._pattern, np.ones_like(self._pattern)
        sums, counts = np.zeros_like(leads), np.zeros_like(leads)
        np.add.at(sums, quarter, pattern)
        np.add.at(counts, quarter, even)
        flat = even / counts[quarter]
        share = np.divide(pattern, sums[quarter], out=flat, where=sums[quarter] > 0)
        figures: Floats = share * leads[quarter]
        figures[0] /= 1.0 - self.plan.calendar.first_offset
        return figures

    @cached_property
    def _pattern(self) -> Floats:
        return leads_by_period(self.plan)

    # --- all else

    def size_factors(self) -> dict[str, float]:
        """Give what came over what was planned of the mean size: by product, or of all ("")."""
        planned_deals, planned = self.planned.deals.sum(axis=0), self.planned.bookings.sum(axis=0)
        deals, money = self.actuals.named("deals"), self.actuals.named("bookings")
        if deals is not None and money is not None:
            return {
                product: money.get(product, 0.0) / deals[product] / (planned[p] / planned_deals[p])
                for p, product in enumerate(self.plan.products)
                if deals.get(product) and planned_deals[p] and planned[p]
            }
        of_all, paid = self.actuals.total("deals"), self.actuals.total("bookings")
        if not of_all or paid is None or not planned.sum():
            return {}
        return {"": paid / of_all / self._mean_size()}

    def _mean_size(self) -> float:
        """The mean size that the plan expects of the products that were bought."""
        deals, money = self.planned.deals.sum(axis=0), self.planned.bookings.sum(axis=0)
        mix = self.actual_mix()
        if mix is None:
            return float(money.sum() / deals.sum())
        sizes = np.divide(money, deals, out=np.zeros_like(money), where=deals > 0)
        return float((mix * sizes).sum())

    def actual_mix(self) -> Floats | None:
        """Give the share of the deals that bought each product, shape (p,); None if not told."""
        deals = self.actuals.named("deals")
        if deals is None or not sum(deals.values()) or len(self.plan.products) == 1:
            return None
        bought = np.array([deals.get(p, 0.0) for p in self.plan.products])
        return np.asarray(bought / bought.sum())

    def _changes(self, causes: Collection[str]) -> Iterator[tuple[Pattern, Change]]:
        mix = self.actual_mix() if MIX in causes else None
        for p, product in enumerate(self.plan.products if mix is not None else ()):
            assert mix is not None
            yield ("products", product, "mix"), _put(float(mix[p]))
        if FOLLOW_UP in causes:
            for stage in self.plan.stages:
                shares = [q.followed_up.get(stage) for q in self.actuals.quarters.values()]
                told = [share for share in shares if share is not None]
                if told:
                    yield ("capacity", stage, "follow_up"), _put(float(np.mean(told)))
        if CYCLE in causes:
            for (stage, to), days in self.actuals.lags.items():
                yield ("journey", stage, to, "lag"), self._lasting(stage, to, days)
        if SIZE in causes:
            for product, factor in self.size_factors().items():
                yield ("products", product or ANY, "size"), times(factor)

    def _lasting(self, stage: str, to: str, days: float) -> Change:
        lag = self.plan.journey[stage].transitions[to].lag
        if isinstance(lag, Periods):
            return _put_periods(days / self.plan.calendar.period_days)
        return times(days / mean_of(find(self.document, f"journey.{stage}.{to}.lag")))


def _put(figure: float) -> Change:
    return lambda _: Text(repr(figure))


def _put_periods(mean: float) -> Change:
    """Put a lag of whole periods, of this mean: the two nearest numbers."""
    whole = int(mean)
    chances = {whole: 1.0 - (mean - whole), whole + 1: mean - whole}
    node = Table({str(k): Text(repr(p)) for k, p in chances.items() if p > 0})
    return lambda _: Table({"periods": node})


def _shares(leads: Floats, otherwise: Floats) -> Floats:
    """Give each channel's share of a quarter's leads, shape (q, c)."""
    total, other = leads.sum(axis=1, keepdims=True), otherwise.sum(axis=1, keepdims=True)
    even = np.full_like(leads, 1.0 / leads.shape[1])
    planned = np.divide(otherwise, other, out=even, where=other > 0)
    shares: Floats = np.divide(leads, total, out=planned, where=total > 0)
    return shares


def _arriving(leads: Table) -> Change:
    """Give a channel these leads in place of its own."""

    def change(node: Node) -> Node:
        assert isinstance(node, Table)
        kept = {key: value for key, value in node.items() if key not in ARRIVING}
        return Table({"leads": leads, **kept}, node.place, node.keys_at)

    return change


def _without(document: Table, key: str, kept: Callable[[Table], Table | None]) -> Table:
    """Leave out of a list what is about arrivals, which are known."""
    items = document.get(key)
    if not isinstance(items, Items):
        return document
    left = [found for node in items if isinstance(node, Table) and (found := kept(node))]
    content = {name: node for name, node in document.items() if name != key}
    if left:
        content[key] = Items(left, items.place)
    return Table(content, document.place, document.keys_at)


def _changing(node: Table) -> Table | None:
    sets = node["set"]
    assert isinstance(sets, Table)
    left = {path: value for path, value in sets.items() if not _of_arrivals(path.split("."))}
    return Table({**node, "set": Table(left, sets.place)}, node.place) if left else None


def _tied(node: Table) -> Table | None:
    between = node["between"]
    assert isinstance(between, Items)
    return None if any(_of_arrivals(str(path).split(".")) for path in between) else node


def _of_arrivals(keys: Sequence[str]) -> bool:
    in_channel = keys[0] == "channels" and len(keys) > 2 and keys[2] in ARRIVING
    return in_channel or keys[0] in ("market", "referral")


def _cut(plan: Scenario, quarters: int) -> Table:
    """Give a plan's document that ends after so many quarters, without its goals."""
    document, calendar = document_of(plan), plan.calendar
    last = max(t for t, q in enumerate(calendar.quarter_of) if q < quarters)
    days = calendar.edges[last + 1] - calendar.edges[0]
    content = {key: node for key, node in document.items() if key != "goals"}
    content["horizon"] = Text(f"{days} days", document["horizon"].place)
    return Table(content, document.place, document.keys_at)
