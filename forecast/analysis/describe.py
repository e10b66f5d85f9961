"""What a scenario says, as ``forecast check`` explains it: one document of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecast.analysis.journeys import (
    by_place,
    changes,
    describe_journey,
    describe_number,
    win_rate_and_days,
)
from forecast.analysis.summary import whole_years
from forecast.engine.arrivals import fixed_counts, mean_leads
from forecast.engine.assumptions import Draws
from forecast.engine.layout import lay_out
from forecast.scenario.model import Goal, Product, Scenario, centre
from forecast.scenario.uncertain import uncertain_numbers

Document = dict[str, Any]


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
        "years": [year for year, _ in whole_years(calendar.quarters)],
        "channels": channels,
        "segments": _segments(scenario, wins),
        "journey": {key: journey[key] for key in ("entry", "stages", "differences")},
        "wins": wins,
        "products": _products(scenario),
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
        "changes": changes(scenario),
        "goals": [_goal(goal) for goal in scenario.goals],
    }


def _leads(scenario: Scenario) -> dict[str, list[float]]:
    """Leads to expect by channel and quarter."""
    layout = lay_out(scenario)
    means = Draws(scenario, 0).means()
    quarter_of = np.array(scenario.calendar.quarter_of)
    count = len(scenario.calendar.quarters)
    found = {}
    for name in scenario.channels:
        periods = mean_leads(layout, name, means)[0] + fixed_counts(layout, name)
        found[name] = [float(x) for x in np.bincount(quarter_of, periods, count)]
    return found


def _channels(
    scenario: Scenario, leads: Mapping[str, list[float]], wins: Sequence[Document]
) -> list[Document]:
    """Each channel's leads to expect, by quarter and in whole fiscal years, and what they win."""
    years = [quarters for _, quarters in whole_years(scenario.calendar.quarters)]
    return [
        {
            "channel": name,
            "enters": scenario.first_stage(name),
            "arrivals": "fixed" if channel.leads.fixed else "random",
            "leads": leads[name],
            "leads_by_year": [float(sum(leads[name][q] for q in quarters)) for quarters in years],
            **_average([win for win in wins if win["channel"] == name]),
        }
        for name, channel in scenario.versions[0].channels.items()
    ]


def _segments(scenario: Scenario, wins: Sequence[Document]) -> list[Document]:
    return [
        {
            "segment": name,
            **describe_number(share),
            **_average([win for win in wins if win["segment"] == name]),
        }
        for name, share in scenario.versions[0].shares.items()
    ]


def _wins(scenario: Scenario, leads: Mapping[str, list[float]]) -> list[Document]:
    """Each group's chance that a lead is won in the end, and the mean time until then."""
    found = []
    first = scenario.versions[0]
    for (channel, segment), journey in first.journeys.items():
        rate, days = win_rate_and_days(journey, scenario.first_stage(channel), scenario)
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
        sold = {group: _product(products[name]) for group, products in groups.items()}
        usual = max(sold.values(), key=lambda value: sum(v == value for v in sold.values()))
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
    }


def _goal(goal: Goal) -> Document:
    return {
        "metric": goal.metric,
        "quarters": [label for label, _ in goal.quarters],
        "target": int(goal.target) if goal.target == int(goal.target) else goal.target,
        "confidence": goal.confidence,
    }
