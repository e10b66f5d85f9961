"""The scenario language: every key, its form and a sentence about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.families import build
from forecast.scenario.figures import Figure, Spread, per_unit, rate
from forecast.scenario.forms import (
    BROKEN,
    NUMBER_SHAPE,
    Door,
    Key,
    Leaf,
    ListOf,
    Named,
    Record,
    Schema,
    choice,
    describe,
    positive_duration,
    within,
)
from forecast.scenario.model import (
    LOST,
    WON,
    Arrivals,
    Channel,
    Correlation,
    Cost,
    Product,
    Rate,
    Stage,
    Transition,
    Uncertain,
    Variable,
)
from forecast.scenario.nodes import Node, Table

RESERVED_STAGES = ("leads", "deals", "bookings", "revenue", "spend", "dirichlet", "all")
MOST_LEADS = 1e12


@dataclasses.dataclass(frozen=True)
class Raw:
    """A node kept as it is: overrides, read once they are merged with what they override."""

    shape: Mapping[str, Any]

    def read(self, node: Node, door: Door) -> Any:
        """Give the node back; see ``Form``."""
        if isinstance(node, Table):
            return node
        mend = "Write only the keys that differ, as they stand in the file's own section."
        return door.fault(node.place, describe(node), "a mapping", mend)

    def schema(self) -> Schema:
        """Describe the section; see ``Form``."""
        return dict(self.shape)


@dataclasses.dataclass(frozen=True)
class LeadsForm:
    """``{mean: …, per: month}`` or ``{fixed: …, per: quarter}``."""

    def _record(self, fixed: bool) -> Record:
        per = Key(per_unit(), "the calendar unit that a figure covers", required=True)
        then = Key(
            choice("repeat", "last", "zero", what="then"),
            "what follows a list shorter than the horizon: repeat, last or zero",
        )
        if fixed:
            count = within(
                quantities.whole, 0, 1e9, "a whole number of leads", "Write fixed: [34]."
            )
            figures = Key(ListOf("counts", count, alone=True), "exactly so many", required=True)
            return Record("leads", {"fixed": figures, "per": per, "then": then}, _fixed_leads)
        mean = Figure("a mean number of leads", 0.0, MOST_LEADS)
        means = Key(ListOf("means", mean, alone=True), "leads to expect", required=True)
        return Record("leads", {"mean": means, "per": per, "then": then}, _mean_leads)

    def read(self, node: Node, door: Door) -> Any:
        """Read ``Arrivals``; see ``Form``."""
        if isinstance(node, Table) and "fixed" in node and "mean" in node:
            mend = "Keep mean for random arrivals, or fixed for exact counts."
            return door.fault(node.place, "mean and fixed", "one of mean and fixed", mend)
        if isinstance(node, Table) and "fixed" in node:
            return self._record(fixed=True).read(node, door)
        return self._record(fixed=False).read(node, door)

    def schema(self) -> Schema:
        """Describe the leads; see ``Form``."""
        return {"oneOf": [self._record(fixed).schema() for fixed in (False, True)]}


def _fixed_leads(fixed: Any, per: Any, then: Any) -> Arrivals:
    figures = tuple(float(x) if x is not BROKEN else x for x in fixed) if fixed else fixed
    return Arrivals(figures, per, then, True)


def _mean_leads(mean: Any, per: Any, then: Any) -> Arrivals:
    return Arrivals(mean, per, then, False)


@dataclasses.dataclass(frozen=True)
class SeasonalityForm:
    """``{mar: 1.2, dec: 0.6}``: factors of calendar months."""

    factor = Figure("a seasonal factor", 0.0, 1_000.0)

    def read(self, node: Node, door: Door) -> Any:
        """Read factors by month number (1..12); see ``Form``."""
        mend = "Write {mar: 1.2, dec: 0.6}; a month that is not named has the factor 1."
        if not isinstance(node, Table):
            return door.fault(node.place, describe(node), "months with factors", mend)
        factors: dict[int, Any] = {}
        for key, child in node.items():
            place = node.place_of(key)
            try:
                month = quantities.month(key)
            except quantities.QuantityFault as fault:
                door.fault(place, fault.got, fault.must, fault.mend)
                continue
            if month in factors:
                door.fault(place, f"{key} twice", "each month once", "Remove one of the two.")
            factors[month] = self.factor.read(child, door)
        return factors

    def schema(self) -> Schema:
        """Describe the factors; see ``Form``."""
        return {"type": "object", "additionalProperties": self.factor.schema()}


def _transition_record() -> Record:
    share = "a probability"
    keys = {
        "conversion": Key(Figure(share, 0.0, 1.0), "the share of items that goes this way"),
        "share_of_rest": Key(
            Figure(share, 0.0, 1.0), "the share of those that took no way with a conversion"
        ),
        "within": Key(positive_duration("within"), "the time in which the conversion is counted"),
        "lag": Key(
            Spread("a lag", duration=True),
            "the time it takes; none when left out",
            Variable(build("fixed", {"value": 0.0})),
        ),
    }
    return Record("a transition", keys, Transition)


@dataclasses.dataclass(frozen=True)
class StageForm:
    """The ways out of a stage: ``{next stage: transition}``, and perhaps ``dirichlet``."""

    transition = _transition_record()

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Stage``; see ``Form``."""
        if not isinstance(node, Table) or not node:
            mend = "Write the next stages: {won: {conversion: 30%, lag: 3 months}}."
            return door.fault(node.place, describe(node), "a mapping of next stages", mend)
        together = self._dirichlet(node, door)
        ways = {}
        for target, child in node.items():
            if target == "dirichlet":
                continue
            way = self.transition.read(child, door)
            ways[target] = way
            if way is not BROKEN:
                self._one_share(target, way, together, child, door)
        for target in together if together is not BROKEN else ():
            if target not in node and target != LOST:
                mend = f"Add {target}: {{lag: …}} to this stage."
                door.fault(node["dirichlet"].place, target, "a next stage that is named", mend)
        return Stage(ways, together)

    def _one_share(
        self, target: str, way: Transition, together: Any, node: Node, door: Door
    ) -> None:
        shares = [way.conversion is not None, way.share_of_rest is not None]
        shares.append(together is not BROKEN and target in together)
        if sum(shares) > 1:
            must = "one of conversion, share_of_rest and dirichlet"
            door.fault(node.place, "more than one share", must, "Keep one of them.")
        if not any(shares) and target != LOST and together is not BROKEN:
            mend = "Add conversion: 30%."
            door.fault(node.place, "no conversion", "a share of the items that goes here", mend)
        if way.within is not None and way.conversion is None:
            must = "within beside a conversion"
            door.fault(node.place, "within alone", must, "Remove within, or add conversion: 30%.")

    def _dirichlet(self, node: Table, door: Door) -> Any:
        """Read counts into stick-breaking betas: what each takes of what those before it left.

        If (p1, …, pk) ~ Dirichlet(a1, …, ak), then p1, p2/(1-p1), … are independent betas with
        (a1, a2+…+ak), (a2, a3+…+ak), … (Connor and Mosimann 1969).
        """
        if "dirichlet" not in node:
            return {}
        body = node["dirichlet"]
        mend = "Write past counts: {won: 6, nurture: 2, lost: 12}."
        if not isinstance(body, Table) or len(body) < 2:
            return door.fault(body.place, describe(body), "counts of two or more outcomes", mend)
        count = within(quantities.number, 1e-6, 1e9, "a count above 0", mend)
        counts = {target: count.read(child, door) for target, child in body.items()}
        if BROKEN in counts.values():
            return BROKEN
        order = [t for t in counts if t != LOST] + [t for t in counts if t == LOST]
        betas = {}
        for i, target in enumerate(order[:-1]):
            after = sum(counts[t] for t in order[i + 1 :])
            family = build("beta", {"alpha": counts[target], "beta": after})
            betas[target] = Uncertain(body[target].place.path, family)
        if order[-1] != LOST:
            door.fault(body.place, "no count of lost", "counts with lost among them", mend)
        return betas

    def schema(self) -> Schema:
        """Describe the stage; see ``Form``."""
        return {
            "type": "object",
            "minProperties": 1,
            "properties": {"dirichlet": {"type": "object", "additionalProperties": NUMBER_SHAPE}},
            "additionalProperties": self.transition.schema(),
        }


