"""A journey as a document: its stages, the ways out of them, and where groups differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from forecast.scenario.facts import eventual
from forecast.scenario.forms import Door
from forecast.scenario.model import (
    LOST,
    WON,
    Group,
    Journey,
    Lag,
    Number,
    Scenario,
    Stage,
    Transition,
    Uncertain,
    Variable,
    centre,
)
from forecast.scenario.nodes import Place, Table, parse_value
from forecast.scenario.stages import JOURNEY

Document = dict[str, Any]
T = TypeVar("T")


def describe_journey(scenario: Scenario) -> Document:
    """Describe the journey as written, where channels and segments differ, and its changes."""
    base = base_journey(scenario)
    loops = _loops(base)
    theirs = [_all_ways(each, scenario) for each in scenario.versions[0].journeys.values()]
    return {
        "scenario": scenario.name,
        "entry": entries(scenario),
        "stages": [
            {"stage": stage, "ways": list(_stage(stage, ways, loops, theirs))}
            for stage, ways in _all_ways(base, scenario).items()
        ],
        "differences": list(_differences(scenario, base)),
        "changes": changes(scenario),
    }


def _stage(
    stage: str,
    ways: Mapping[str, Document],
    loops: set[tuple[str, str]],
    theirs: Sequence[Mapping[str, Mapping[str, Document]]],
) -> Iterator[Document]:
    """A stage's ways; ``shares`` spans the groups' where none of them has the written one."""
    any_replaced = False
    for target, way in ways.items():
        mine = [journey[stage].get(target) for journey in theirs]
        replaced = any_replaced if target == LOST else all(_differs(way, own) for own in mine)
        any_replaced |= replaced
        found = [own["share"] if own else 0.0 for own in mine] if replaced else [way["share"]]
        yield {
            "to": target,
            "loops": (stage, target) in loops,
            "replaced": replaced,
            "shares": [min(found), max(found)],
            **way,
        }


def _differs(way: Document, own: Document | None) -> bool:
    return own is None or any(own[what] != way[what] for what in ("conversion", "of_rest"))


def document_of(scenario: Scenario) -> Table:
    """Give the scenario's own text back as a document."""
    document = parse_value(scenario.text, Place("scenario", 1, ""))
    assert isinstance(document, Table)
    return document


def base_journey(scenario: Scenario) -> Journey:
    """Read the journey as it is written before any channel or segment changes it."""
    journey: Journey = JOURNEY.read(document_of(scenario)["journey"], Door())
    return journey


def entries(scenario: Scenario) -> list[Document]:
    """Give the stages where leads enter, each with its channels."""
    by_stage: dict[str, list[str]] = {}
    for channel in scenario.channels:
        by_stage.setdefault(scenario.first_stage(channel), []).append(channel)
    return [{"stage": stage, "channels": channels} for stage, channels in by_stage.items()]


def changes(scenario: Scenario) -> list[Document]:
    """Give the dated changes as they are written."""
    written_changes: Any = document_of(scenario).get("changes", ())
    return [
        {
            "from": str(change["from"]),
            "set": {path: written(value) for path, value in change["set"].items()},
            "why": str(change["why"]) if "why" in change else None,
        }
        for change in written_changes
    ]


