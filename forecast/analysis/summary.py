"""What an outcome says: one document of plain numbers, as ``forecast run --json`` gives it.

How sure each figure is stands beside it. Of n runs with sample deviation s, a mean's standard
error is s / sqrt(n). A quantile's 95% interval is that of its ranks (see ``ranks``). A chance's
standard error never vanishes (see ``chance_error``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

import forecast
from forecast.analysis import Document
from forecast.analysis.customers import describe_customers
from forecast.analysis.pipeline_facts import expect_pipeline
from forecast.analysis.ranks import quantile_rank, rank_interval
from forecast.engine.capacity import stages_with_capacity
from forecast.engine.outcome import Outcome
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import METRICS, Goal

Column = NDArray[Any]

QUANTILES_PERCENT = (10, 50, 90)
MEASURES = (*METRICS, "spend")
SURE = 1e-12  # what rounding may take from an exact chance


def summarize(outcome: Outcome) -> Document:
    """Summarise an outcome as the document of ``forecast run --json``.

    Every figure is an int, a float, or None where there is none (the deviation of one run).
    """
    scenario = outcome.scenario
    calendar = scenario.calendar
    pipeline = expect_pipeline(scenario)
    return {
        "scenario": scenario.name,
        "runs": outcome.runs,
        "seed": outcome.seed,
        "version": forecast.__version__,
        "currency": scenario.currency,
        "as_of": calendar.as_of.isoformat(),
        "start": calendar.start.isoformat(),
        **({} if pipeline is None else {"pipeline": pipeline}),
        "quarters": [
            {"quarter": label, **_time_span(outcome, (q,))}
            for q, label in enumerate(calendar.quarters)
        ],
        "years": [
            {"year": year, **_time_span(outcome, quarters)}
            for year, quarters in whole_years(calendar).items()
        ],
        "goals": [
            _goal(outcome, goal, label, quarters)
            for goal in scenario.goals
            for label, quarters in goal.quarters
        ],
        "customers": describe_customers(outcome),
        "expected_from": outcome.expected_how,
        "check": _check(outcome),
    }


def whole_years(calendar: Calendar) -> dict[str, tuple[int, ...]]:
    """Give each fiscal year of which all four quarters are there, with their indices."""
    return {year: quarters for year, quarters in calendar.years.items() if len(quarters) == 4}


def total_over(outcome: Outcome, name: str, quarters: Sequence[int]) -> Column:
    """Add up a total over quarters, run by run, shape (run,)."""
    totals = outcome.totals[name]
    if len(quarters) == 1:
        return np.ascontiguousarray(totals[:, quarters[0]])
    column: Column = totals[:, quarters[0]].copy()
    for q in quarters[1:]:
        column += totals[:, q]
    return column


def describe_column(column: Column, expected: float | None) -> Document:
    """Describe a total's runs: mean, deviation, quantiles that are outcomes, and how exact.

    >>> describe_column(np.array([3, 1, 2, 4]), 2.5)["p50"]
    2
    """
    found = _mean(column)
    ranks = {percent: _ranks(len(column), percent) for percent in QUANTILES_PERCENT}
    wanted = sorted({r - 1 for three in ranks.values() for r in three if r is not None})
    ordered = np.partition(column, wanted)

    def at(rank: int | None) -> float | None:
        return None if rank is None else plain(ordered[rank - 1])

    quantiles = {f"p{percent}": at(middle) for percent, (_, middle, _) in ranks.items()}
    intervals = {f"p{percent}_interval": [at(a), at(b)] for percent, (a, _, b) in ranks.items()}
    return {
        "mean": found["mean"],
        "sd": found["sd"],
        **quantiles,
        "standard_error": found["standard_error"],
        "expected": plain(expected),
        **intervals,
    }


def chance_error(hits: int, runs: int) -> float:
    """Standard error of a chance that ``hits`` of ``runs`` runs show; never 0.

    The binomial error with two hits and two misses added, sqrt(p (1 - p) / (n + 4)) with
    p = (hits + 2) / (n + 4): at 0 of n hits two errors reach 2.8 / n, about the rule of three.
    Source: Agresti and Coull (1998), doi:10.1080/00031305.1998.10480550.

    >>> round(chance_error(5938, 10_000), 4), round(chance_error(0, 10_000) * 10_000, 2)
    (0.0049, 1.41)
    """
    share = (hits + 2) / (runs + 4)
    return sqrt(share * (1 - share) / (runs + 4))


def plain(value: Any) -> int | float | None:
    """Give a number as a Python int where it is a count, as a float otherwise; None for no number.

    >>> plain(np.int64(3)), plain(np.float32(0.5)), plain(float("nan"))
    (3, 0.5, None)
    """
    if value is None:
        return None
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return number if isfinite(number) else None


def _mean(column: Column) -> Document:
    """The mean, the sample deviation in two passes, and the mean's standard error."""
    values = column.astype(np.float64)
    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return {"mean": plain(mean), "sd": None, "standard_error": None}
    values -= mean
    np.square(values, out=values)
    sd = sqrt(float(np.sum(values)) / (n - 1))
    return {"mean": plain(mean), "sd": plain(sd), "standard_error": plain(sd / sqrt(n))}


