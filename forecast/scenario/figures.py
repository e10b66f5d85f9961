"""Forms of numbers: plain, uncertain, and what varies by itself (lags, sizes)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from math import isinf
from typing import Any

import numpy as np

from forecast.scenario import families, quantities
from forecast.scenario.errors import did_you_mean, listed, shown
from forecast.scenario.families import FamilyFault
from forecast.scenario.families.base import Family
from forecast.scenario.families.checks import say
from forecast.scenario.families.parameter_sets import EXAMPLES, PARAMETER_SETS
from forecast.scenario.families.periods import MOST_PERIODS, build_periods
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
    offer,
)
from forecast.scenario.model import Rate, Uncertain, Variable
from forecast.scenario.nodes import Items, Node, Place, Table, Text

LISTED = ("values", "empirical")
CENTRES = ("mean", "median", "value")  # of a lag or size: may be uncertain themselves
RATIOS = ("cv", "shape")
HARDLY_EVER = 1e-9
MOST = 1e12  # more of anything is a slip of the pen, and would lose whole items to rounding


def _between(low: float, high: float) -> str:
    """Say a range as a person would.

    >>> _between(0.0, float("inf")), _between(-0.99, 10.0)
    ('from 0 upwards', 'from -0.99 to 10')
    """
    if isinf(low):
        return "at all" if isinf(high) else f"up to {_said(high)}"
    return f"from {_said(low)} upwards" if isinf(high) else f"from {_said(low)} to {_said(high)}"


def _said(number: float) -> str:
    return f"{number:,.0f}" if number == MOST else say(number)


def _reach_of(family: Family) -> str:
    article = "an" if family.name == "empirical" else "a"
    return f"{article} {family.name} distribution that can be anything " + _between(
        family.low, family.high
    )


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number, or a distribution from which it is drawn once per run.

    Every number it can be must lie between ``low`` and ``high``.
    """

    what: str
    low: float = 0.0
    high: float = MOST
    example: str = "120"

    def read(self, node: Node, door: Door) -> Any:
        """Read a number or an ``Uncertain``; see ``Form``."""
        if isinstance(node, Table):
            return self._uncertain(node, door)
        return self._leaf(isinstance(node, Text) and node.endswith("%")).read(node, door)

    def _uncertain(self, node: Table, door: Door) -> Any:
        family = read_family(node, quantities.number, door)
        if family is BROKEN:
            return BROKEN
        if self._lowest(family) < self.low or self._reach(family) > self.high:
            must = f"{self.what} {self._range()} in every case"
            return door.fault(node.place, _reach_of(family), must, self._mend_support(family))
        # What cannot vary is no uncertain assumption: it has nothing to draw or to correlate.
        return Uncertain(node.place.path, family) if family.sd > 0 else family.mean

    def _lowest(self, family: Family) -> float:
        """Where the support begins; for what may be negative a value it hardly ever falls below."""
        return family.low if self.low >= 0 else float(family.ppf(np.array([HARDLY_EVER]))[0])

    def _reach(self, family: Family) -> float:
        """The end of a share's support; for other figures a value it hardly ever exceeds."""
        if self.high == 1.0:
            return family.high
        return float(family.ppf(np.array([1.0 - HARDLY_EVER]))[0])

    def _range(self) -> str:
        if self.high == 1.0 and self.low == 0.0:
            return "between 0% and 100%"
        return _between(self.low, self.high)

    def _mend_support(self, family: Family) -> str:
        if family.name in LISTED:
            return "Leave out the values that are outside."
        if self.high == 1.0:
            return "Use beta, for example {beta: {won: 6, lost: 14}}."
        if self.low < 0:
            return "Use uniform or pert, for example {uniform: {low: 1%, high: 3%}}."
        return (
            f"Use a lognormal or gamma that is not too wide, "
            f"for example {{gamma: {{mean: {self.example}, cv: 0.2}}}}."
        )

    def _leaf(self, percent: bool) -> Leaf:
        share = self.high == 1.0
        mend = f"Write {self.what} as a number, for example {'30%' if share else self.example}."

        def check(value: float) -> tuple[str, str] | None:
            if self.low <= value <= self.high:
                return None
            if share and not percent and 1 < value <= 100:
                return f"{self.what} {self._range()}", f"Write {value:g}% if that is meant."
            return f"{self.what} {self._range()}", mend

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
        if family.low < 0 or family.mean > MOST:
            must = f"{self.what} that is never negative, and at most {_said(MOST)} on average"
            example = "3 months" if self.duration else "25k"
            mend = f"Use lognormal, gamma or weibull: {{gamma: {{mean: {example}, cv: 0.8}}}}."
            if family.name in LISTED:
                mend = "Leave out the values below 0."
            return door.fault(node.place, _reach_of(family), must, mend)
        return Variable(family, about)

    def _bare(self, node: Node, door: Door, parse: Any) -> Any:
        example = "10 days" if self.duration else "25k"
        must = f"{self.what}, a figure or a distribution"
        mend = f"Write {self.what} as {example} or {{lognormal: {{mean: {example}, cv: 0.8}}}}."

        def check(value: float) -> tuple[str, str] | None:
            return None if 0 <= value <= MOST else (f"{self.what} {_between(0.0, MOST)}", mend)

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
        must = f"one distribution by its name: {listed(families.FAMILIES, 'or')}"
        mend = "Write one of them with its parameters, such as {lognormal: {mean: 20, cv: 0.5}}."
        return door.fault(node.place, describe(node), must, mend)
    name, body = next(iter(node.items()))
    if name not in families.FAMILIES:
        must = f"one of {listed(families.FAMILIES, 'or')}"
        mend = did_you_mean(name, families.FAMILIES) or "Choose a distribution of that list."
        return door.fault(
            node.place_of(name), f"the unknown distribution {shown(name)}", must, mend
        )
    try:
        if name == "values":
            return _read_values(body, parse, door)
        if name == "empirical":
            return _read_empirical(body, parse, door)
        parameters = _read_parameters(name, body, parse, door)
        return parameters if parameters is BROKEN else families.build(name, parameters)
    except FamilyFault as fault:
        place, got, must = body.place, fault.got, fault.must
        if isinstance(body, Table) and fault.parameter is not None and fault.parameter in body:
            given = body[fault.parameter]
            place = given.place
            got = describe(given) if type(given) is Text else got
            if parse is quantities.duration_days and fault.got != got:
                must += " (in days)"
        return door.fault(place, got, must, _in_unit(fault.mend, parse))