def written(node: Any) -> str:
    """Write a value of a file on one line.

    >>> written({"beta": {"won": "6", "lost": "14"}})
    '{beta: {won: 6, lost: 14}}'
    """
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{key}: {written(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(written(value) for value in node) + "]"
    return str(node)


def describe_number(number: Number) -> Document:
    """Describe an assumption: its mean, and for an uncertain one its family, P10 and P90."""
    if not isinstance(number, Uncertain):
        return {"mean": float(number), "uncertain": None, "p10": None, "p90": None}
    low, high = (float(x) for x in number.family.ppf(np.array([0.1, 0.9])))
    family = number.family
    return {"mean": float(family.mean), "uncertain": family.name, "p10": low, "p90": high}


def describe_lag(lag: Lag, scenario: Scenario) -> Document:
    """Describe a lag in days; one of whole periods by its mean."""
    if not isinstance(lag, Variable):
        days = scenario.calendar.period_days
        spread = [k for k, _ in lag.chances]
        return {
            "family": "periods",
            "mean_days": lag.mean * days,
            "p10_days": None,
            "p90_days": None,
            "periods": [min(spread), max(spread)],
            "uncertain": False,
        }
    low, high = (float(x) for x in lag.family.ppf(np.array([0.1, 0.9])))
    return {
        "family": lag.family.name,
        "mean_days": float(lag.family.mean),
        "p10_days": low,
        "p90_days": high,
        "periods": None,
        "uncertain": lag.about is not None,
    }


def mean_shares(body: Stage) -> dict[str, float]:
    """Give the eventual share of each way out of a stage, at the means of what is uncertain.

    The share that takes no way is ``lost``.
    """
    plain = {target: _at_mean_lag(way) for target, way in body.transitions.items()}
    shares = eventual(dataclasses.replace(body, transitions=plain), centre)
    left = max(0.0, 1.0 - sum(share for target, share in shares.items() if target != LOST))
    return {**{t: s for t, s in shares.items() if t != LOST}, LOST: left}


def _at_mean_lag(way: Transition) -> Transition:
    if isinstance(way.lag, Variable) and way.lag.about is not None:
        return dataclasses.replace(way, lag=Variable(way.lag.family))
    return way


def _all_ways(journey: Journey, scenario: Scenario) -> dict[str, dict[str, Document]]:
    return {stage: _ways(body, scenario) for stage, body in journey.items()}


def _ways(body: Stage, scenario: Scenario) -> dict[str, Document]:
    """Describe every way out of a stage, ``lost`` last."""
    shares = mean_shares(body)
    named = [target for target in body.transitions if target != LOST]
    ways = {
        target: _way(body.transitions[target], body.dirichlet.get(target), shares[target], scenario)
        for target in named
    }
    lost = body.transitions.get(LOST)
    if shares[LOST] > 1e-12 or lost is not None:
        lag = None if lost is None else describe_lag(lost.lag, scenario)
        ways[LOST] = {"share": shares[LOST], "conversion": None, "of_rest": None, "lag": lag}
        ways[LOST]["within_days"] = None
    return ways


def _way(way: Transition, together: Uncertain | None, share: float, scenario: Scenario) -> Document:
    conversion = way.conversion if together is None else together
    of_rest = way.share_of_rest
    return {
        "share": share,
        "conversion": None if conversion is None else describe_number(conversion),
        "of_rest": None if of_rest is None else describe_number(of_rest),
        "lag": describe_lag(way.lag, scenario),
        "within_days": way.within,
    }


def _loops(journey: Journey) -> set[tuple[str, str]]:
    """The transitions from which an item can come back to where it was."""
    reach = {stage: _reachable(journey, stage) for stage in journey}
    return {
        (stage, target)
        for stage, body in journey.items()
        for target in body.transitions
        if target == stage or stage in reach.get(target, ())
    }


def _reachable(journey: Journey, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in journey[waiting.pop()].transitions:
            if target in journey and target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def _differences(scenario: Scenario, base: Journey) -> Iterator[Document]:
    """Where a channel's or segment's ways are not those of the journey."""
    journeys = scenario.versions[0].journeys
    usual = _all_ways(base, scenario)
    theirs = {group: _all_ways(journey, scenario) for group, journey in journeys.items()}
    for stage in base:
        for target in (t for t in base[stage].transitions if t != LOST):
            for what in ("conversion", "of_rest", "within_days", "lag"):
                mine = {g: ways[stage][target][what] for g, ways in theirs.items()}
                for where, value in by_place(mine, usual[stage][target][what], scenario):
                    yield {"where": where, "from": stage, "to": target, what: value}


def by_place(values: Mapping[Group, T], usual: T | None, scenario: Scenario) -> list[tuple[str, T]]:
    """Say where values differ from the usual one, by channel or segment where that is enough."""
    left = {group: value for group, value in values.items() if value != usual}
    found: list[tuple[str, T]] = []
    for position, names in ((0, scenario.channels), (1, scenario.segments)):
        for name in names:
            mine = [g for g in values if g[position] == name]
            if all(g in left for g in mine) and _same([left[g] for g in mine]):
                found.append((name, left[mine[0]]))
                for group in mine:
                    del left[group]
    return [*found, *((f"{c}/{s}", value) for (c, s), value in left.items())]


def _same(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def win_rate_and_days(journey: Journey, start: str, scenario: Scenario) -> tuple[float, float]:
    """Chance that a lead is won in the end, and the mean time that takes those who are, in days.

    With p the shares and m the mean lags between stages, w = p·w + p_won and
    t = p·t + (p m)·w + p_won m_won are sums along all paths, loops included; the time is t / w.
    Taken at the means of what is uncertain and without the horizon's end.
    """
    stages = list(journey)
    size = len(stages)
    between, delayed = np.zeros((size, size)), np.zeros((size, size))
    won, won_delayed = np.zeros(size), np.zeros(size)
    for i, (_, body) in enumerate(journey.items()):
        for target, share in mean_shares(body).items():
            if target == LOST:
                continue
            days = share * describe_lag(body.transitions[target].lag, scenario)["mean_days"]
            if target == WON:
                won[i], won_delayed[i] = share, days
            else:
                j = stages.index(target)
                between[i, j], delayed[i, j] = share, days
    system = np.eye(size) - between
    rates = np.linalg.solve(system, won)
    times = np.linalg.solve(system, won_delayed + delayed @ rates)
    at = stages.index(start)
    return float(rates[at]), float(times[at] / rates[at]) if rates[at] > 0 else 0.0
