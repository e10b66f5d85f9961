"""Let a scenario begin on a later day: plans go on, and what was to change has changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from forecast.scenario import quantities
from forecast.scenario.calendar import DAYS_IN, MONTHS_IN, Calendar
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Items, Node, Table, Text
from forecast.scenario.paths import overlay
from forecast.scenario.scaling import mean_of, scaled

FIGURES = ("mean", "fixed", "amount", "per_period")


def redate(document: Table, scenario: Scenario, start: dt.date, end: dt.date) -> Table:
    """Give a scenario's document from `start` on, to the day before `end`; not before its own.

    Lists of figures begin with that of the unit that holds the new start, channels have grown, and
    changes of days until then are part of the document. Goals are left out.
    """
    start = max(start, scenario.calendar.start)
    document = _with_past_changes(document, start)
    content: dict[str, Node] = {
        key: _shifted(node, scenario.calendar, start) for key, node in document.items()
    }
    content.pop("goals", None)
    content = {**content, **_grown(content, scenario, start)}
    content["start"] = Text(start.isoformat(), document["start"].place)
    content["horizon"] = Text(f"{(end - start).days} days", document["horizon"].place)
    return Table(content, document.place, document.keys_at)


def _with_past_changes(document: Table, start: dt.date) -> Table:
    """Put into the document what changed on or before a day."""
    changes = document.get("changes")
    if not isinstance(changes, Items):
        return document
    later: list[Node] = []
    tables = [node for node in changes if isinstance(node, Table)]
    for node in sorted(tables, key=lambda node: str(node["from"])):
        if quantities.day(str(node["from"])) > start:
            later.append(node)
            continue
        sets = node["set"]
        assert isinstance(sets, Table)
        for path, value in sets.items():
            document = overlay(document, path, value, value.place)
    content: dict[str, Node] = {key: node for key, node in document.items() if key != "changes"}
    if later:
        content["changes"] = Items(later, changes.place)
    return Table(content, document.place, document.keys_at)


def _shifted(node: Node, calendar: Calendar, start: dt.date) -> Node:
    """Cut off what lists of figures say of units that are over, wherever they stand."""
    if isinstance(node, Items):
        return Items([_shifted(each, calendar, start) for each in node], node.place)
    if not isinstance(node, Table):
        return node
    per = str(node["per"]) if "per" in node else calendar.unit
    content: dict[str, Node] = {}
    for key, child in node.items():
        if key in FIGURES and isinstance(child, Items):
            over, part = _units_over(calendar, per, start)
            content[key] = _from(child, over, str(node.get("then", "")))
            if key == "fixed" and part:
                content[key] = _without_first(content[key], part)
        else:
            content[key] = _shifted(child, calendar, start)
    return Table(content, node.place, node.keys_at)


def _from(figures: Items, over: int, then: str) -> Items:
    """Give a list's figures from a unit on, in the way it goes on after its end."""
    if then == "repeat":
        turn = over % len(figures)
        return Items([*figures[turn:], *figures[:turn]], figures.place)
    left = list(figures[over:])
    if not left:
        left = [figures[-1]] if then == "last" else [Text("0", figures.place)]
    return Items(left, figures.place)


def _without_first(figures: Node, part: float) -> Items:
    """Leave out of the first figure the items that came in the part of its unit that is over.

    The i-th of n items comes at the (i + 1/2) / n-th part of the unit.
    """
    assert isinstance(figures, Items)
    count = round(quantities.number(str(figures[0])))
    left = sum((i + 0.5) / count >= part for i in range(count))
    return Items([Text(str(left)), *figures[1:]], figures.place)


def _units_over(calendar: Calendar, per: str, start: dt.date) -> tuple[int, float]:
    """Count the whole units from the one of the old start to that of the new one.

    Gives also the part of the latter that is over at the new start.
    """
    if per not in MONTHS_IN:
        days, length = (start - calendar.start).days, int(DAYS_IN[per])
        return days // length, days % length / length
    first = calendar.fiscal_year_start - 1
    numbers = [
        (day.year * 12 + day.month - 1 - first) // MONTHS_IN[per] for day in (calendar.start, start)
    ]
    begin, end = (
        dt.date(months // 12, months % 12 + 1, 1)
        for months in (number * MONTHS_IN[per] + first for number in (numbers[1], numbers[1] + 1))
    )
    return numbers[1] - numbers[0], (start - begin) / (end - begin)


def _grown(content: Mapping[str, Node], scenario: Scenario, start: dt.date) -> dict[str, Node]:
    """Let the figures of channels grow as long as it is from the old start to the new one."""
    channels = content["channels"]
    assert isinstance(channels, Table)
    found: dict[str, Node] = {}
    for name, node in channels.items():
        assert isinstance(node, Table)
        growth = scenario.versions[0].channels[name].growth
        amount = growth.amount if isinstance(growth.amount, float) else growth.amount.family.mean
        units = (start - scenario.calendar.start).days / DAYS_IN[growth.per]
        leads = node["leads"]
        grows = amount and units and isinstance(leads, Table) and "mean" in leads
        if grows and isinstance(leads, Table) and mean_of(leads["mean"]):
            more = scaled(leads["mean"], (1.0 + amount) ** units)
            leads = Table({**leads, "mean": more}, leads.place, leads.keys_at)
        found[name] = Table({**node, "leads": leads}, node.place, node.keys_at)
    return {"channels": Table(found, channels.place, channels.keys_at)}
