"""How many leads arrive: forms of volumes and of their seasons."""

from __future__ import annotations

import dataclasses
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.figures import Figure, per_unit
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
from forecast.scenario.model import Arrivals
from forecast.scenario.nodes import Node, Table

MOST_LEADS = 1e12


@dataclasses.dataclass(frozen=True)
class LeadsForm:
    """``{mean: …, per: month}`` or ``{fixed: …, per: quarter}``."""

    def _record(self, fixed: bool) -> Record:
        per = Key(
            per_unit(), "the calendar unit that a figure covers", required=True, example="month"
        )
        then = Key(
            choice("repeat", "last", "zero", what="then"),
            "what follows a list shorter than the horizon: repeat, last or zero",
        )
        if fixed:
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
            return Record("leads", {"fixed": figures, "per": per, "then": then}, _fixed_leads)
        mean = Figure("a mean number of leads", 0.0, MOST_LEADS)
        means = Key(
            ListOf("mean numbers of leads", mean, alone=True),
            "leads to expect",
            required=True,
            example="120",
        )
        return Record("leads", {"mean": means, "per": per, "then": then}, _mean_leads)

    def read(self, node: Node, door: Door) -> Any:
        """Read ``Arrivals``; see ``Form``."""
        if isinstance(node, Table) and "fixed" in node and "mean" in node:
            mend = "Keep mean for random arrivals, or fixed for exact counts."
            return door.fault(node.place, "mean and fixed", "either mean or fixed", mend)
        if isinstance(node, Table) and "fixed" in node:
            return self._record(fixed=True).read(node, door)
        return self._record(fixed=False).read(node, door)

    def schema(self) -> Schema:
        """Describe the leads; see ``Form``."""
        return {"oneOf": [self._record(fixed).schema() for fixed in (False, True)]}


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
