"""Checks across a scenario: what no single place of the file can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecast.scenario.calendar import Calendar
from forecast.scenario.capacity_checks import check_capacity, check_priorities, check_worked
from forecast.scenario.errors import did_you_mean, listed, shown
from forecast.scenario.facts import (
    RARE,
    chance_within,
    find,
    high,
    nearest_table,
    stage_node,
    table_at,
)
from forecast.scenario.forms import BROKEN, Door, is_whole, offer
from forecast.scenario.graph import check_graph
from forecast.scenario.model import (
    Assumptions,
    Channel,
    Group,
    Number,
    Planned,
    Scenario,
    Stage,
    Uncertain,
    centre,
)
from forecast.scenario.nodes import Items, Node, Place, Table, Text
from forecast.scenario.pipeline import check_amounts
from forecast.scenario.qualification import check_qualification, lift
from forecast.scenario.referral import check_loop, check_referral
from forecast.scenario.responses import check_responses
from forecast.scenario.uncertain import correlation_matrix, uncertain_numbers

MOST_LEADS_PER_PERIOD = 1e12
MOST_CELLS = 20_000_000
ROUNDING = 1e-9
FEWEST_DAYS = {"day": 1, "week": 7, "month": 28, "quarter": 89, "year": 365}


def check_version(document: Table, version: Assumptions, scenario: Scenario, door: Door) -> None:
    """Check one version of the assumptions."""
    if "segments" in document and is_whole(version.shares):
        _check_sum(table_at(document, "segments").place, "share", version.shares, door)
    for name, channel in version.channels.items():
        if is_whole(channel):
            _check_channel(document, name, channel, scenario, door)
    done: set[int] = set()
    for group, journey in version.journeys.items():
        if journey is not BROKEN and id(journey) not in done:
            for stage, body in journey.items():
                _check_stage(document, group, stage, body, door)
        done.add(id(journey))
    check_graph(document, version, _entries(version, scenario), door)
    check_qualification(document, version, scenario, door)
    check_capacity(document, version, scenario, door)
    check_referral(document, version, door)
    for group, products in version.products.items():
        if "products" in document and id(products) not in done and is_whole(products):
            mixes = {name: product.mix for name, product in products.items()}
            _check_sum(nearest_table(document, group, "products").place, "mix", mixes, door)
        done.add(id(products))


def check_whole(document: Table, scenario: Scenario, door: Door) -> None:
    """Check what spans the versions: correlations and volume."""
    check_responses(document, scenario, door)
    known = uncertain_numbers(scenario)
    _check_correlations(document, scenario, known, door)
    check_priorities(document, scenario, door)
    if not door.faults:
        check_amounts(document, scenario, door)
        _check_definite(document, scenario, door)
        _check_volume(document, scenario, door)
    if not door.faults:
        check_loop(document, scenario, door)


def check_size(document: Table, calendar: Calendar, door: Door) -> None:
    """Refuse what would not fit into memory, before the time of reading it is spent."""

    def count(key: str) -> int:
        node = document.get(key)
        return max(1, len(node)) if isinstance(node, Table) else 1

    groups = count("channels") * count("segments")
    stages, products = count("journey"), count("products")
    cells = groups * len(calendar.quarters) * (stages + 2 + 3 * products)
    work = groups * calendar.periods * stages
    if max(cells, work) > MOST_CELLS:
        got = f"{max(cells, work):,} figures in one simulated future"
        must = f"at most {MOST_CELLS:,} (channels x segments x stages or products x time)"
        mend = "Take fewer channels, segments, products or stages, or a shorter horizon."
        door.fault(document.place, got, must, mend)


def _entries(version: Assumptions, scenario: Scenario) -> dict[str, str]:
    """The stage where each readable channel's leads enter."""
    entries = {}
    for name, channel in version.channels.items():
        if isinstance(channel, Channel) and channel.enters is not BROKEN:
            entry = channel.enters or scenario.entry
            if scenario.stages is not BROKEN and entry in scenario.stages:
                entries[name] = entry
    return entries


def _check_sum(place: Place, what: str, shares: Mapping[str, Number], door: Door) -> None:
    """Shares of a group must sum to 100% (uncertain ones in their means)."""
    total = sum(centre(s) for s in shares.values())
    tolerance = 1e-6 if any(isinstance(s, Uncertain) for s in shares.values()) else ROUNDING
    if abs(total - 1.0) > tolerance:
        plural = {"share": "shares", "mix": "mixes"}[what]
        got = f"{plural} that sum to {total * 100:.10g}%"
        mend = f"Change a {what} so that {listed(shares)} add up to 100%."
        if len(shares) == 1:
            mend = f"Write {what}: 100%, or add what is missing."
        door.fault(place, got, f"{plural} that sum to 100%", mend)


