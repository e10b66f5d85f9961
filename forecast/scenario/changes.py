"""What is planned to change: the document from each day on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from forecast.scenario.errors import ScenarioError, listed, shown
from forecast.scenario.forms import BROKEN, Door, is_whole, offer
from forecast.scenario.language import ChangeText
from forecast.scenario.model import Change
from forecast.scenario.nodes import Items, Node, Place, Table
from forecast.scenario.overrides import CHANGING
from forecast.scenario.paths import overlay, written

NAMING = ("channels", "segments", "journey", "products")


def versions_of(
    document: Table, values: Mapping[str, Any], calendar: Any, door: Door
) -> Iterator[tuple[Table, Any]]:
    """Give the document, and what it is from the day of each change on, with those days."""
    current = document
    start = calendar.start if calendar is not BROKEN else BROKEN
    versions: dict[Any, Table] = {start: document}
    for change, node in _in_order(document, values):
        if start is not BROKEN and change.since < start:
            must = f"{start}, the start, or a later day"
            mend = "Write the new figures where they stand; they hold from the start."
            door.fault(node["from"].place, str(change.since), must, mend)
            continue
        for path, value in change.set.items():
            current = _changed(current, path, value, change.set.place_of(path), door)
        # Changes of one day make one version.
        versions[change.since] = current
    yield from ((doc, since) for since, doc in versions.items())


def as_written(values: Mapping[str, Any]) -> Any:
    """Give the changes of the file in its order."""
    if not is_whole(values["changes"]):
        return BROKEN
    return tuple(
        Change(each.since, each.why, tuple((p, written(v)) for p, v in each.set.items()))
        for each in values["changes"]
    )


def _in_order(document: Table, values: Mapping[str, Any]) -> list[tuple[ChangeText, Table]]:
    nodes = document.get("changes")
    if values["changes"] is BROKEN or not isinstance(nodes, Items):
        return []
    pairs = [
        (change, node)
        for change, node in zip(values["changes"], nodes, strict=True)
        if isinstance(change, ChangeText) and isinstance(node, Table) and is_whole(change)
    ]

    def day(pair: tuple[ChangeText, Table]) -> dt.date:
        since: dt.date = pair[0].since
        return since

    return sorted(pairs, key=day)


def _changed(table: Table, path: str, value: Node, place: Place, door: Door) -> Table:
    """Set one path; the document as it was when that cannot be."""
    section = path.split(".")[0]
    if section not in CHANGING:
        must = f"a path that begins with {listed(CHANGING, 'or')}"
        near = offer(section, CHANGING) if section not in table else ""
        mend = near or f"Take {section} out of set: it holds for the whole scenario."
        door.fault(place, f"the path {shown(path)}", must, mend)
        return table
    try:
        changed = overlay(table, path, value, place)
    except ScenarioError as error:
        door.faults.extend(error.faults)
        return table
    return changed if _same_names(table, changed, section, place, door) else table


def _same_names(before: Table, after: Table, section: str, place: Place, door: Door) -> bool:
    """Refuse to add or drop channels, segments, stages and products on the way."""
    old, new = before.get(section), after.get(section)
    if section not in NAMING or not isinstance(old, Table):
        return True
    wrong = set(old) ^ set(new if isinstance(new, Table) else ())
    if not wrong:
        return True
    name = min(wrong)
    must = f"a change that keeps the {section} of the file"
    if name in old:
        mend = f"Keep {name}, or set single paths inside {section}."
        door.fault(place, f"{section} without {name}", must, mend)
    else:
        door.fault(place, f"the unknown name {shown(name)}", must, offer(name, old))
    return False