JOURNEY = Named("stages", StageForm(), (*RESERVED_STAGES, WON, LOST), most=60)

PRODUCT = Record(
    "a product",
    {
        "mix": Key(Figure("a mix", 0.0, 1.0), "the share of won deals that buy it", 1.0),
        "size": Key(Spread("a deal size"), "the value of a deal", required=True),
    },
    Product,
)
PRODUCTS = Named("products", PRODUCT, most=60)

COST = Record(
    "costs",
    {
        "fixed": Key(rate("a cost", 0.0, 1e12), "spend per time", Rate(0.0, "month")),
        "per_lead": Key(Figure("a cost"), "spend for each lead", 0.0),
    },
    Cost,
)


@dataclasses.dataclass(frozen=True)
class Overridden:
    """A channel or segment beside the overrides that stand in it."""

    thing: Any
    journey: Table | None
    products: Table | None


def _channel(journey: Any, products: Any, **values: Any) -> Overridden:
    return Overridden(Channel(**values), journey, products)


def _segment(share: Any, journey: Any, products: Any) -> Overridden:
    return Overridden(share, journey, products)


_OVERRIDES = {
    "journey": Key(Raw(JOURNEY.schema()), "what differs in the journey"),
    "products": Key(Raw({"type": "object"}), "what differs in the products"),
}