def _check_channel(
    document: Table, name: str, channel: Channel, scenario: Scenario, door: Door
) -> None:
    node = table_at(document, "channels", name)
    check_worked(node, channel, scenario, door)
    leads = channel.leads
    for key in ("dispersion", "seasonality", "growth"):
        if leads.fixed and key in node:
            mend = f"Remove {key}, or give leads a mean instead of fixed counts."
            must = "left out where counts of leads are fixed"
            door.fault(node[key].place, f"{key} beside fixed leads", must, mend)
    known = scenario.stages
    if channel.enters is not None and known is not BROKEN and channel.enters not in known:
        got = f"the unknown stage {shown(channel.enters)}"
        door.fault(
            node["enters"].place, got, "a stage of the journey", offer(channel.enters, known)
        )
    if scenario.calendar is not BROKEN:
        if leads.response is None:
            written = table_at(node, "leads")["fixed" if leads.fixed else "mean"]
            _check_long_enough(leads, written, scenario.calendar, door)
        written = find(node, "cost.fixed.amount")
        _check_long_enough(channel.cost.fixed, written, scenario.calendar, door)


def _check_long_enough(plan: Planned, written: Node, calendar: Calendar, door: Door) -> None:
    needed = len(calendar.units(plan.per).length_days)
    if plan.then is None and len(plan.figures) < needed and isinstance(written, Items):
        got = f"a list of {len(plan.figures)} without then"
        must = f"{needed} figures, one for each {plan.per} of the horizon"
        mend = "Add then: repeat, then: last or then: zero beside the list, or the figures."
        door.fault(written.place, got, must, mend)


def _check_stage(document: Table, group: Group, stage: str, body: Stage, door: Door) -> None:
    if not is_whole(body):
        return
    node = stage_node(document, group, stage)
    if all(_check_within(node, body, target, door) for target in body.transitions):
        _check_conversions(node, stage, body, door)
    rest = {t: w.share_of_rest for t, w in body.transitions.items() if w.share_of_rest is not None}
    total = _most_together(list(rest.values()))
    if len(rest) > 1 and total > 1 + ROUNDING:
        got = f"{_sums(list(rest), rest.values())} {_percent(total)} of the rest"
        must = f"shares of the rest out of {stage} that never sum to more than 100%"
        mend = "Lower one of them, or leave one out: what goes no other way is lost."
        door.fault(node.place, got, must, mend)


def _check_within(node: Table, body: Stage, target: str, door: Door) -> bool:
    """Tell whether the eventual conversion that a time limit implies is a probability."""
    way = body.transitions[target]
    if way.within is None or way.conversion is None:
        return True
    place = node[target].place if target in node else node.place
    chance = chance_within(way.lag, way.within)
    if np.isnan(chance):
        mend = "Give the lag as a time, such as 2 months or a distribution, or remove within."
        must = "a lag in time beside within"
        door.fault(place, "within beside a lag of whole periods", must, mend)
        return False
    worst = high(way.conversion, RARE)
    if chance <= 0 or worst / chance > 1 + ROUNDING:
        most = "up to " if isinstance(way.conversion, Uncertain) else ""
        got = f"{most}{_percent(worst)} within a time in which {_percent(chance)} of the lags end"
        must = "an eventual conversion of at most 100%"
        door.fault(place, got, must, "Lower the conversion, shorten the lag or lengthen within.")
        return False
    return True


def _check_conversions(node: Table, stage: str, body: Stage, door: Door) -> None:
    shares = {t: w for t, w in body.transitions.items() if w.conversion is not None}
    if body.dirichlet and shares:
        got = f"dirichlet beside a conversion to {listed(shares)}"
        mend = "Put all of them in dirichlet, or none."
        door.fault(node.place, got, "one or the other", mend)
    total = _most_together(
        [w.conversion for w in shares.values() if w.conversion is not None],
        [chance_within(w.lag, w.within) for w in shares.values()],
    )
    total += sum(lift(way) for way in shares.values())
    if len(shares) > 1 and total > 1 + ROUNDING:
        got = f"{_sums(list(shares), [w.conversion for w in shares.values()])} {_percent(total)}"
        must = f"conversions out of {stage} that never sum to more than 100%"
        counts = ", ".join(f"{target}: …" for target in shares if target != "lost")
        mend = (
            f"Lower one, write one of them as share_of_rest, or draw them together with "
            f"dirichlet: {{{counts}, lost: …}}."
        )
        door.fault(node.place, got, must, mend)


