"""Read a scenario file: document -> versions of its assumptions -> checked ``Scenario``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forecast.scenario import checks, timing
from forecast.scenario.errors import ScenarioError, did_you_mean
from forecast.scenario.families import build
from forecast.scenario.forms import BROKEN, Door, describe, is_whole
from forecast.scenario.language import FILE, JOURNEY, PRODUCTS, ChangeText, Overridden
from forecast.scenario.model import (
    EVERYTHING,
    Assumptions,
    Group,
    Product,
    Scenario,
    Variable,
)
from forecast.scenario.nodes import Node, Table
from forecast.scenario.paths import dump, merge, overlay, read_document

ATOMIC = frozenset({"conversion", "share_of_rest", "lag", "mix", "size", "dirichlet"})
NOTHING_SOLD = {EVERYTHING: Product(1.0, Variable(build("fixed", {"value": 0.0})))}


def read_scenario(path: str | Path, set: Mapping[str, str] | None = None) -> Scenario:
    """Read and check a scenario file.

    ``set`` changes assumptions by their paths, as ``--set PATH=VALUE`` does.
    Raises ``ScenarioError`` with every fault of the file, each with its line.

    >>> read_scenario("scenarios/lean-consulting.yaml").name
    'Lean consulting'
    """
    return build_scenario(read_document(Path(path), set or {}))


def build_scenario(document: Table) -> Scenario:
    """Make a ``Scenario`` of a document; raises ``ScenarioError``."""
    door = Door()
    values = FILE.read(document, door).values
    calendar = timing.read_calendar(document, values, door)
    dated = list(_documents(document, values, calendar, door))
    versions = [_read_version(doc, since, door) for doc, since in dated]
    first = versions[0]
    scenario = Scenario(
        name=values["name"],
        currency=values["currency"],
        calendar=calendar,
        entry=next(iter(document["journey"])) if _is_table(document, "journey") else BROKEN,
        stages=tuple(document["journey"]) if _is_table(document, "journey") else BROKEN,
        segments=tuple(first.shares) if first.shares is not BROKEN else BROKEN,
        products=tuple(document["products"]) if _is_table(document, "products") else (EVERYTHING,),
        versions=tuple(versions),
        goals=timing.read_goals(document, values, calendar, door),
        correlations=values["correlation"],
        text=dump(document),
    )
    for (doc, _), version in zip(dated, versions, strict=True):
        checks.check_version(doc, version, scenario, door)
    checks.check_whole(document, scenario, door)
    if door.faults:
        raise ScenarioError(door.faults)
    return scenario


def _is_table(document: Table, key: str) -> bool:
    return isinstance(document.get(key), Table) and bool(document[key])


def _documents(
    document: Table, values: Mapping[str, Any], calendar: Any, door: Door
) -> Iterator[tuple[Table, Any]]:
    """Give the document and the document after each change, with the first day of each."""
    current = document
    yield current, (calendar.start if calendar is not BROKEN else BROKEN)
    changes = values["changes"] if values["changes"] is not BROKEN else ()
    nodes = document.get("changes")
    placed = list(zip(changes, nodes if isinstance(nodes, list) else (), strict=False))
    usable = [(c, n) for c, n in placed if isinstance(c, ChangeText) and is_whole(c)]
    for change, node in sorted(usable, key=lambda pair: pair[0].since):
        if calendar is not BROKEN and change.since < calendar.start:
            must = f"a day from the start ({calendar.start}) on"
            mend = "Write the new figures where they stand; they hold from the start."
            door.fault(node["from"].place, str(change.since), must, mend)
            continue
        for path, value in change.set.items():
            current = _apply(current, path, value, change.set.place_of(path), door)
        yield current, change.since


def _apply(table: Table, path: str, value: Node, place: Any, door: Door) -> Table:
    if path.split(".")[0] not in ("channels", "segments", "journey", "products", "market"):
        must = "a path under channels, segments, journey, products or market"
        door.fault(place, path, must, "Change only assumptions from a day on.")
        return table
    try:
        return overlay(table, path, value, place)
    except ScenarioError as error:
        door.faults.extend(error.faults)
        return table


def _read_version(document: Table, since: Any, door: Door) -> Assumptions:
    """Read what is assumed from one day on."""
    values = FILE.read(document, door).values
    channels = values["channels"] if values["channels"] is not BROKEN else {}
    segments = values["segments"] or {EVERYTHING: Overridden(1.0, None, None)}
    if segments is BROKEN:
        segments = {EVERYTHING: BROKEN}
    journeys: dict[Group, Any] = {}
    products: dict[Group, Any] = {}
    if values["journey"] is not None:
        for group, tables in _overrides(channels, segments, "journey"):
            journeys[group] = _merged(document, "journey", tables, JOURNEY, door)
        for group, tables in _overrides(channels, segments, "products"):
            products[group] = _merged(document, "products", tables, PRODUCTS, door)
    return Assumptions(
        since=since,
        channels={n: getattr(c, "thing", BROKEN) for n, c in channels.items()},
        shares={n: getattr(s, "thing", BROKEN) for n, s in segments.items()},
        journeys=journeys,
        products=products,
        market=values["market"],
    )


def _overrides(
    channels: Mapping[str, Any], segments: Mapping[str, Any], what: str
) -> Iterator[tuple[Group, list[Table]]]:
    for channel, over in channels.items():
        for segment, also in segments.items():
            tables = [getattr(over, what, None), getattr(also, what, None)]
            yield (channel, segment), [t for t in tables if isinstance(t, Table)]


def _merged(document: Table, key: str, over: list[Table], form: Any, door: Door) -> Any:
    """Read a section with its overrides merged in."""
    base = document.get(key)
    if not isinstance(base, Table):
        if over:
            mend = f"Add {key}: to the scenario first; overrides change what stands there."
            door.fault(over[0].place, f"{key} of its own", f"an override of {key}", mend)
        return NOTHING_SOLD if key == "products" and base is None else BROKEN
    for table in over:
        known = {name: table[name] for name in table if name in base}
        for name in table:
            if name not in base:
                mend = did_you_mean(name, base) or f"Name one of {', '.join(base)}."
                must = f"a name that stands in {key}"
                door.fault(table.place_of(name), f"unknown {name}", must, mend)
            elif not isinstance(table[name], Table):
                mend = "Write only the keys that differ."
                door.fault(table[name].place, describe(table[name]), "a mapping", mend)
                known.pop(name)
        base = merge(base, Table(known, table.place, table.keys_at), atomic=ATOMIC)
    return form.read(base, door)
