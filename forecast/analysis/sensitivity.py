"""What matters most: a tornado over all assumptions, shares of variance of the uncertain ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import forecast
from forecast.analysis import Document
from forecast.analysis.measures import Measure, goals_of
from forecast.analysis.shares import Shares, make_shares
from forecast.analysis.summary import plain
from forecast.analysis.tornado import Bar, make_tornado, measure_named
from forecast.engine.request import check_request
from forecast.engine.run import Progress
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    import xarray

TOGETHER = " + "


def sensitivity_document(
    scenario: Scenario,
    measure: Measure,
    *,
    paths: Sequence[str] = (),
    runs: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Document:
    """Tell what a measure depends on, as ``forecast sensitivity --json`` does.

    ``measure`` is found by ``measure_named``; ``paths`` are the assumptions to be moved, all that
    matter where none are given. Raises ``RequestError`` for a path that is no assumption.
    """
    check_request(runs, seed)
    tornado = make_tornado(scenario, measure, paths=paths, runs=runs, seed=seed, progress=progress)
    shares = make_shares(scenario, measure, runs=runs, seed=seed)
    document: Document = {
        "scenario": scenario.name,
        "runs": runs,
        "seed": seed,
        "version": forecast.__version__,
        "currency": scenario.currency,
        "metric": measure.metric,
        "quarter": measure.quarter,
        "base": plain(tornado.base),
        "base_standard_error": plain(tornado.standard_error),
        "exact": tornado.exact,
        "tornado": [_bar(bar) for bar in tornado.bars],
        "left_out": tornado.left_out,
        "luck": plain(shares.luck[0]) if shares.luck else None,
        "luck_standard_error": plain(shares.luck[1]) if shares.luck else None,
        "shares": _shares(shares),
        "shares_from": shares.how,
    }
    if measure.is_chance:
        document["target"] = goals_of(scenario)[measure][0].target
    return document


def sensitivity(
    scenario: Scenario,
    metric: str = "deals",
    quarter: str = "",
    *,
    goal: int = 0,
    runs: int = 10_000,
    seed: int = 0,
) -> xarray.Dataset:
    """Give what a metric over a quarter or year, or the chance of the n-th goal, depends on.

    Dim ``assumption``, the largest swing first: ``low`` and ``high`` are the measure with the
    assumption at ``at_low`` and ``at_high`` (P10 and P90, or 90% and 110% of a certain one),
    ``swing`` their difference; ``first_order`` and ``total`` the Sobol shares, nan of certain
    assumptions. Without a quarter it is the last whole year. Raises ``RequestError``.

    >>> from forecast import read_scenario
    >>> found = sensitivity(read_scenario("scenarios/lean-consulting-uncertain.yaml"), runs=1_000)
    >>> found.assumption.item(0), found.first_order.values[0].round(2).item()
    ('journey.opportunity.won.conversion', 1.0)
    """
    import xarray

    measure = measure_named(scenario, metric, quarter, goal)
    found = sensitivity_document(scenario, measure, runs=runs, seed=seed)
    of = {name: row for row in found["shares"] for name in row["assumption"].split(TOGETHER)}
    names = [bar["assumption"] for bar in found["tornado"]]
    columns = {
        key: [bar[key] for bar in found["tornado"]]
        for key in ("at_low", "at_high", "low", "high", "swing", "standard_error", "uncertain")
    }
    for key in ("first_order", "total"):
        for each in (key, f"{key}_standard_error"):
            columns[each] = [of[name][each] if name in of else np.nan for name in names]
    variables = {key: ("assumption", np.array(column)) for key, column in columns.items()}
    keys = ("metric", "quarter", "base", "base_standard_error", "luck", "luck_standard_error")
    attrs = {key: np.nan if found[key] is None else found[key] for key in keys}
    return xarray.Dataset(variables, {"assumption": names}, attrs)


def _bar(bar: Bar) -> Document:
    return {
        "assumption": bar.path,
        "uncertain": bar.uncertain,
        "at_low": plain(bar.at[0]),
        "at_high": plain(bar.at[1]),
        "low": plain(bar.values[0]),
        "low_standard_error": plain(bar.errors[0]),
        "high": plain(bar.values[1]),
        "high_standard_error": plain(bar.errors[1]),
        "swing": plain(bar.swing),
        "standard_error": plain(bar.standard_error),
    }


def _shares(shares: Shares) -> list[Document]:
    """Rows of the shares, the largest total first."""
    rows = [
        {
            "assumption": TOGETHER.join(group),
            "first_order": plain(first[0]),
            "first_order_standard_error": plain(first[1]),
            "total": plain(total[0]),
            "total_standard_error": plain(total[1]),
        }
        for group, first, total in zip(
            shares.groups, shares.first_order, shares.total, strict=False
        )
    ]
    return sorted(rows, key=lambda row: -float(row["total"] or 0.0))