def _sums(names: list[str], numbers: Any) -> str:
    varies = any(isinstance(number, Uncertain) for number in numbers)
    return f"{listed(names)} that {'can sum' if varies else 'sum'} to"


def _most_together(numbers: list[Number], chances: list[float] | None = None) -> float:
    """The most that shares can sum to, but for what is rare (by a union bound)."""
    several = sum(isinstance(number, Uncertain) for number in numbers) or 1
    most = [high(number, RARE / several) for number in numbers]
    return sum(m / c for m, c in zip(most, chances or [1.0] * len(most), strict=True))


def _percent(share: float) -> str:
    # Few digits, unless they would hide what is wrong.
    return f"{share * 100:.4g}%" if abs(share - 1.0) > 1e-3 else f"{share * 100:.10g}%"


def _check_correlations(
    document: Table, scenario: Scenario, known: Mapping[str, Uncertain], door: Door
) -> None:
    pairs: set[frozenset[str]] = set()
    nodes = document.get("correlation")
    correlations = scenario.correlations if scenario.correlations is not BROKEN else ()
    for correlation, node in zip(
        correlations, nodes if isinstance(nodes, Items) else (), strict=True
    ):
        if not is_whole(correlation) or not isinstance(node, Table):
            continue
        place, pair = node["between"].place, frozenset(correlation.between)
        if len(correlation.between) != 2 or len(pair) != 2:
            same = len(correlation.between) == 2
            got = "the same path twice" if same else f"{len(correlation.between)} paths"
            door.fault(place, got, "two different paths", "Write between: [one.path, other.path].")
        elif pair in pairs:
            got = f"{listed(correlation.between)} a second time"
            door.fault(place, got, "each pair once", "Remove one of the two.")
        else:
            for path in correlation.between:
                _check_path(document, path, place, known, door)
        pairs.add(pair)


def _check_path(
    document: Table, path: str, place: Place, known: Mapping[str, Uncertain], door: Door
) -> None:
    node = find(document, path)
    if path in known or (node.place.path == path and isinstance(node, Text)):
        return  # what is certain has nothing to correlate, and may become uncertain again
    must = "the path of an uncertain assumption"
    if node.place.path != path:
        mend = did_you_mean(path, known) or "Copy the path of a number that is a distribution."
        door.fault(place, f"the unknown path {shown(path)}", must, mend)
        return
    mend = "Give the path down to the number itself, such as channels.web.leads.mean."
    door.fault(place, f"{shown(path)}, which is no number", must, mend)


def _check_definite(document: Table, scenario: Scenario, door: Door) -> None:
    matrix, together = correlation_matrix(scenario.correlations)
    if not together:
        return
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < 1e-10:
        got = f"correlations that contradict one another (smallest eigenvalue {smallest:.3g})"
        must = "possible together (positive definite)"
        mend = "Bring some of them nearer to 0: what goes with two things ties those two as well."
        door.fault(document["correlation"].place, got, must, mend)


def _check_volume(document: Table, scenario: Scenario, door: Door) -> None:
    for version in scenario.versions:
        market = high(version.market, 1e-9)
        for name, channel in version.channels.items():
            most = _most_leads(channel, scenario.calendar) * (
                1.0 if channel.leads.fixed else market
            )
            if not most <= MOST_LEADS_PER_PERIOD:
                must = f"at most {MOST_LEADS_PER_PERIOD:,.0f} leads a period, growth included"
                mend = "Lower the leads or the growth, or shorten the horizon."
                place = table_at(document, "channels", name).place
                got = f"up to {most:.3g} leads a period" if np.isfinite(most) else "endless leads"
                door.fault(place, got, must, mend)


def _most_leads(channel: Channel, calendar: Calendar) -> float:
    factor = max([1.0, *(high(f, 1e-9) for f in channel.seasonality.values())])
    elapsed = float(calendar.units_elapsed(channel.growth.per)[-1])
    with np.errstate(over="ignore"):
        grown = float(np.power(1.0 + max(0.0, high(channel.growth.amount, 1e-9)), elapsed))
    answer = channel.leads.response
    figures = [high(f, 1e-9) for f in (channel.leads.figures if answer is None else (answer.max,))]
    share = calendar.period_days / FEWEST_DAYS[channel.leads.per]
    return max(figures) * max(share, 1.0 / 365) * factor * grown
