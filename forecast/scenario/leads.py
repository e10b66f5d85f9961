"""How many leads arrive: forms of volumes and of their seasons."""

from __future__ import annotations

import dataclasses
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.figures import MOST, Figure, RateForm, per_unit
from forecast.scenario.forms import (
    BROKEN,
    Door,
    Key,
    ListOf,
    Record,
    Schema,
    choice,
    describe,
    within,
)
from forecast.scenario.model import Arrivals, Planned, Rate, Response
from forecast.scenario.nodes import Node, Table

MOST_LEADS = 1e12
KINDS = ("mean", "fixed", "response")
THEN = Key(
    choice("repeat", "last", "zero", what="then"),
    "what follows a list shorter than the horizon: repeat, last or zero",
)


@dataclasses.dataclass(frozen=True)
class LeadsForm:
    """``{mean: …, per: month}``, ``{fixed: …, per: quarter}`` or ``{response: …, per: month}``."""

    def _record(self, kind: str) -> Record:
        per = Key(
            per_unit(), "the calendar unit that a figure covers", required=True, example="month"
        )
        if kind == "response":
            answer = Key(RESPONSE, "leads that answer to cost.fixed", required=True)
            return Record("leads", {"response": answer, "per": per}, _answering_leads)
        if kind == "fixed":
            count = within(
                quantities.whole,
                0,
                1e9,
                "a whole number of leads, 0 to 1,000,000,000",
                "Write fixed: [34].",
            )
            figures = Key(
                ListOf("counts of leads", count, alone=True),
                "exactly so many",
                required=True,
                example="[34]",
            )
            return Record("leads", {"fixed": figures, "per": per, "then": THEN}, _fixed_leads)
        mean = Figure("a mean number of leads", 0.0, MOST_LEADS)
        means = Key(
            ListOf("mean numbers of leads", mean, alone=True),
            "leads to expect",
            required=True,
            example="120",
        )
        return Record("leads", {"mean": means, "per": per, "then": THEN}, _mean_leads)

    def read(self, node: Node, door: Door) -> Any:
        """Read ``Arrivals``; see ``Form``."""
        found = [kind for kind in KINDS if isinstance(node, Table) and kind in node]
        if found == ["mean", "fixed"]:
            mend = "Keep mean for random arrivals, or fixed for exact counts."
            return door.fault(node.place, "mean and fixed", "either mean or fixed", mend)
        if len(found) > 1:
            mend = "Keep response for leads that answer to money, or remove it."
            must = "one of mean, fixed and response"
            return door.fault(node.place, " and ".join(found), must, mend)
        return self._record(found[0] if found else "mean").read(node, door)

    def schema(self) -> Schema:
        """Describe the leads; see ``Form``."""
        return {"oneOf": [self._record(kind).schema() for kind in KINDS]}


_HILL = Record(
    "a hill curve",
    {
        "max": Key(
            Figure("a number of leads", 0.0, MOST_LEADS, "300"),
            "leads per unit that no spend exceeds",
            required=True,
            example="300",
        ),
        "half": Key(
            Figure("a spend", 0.0, MOST, "10k"),
            "the steady spend per unit that brings half of max",
            required=True,
            example="10k",
        ),
        "shape": Key(
            Figure("a shape", 0.0, 50.0, "1.5"),
            "above 1 the first money brings little (an S); 1 when left out",
            1.0,
        ),
    },
    dict,
)


def _response(hill: Any, carry_over: Any, before: Any) -> Any:
    return BROKEN if hill is BROKEN else Response(**hill, carry_over=carry_over, before=before)


RESPONSE = Record(
    "a response",
    {
        "hill": Key(
            _HILL,
            "max x^shape / (half^shape + x^shape), x the spend",
            required=True,
            example="{max: 300, half: 10k}",
        ),
        "carry_over": Key(
            RateForm("a share carried over", 0.0, 0.999, "40% per month"),
            "the share of the effect that is left after so long; none when left out",
        ),
        "before": Key(
            RateForm("a spend", 0.0, MOST, "10k per month"),
            "what was spent before the start; as in the first period when left out",
        ),
    },
    _response,
)


@dataclasses.dataclass(frozen=True)
class SpendForm:
    """``4_000 per month``, or a plan: ``{amount: [4_000, 5_000], per: month, then: last}``."""

    rate = RateForm("a cost", 0.0, MOST, "4_000 per month")

    def _record(self) -> Record:
        amount = ListOf("costs", Figure("a cost", 0.0, MOST), alone=True)
        per = Key(per_unit(), "day, week, month, quarter or year", required=True, example="month")
        keys = {
            "amount": Key(amount, "how much", required=True, example="4_000"),
            "per": per,
            "then": THEN,
        }
        return Record("a cost", keys, _planned)

    def read(self, node: Node, door: Door) -> Any:
        """Read ``Planned`` spend; see ``Form``."""
        if isinstance(node, Table):
            return self._record().read(node, door)
        rate = self.rate.read(node, door)
        return Planned((rate.amount,), rate.per) if isinstance(rate, Rate) else rate

    def schema(self) -> Schema:
        """Describe the spend; see ``Form``."""
        return {"anyOf": [self.rate.schema()["anyOf"][0], self._record().schema()]}


def _planned(amount: Any, per: Any, then: Any) -> Planned:
    return Planned(amount, per, then)


def _answering_leads(response: Any, per: Any) -> Arrivals:
    return Arrivals((), per, None, False, response)


def _fixed_leads(fixed: Any, per: Any, then: Any) -> Arrivals:
    figures = fixed
    if fixed is not BROKEN:
        figures = tuple(x if x is BROKEN else float(x) for x in fixed)
    return Arrivals(figures, per, then, True)


def _mean_leads(mean: Any, per: Any, then: Any) -> Arrivals:
    return Arrivals(mean, per, then, False)


@dataclasses.dataclass(frozen=True)
class SeasonalityForm:
    """``{mar: 1.2, dec: 0.6}``: factors of calendar months."""

    factor = Figure("a seasonal factor", 0.0, 1_000.0, "1.2")

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
                got = f"the month of {key} a second time"
                door.fault(place, got, "each month once", "Remove one of the two.")
            factors[month] = self.factor.read(child, door)
        return factors

    def schema(self) -> Schema:
        """Describe the factors; see ``Form``."""
        return {"type": "object", "additionalProperties": self.factor.schema()}
