"""Scale what stands at a path of a scenario: figures, durations, plans, distributions.

A distribution is scaled in its mean: every figure that carries its unit is multiplied, its cv or
shape stays. A beta keeps its strength (alpha + beta), and its mean is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

from forecast.scenario import families, quantities
from forecast.scenario.figures import inner_uncertain, read_family
from forecast.scenario.forms import BROKEN, Door
from forecast.scenario.nodes import Items, Node, Table, Text
from forecast.scenario.quantities import QuantityFault

NUMBER, DURATION, RATE = "number", "days", "rate"
_PARSERS: dict[str, Callable[[str], float]] = {
    NUMBER: quantities.number,
    DURATION: quantities.duration_days,
}


class NotScalable(Exception):
    """What stands at a path cannot be scaled; says why."""


def kind_of(node: Node) -> str:
    """Tell whether a node holds numbers, durations or an amount per time.

    Raises ``NotScalable``.
    """
    if isinstance(node, Text):
        for kind, parse in (*_PARSERS.items(), (RATE, quantities.rate)):
            try:
                parse(node)
            except QuantityFault:
                continue
            return kind
        raise NotScalable(f"{node}, which is no figure")
    if isinstance(node, Items) and node:
        return kind_of(node[0])
    if isinstance(node, Table):
        if tuple(node) == ("periods",):
            raise NotScalable("a lag of whole periods")
        if len(node) == 1 and next(iter(node)) in families.FAMILIES:
            for kind, parse in _PARSERS.items():
                if _family(node, parse) is not None:
                    return kind
        raise NotScalable(f"several assumptions ({', '.join(list(node)[:6])})")
    raise NotScalable("nothing")


def mean_of(node: Node) -> float:
    """Give the mean of what a node says, of a plan the sum of its figures; in days for times."""
    kind = kind_of(node)
    if isinstance(node, Text):
        return quantities.rate(node)[0] if kind == RATE else _PARSERS[kind](node)
    if isinstance(node, Items):
        return sum(mean_of(each) for each in node)
    assert isinstance(node, Table)
    family = _family(node, _PARSERS[kind])
    assert family is not None
    return float(family.mean)


def scaled(node: Node, factor: float) -> Node:
    """Give a node with its figures multiplied; raises ``NotScalable``.

    >>> scaled(Text("3 months"), 2.0), scaled(Text("30%"), 0.5)
    ('182.625 days', '0.15')
    """
    kind = kind_of(node)
    if isinstance(node, Items):
        return Items([scaled(each, factor) for each in node], node.place)
    if isinstance(node, Table):
        ((name, body),) = node.items()
        return Table({name: _scaled_body(node, name, body, factor)}, node.place, node.keys_at)
    assert isinstance(node, Text)
    return _text(node, kind, factor)


def written(value: float, like: Text) -> Text:
    """Write a figure in the way of another: a number, a duration in days, an amount per time.

    >>> written(4.5, Text("4_000 per month"))
    '4.5 per month'
    """
    kind = kind_of(like)
    digits = repr(float(value)).removesuffix(".0")
    if kind == DURATION:
        digits += " days"
    if kind == RATE:
        digits += f" per {quantities.rate(like)[1]}"
    return Text(digits, like.place)


def _text(node: Text, kind: str, factor: float) -> Text:
    value = quantities.rate(node)[0] if kind == RATE else _PARSERS[kind](node)
    return written(value * factor, node)


def _scaled_body(node: Table, name: str, body: Node, factor: float) -> Node:
    if name == "beta":
        return _scaled_beta(node, factor)
    if name == "empirical" and isinstance(body, Items):
        return scaled(body, factor)
    if isinstance(body, Text):  # {fixed: 20}
        return scaled(body, factor)
    if not isinstance(body, Table):
        raise NotScalable(f"a {name} distribution of a file's column")
    if name == "values":
        shares = {str(scaled(Text(key), factor)): share for key, share in body.items()}
        return Table(shares, body.place)
    found: dict[str, Node] = {}
    for key, child in body.items():
        found[key] = child
        if key == "mu":
            assert isinstance(child, Text)
            found[key] = Text(repr(quantities.number(child) + log(factor)), child.place)
        elif key in ("file", "column", "unit"):
            raise NotScalable(f"a {name} distribution of a file's column")
        elif families.dimension(name, key) == "value":
            found[key] = scaled(child, factor)
    return Table(found, body.place, body.keys_at)


def _scaled_beta(node: Table, factor: float) -> Table:
    family = _family(node, quantities.number)
    if not isinstance(family, families.Beta):
        raise NotScalable("a beta distribution that cannot be read")
    strength, mean = family.alpha + family.beta, family.mean * factor
    if not 0.0 < mean < 1.0:
        raise NotScalable(f"a mean of {mean:.6g}, which is no share")
    counts = {"alpha": mean * strength, "beta": (1.0 - mean) * strength}
    place = node["beta"].place
    return Table({key: Text(repr(value), place) for key, value in counts.items()}, place)


def _family(node: Table, parse: Callable[[str], float]) -> families.Family | None:
    """The distribution a table says, at the mean of its uncertain centre; None if it says none."""
    door = Door()
    about, plain = inner_uncertain(node, parse, door)
    family = BROKEN if about is BROKEN else read_family(plain, parse, door)
    return None if family is BROKEN or door.faults else family
