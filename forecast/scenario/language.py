"""The scenario language: every key, its form and a sentence about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.capacities import CAPACITIES, WORKED
from forecast.scenario.closing import CLOSING
from forecast.scenario.figures import Figure, RateForm, Spread
from forecast.scenario.forms import (
    DURATION_SHAPE,
    Door,
    Key,
    Leaf,
    ListOf,
    Named,
    Record,
    Schema,
    choice,
    describe,
    text,
    within,
)
from forecast.scenario.leads import LeadsForm, SeasonalityForm, SpendForm
from forecast.scenario.model import Channel, Correlation, Cost, Planned, Rate
from forecast.scenario.nodes import Node, Table
from forecast.scenario.pipeline import PipelineForm
from forecast.scenario.qualification import QUALIFICATION
from forecast.scenario.recurring import MARGIN, RECURRING, ProductRecord, make_product
from forecast.scenario.referral import REFERRAL
from forecast.scenario.stages import JOURNEY


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


PRODUCT = ProductRecord(
    "a product",
    {
        "mix": Key(Figure("a mix", 0.0, 1.0), "the share of won deals that buy it", 1.0),
        "size": Key(Spread("a deal size"), "the value of a deal", required=True, example="25k"),
        "margin": MARGIN,
        "recurring": Key(RECURRING, "that the size is paid again and again"),
    },
    make_product,
)
PRODUCTS = Named("products", "product", PRODUCT, most=60)

COST = Record(
    "costs",
    {
        "fixed": Key(SpendForm(), "spend per time", Planned((0.0,), "month")),
        "per_lead": Key(Figure("a cost", example="35"), "spend for each lead", 0.0),
        "worked": Key(WORKED, "spend for each item that is worked, by stage", {}),
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


def _partial(schema: Schema) -> Schema:
    """The same section, of whose things any key may be left out."""
    things = {**schema["additionalProperties"], "required": []}
    keys = things["properties"]
    things["properties"] = {**keys, "recurring": {**keys["recurring"], "required": []}}
    return {**schema, "additionalProperties": things}


_OVERRIDES = {
    "journey": Key(Raw(JOURNEY.schema()), "what differs in the journey"),
    "products": Key(Raw(_partial(PRODUCTS.schema())), "what differs in the products"),
}

CHANNEL = Record(
    "a channel",
    {
        "leads": Key(
            LeadsForm(), "how many leads arrive", required=True, example="{mean: 120, per: month}"
        ),
        "dispersion": Key(
            Figure("a dispersion", 0.0, 1_000.0, "0.25"),
            "negative binomial: variance = mean + dispersion x mean^2",
            0.0,
        ),
        "seasonality": Key(SeasonalityForm(), "factors of calendar months, 1 where unnamed", {}),
        "growth": Key(
            RateForm("growth", -0.99, 10.0, "2% per quarter"),
            "compound growth from the start",
            Rate(0.0, "month"),
        ),
        "cost": Key(COST, "what the channel costs", Cost()),
        "enters": Key(
            text("a stage", "Write the name of the stage where its leads enter."),
            "the stage where its leads enter; the first one when left out",
        ),
        **_OVERRIDES,
    },
    _channel,
)
CHANNELS = Named("channels", "channel", CHANNEL, most=200)

SEGMENT = Record(
    "a segment",
    {
        "share": Key(
            Figure("a share", 0.0, 1.0), "its share of leads", required=True, example="100%"
        ),
        **_OVERRIDES,
    },
    _segment,
)
SEGMENTS = Named("segments", "segment", SEGMENT, most=100)

_PERCENT = within(
    quantities.number, 1e-6, 1 - 1e-6, "a confidence above 0% and below 100%", "Write 80%."
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
            text("a metric", "Write metric: deals."),
            "deals, bookings, revenue, leads or a stage",
            required=True,
            example="deals",
        ),
        "target": Key(
            within(quantities.number, 0.0, 1e15, "a target of 0 or more", "Write target: 10."),
            "at least so much",
            required=True,
            example="10",
        ),
        "confidence": Key(_PERCENT, "how sure one wants to be", required=True, example="80%"),
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

GOALS = ListOf("goals", GOAL, most=200)

_PATH = text("an assumption's path", "Write it such as channels.web.leads.mean.")
CORRELATION = Record(
    "a correlation",
    {
        "between": Key(
            ListOf("paths", _PATH),
            "two uncertain assumptions",
            required=True,
            example="[one.path, other.path]",
        ),
        "rank": Key(
            within(
                quantities.number,
                -0.999,
                0.999,
                "a rank correlation above -1 and below 1",
                "Write rank: 0.5, or make one assumption of two that move as one.",
            ),
            "their rank (Spearman) correlation",
            required=True,
            example="0.5",
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


MONTH_SHAPE = {"type": "string", "pattern": "^[A-Za-z]{3,9}$"}
_DAY_SHAPE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
CHANGE = Record(
    "a change",
    {
        "from": Key(
            Leaf(quantities.day, "a day", "Write from: 2027-07-01.", _DAY_SHAPE),
            "the first day of the change",
            required=True,
            example="2027-07-01",
        ),
        "set": Key(
            Raw({"type": "object", "minProperties": 1}),
            "paths with values",
            required=True,
            example="{channels.web.leads.mean: 150}",
        ),
        "why": Key(
            text("a reason in words", "Write why: new price list, or remove why."), "the reason"
        ),
    },
    _change,
)


def _horizon(text: str) -> tuple[float, str]:
    """Read a horizon; a bare number most likely counts quarters."""
    try:
        quantities.number(text)
    except quantities.QuantityFault:
        return quantities.span(text)
    mend = f"Say the unit: {text} quarters, {text} months or {text} years."
    raise quantities.QuantityFault(text, "a length of time", mend)


FRAME: dict[str, Key] = {
    "name": Key(
        Leaf(
            lambda text: quantities.name(text, "scenario"),
            "a name",
            "Write name: Lean consulting.",
            {"type": "string"},
        ),
        "what the scenario is called",
        required=True,
        example="Lean consulting",
    ),
    "start": Key(
        Leaf(quantities.day, "a day", "Write start: 2027-01-01.", _DAY_SHAPE),
        "the first simulated day",
        required=True,
        example="2027-01-01",
    ),
    "horizon": Key(
        Leaf(
            _horizon,
            "a length of time",
            "Write horizon: 8 quarters.",
            DURATION_SHAPE,
            lambda span: (
                None if span[0] > 0 else ("a horizon longer than 0", "Write horizon: 8 quarters.")
            ),
        ),
        "how far to simulate",
        required=True,
        example="8 quarters",
    ),
    "period": Key(
        choice("month", "week", "day", what="period"), "one step of simulated time", "month"
    ),
    "fiscal_year_start": Key(
        Leaf(quantities.month, "a month", "Write fiscal_year_start: january.", MONTH_SHAPE),
        "the first month of the fiscal year",
        1,
    ),
    "currency": Key(
        Leaf(
            lambda text: quantities.name(text, "currency"),
            "a currency",
            "Write currency: USD.",
            {"type": "string"},
        ),
        "the currency of all money",
        "USD",
    ),
    "market": Key(
        Figure("a market factor", 0.0, 1_000.0, "1"), "one factor on all random arrivals", 1.0
    ),
    "closing": Key(CLOSING, "when in a quarter deals close; at any time alike when left out"),
    "goals": Key(GOALS, "what is to be reached", ()),
    "correlation": Key(ListOf("correlations", CORRELATION, most=500), "rank correlations", ()),
    "changes": Key(ListOf("changes", CHANGE, most=60), "what is planned to change", ()),
    "pipeline": Key(PipelineForm(), "the deals that are open at as_of"),
}

SECTIONS: dict[str, Key] = {
    "channels": Key(
        CHANNELS,
        "where leads come from",
        required=True,
        example="{web: {leads: {mean: 120, per: month}}}",
    ),
    "segments": Key(SEGMENTS, "who they are"),
    "journey": Key(
        JOURNEY,
        "stages and the ways between them",
        required=True,
        example="{lead: {won: {conversion: 5%}}}",
    ),
    "products": Key(PRODUCTS, "what a won deal bought"),
    "qualification": Key(QUALIFICATION, "thresholds on the quality of leads, by stage", {}),
    "capacity": Key(CAPACITIES, "how many items of a stage are worked", {}),
    "referral": Key(REFERRAL, "leads that customers bring"),
}


@dataclasses.dataclass(frozen=True)
class FileText:
    """A whole file as read, its overrides not yet merged."""

    values: Mapping[str, Any]


def _file(**values: Any) -> FileText:
    return FileText(values)


FILE = Record("a scenario", {**FRAME, **SECTIONS}, _file)
