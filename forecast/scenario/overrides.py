"""What a channel or segment says otherwise, laid over the journey and the products of the file."""

from __future__ import annotations

from typing import Any

from forecast.scenario.errors import shown
from forecast.scenario.families import build
from forecast.scenario.forms import BROKEN, Door, describe, offer
from forecast.scenario.language import FILE
from forecast.scenario.model import EVERYTHING, Product, Variable
from forecast.scenario.nodes import Node, Table
from forecast.scenario.paths import merge

CHANGING = (
    "channels",
    "segments",
    "journey",
    "products",
    "market",
    "qualification",
    "capacity",
    "referral",
)
SECTIONS = {key: FILE.keys[key] for key in CHANGING}
SHARES = ("conversion", "share_of_rest")
ATOMIC = frozenset({*SHARES, "lag", "mix", "size", "dirichlet"})
ATOMIC_OF_PRODUCTS = ATOMIC | {"churn"}  # a stage may have that name
NOTHING_SOLD = {EVERYTHING: Product(1.0, Variable(build("fixed", {"value": 0.0})))}


def merged(document: Table, key: str, overrides: list[Table], door: Door) -> Any:
    """Read a section (journey or products) with its overrides merged in, the later ones on top."""
    base = document.get(key)
    if not isinstance(base, Table):
        for table in overrides:
            mend = f"Add {key}: to the scenario first; an override changes what stands there."
            door.fault(table.place, f"{key} of its own", f"an override of the file's {key}", mend)
        return NOTHING_SOLD if key == "products" and base is None else BROKEN
    for table in overrides:
        known = {n: child for n, child in table.items() if _is_override(n, table, base, key, door)}
        if key == "journey":
            base = _without_other_share(base, known)
        atomic = ATOMIC_OF_PRODUCTS if key == "products" else ATOMIC
        base = merge(base, Table(known, base.place, {**base.keys_at, **table.keys_at}), atomic)
    return SECTIONS[key].form.read(base, door)


def _is_override(name: str, table: Table, base: Table, key: str, door: Door) -> bool:
    if name not in base:
        must = f"a name that stands in the file's {key}"
        door.fault(table.place_of(name), f"the unknown name {shown(name)}", must, offer(name, base))
    elif not isinstance(table[name], Table):
        mend = "Write only the keys that differ, such as {won: {conversion: 22%}}."
        if key == "products":
            mend = "Write only the keys that differ, such as {mix: 40%}."
        door.fault(table[name].place, describe(table[name]), "a mapping of what differs", mend)
    else:
        return True
    return False


def _without_other_share(base: Table, over: dict[str, Node]) -> Table:
    """Take out of a journey the shares in whose place an override puts one of the other kind."""
    stages: dict[str, Node] = dict(base)
    for stage, ways in over.items():
        below = base[stage]
        if not isinstance(ways, Table) or not isinstance(below, Table):
            continue
        kept = dict(below)
        for target, way in ways.items():
            under = below.get(target)
            if isinstance(way, Table) and isinstance(under, Table):
                kept[target] = _without_share(under, way)
        stages[stage] = Table(kept, below.place, below.keys_at)
    return Table(stages, base.place, base.keys_at)


def _without_share(under: Table, over: Table) -> Table:
    given = [share for share in SHARES if share in over]
    if len(given) != 1:
        return under
    dropped = {share for share in SHARES if share not in over}
    if given == ["share_of_rest"]:
        dropped.add("within")  # which counts a conversion
    return Table({k: v for k, v in under.items() if k not in dropped}, under.place, under.keys_at)
