"""The ways out of a stage: forms of transitions, stages and the whole journey."""

from __future__ import annotations

import dataclasses
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.families import build
from forecast.scenario.figures import Figure, Spread
from forecast.scenario.forms import (
    BROKEN,
    NUMBER_SHAPE,
    Door,
    Key,
    Named,
    Record,
    Schema,
    describe,
    positive_duration,
    within,
)
from forecast.scenario.model import LOST, WON, Stage, Transition, Uncertain, Variable
from forecast.scenario.nodes import Node, Table

RESERVED_STAGES = ("leads", "deals", "bookings", "revenue", "spend", "dirichlet", "all")


def _transition_record() -> Record:
    keys = {
        "conversion": Key(
            Figure("a conversion", 0.0, 1.0), "the share of items that goes this way"
        ),
        "share_of_rest": Key(
            Figure("a share of the rest", 0.0, 1.0),
            "the share of those that took no way with a conversion",
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
                got = f"a count of {target}"
                place = node["dirichlet"].place
                door.fault(place, got, "a count of a next stage that is written here", mend)
        return Stage(ways, together)

    def _one_share(
        self, target: str, way: Transition, together: Any, node: Node, door: Door
    ) -> None:
        shares = [way.conversion is not None, way.share_of_rest is not None]
        shares.append(together is not BROKEN and target in together)
        if sum(shares) > 1:
            must = "one of conversion, share_of_rest and dirichlet"
            got = f"more than one share of the items for {target}"
            door.fault(node.place, got, must, "Keep one of them.")
        if not any(shares) and target != LOST and together is not BROKEN:
            mend = "Add conversion: 30%, or share_of_rest: 30% of those that go no other way."
            door.fault(node.place, "no conversion", "the share of items that goes here", mend)
        if way.within is not None and way.conversion is None:
            must = "within only beside a conversion"
            mend = "Remove within, or add conversion: 30%."
            door.fault(node.place, "within without a conversion", must, mend)

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
            got = "no count of lost"
            return door.fault(body.place, got, "counts with lost among them", mend)
        return betas

    def schema(self) -> Schema:
        """Describe the stage; see ``Form``."""
        return {
            "type": "object",
            "minProperties": 1,
            "properties": {"dirichlet": {"type": "object", "additionalProperties": NUMBER_SHAPE}},
            "additionalProperties": self.transition.schema(),
        }


JOURNEY = Named("stages", "stage", StageForm(), (*RESERVED_STAGES, WON, LOST), most=60)
