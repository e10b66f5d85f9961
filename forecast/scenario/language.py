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
