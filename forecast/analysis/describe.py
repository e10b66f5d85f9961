"""What a scenario says, as ``forecast check`` explains it: one document of plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from forecast.analysis import Document
from forecast.analysis.customers import describe_recurring
from forecast.analysis.journeys import (
    by_group,
    by_place,
    describe_journey,
    describe_number,
    win_rate_and_days,
)
from forecast.analysis.open_deals import describe_pipeline
from forecast.analysis.qualities import describe_closing, describe_qualification
from forecast.analysis.queues import describe_slots
from forecast.analysis.referral import describe_referral, leads_with_brought
from forecast.analysis.summary import whole_years
from forecast.engine.arrivals import expected_leads
from forecast.engine.assumptions import Draws
from forecast.engine.capacity import stages_with_capacity
from forecast.engine.layout import lay_out
from forecast.scenario.model import Goal, Product, Scenario, centre
from forecast.scenario.uncertain import uncertain_numbers


def describe_scenario(scenario: Scenario) -> Document:
    """Describe a scenario: what was read, and what follows from it without simulating.

    Counts of leads and win rates are taken at the means of what is uncertain.
    """
    calendar = scenario.calendar
    journey = describe_journey(scenario)
    leads = _leads(scenario)
    wins = _wins(scenario, leads)
    uncertain = uncertain_numbers(scenario)
    channels = _channels(scenario, leads, wins)
    return {
        "scenario": scenario.name,
        "currency": scenario.currency,
        "as_of": calendar.as_of.isoformat(),
        "start": calendar.start.isoformat(),
        "period": calendar.unit,
        "periods": calendar.periods,
        "quarters": list(calendar.quarters),
        "years": list(whole_years(calendar)),
        "channels": channels,
        "segments": _segments(scenario, wins),
        "journey": {key: journey[key] for key in ("entry", "stages", "differences")},
        "wins": wins,
        "products": _products(scenario),
        "qualification": describe_qualification(scenario),
        "closing": describe_closing(scenario),
        "uncertain": [
            {"assumption": name, **describe_number(number)} for name, number in uncertain.items()
        ],
        "correlations": [
            {
                "between": list(c.between),
                "rank": c.rank,
                "certain": [p for p in c.between if p not in uncertain],
            }
            for c in scenario.correlations
        ],
        "changes": journey["changes"],
        "referral": describe_referral(scenario),
        "goals": [_goal(goal) for goal in scenario.goals],
        "pipeline": describe_pipeline(scenario),
        "capacity": describe_slots(scenario) if stages_with_capacity(scenario) else [],
    }


def _leads(scenario: Scenario) -> dict[str, list[float]]:
    """Leads to expect by channel and quarter; with those that customers bring."""
    if scenario.referred is not None:
        return leads_with_brought(scenario)
    layout = lay_out(scenario)
    means = Draws(scenario, 0).means()
    quarter_of = np.array(scenario.calendar.quarter_of)
    count = len(scenario.calendar.quarters)
    found = {}
    for name in scenario.channels:
        periods = expected_leads(layout, name, means)[0]
        found[name] = [float(x) for x in np.bincount(quarter_of, periods, count)]
    return found


def _channels(
    scenario: Scenario, leads: Mapping[str, list[float]], wins: Sequence[Document]
) -> list[Document]:
    """Each channel's leads to expect, by quarter and in whole fiscal years, and what they win."""
    years = whole_years(scenario.calendar).values()
    won = _together(wins, "channel")
    return [
        {
            "channel": name,
            "enters": scenario.first_stage(name),
            "arrivals": "fixed" if channel.leads.fixed else "random",
            "leads": leads[name],
            "leads_by_year": [float(sum(leads[name][q] for q in quarters)) for quarters in years],
            **won[name],
        }
        for name, channel in scenario.versions[0].channels.items()
    ]


def _segments(scenario: Scenario, wins: Sequence[Document]) -> list[Document]:
    won = _together(wins, "segment")
    return [
        {"segment": name, **describe_number(share), **won[name]}
        for name, share in scenario.versions[0].shares.items()
    ]


def _wins(scenario: Scenario, leads: Mapping[str, list[float]]) -> list[Document]:
    """Each group's chance that a lead is won in the end, and the mean time until then."""
    found = []
    first = scenario.versions[0]
    known: dict[tuple[int, str], tuple[float, float]] = {}
    for (channel, segment), journey in first.journeys.items():
        start = scenario.first_stage(channel)
        if (id(journey), start) not in known:  # most groups share a journey
            known[id(journey), start] = win_rate_and_days(journey, start, scenario)
        rate, days = known[id(journey), start]
        found.append(
            {
                "channel": channel,
                "segment": segment,
                "leads": sum(leads[channel]) * centre(first.shares[segment]),
                "won": rate,
                "mean_days": days,
            }
        )
    return found


def _together(wins: Sequence[Document], key: str) -> dict[str, Document]:
    """Average the wins of all groups that have the same channel or segment, by its name."""
    parts: dict[str, list[Document]] = {}
    for win in wins:
        parts.setdefault(win[key], []).append(win)
    return {name: _average(part) for name, part in parts.items()}


def _average(wins: Sequence[Document]) -> Document:
    """The win rate of several groups' leads together, and the mean time of their wins."""
    leads = sum(win["leads"] for win in wins)
    won = sum(win["leads"] * win["won"] for win in wins)
    days = sum(win["leads"] * win["won"] * win["mean_days"] for win in wins)
    return {
        "won": won / leads if leads > 0 else None,
        "mean_days": days / won if won > 0 else None,
    }


def _products(scenario: Scenario) -> list[Document]:
    """Each product's mix and deal size, and where a channel or segment has its own."""
    groups = scenario.versions[0].products
    found = []
    for name in scenario.products:
        sold = by_group({group: products[name] for group, products in groups.items()}, _product)
        ((most, _),) = Counter(tuple(value.items()) for value in sold.values()).most_common(1)
        usual = dict(most)
        differences = [
            {"where": where, **value} for where, value in by_place(sold, usual, scenario)
        ]
        found.append({"product": name, **usual, "differences": differences})
    return found


def _product(product: Product) -> Document:
    family = product.size.family
    low, high = (float(x) for x in family.ppf(np.array([0.1, 0.9])))
    return {
        "mix": describe_number(product.mix)["mean"],
        "mean_size": float(family.mean),
        "p10_size": low,
        "p90_size": high,
        "size_uncertain": product.size.about is not None,
        **describe_recurring(product),
    }


def _goal(goal: Goal) -> Document:
    return {
        "metric": goal.metric,
        "quarters": [label for label, _ in goal.quarters],
        "target": int(goal.target) if goal.target == int(goal.target) else goal.target,
        "confidence": goal.confidence,
    }
