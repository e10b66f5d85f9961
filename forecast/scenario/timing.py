"""What needs the calendar: the horizon, and the quarters of goals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecast.scenario.calendar import (
    LONGEST_PERIODS,
    LONGEST_QUARTERS,
    Calendar,
    build_calendar,
)
from forecast.scenario.errors import listed, shown
from forecast.scenario.forms import BROKEN, Door, is_whole, offer
from forecast.scenario.language import GoalText
from forecast.scenario.model import METRICS, MONEY_METRICS, Goal
from forecast.scenario.nodes import Node, Table


def read_calendar(document: Table, values: Mapping[str, Any], door: Door) -> Any:
    """Lay out the periods, or record why that cannot be done and give ``BROKEN``."""
    parts = [values[k] for k in ("start", "horizon", "period", "fiscal_year_start")]
    if any(p is BROKEN or p is None for p in parts):
        return BROKEN
    try:
        return build_calendar(*parts)
    except (ValueError, OverflowError) as error:
        # Dates beyond the year 9999 fail with words of their own.
        reason = str(error) if str(error).startswith(("more", "no")) else "far too long"
        must = f"1 to {LONGEST_PERIODS:,} periods in at most {LONGEST_QUARTERS} quarters"
        mend = "Choose a horizon such as 8 quarters, or a longer period."
        node = document["horizon"]
        return door.fault(node.place, f"{node} ({reason})", must, mend)


def read_goals(
    document: Table, values: Mapping[str, Any], calendar: Any, door: Door
) -> tuple[Goal, ...]:
    """Find the quarters of each goal."""
    goals = values["goals"]
    nodes = document.get("goals")
    if goals is BROKEN or not isinstance(nodes, list):
        return ()
    found = []
    for goal, node in zip(goals, nodes, strict=True):
        if goal is BROKEN or not isinstance(goal, GoalText):
            continue
        _check_metric(goal, document, node, door)
        if calendar is not BROKEN and is_whole(goal):
            quarters = _quarters_of(goal, calendar, node, door)
            found.append(Goal(goal.metric, goal.target, goal.confidence, tuple(quarters.items())))
    return tuple(found)


def _check_metric(goal: GoalText, document: Table, node: Any, door: Door) -> None:
    journey = document.get("journey")
    stages = tuple(journey) if isinstance(journey, Table) else ()
    if goal.metric is BROKEN:
        return
    if goal.metric not in (*METRICS, *stages):
        must = f"{listed(METRICS, 'or')}, or a stage of the journey"
        mend = offer(goal.metric, (*METRICS, *stages))
        got = f"the unknown metric {shown(goal.metric)}"
        door.fault(node["metric"].place, got, must, mend)
    priced = "products" in document or "pipeline" in document  # open deals have amounts
    if goal.metric in MONEY_METRICS and not priced:
        mend = "Add products, such as products: {standard: {size: 25k}}."
        must = "deals, leads or a stage where no products are given"
        door.fault(node["metric"].place, goal.metric, must, mend)


def _quarters_of(
    goal: GoalText, calendar: Calendar, node: Any, door: Door
) -> dict[str, tuple[int, ...]]:
    given = [k for k in ("every", "quarter", "year") if getattr(goal, k) is not None]
    if len(given) != 1:
        got = listed(given) if given else "no quarter"
        mend = "Write every: quarter, or quarter: 2027Q4, or year: 2027."
        door.fault(node.place, got, "one of every, quarter and year", mend)
        return {}
    singles: dict[str, tuple[int, ...]] = {label: (i,) for i, label in enumerate(calendar.quarters)}
    if goal.every is not None:
        return singles if goal.every == "quarter" else calendar.years
    if goal.quarter is not None:
        return _one_of(singles, f"{goal.quarter[0]}Q{goal.quarter[1]}", node["quarter"], door)
    return _one_of(calendar.years, str(goal.year), node["year"], door)


def _one_of(
    known: Mapping[str, tuple[int, ...]], wanted: str, node: Node, door: Door
) -> dict[str, tuple[int, ...]]:
    if wanted in known:
        return {wanted: known[wanted]}
    labels = list(known)
    must = f"one of {labels[0]} to {labels[-1]}, the horizon"
    door.fault(node.place, wanted, must, "Choose one inside the horizon, or lengthen the horizon.")
    return {}