def _ranks(runs: int, percent: int) -> tuple[int | None, int, int | None]:
    low, high = rank_interval(runs, percent)
    return low, quantile_rank(runs, percent), high


def _time_span(outcome: Outcome, quarters: Sequence[int]) -> Document:
    """Every measure of a quarter, or of several added up run by run."""
    from forecast.analysis.queues import (
        describe_capacity,
    )  # which describes columns as is done here

    def expected(name: str) -> float:
        return float(sum(outcome.expected[name][q] for q in quarters))

    measures = {
        name: describe_column(total_over(outcome, name, quarters), expected(name))
        for name in MEASURES
        if name in outcome.totals  # with all detail: each of them
    }
    entered = {
        stage: {**_mean(total_over(outcome, stage, quarters)), "expected": plain(expected(stage))}
        for stage in outcome.scenario.stages
        if stage in outcome.totals
    }
    if "pipeline_deals" in outcome.totals:
        for name in ("deals", "bookings", "revenue"):
            measures[name] |= _parts(outcome, name, quarters)
    found = {**measures, "entered": entered}
    if stages_with_capacity(outcome.scenario) and entered:
        found["capacity"] = describe_capacity(outcome, quarters)
    return found


def _parts(outcome: Outcome, name: str, quarters: Sequence[int]) -> Document:
    """What of a measure comes of deals that were open at as_of, and what of new leads."""
    if name == "revenue" and outcome.totals["revenue"] is not outcome.totals["bookings"]:
        return {}
    part = "pipeline_deals" if name == "deals" else "pipeline_bookings"
    known = float(sum(outcome.expected[part][q] for q in quarters))
    both = float(sum(outcome.expected[name][q] for q in quarters))
    old = total_over(outcome, part, quarters)
    new = total_over(outcome, name, quarters) - old
    found = {"from_pipeline": (old, known), "from_new": (new, both - known)}
    return {
        source: {key: d for key, d in describe_column(*given).items() if "interval" not in key}
        for source, given in found.items()
    }


def _goal(outcome: Outcome, goal: Goal, label: str, quarters: Sequence[int]) -> Document:
    hits = int(np.count_nonzero(outcome.reached(goal, quarters)))
    probability, error = hits / outcome.runs, chance_error(hits, outcome.runs)
    exact = outcome.exact.get((goal, label))
    best = probability if exact is None else exact.probability
    doubt = error if exact is None else exact.standard_error
    return {
        "metric": goal.metric,
        "quarter": label,
        "quarters": [outcome.scenario.calendar.quarters[q] for q in quarters],
        "target": int(goal.target) if goal.target == int(goal.target) else goal.target,
        "confidence": goal.confidence,
        "probability": probability,
        "standard_error": error,
        "exact": None if exact is None else plain(exact.probability),
        "exact_standard_error": None if exact is None else exact.standard_error,
        "exact_from": None if exact is None else exact.how,
        "reached": bool(best >= goal.confidence - SURE),
        "too_close": abs(best - goal.confidence) < 2 * doubt,
    }


def _check(outcome: Outcome) -> Document:
    check = outcome.check
    return {
        "largest_z": plain(check.largest_z),
        "where": check.where,
        "bound": plain(check.bound),
        "cells": check.cells,
        "passed": check.passed,
    }
