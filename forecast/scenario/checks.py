"""Checks across a scenario: what no single place of the file can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecast.scenario.calendar import Calendar
from forecast.scenario.errors import did_you_mean
from forecast.scenario.facts import RARE, chance_within, find, high, stage_node
from forecast.scenario.forms import BROKEN, Door, is_whole
from forecast.scenario.graph import check_journey
from forecast.scenario.model import (
    Arrivals,
    Assumptions,
    Channel,
    Correlation,
    Scenario,
    Stage,
    Uncertain,
    centre,
)
from forecast.scenario.nodes import Place, Table
from forecast.scenario.uncertain import correlation_matrix, uncertain_numbers

MOST_LEADS_PER_PERIOD = 1e12
MOST_CELLS = 20_000_000


def check_version(document: Table, version: Assumptions, scenario: Scenario, door: Door) -> None:
    """Check one version of the assumptions."""
    _check_sum(document, "segments", version.shares, door)
    for name, channel in version.channels.items():
        if is_whole(channel):
            _check_channel(document, name, channel, scenario, door)
    for group, journey in version.journeys.items():
        if journey is BROKEN:
            continue
        for stage, body in journey.items():
            _check_stage(document, group, stage, body, door)
        check_journey(document, group, journey, _entries(version, scenario), door)
    for products in version.products.values():
        if is_whole(products):
            mixes = {name: product.mix for name, product in products.items()}
            _check_sum(document, "products", mixes, door)


def check_whole(document: Table, scenario: Scenario, door: Door) -> None:
    """Check what spans the versions: correlations, volume, size."""
    known = uncertain_numbers(scenario)
    for i, correlation in enumerate(scenario.correlations or ()):
        if is_whole(correlation):
            _check_correlation(document, i, correlation, known, door)
    if not door.faults:
        _check_definite(document, scenario, door)
        _check_volume(document, scenario, door)
        _check_size(document, scenario, door)


def _entries(version: Assumptions, scenario: Scenario) -> set[str]:
    first = {scenario.entry} if isinstance(scenario.entry, str) else set()
    named = {c.enters for c in version.channels.values() if isinstance(c, Channel) and c.enters}
    all_named = all(isinstance(c, Channel) and c.enters for c in version.channels.values())
    return named if all_named and named else first | named


def _check_sum(document: Table, key: str, shares: Mapping[str, Any], door: Door) -> None:
    """Shares of a group must sum to 100% (uncertain ones in their means)."""
    if key not in document or not shares or not is_whole(shares):
        return
    total = sum(centre(s) for s in shares.values())
    tolerance = 1e-6 if any(isinstance(s, Uncertain) for s in shares.values()) else 1e-9
    if abs(total - 1.0) > tolerance:
        what = "share" if key == "segments" else "mix"
        mend = f"Change a {what} so that {', '.join(shares)} add up to 100%."
        place = document[key].place
        door.fault(place, f"a sum of {total:.6g} ({total:.4%})", f"{what}s that sum to 100%", mend)


def _check_channel(
    document: Table, name: str, channel: Channel, scenario: Scenario, door: Door
) -> None:
    node = document["channels"][name]  # type: ignore[call-overload]
    leads = channel.leads
    if leads.fixed:
        for key in ("dispersion", "seasonality", "growth"):
            if key in node:
                mend = f"Remove {key}, or give leads a mean instead of fixed counts."
                must = "left out where counts are fixed"
                door.fault(node[key].place, f"{key} beside fixed leads", must, mend)
    if channel.enters is not None and scenario.stages is not BROKEN:
        if channel.enters not in scenario.stages:
            mend = did_you_mean(channel.enters, scenario.stages) or "Name one of the stages."
            must = "one of " + ", ".join(scenario.stages)
            door.fault(node["enters"].place, f"unknown stage {channel.enters}", must, mend)
    if scenario.calendar is not BROKEN:
        _check_long_enough(leads, node["leads"], scenario.calendar, door)


def _check_long_enough(leads: Arrivals, node: Any, calendar: Calendar, door: Door) -> None:
    needed = len(calendar.units(leads.per).length_days)
    alone = not isinstance(node["fixed" if leads.fixed else "mean"], list)
    if leads.then is None and len(leads.figures) < needed and not alone:
        got = f"{len(leads.figures)} figures"
        must = f"{needed} figures, one for each {leads.per} of the horizon"
        mend = "Add then: repeat, then: last or then: zero beside the list."
        door.fault(node.place, got, must, mend)


def _check_stage(document: Table, group: Any, stage: str, body: Any, door: Door) -> None:
    if not is_whole(body):
        return
    node = stage_node(document, group, stage)
    for target, way in body.transitions.items():
        if way.within is None:
            continue
        chance = chance_within(way.lag, way.within)
        place = node[target].place if target in node else node.place
        if np.isnan(chance):
            mend = "Give the lag as a duration, or leave within out."
            door.fault(place, "within beside a lag of whole periods", "a lag in time", mend)
            return
        worst = high(way.conversion, RARE) if way.conversion is not None else 0.0
        if chance <= 0 or worst / chance > 1:
            got = f"{worst:.4g} within a time in which {chance:.4g} of the lags end"
            must = "an eventual conversion (conversion / P(lag <= within)) of at most 100%"
            mend = "Lower the conversion, shorten the lag or lengthen within."
            if chance <= 0 or centre(way.conversion) / chance > 1 or len(body.transitions) == 1:
                door.fault(place, got, must, mend)
                return
    _check_conversions(node, stage, body, door)


def _check_conversions(node: Table, stage: str, body: Stage, door: Door) -> None:
    shares = {t: w for t, w in body.transitions.items() if w.conversion is not None}
    several = sum(isinstance(w.conversion, Uncertain) for w in shares.values()) or 1
    total = sum(
        high(w.conversion, RARE / several) / chance_within(w.lag, w.within)
        for w in shares.values()
        if w.conversion is not None
    )
    alone = len(shares) == 1 and next(iter(shares.values())).within is None
    if total > 1 + 1e-12 and not alone:
        names = " and ".join(shares)
        mend = (
            f"Lower one, write one of them as share_of_rest, or draw them together with "
            f"dirichlet: {{{', '.join(f'{t}: …' for t in shares)}, lost: …}}."
        )
        must = f"conversions out of {stage} that sum to at most 100%"
        door.fault(node.place, f"{names} summing up to {total:.4%}", must, mend)
    if body.dirichlet and shares:
        mend = "Put all of them in dirichlet, or none."
        door.fault(node.place, "dirichlet beside conversions", "one or the other", mend)


def _check_correlation(
    document: Table, i: int, correlation: Correlation, known: Mapping[str, Uncertain], door: Door
) -> None:
    node: Any = document["correlation"][i]  # type: ignore[call-overload]
    place: Place = node["between"].place
    if len(correlation.between) != 2 or correlation.between[0] == correlation.between[1]:
        mend = "Write between: [first.path, second.path]."
        door.fault(place, f"{len(correlation.between)} paths", "two different paths", mend)
        return
    for path in correlation.between:
        if path not in known:
            mend = did_you_mean(path, list(known)) or "Give that number as a distribution."
            must = "the path of an uncertain assumption"
            door.fault(place, path, must, mend)


def _check_definite(document: Table, scenario: Scenario, door: Door) -> None:
    if not scenario.correlations:
        return
    matrix, _ = correlation_matrix(scenario.correlations)
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < 1e-10:
        got = f"correlations that contradict each other (smallest eigenvalue {smallest:.3g})"
        must = "rank correlations that are positive definite together"
        mend = "Bring some of them nearer to 0."
        door.fault(document["correlation"].place, got, must, mend)


def _check_volume(document: Table, scenario: Scenario, door: Door) -> None:
    for version in scenario.versions:
        market = high(version.market, 1e-9)
        for name, channel in version.channels.items():
            most = _most_leads(channel, scenario.calendar) * (
                1.0 if channel.leads.fixed else market
            )
            if not most <= MOST_LEADS_PER_PERIOD:
                must = f"at most {MOST_LEADS_PER_PERIOD:.0e} leads a period, growth included"
                mend = "Lower the leads or the growth, or shorten the horizon."
                place = find(document, f"channels.{name}").place
                door.fault(place, f"up to {most:.3g} leads a period", must, mend)


def _most_leads(channel: Channel, calendar: Calendar) -> float:
    factor = max([1.0, *(high(f, 1e-9) for f in channel.seasonality.values())])
    elapsed = float(calendar.units_elapsed(channel.growth.per)[-1])
    with np.errstate(over="ignore"):
        grown = float(np.power(1.0 + max(0.0, high(channel.growth.amount, 1e-9)), elapsed))
    figures = [high(f, 1e-9) for f in channel.leads.figures]
    share = calendar.period_days / {"day": 1, "week": 7, "month": 28}.get(channel.leads.per, 89)
    return max(figures) * max(share, 1.0 / 365) * factor * grown


def _check_size(document: Table, scenario: Scenario, door: Door) -> None:
    cells = (
        len(scenario.groups)
        * len(scenario.calendar.quarters)
        * (len(scenario.stages) + 2 + 3 * len(scenario.products))
    )
    work = len(scenario.groups) * scenario.calendar.periods * len(scenario.stages)
    if max(cells, work) > MOST_CELLS:
        must = f"at most {MOST_CELLS:,} figures in one run"
        mend = "Take fewer channels, segments, products or periods."
        door.fault(document.place, f"{max(cells, work):,} figures in one run", must, mend)
