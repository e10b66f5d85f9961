"""Checks of capacities: stages and channels that are there, limits that say one thing."""

from __future__ import annotations

from forecast.scenario.errors import shown
from forecast.scenario.facts import table_at
from forecast.scenario.forms import BROKEN, Door, is_whole, offer
from forecast.scenario.model import Assumptions, Capacity, Channel, Scenario
from forecast.scenario.nodes import Items, Table

LIMITS = ("per_period", "reps")
OF_A_LIMIT = {"waiting": "waits", "priority": "waits", "then": "is listed"}


def check_capacity(document: Table, version: Assumptions, scenario: Scenario, door: Door) -> None:
    """Check the capacities of a version."""
    if not isinstance(version.capacity, dict):
        return
    stages = table_at(document, "capacity") if version.capacity else Table({})
    for name, capacity in version.capacity.items():
        known = scenario.stages
        if known is not BROKEN and name not in known:
            got = f"the unknown stage {shown(name)}"
            door.fault(stages.place_of(name), got, "a stage of the journey", offer(name, known))
        node = stages[name]
        if capacity is not BROKEN and isinstance(node, Table):
            _check_limit(node, door)
            _check_plan(node, capacity, scenario, door)
            _check_priority(node, capacity, version, door)


def check_worked(node: Table, channel: Channel, scenario: Scenario, door: Door) -> None:
    """Check the stages that a channel's costs name; ``node`` is the channel's."""
    if scenario.stages is BROKEN or not is_whole(channel.cost):
        return
    for stage in channel.cost.worked:
        if stage not in scenario.stages:
            got = f"the unknown stage {shown(stage)}"
            place = table_at(node, "cost", "worked").place_of(stage)
            door.fault(place, got, "a stage of the journey", offer(stage, scenario.stages))


def check_priorities(document: Table, scenario: Scenario, door: Door) -> None:
    """Refuse to change whom a stage serves first: it holds for the whole scenario."""
    first = scenario.versions[0].capacity
    for version in scenario.versions[1:]:
        if not is_whole(first) or not is_whole(version.capacity):
            return
        for name, capacity in version.capacity.items():
            if name in first and capacity.priority != first[name].priority:
                must = "the same priority in all of the scenario"
                mend = "Take it out of changes; it can be set where the capacity stands."
                place = table_at(document, "capacity", name).place
                door.fault(place, f"another priority from {version.since} on", must, mend)


def _check_limit(node: Table, door: Door) -> None:
    given = [key for key in LIMITS if key in node]
    if len(given) > 1:
        mend = "Keep per_period for a number of items, or reps for those who take them up."
        door.fault(node.place, "per_period and reps", "one of them", mend)
    if given:
        return
    for key, does in OF_A_LIMIT.items():
        if key in node:
            must = f"left out where nothing {does}"
            mend = f"Add per_period: 40 or reps, or remove {key}."
            door.fault(node.place_of(key), f"{key} without a limit", must, mend)
    if not node:
        must = "per_period, reps or follow_up"
        door.fault(node.place, "a capacity that says nothing", must, "Write per_period: 40.")


def _check_plan(node: Table, capacity: Capacity, scenario: Scenario, door: Door) -> None:
    """Refuse a list that ends before the horizon."""
    plan, written = capacity.per_period, node.get("per_period")
    if plan is None or not is_whole(plan) or scenario.calendar is BROKEN:
        return
    needed = scenario.calendar.periods
    if plan.then is None and len(plan.figures) < needed and isinstance(written, Items):
        got = f"a list of {len(plan.figures)} without then"
        must = f"{needed} figures, one for each {scenario.calendar.unit} of the horizon"
        mend = "Add then: repeat, then: last or then: zero beside the list, or the figures."
        door.fault(written.place, got, must, mend)


def _check_priority(node: Table, capacity: Capacity, version: Assumptions, door: Door) -> None:
    if not is_whole(capacity.priority):
        return
    for i, name in enumerate(capacity.priority):
        place = node["priority"].place
        if name not in version.channels:
            got = f"the unknown channel {shown(name)}"
            door.fault(place, got, "a channel of the scenario", offer(name, version.channels))
        elif name in capacity.priority[:i]:
            door.fault(place, f"{shown(name)} twice", "each channel once", "Remove one of them.")
