"""A journey as a document: its stages, their transitions, and where groups differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from forecast.analysis import Document
from forecast.scenario.facts import eventual
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

S = TypeVar("S")
T = TypeVar("T")


def describe_journey(scenario: Scenario) -> Document:
    """Describe the journey as written, where channels and segments differ, and its changes."""
    loops = _loops(scenario.journey)
    usual = _stages(scenario.journey, scenario)
    theirs = by_group(scenario.versions[0].journeys, lambda journey: _stages(journey, scenario))
    distinct = list({id(stages): stages for stages in theirs.values()}.values())
    return {
        "scenario": scenario.name,
        "entry": entries(scenario),
        "stages": [
            {"stage": stage, "transitions": list(_stage(stage, transitions, loops, distinct))}
            for stage, transitions in usual.items()
        ],
        "differences": list(_differences(usual, theirs, scenario)),
        "changes": [
            {"from": change.since.isoformat(), "set": dict(change.set), "why": change.why}
            for change in scenario.changes
        ],
    }


def by_group(things: Mapping[Group, S], describe: Callable[[S], T]) -> dict[Group, T]:
    """Describe what each group has; what several of them share, once."""
    known: dict[int, T] = {}
    for thing in things.values():
        if id(thing) not in known:
            known[id(thing)] = describe(thing)
    return {group: known[id(thing)] for group, thing in things.items()}


def _stage(
    stage: str,
    transitions: Mapping[str, Document],
    loops: set[tuple[str, str]],
    theirs: Sequence[Mapping[str, Mapping[str, Document]]],
) -> Iterator[Document]:
    """A stage's transitions; ``shares`` spans the groups' where none has the written one."""
    any_replaced = False
    for target, written in transitions.items():
        mine = [journey[stage].get(target) for journey in theirs]
        replaced = any_replaced if target == LOST else all(_differs(written, own) for own in mine)
        any_replaced |= replaced
        found = [own["share"] if own else 0.0 for own in mine] if replaced else [written["share"]]
        yield {
            "to": target,
            "loops": (stage, target) in loops,
            "replaced": replaced,
            "shares": [min(found), max(found)],
            **written,
        }


def _differs(written: Document, own: Document | None) -> bool:
    return own is None or any(own[what] != written[what] for what in ("conversion", "of_rest"))


def entries(scenario: Scenario) -> list[Document]:
    """Give the stages where leads enter, each with its channels."""
    by_stage: dict[str, list[str]] = {}
    for channel in scenario.channels:
        by_stage.setdefault(scenario.first_stage(channel), []).append(channel)
    return [{"stage": stage, "channels": channels} for stage, channels in by_stage.items()]


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
    """Give the share of each of a stage's transitions, at the means of what is uncertain.

    The share that takes none is ``lost``.
    """
    plain = {target: _at_mean_lag(each) for target, each in body.transitions.items()}
    shares = eventual(dataclasses.replace(body, transitions=plain), centre)
    left = max(0.0, 1.0 - sum(share for target, share in shares.items() if target != LOST))
    return {**{t: s for t, s in shares.items() if t != LOST}, LOST: left}


def _at_mean_lag(transition: Transition) -> Transition:
    lag = transition.lag
    if isinstance(lag, Variable) and lag.about is not None:
        return dataclasses.replace(transition, lag=Variable(lag.family))
    return transition


def _stages(journey: Journey, scenario: Scenario) -> dict[str, dict[str, Document]]:
    return {stage: _transitions(body, scenario) for stage, body in journey.items()}


def _transitions(body: Stage, scenario: Scenario) -> dict[str, Document]:
    """Describe every transition of a stage, ``lost`` last."""
    shares = mean_shares(body)
    found = {
        target: _transition(each, body.dirichlet.get(target), shares[target], scenario)
        for target, each in body.transitions.items()
        if target != LOST
    }
    lost = body.transitions.get(LOST)
    if shares[LOST] > 1e-12 or lost is not None:
        lag = None if lost is None else describe_lag(lost.lag, scenario)
        found[LOST] = {"share": shares[LOST], "conversion": None, "of_rest": None, "lag": lag}
        found[LOST]["within_days"] = None
    return found


def _transition(
    transition: Transition, together: Uncertain | None, share: float, scenario: Scenario
) -> Document:
    conversion = transition.conversion if together is None else together
    of_rest = transition.share_of_rest
    return {
        "share": share,
        "conversion": None if conversion is None else describe_number(conversion),
        "of_rest": None if of_rest is None else describe_number(of_rest),
        "lag": describe_lag(transition.lag, scenario),
        "within_days": transition.within,
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


def _differences(
    usual: Mapping[str, Mapping[str, Document]],
    theirs: Mapping[Group, Mapping[str, Mapping[str, Document]]],
    scenario: Scenario,
) -> Iterator[Document]:
    """Where a channel's or segment's transitions are not those of the journey."""
    for stage, transitions in usual.items():
        for target in (t for t in transitions if t != LOST):
            for what in ("conversion", "of_rest", "within_days", "lag"):
                mine = {group: stages[stage][target][what] for group, stages in theirs.items()}
                for where, value in by_place(mine, transitions[target][what], scenario):
                    yield {"where": where, "from": stage, "to": target, what: value}


def by_place(values: Mapping[Group, T], usual: T | None, scenario: Scenario) -> list[tuple[str, T]]:
    """Say where values differ from the usual one, by channel or segment where that is enough."""
    left = {group: value for group, value in values.items() if value != usual}
    found: list[tuple[str, T]] = []
    for position, names in ((0, scenario.channels), (1, scenario.segments)):
        members: dict[str, list[Group]] = {name: [] for name in names}
        for group in values:
            members[group[position]].append(group)
        for name, mine in members.items():
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
    Taken at the means of what is uncertain and without the horizon's end; what is not followed up
    is lost, and nothing has to wait.
    """
    stages = list(journey)
    size = len(stages)
    between, delayed = np.zeros((size, size)), np.zeros((size, size))
    won, won_delayed = np.zeros(size), np.zeros(size)
    followed = {name: centre(c.follow_up) for name, c in scenario.versions[0].capacity.items()}
    for i, (stage, body) in enumerate(journey.items()):
        for target, worked in mean_shares(body).items():
            if target == LOST:
                continue
            share = worked * followed.get(stage, 1.0)
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
