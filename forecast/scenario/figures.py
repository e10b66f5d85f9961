"""Forms of numbers: plain, uncertain, and what varies by itself (lags, sizes)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from forecast.scenario import families, quantities
from forecast.scenario.errors import did_you_mean
from forecast.scenario.families import FamilyFault
from forecast.scenario.families.base import Family
from forecast.scenario.families.periods import build_periods
from forecast.scenario.forms import (
    BROKEN,
    DURATION_SHAPE,
    NUMBER_SHAPE,
    Door,
    Key,
    Leaf,
    Record,
    Schema,
    describe,
)
from forecast.scenario.model import Rate, Uncertain, Variable
from forecast.scenario.nodes import Items, Node, Place, Table, Text

LISTED = ("values", "empirical")
CENTRES = ("mean", "median", "value")
RATIOS = ("cv", "shape")
HARDLY_EVER = 1e-9


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number, or a distribution from which it is drawn once per run.

    Every number it can be must lie between ``low`` and ``high``.
    """

    what: str
    low: float = 0.0
    high: float = 1e12

    def read(self, node: Node, door: Door) -> Any:
        """Read a number or an ``Uncertain``; see ``Form``."""
        if isinstance(node, Table):
            return self._uncertain(node, door)
        return self._leaf().read(node, door)

    def _uncertain(self, node: Table, door: Door) -> Any:
        family = read_family(node, quantities.number, door)
        if family is BROKEN:
            return BROKEN
        if family.low < self.low or self._reach(family) > self.high:
            return door.fault(
                node.place,
                f"{family.name} from {family.low:g} to {family.high:g}",
                f"a distribution that stays {self._range()}",
                self._mend_support(),
            )
        return Uncertain(node.place.path, family)

    def _reach(self, family: Family) -> float:
        """The end of a share's support; for other figures a value it hardly ever exceeds."""
        if self.high == 1.0:
            return family.high
        return float(family.ppf(np.array([1.0 - HARDLY_EVER]))[0])

    def _range(self) -> str:
        if self.high == 1.0 and self.low == 0.0:
            return "between 0% and 100%"
        return f"between {self.low:,g} and {self.high:,g}"

    def _mend_support(self) -> str:
        if self.high == 1.0:
            return "Use beta, for example {beta: {won: 6, lost: 14}}."
        return "Use lognormal or gamma, for example {gamma: {mean: 20, cv: 0.2}}."

    def _leaf(self) -> Leaf:
        share = self.high == 1.0
        mend = f"Write {self.what} as a number, for example {'30%' if share else '120'}."

        def check(value: float) -> tuple[str, str] | None:
            return (
                None if self.low <= value <= self.high else (f"{self.what} {self._range()}", mend)
            )

        return Leaf(quantities.number, f"{self.what}, a number", mend, NUMBER_SHAPE, check)

    def schema(self) -> Schema:
        """Describe the number; see ``Form``."""
        return {"anyOf": [dict(NUMBER_SHAPE), {"$ref": "#/$defs/number_distribution"}]}


