"""What came of a plan: counts and money of the quarters that are over, as written in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecast.scenario import quantities
from forecast.scenario.errors import ScenarioError, listed
from forecast.scenario.facts import find
from forecast.scenario.forms import (
    NUMBER_SHAPE,
    Door,
    Form,
    Key,
    Leaf,
    Named,
    Record,
    Schema,
    is_whole,
    offer,
    positive_duration,
    within,
)
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Node, Table, read_nodes

MOST = 1e12
QUARTERS = "quarters"  # the key by which a file of actuals is known
By = Mapping[str, float]  # by name
Part = float | By | None


@dataclass(frozen=True)
class QuarterActuals:
    """One quarter that is over; what is not known is None or left out."""

    leads: Part = None  # of all channels, or by channel
    entered: By = field(default_factory=dict)  # by stage
    followed_up: By = field(default_factory=dict)  # the share that was, by stage
    deals: Part = None  # of all products, or by product
    bookings: Part = None


@dataclass(frozen=True)
class Actuals:
    """What came in the first quarters of a plan, and how long it took.

    ``lags`` holds by stage and next stage the mean of those who went that way, in days.
    """

    quarters: Mapping[str, QuarterActuals]
    lags: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def total(self, name: str) -> float | None:
        """Add up leads, deals or bookings over the quarters; None where one does not say."""
        parts = [added(getattr(quarter, name)) for quarter in self.quarters.values()]
        return None if None in parts else sum(part for part in parts if part is not None)

    def named(self, name: str) -> dict[str, float] | None:
        """Add up leads, deals or bookings by name; None where a quarter does not."""
        found: dict[str, float] = {}
        for quarter in self.quarters.values():
            part = getattr(quarter, name)
            if not isinstance(part, Mapping):
                return None
            for key, figure in part.items():
                found[key] = found.get(key, 0.0) + figure
        return found

    def entries(self, stage: str) -> float | None:
        """Add up what entered a stage; None where a quarter does not say."""
        known = [q.entered[stage] for q in self.quarters.values() if stage in q.entered]
        return sum(known) if len(known) == len(self.quarters) else None


def added(part: Part) -> float | None:
    """Add up a figure that may be given by name."""
    return sum(part.values()) if isinstance(part, Mapping) else part


@dataclass(frozen=True)
class OneOrNamed:
    """A figure of all, or one by name."""

    one: Leaf
    named: Named

    def read(self, node: Node, door: Door) -> Any:
        """Read a node; see ``Form``."""
        form: Form = self.named if isinstance(node, Table) else self.one
        return form.read(node, door)

    def schema(self) -> Schema:
        """Describe both; see ``Form``."""
        return {"anyOf": [self.one.schema(), self.named.schema()]}


def _count(what: str) -> Leaf:
    must, mend = f"{what} from 0 on", "Write the whole number that was counted."

    def check(value: float) -> tuple[str, str] | None:
        return None if 0 <= value <= MOST and value == int(value) else (must, mend)

    return Leaf(quantities.number, must, mend, NUMBER_SHAPE, check)


_MONEY = within(quantities.number, 0.0, 1e15, "an amount of money from 0 on", "Write 120k.")
_SHARE = within(quantities.number, 0.0, 1.0, "a share from 0% to 100%", "Write 93%.")
_DEALS = OneOrNamed(_count("a number of deals"), Named("deals", "product", _count("a number")))

QUARTER = Record(
    "a quarter",
    {
        "leads": Key(
            OneOrNamed(_count("a number of leads"), Named("leads", "channel", _count("a number"))),
            "leads that arrived, of all channels or by channel",
        ),
        "entered": Key(Named("entries", "stage", _count("a number")), "items by stage", {}),
        "followed_up": Key(Named("shares", "stage", _SHARE), "the share that was worked", {}),
        "deals": Key(_DEALS, "deals won, of all products or by product"),
        "bookings": Key(
            OneOrNamed(_MONEY, Named("bookings", "product", _MONEY)), "value of the deals won"
        ),
    },
    QuarterActuals,
)
FILE = Record(
    "actuals",
    {
        "quarters": Key(
            Named("quarters", "quarter", QUARTER),
            "the quarters that are over",
            required=True,
            example="{2027Q1: {deals: 9}}",
        ),
        "lags": Key(
            Named("stages", "stage", Named("ways", "stage", positive_duration("a mean lag"))),
            "how long it took on average, by stage and next stage",
            {},
        ),
    },
    lambda quarters, lags: (quarters, lags),
)


def are_actuals(path: str | Path) -> bool:
    """Tell a file of actuals, which has ``quarters``, from the mapping of an export."""
    return QUARTERS in read_nodes(Path(path))


def read_actuals(path: str | Path, plan: Scenario) -> Actuals:
    """Read what came of a plan; raises ``ScenarioError`` with every fault of the file."""
    document = read_nodes(Path(path))
    door = Door()
    quarters, lags = FILE.read(document, door)
    if not is_whole((quarters, lags)):
        raise ScenarioError(door.faults)
    _check_quarters(document, quarters, plan, door)
    _check_names(document, quarters, plan, door)
    _check_lags(document, lags, plan, door)
    if door.faults:
        raise ScenarioError(door.faults)
    ways = {(stage, to): days for stage, by in lags.items() for to, days in by.items()}
    ordered = {label: quarters[label] for label in plan.calendar.quarters if label in quarters}
    return Actuals(ordered, ways)


def _check_quarters(document: Table, quarters: By, plan: Scenario, door: Door) -> None:
    known = plan.calendar.quarters
    node = document["quarters"]
    assert isinstance(node, Table)
    for label in quarters:
        if label not in known:
            must = f"a quarter of the plan, {known[0]} to {known[-1]}"
            door.fault(node.place_of(label), label, must, "Remove it, or take the plan of then.")
    missing = [label for label in known[: len(quarters)] if label not in quarters]
    if missing and all(label in known for label in quarters):
        must = f"all quarters from {known[0]}, the plan's first, on"
        mend = f"Add {listed(missing)}: what came then goes on into later quarters."
        door.fault(node.place, listed(quarters), must, mend)


def _check_names(document: Table, quarters: Any, plan: Scenario, door: Door) -> None:
    by_channel, by_stage = ("channel", plan.channels), ("stage", plan.stages)
    by_product = ("product", plan.products)
    known = {"leads": by_channel, "entered": by_stage, "followed_up": by_stage}
    known |= {"deals": by_product, "bookings": by_product}
    for label in quarters:
        for key, (one, names) in known.items():
            node = find(document, f"quarters.{label}.{key}")
            named = getattr(quarters[label], key)
            if isinstance(named, Mapping) and isinstance(node, Table):
                for name in (name for name in named if name not in names):
                    mend = offer(name, names)
                    door.fault(node.place_of(name), name, f"a {one} of the plan", mend)


def _check_lags(document: Table, lags: Any, plan: Scenario, door: Door) -> None:
    for stage, by in lags.items():
        node = document["lags"]
        assert isinstance(node, Table)
        if stage not in plan.stages:
            must = "a stage of the plan"
            door.fault(node.place_of(stage), stage, must, offer(stage, plan.stages))
            continue
        ways = plan.journey[stage].transitions
        below = node[stage]
        assert isinstance(below, Table)
        for to in by:
            if to not in ways:
                must = f"a way out of {stage}"
                door.fault(below.place_of(to), to, must, offer(to, ways))