CHANNEL = Record(
    "a channel",
    {
        "leads": Key(LeadsForm(), "how many leads arrive", required=True),
        "dispersion": Key(
            Figure("a dispersion", 0.0, 1_000.0),
            "negative binomial: variance = mean + dispersion x mean^2",
            0.0,
        ),
        "seasonality": Key(SeasonalityForm(), "factors of calendar months, 1 where unnamed", {}),
        "growth": Key(
            rate("growth", -0.99, 10.0), "compound growth from the start", Rate(0.0, "month")
        ),
        "cost": Key(COST, "what the channel costs", Cost()),
        "enters": Key(
            Leaf(str, "a stage", "Write the stage where its leads enter.", {"type": "string"}),
            "the stage where its leads enter; the first one when left out",
        ),
        **_OVERRIDES,
    },
    _channel,
)
CHANNELS = Named("channels", CHANNEL, most=200)

SEGMENT = Record(
    "a segment",
    {"share": Key(Figure("a share", 0.0, 1.0), "its share of leads", required=True), **_OVERRIDES},
    _segment,
)
SEGMENTS = Named("segments", SEGMENT, most=100)

_PERCENT = within(
    quantities.number, 1e-6, 1 - 1e-6, "a confidence between 0% and 100%", "Write 80%."
)


@dataclasses.dataclass(frozen=True)
class GoalText:
    """A goal as written; its quarters are found with the calendar."""

    metric: str
    target: float
    confidence: float
    every: str | None
    quarter: tuple[int, int] | None
    year: int | None


GOAL = Record(
    "a goal",
    {
        "metric": Key(
            Leaf(str, "a metric", "Write metric: deals.", {"type": "string"}),
            "deals, bookings, revenue, leads or a stage",
            required=True,
        ),
        "target": Key(
            within(quantities.number, 0.0, 1e15, "a target of 0 or more", "Write target: 10."),
            "at least so much",
            required=True,
        ),
        "confidence": Key(_PERCENT, "how sure one wants to be", required=True),
        "every": Key(choice("quarter", "year", what="every"), "each quarter or each year"),
        "quarter": Key(
            Leaf(
                quantities.quarter_label,
                "a quarter",
                "Write quarter: 2027Q4.",
                {"type": "string", "pattern": "^[0-9]{4}Q[1-4]$"},
            ),
            "one fiscal quarter",
        ),
        "year": Key(
            Leaf(
                quantities.year_label,
                "a year",
                "Write year: 2027.",
                {"type": ["integer", "string"], "pattern": "^[0-9]{4}$"},
            ),
            "one fiscal year",
        ),
    },
    GoalText,
)