def _in_unit(mend: str, parse: Any) -> str:
    """Give the amounts of an example their unit where times are wanted."""
    if parse is not quantities.duration_days:
        return mend
    return re.sub(r"\b((?:mean|low|mode|high|value|sd): [0-9]+)\b(?!\.)", r"\1 days", mend)


def _read_parameters(name: str, body: Node, parse: Any, door: Door) -> Any:
    if name == "fixed" and isinstance(body, Text):
        value = _read_text(body, parse, door)
        return value if value is BROKEN else {"value": value}
    if not isinstance(body, Table):
        must = f"the parameters of {name}: {'; '.join(listed(way) for way in PARAMETER_SETS[name])}"
        return door.fault(
            body.place, describe(body), must, _in_unit(f"Write {EXAMPLES[name]}.", parse)
        )
    parsers = {"value": parse, "share": quantities.number, "plain": quantities.number}
    known = sorted(set().union(*families.PARAMETER_SETS[name], families.OPTIONAL.get(name, ())))
    values: dict[str, Any] = {}
    for key, child in body.items():
        if key not in known:
            got, must = f"the unknown parameter {shown(key)}", f"a parameter of {name}"
            values[key] = door.fault(body.place_of(key), got, must, offer(key, known))
        else:
            values[key] = _read_text(child, parsers[families.dimension(name, key)], door)
    return BROKEN if any(v is BROKEN for v in values.values()) else values


def _read_text(node: Node, parse: Any, door: Door) -> Any:
    if isinstance(node, _MeanText):
        return float(node)
    must = "a plain figure"
    mend = "Write one figure here; only the mean or median of a lag or size may be uncertain."
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
    if not isinstance(body, Items) or not body:
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
        if count is not BROKEN and not 0 <= count <= MOST_PERIODS:
            must = f"between 0 and {MOST_PERIODS:,} periods"
            count = door.fault(body.place_of(key), key, must, mend)
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
    others = [k for k in body if k != key] if isinstance(body, Table) and name != "fixed" else []
    if len(found) > 1 or key not in CENTRES or any(k not in RATIOS for k in others):
        must = "a plain figure; only a mean or median beside a cv may itself be uncertain"
        mend = f"Write it such as {{{name}: {{mean: {{gamma: {{mean: …, cv: 0.2}}}}, cv: 0.5}}}}."
        return door.fault(inner.place, f"an uncertain {key}", must, mend), node
    family = read_family(inner, parse, door)
    if family is BROKEN:
        return BROKEN, node
    if family.low < 0 or family.mean <= 0:
        got = _reach_of(family)
        mend = f"Use lognormal or gamma, such as {{lognormal: {{{key}: …, cv: 0.2}}}}."
        return door.fault(inner.place, got, f"a {key} that is never negative", mend), node
    plain = _with_centre(node, name, key, family)
    return (Uncertain(inner.place.path, family) if family.sd > 0 else None), plain


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


@dataclasses.dataclass(frozen=True)
class RateForm:
    """An amount per unit of time: ``2% per quarter``, or ``{amount: …, per: quarter}``."""

    what: str
    low: float
    high: float
    example: str = "2% per quarter"

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Rate``; see ``Form``."""
        if isinstance(node, Table):
            return self._record().read(node, door)
        mend = f"Write {self.what} as {self.example}."
        pair = Leaf(quantities.rate, f"{self.what} per unit of time", mend, {}).read(node, door)
        if pair is BROKEN:
            return BROKEN
        if not self.low <= pair[0] <= self.high:
            must = f"{self.what} {_between(self.low, self.high)}"
            return door.fault(node.place, describe(node), must, mend)
        return Rate(*pair)

    def _record(self) -> Record:
        keys: Mapping[str, Key] = {
            "amount": Key(
                Figure(self.what, self.low, self.high), "how much", required=True, example="2%"
            ),
            "per": Key(
                per_unit(), "day, week, month, quarter or year", required=True, example="month"
            ),
        }
        return Record(self.what, keys, Rate)

    def schema(self) -> Schema:
        """Describe the rate; see ``Form``."""
        text = {"type": "string", "pattern": r"^[-+0-9.].*\sper\s(day|week|month|quarter|year)$"}
        return {"anyOf": [text, self._record().schema()]}


def per_unit() -> Leaf:
    """The unit after ``per``."""
    units = list(quantities.UNITS)
    must = f"one of {listed(units, 'or')}"
    return Leaf(quantities.per_unit, must, "Write per: month.", {"enum": units})
