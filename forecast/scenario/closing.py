"""When in a quarter deals close: the form of ``closing``."""

from __future__ import annotations

import dataclasses
from typing import Any

from forecast.scenario.figures import Figure
from forecast.scenario.forms import BROKEN, Door, Key, ListOf, Record, Schema
from forecast.scenario.model import Closing
from forecast.scenario.nodes import Items, Node

MONTHS = 3  # of a quarter
MEND = "Write month_of_quarter: [0.7, 0.9, 1.4]."


@dataclasses.dataclass(frozen=True)
class FactorsForm:
    """Three factors, one for each month of a quarter."""

    factors = ListOf("factors", Figure("a factor", 0.0, 1_000.0, "1.4"), most=MONTHS)

    def read(self, node: Node, door: Door) -> Any:
        """Read three numbers; see ``Form``."""
        must = "three factors, one for each month of a quarter"
        if isinstance(node, Items) and 0 < len(node) < MONTHS:
            return door.fault(node.place, f"a list of {len(node)}", must, MEND)
        found = self.factors.read(node, door)
        if found is not BROKEN and all(isinstance(x, float) and x == 0.0 for x in found):
            return door.fault(node.place, "nothing but zeros", "a factor above 0", MEND)
        return found

    def schema(self) -> Schema:
        """Describe the factors; see ``Form``."""
        return {**self.factors.schema(), "minItems": MONTHS}


CLOSING = Record(
    "closing",
    {
        "month_of_quarter": Key(
            FactorsForm(),
            "how fast deals close in the three months of a fiscal quarter; only ratios count",
            required=True,
            example="[0.7, 0.9, 1.4]",
        )
    },
    Closing,
)