_PATH = Leaf(str, "an assumption's path", "Write channels.web.leads.mean.", {"type": "string"})
CORRELATION = Record(
    "a correlation",
    {
        "between": Key(ListOf("paths", _PATH), "two uncertain assumptions", required=True),
        "rank": Key(
            within(
                quantities.number, -1.0, 1.0, "a rank correlation from -1 to 1", "Write rank: 0.5."
            ),
            "their rank (Spearman) correlation",
            required=True,
        ),
    },
    Correlation,
)


@dataclasses.dataclass(frozen=True)
class ChangeText:
    """A dated change as written."""

    since: Any
    set: Any
    why: Any


def _change(**values: Any) -> ChangeText:
    return ChangeText(values["from"], values["set"], values["why"])


_DAY_SHAPE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
CHANGE = Record(
    "a change",
    {
        "from": Key(
            Leaf(quantities.day, "a day", "Write from: 2027-07-01.", _DAY_SHAPE),
            "the first day of the change",
            required=True,
        ),
        "set": Key(Raw({"type": "object", "minProperties": 1}), "paths with values", required=True),
        "why": Key(Leaf(str, "a reason", "Write why: …", {"type": "string"}), "the reason"),
    },
    _change,
)

FRAME: dict[str, Key] = {
    "name": Key(
        Leaf(
            lambda text: quantities.name(text, "a scenario", dots_allowed=True),
            "a name",
            "Write name: Lean consulting.",
            {"type": "string"},
        ),
        "what the scenario is called",
        required=True,
    ),
    "start": Key(
        Leaf(quantities.day, "a day", "Write start: 2027-01-01.", _DAY_SHAPE),
        "the first simulated day",
        required=True,
    ),
    "horizon": Key(
        Leaf(
            quantities.span,
            "a length of time",
            "Write horizon: 8 quarters.",
            {"type": "string"},
            lambda span: (
                None if span[0] > 0 else ("a horizon longer than 0", "Write horizon: 8 quarters.")
            ),
        ),
        "how far to simulate",
        required=True,
    ),
    "period": Key(
        choice("month", "week", "day", what="period"), "one step of simulated time", "month"
    ),
    "fiscal_year_start": Key(
        Leaf(quantities.month, "a month", "Write fiscal_year_start: january.", {"type": "string"}),
        "the first month of the fiscal year",
        1,
    ),
    "currency": Key(
        Leaf(
            lambda text: quantities.name(text, "a currency"),
            "a currency",
            "Write currency: USD.",
            {"type": "string"},
        ),
        "the currency of all money",
        "USD",
    ),
    "market": Key(
        Figure("a market factor", 0.0, 1_000.0), "one factor on all random arrivals", 1.0
    ),
    "goals": Key(ListOf("goals", GOAL, most=200), "what is to be reached", ()),
    "correlation": Key(ListOf("correlations", CORRELATION, most=500), "rank correlations", ()),
    "changes": Key(ListOf("changes", CHANGE, most=60), "what is planned to change", ()),
}

SECTIONS: dict[str, Key] = {
    "channels": Key(CHANNELS, "where leads come from", required=True),
    "segments": Key(SEGMENTS, "who they are"),
    "journey": Key(JOURNEY, "stages and the transitions between them", required=True),
    "products": Key(PRODUCTS, "what a won deal bought"),
}


@dataclasses.dataclass(frozen=True)
class FileText:
    """A whole file as read, its overrides not yet merged."""

    values: Mapping[str, Any]


def _file(**values: Any) -> FileText:
    return FileText(values)


FILE = Record("a scenario", {**FRAME, **SECTIONS}, _file)
