"""What customers are worth and cost, by channel and product, as ``forecast run --json`` says it.

A figure that a run does not have is left out of its mean and deviation: one of a run without deals
or without spend, or that is infinite; ``without`` is the share of those runs. Quantiles are over
all runs that have a figure or an infinite one; an infinite quantile is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.analysis import Document
from forecast.analysis.ranks import quantile_rank
from forecast.engine.assumptions import Values
from forecast.engine.customers import FIGURES, CustomerRuns
from forecast.engine.lifetimes import lifetime
from forecast.engine.outcome import Outcome
from forecast.scenario.model import EVERYTHING, Product
from forecast.scenario.uncertain import walk_uncertain

QUANTILES_PERCENT = (10, 50, 90)


def describe_customers(outcome: Outcome) -> list[Document]:
    """Describe the customers of each channel and product, and of its products together.

    What a channel spends is not split over its products: ``cac``, ``return_on_spend``,
    ``payback_months`` and ``ltv_to_cac`` are the channel's in all of its entries.
    """
    found = outcome.customers
    return [] if found is None else list(_entries(outcome, found))


def describe_runs(column: NDArray[np.float64]) -> Document:
    """Describe one figure of all runs: over those that have it, and how many do not.

    >>> describe_runs(np.array([1.0, 3.0, np.inf, np.nan]))["mean"]
    2.0
    """
    fine = column[np.isfinite(column)]
    mean = float(fine.mean()) if len(fine) else None
    sd = float(fine.std(ddof=1)) if len(fine) > 1 else None
    known = np.sort(column[~np.isnan(column)])
    quantiles = {f"p{percent}": _at(known, percent) for percent in QUANTILES_PERCENT}
    return {
        "mean": mean,
        "sd": sd,
        **quantiles,
        "standard_error": None if sd is None else sd / sqrt(len(fine)),
        "without": 1.0 - len(fine) / len(column),
    }


def _entries(outcome: Outcome, found: CustomerRuns) -> Iterator[Document]:
    scenario = outcome.scenario
    again = {
        name
        for version in scenario.versions
        for products in version.products.values()
        for name, product in products.items()
        if product.recurring is not None
    }
    for c, channel in enumerate(scenario.channels):
        of_channel = {name: describe_runs(found.figures[name][:, c]) for name in FIGURES}
        for p, product in enumerate((*scenario.products, EVERYTHING)):
            if product == EVERYTHING and p < len(scenario.products):
                continue  # the one product of a scenario that names none
            ltv = describe_runs(found.ltv[:, c, p])
            del ltv["without"]
            ltv["expected"] = _finite(found.expected[c, p])
            paid = product in again or (product == EVERYTHING and bool(again))
            yield {
                "channel": channel,
                "product": product,
                "recurring": paid,
                "ltv": ltv,
                **of_channel,
            }


def describe_recurring(product: Product) -> Document:
    """Describe how long a product's customers stay, and what one is worth, at the means.

    None stands where a product is paid once, and for a lifetime whose mean is infinite.
    """
    values = Values({u: np.array([u.family.mean]) for u in walk_uncertain(product)})
    margin = float(values(product.margin)[0])
    worth = product.size.family.mean * margin
    recurring = product.recurring
    if recurring is None:
        once = dict.fromkeys(("every", "term_months", "retention_year", "lifetime_months"))
        return {"margin": margin, **once, "lifetime_value": worth}
    life = lifetime(recurring, values)
    term_months = life.payments * life.every_months
    plain = replace(life, growth=np.zeros(1), discount=np.zeros(1))
    return {
        "margin": margin,
        "every": recurring.every,
        "term_months": term_months,
        "retention_year": float(life.survival(np.array([12 // term_months]))[0, 0]),
        "lifetime_months": _finite(plain.value()[0] * life.every_months),
        "lifetime_value": _finite(worth * life.value()[0]),
    }


def _at(ordered: NDArray[np.float64], percent: int) -> float | None:
    return _finite(ordered[quantile_rank(len(ordered), percent) - 1]) if len(ordered) else None


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if isfinite(number) else None