@dataclasses.dataclass(frozen=True)
class Spread:
    """What is drawn for every item: a figure (fixed), or a distribution of it.

    ``duration`` makes it a lag: durations in days, whole ``periods`` also allowed.
    """

    what: str
    duration: bool = False

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Variable`` or ``Periods``; see ``Form``."""
        parse = quantities.duration_days if self.duration else quantities.number
        if not isinstance(node, Table):
            return self._bare(node, door, parse)
        if self.duration and tuple(node) == ("periods",):
            return read_periods(node["periods"], door)
        about, plain = inner_uncertain(node, parse, door)
        if about is BROKEN:
            return BROKEN
        family = read_family(plain, parse, door)
        if family is BROKEN:
            return BROKEN
        if family.low < 0 or family.mean > 1e12:
            must = f"{self.what} that is never negative and at most 1e12"
            mend = "Use lognormal, gamma or weibull, for example {lognormal: {mean: …, cv: 0.8}}."
            return door.fault(node.place, f"{family.name} from {family.low:g}", must, mend)
        return Variable(family, about)

    def _bare(self, node: Node, door: Door, parse: Any) -> Any:
        example = "10 days" if self.duration else "25k"
        must = f"{self.what}, a figure or a distribution"
        mend = f"Write {self.what} as {example} or {{lognormal: {{mean: {example}, cv: 0.8}}}}."

        def check(value: float) -> tuple[str, str] | None:
            return None if 0 <= value <= 1e12 else (f"{self.what} between 0 and 1e12", mend)

        value = Leaf(parse, must, mend, {}, check).read(node, door)
        if value is BROKEN:
            return BROKEN
        return Variable(families.build("fixed", {"value": value}))

    def schema(self) -> Schema:
        """Describe the variable; see ``Form``."""
        if self.duration:
            return {"anyOf": [dict(DURATION_SHAPE), {"$ref": "#/$defs/lag_distribution"}]}
        return {"anyOf": [dict(NUMBER_SHAPE), {"$ref": "#/$defs/size_distribution"}]}


def read_family(node: Table, parse: Any, door: Door) -> Any:
    """Read a one-key mapping ``{family: parameters}`` into a ``Family`` or ``BROKEN``."""
    if len(node) != 1:
        must = "one distribution by name: " + ", ".join(families.FAMILIES)
        mend = "Write one key with its parameters, for example {lognormal: {mean: 20, cv: 0.5}}."
        return door.fault(node.place, describe(node), must, mend)
    name, body = next(iter(node.items()))
    if name not in families.FAMILIES:
        must = "one of " + ", ".join(families.FAMILIES)
        mend = did_you_mean(name, families.FAMILIES) or "Choose a distribution of that list."
        return door.fault(node.place_of(name), f"unknown distribution {name}", must, mend)
    try:
        if name == "values":
            return _read_values(body, parse, door)
        if name == "empirical":
            return _read_empirical(body, parse, door)
        parameters = _read_parameters(name, body, parse, door)
        return parameters if parameters is BROKEN else families.build(name, parameters)
    except FamilyFault as fault:
        place = body.place
        if isinstance(body, Table) and fault.parameter in body:
            place = body[fault.parameter].place
        return door.fault(place, fault.got, fault.must, fault.mend)


def _read_parameters(name: str, body: Node, parse: Any, door: Door) -> Any:
    if name == "fixed" and isinstance(body, Text):
        value = _read_text(body, parse, door)
        return value if value is BROKEN else {"value": value}
    if not isinstance(body, Table):
        ways = "; ".join(" and ".join(sorted(way)) for way in families.WAYS[name])
        mend = f"Give {name} its parameters, for example {{{name}: {{mean: 20, cv: 0.5}}}}."
        return door.fault(body.place, describe(body), f"parameters: {ways}", mend)
    parsers = {"value": parse, "share": quantities.number, "plain": quantities.number}
    known = sorted(set().union(*families.WAYS[name], families.OPTIONAL.get(name, ())))
    values: dict[str, float] = {}
    for key, child in body.items():
        if key not in known:
            mend = did_you_mean(key, known) or f"Remove {key}."
            must = "one of " + ", ".join(known)
            door.fault(body.place_of(key), f"unknown parameter {key}", must, mend)
            values[key] = BROKEN  # type: ignore[assignment]
        else:
            values[key] = _read_text(child, parsers[families.dimension(name, key)], door)
    return BROKEN if any(v is BROKEN for v in values.values()) else values


def _read_text(node: Node, parse: Any, door: Door) -> Any:
    if isinstance(node, _MeanText):
        return float(node)
    must = "a plain figure"
    mend = "Write one figure here; only a mean, median or fixed value may itself be uncertain."
    return Leaf(parse, must, mend, {}).read(node, door)


def _read_values(body: Node, parse: Any, door: Door) -> Any:
    mend = "Write values with their chances, for example {values: {10k: 35%, 20k: 65%}}."
    if not isinstance(body, Table):
        return door.fault(body.place, describe(body), "values with their chances", mend)
    pairs = []
    for key, child in body.items():
        value = _read_text(Text(key, body.place_of(key)), parse, door)
        chance = _read_text(child, quantities.number, door)
        pairs.append((value, chance))
    if any(BROKEN in pair for pair in pairs):
        return BROKEN
    return families.build_values(pairs)


def _read_empirical(body: Node, parse: Any, door: Door) -> Any:
    if not isinstance(body, Items):
        mend = "Write {empirical: {file: sizes.csv, column: amount}} or a list of figures."
        return door.fault(body.place, describe(body), "a file's column or a list of figures", mend)
    values = [_read_text(child, parse, door) for child in body]
    return BROKEN if any(v is BROKEN for v in values) else families.build_empirical(values)


def read_periods(body: Node, door: Door) -> Any:
    """Read ``{periods: {whole periods: chance}}`` into ``Periods`` or ``BROKEN``."""
    mend = "Write whole periods with their chances, for example {periods: {1: 40%, 2: 60%}}."
    if not isinstance(body, Table):
        return door.fault(body.place, describe(body), "whole periods with their chances", mend)
    pairs = []
    for key, child in body.items():
        count = _read_text(Text(key, body.place_of(key)), quantities.whole, door)
        if count is not BROKEN and not 0 <= count <= 10_000:
            count = door.fault(body.place_of(key), key, "between 0 and 10,000 periods", mend)
        pairs.append((count, _read_text(child, quantities.number, door)))
    if any(BROKEN in pair for pair in pairs):
        return BROKEN
    try:
        return build_periods(pairs)
    except FamilyFault as fault:
        return door.fault(body.place, fault.got, fault.must, fault.mend)


def inner_uncertain(node: Table, parse: Any, door: Door) -> tuple[Any, Table]:
    """Take the uncertain centre out of a lag or size.

    Gives (the ``Uncertain`` or None or ``BROKEN``, the table with the centre's mean in its place).
    """
    name, body = next(iter(node.items())) if len(node) == 1 else ("", node)
    if name == "fixed" and isinstance(body, Table) and "value" not in body:
        found = {"value": body}
    elif isinstance(body, Table) and name in families.FAMILIES and name not in LISTED:
        found = {k: v for k, v in body.items() if isinstance(v, Table)}
    else:
        found = {}
    if not found:
        return None, node
    key, inner = next(iter(found.items()))
    others = [k for k in body if k != key] if name != "fixed" else []
    if len(found) > 1 or key not in CENTRES or any(k not in RATIOS for k in others):
        must = "a distribution that is uncertain in its mean only, the rest a ratio (cv)"
        mend = f"Write {{{name}: {{mean: {{…}}, cv: 0.5}}}}."
        return door.fault(inner.place, f"an uncertain {key}", must, mend), node
    family = read_family(inner, parse, door)
    if family is BROKEN:
        return BROKEN, node
    if family.low < 0 or family.mean <= 0:
        must = "a distribution that is never negative"
        mend = "Use lognormal or gamma for it."
        return door.fault(inner.place, family.name, must, mend), node
    return Uncertain(inner.place.path, family), _with_centre(node, name, key, family)


def _with_centre(node: Table, name: str, key: str, family: Family) -> Table:
    """Put the mean of an uncertain centre in its place, as text a parser reads."""
    place: Place = node.place
    figure = _MeanText(repr(float(family.mean)), place)
    body = node[name]
    if name == "fixed":
        return Table({name: figure}, node.place, node.keys_at)
    assert isinstance(body, Table)
    return Table(
        {name: Table({**body, key: figure}, body.place, body.keys_at)}, node.place, node.keys_at
    )


class _MeanText(Text):
    """A centre's mean, already in its unit."""


def rate(what: str, low: float, high: float) -> RateForm:
    """An amount per unit of time, as ``2% per quarter`` or ``{amount: …, per: quarter}``."""
    return RateForm(what, low, high)


@dataclasses.dataclass(frozen=True)
class RateForm:
    """An amount per calendar unit; the amount may be uncertain."""

    what: str
    low: float
    high: float

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Rate``; see ``Form``."""
        if isinstance(node, Table):
            return self._record().read(node, door)
        mend = f"Write {self.what} as 2% per quarter or 4_000 per month."
        pair = Leaf(quantities.rate, f"{self.what} per unit of time", mend, {}).read(node, door)
        if pair is BROKEN:
            return BROKEN
        if not self.low <= pair[0] <= self.high:
            must = f"{self.what} between {self.low:,g} and {self.high:,g}"
            return door.fault(node.place, describe(node), must, mend)
        return Rate(*pair)

    def _record(self) -> Record:
        keys: Mapping[str, Key] = {
            "amount": Key(Figure(self.what, self.low, self.high), "how much", required=True),
            "per": Key(per_unit(), "day, week, month, quarter or year", required=True),
        }
        return Record(self.what, keys, Rate)

    def schema(self) -> Schema:
        """Describe the rate; see ``Form``."""
        text = {"type": "string", "pattern": r"^[-+0-9.].*\sper\s(day|week|month|quarter|year)$"}
        return {"anyOf": [text, self._record().schema()]}


def per_unit() -> Leaf:
    """The unit after ``per``."""
    units = ["day", "week", "month", "quarter", "year"]
    must = "one of " + ", ".join(units)
    return Leaf(quantities.per_unit, must, "Write per: month.", {"enum": units})
