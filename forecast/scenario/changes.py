"""What is planned to change: the document from each day on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from forecast.scenario.errors import ScenarioError, listed, shown
from forecast.scenario.facts import table_at
from forecast.scenario.forms import BROKEN, Door, is_whole, offer
from forecast.scenario.language import ChangeText
from forecast.scenario.model import Change
from forecast.scenario.nodes import Items, Node, Place, Table, Text
from forecast.scenario.overrides import CHANGING, SECTIONS
from forecast.scenario.paths import overlay, written

NAMING = ("channels", "segments", "journey", "products", "qualification", "capacity")
STANDING_KEYS = {"referral": ("channel", "existing")}  # what of a section holds from the start
STANDING = "a path of what stands in the file"


def versions_of(
    document: Table, values: Mapping[str, Any], calendar: Any, door: Door
) -> Iterator[tuple[Table, Any]]:
    """Give the document, and what it is from the day of each change on, with those days."""
    current = document
    start = calendar.start if calendar is not BROKEN else BROKEN
    versions: dict[Any, Table] = {start: document}
    taken: set[tuple[dt.date, str]] = set()
    for change, node in _in_order(document, values):
        if start is not BROKEN and change.since < start:
            must = f"{start}, the start, or a later day"
            mend = "Write the new figures where they stand; they hold from the start."
            door.fault(node["from"].place, str(change.since), must, mend)
            continue
        if not change.set:
            mend = "Write set: {channels.web.leads.mean: 150}, or remove the change."
            door.fault(node["set"].place, "nothing to set", "paths with values", mend)
        for path, value in change.set.items():
            if (change.since, path) in taken:
                must = "each path once a day"
                mend = "Keep the one that holds."
                door.fault(change.set.place_of(path), f"{path} again", must, mend)
            taken.add((change.since, path))
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
    if section in (*NAMING, *STANDING_KEYS) and not isinstance(table.get(section), Table):
        # One that must be there, or that is no mapping, is refused where it stands.
        if section not in table and not SECTIONS[section].required:
            mend = f"Add {section}: to the file first; a change sets what stands there."
            door.fault(place, f"{section} that the file does not have", STANDING, mend)
        return table
    try:
        changed = overlay(table, path, value, place)
    except ScenarioError as error:
        door.faults.extend(error.faults)
        return table
    fine = _same_names(table, changed, section, place, door)
    fine = fine and _same_keys(table, changed, section, place, door)
    return changed if fine and _same_entries(table, changed, place, door) else table


def _same_names(before: Table, after: Table, section: str, place: Place, door: Door) -> bool:
    """Refuse to add or drop channels, segments, stages and products on the way."""
    if section not in NAMING:
        return True
    old, new = table_at(before, section), after.get(section)
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


def _same_keys(before: Table, after: Table, section: str, place: Place, door: Door) -> bool:
    """Refuse to change what holds from the start."""
    if section not in STANDING_KEYS:
        return True
    old, new = table_at(before, section), after.get(section)
    for key in STANDING_KEYS[section]:
        if not isinstance(new, Table) or new.get(key) != old.get(key):
            must = f"a change that leaves {section}.{key} as it is in the file"
            mend = f"Set only what may change, such as {section}.leads: 0.1 per month."
            door.fault(place, f"another {section}.{key}", must, mend)
            return False
    return True


def _same_entries(before: Table, after: Table, place: Place, door: Door) -> bool:
    """Refuse to let leads enter elsewhere on the way: where they do holds from the start."""
    old, new = _entries(before), _entries(after)
    for channel, stage in old.items():
        if new.get(channel, stage) != stage:
            must = f"a change that leaves the leads of {channel} entering at {written(stage)}"
            mend = "Add a channel with leads of 0 for those that enter elsewhere, and change both."
            door.fault(place, f"another stage where the leads of {channel} enter", must, mend)
            return False
    return True


def _entries(document: Table) -> dict[str, Node]:
    """The stage where each channel's leads enter, as it is written."""
    journey, channels = document.get("journey"), document.get("channels")
    if not isinstance(journey, Table) or not journey or not isinstance(channels, Table):
        return {}
    first = Text(next(iter(journey)))
    return {
        name: channel.get("enters", first)
        for name, channel in channels.items()
        if isinstance(channel, Table)
    }
