"""Evaluate a plan: by what, and by how much, what came differs from what was planned.

The plan's expected figure becomes the actual one in steps: cause by cause the plan is put in the
state that came (``forecast.analysis.realised``). The effect of a cause is its Shapley value over
all orders of the causes, so effects add up exactly; what is left over is luck. Each cause has a
quantile: where what came lies among the plan's own futures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

from forecast.analysis import Document, words
from forecast.analysis.actuals import Actuals
from forecast.analysis.expectations import expect
from forecast.analysis.realised import CAUSES, Realised
from forecast.analysis.summary import plain
from forecast.analysis.surprise import (
    Statistic,
    Surprise,
    metric_of,
    quantile_of,
    simulate_rows,
)
from forecast.engine.kernel.shapes import Futures
from forecast.engine.request import RequestError
from forecast.scenario.errors import did_you_mean, listed
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    import xarray

LUCK = "luck"
NOTHING_ODD = 0.05  # a tail of less is not what luck usually does
TOO_ODD = 0.01  # and this it hardly ever does
MOSTLY = 2 / 3  # of the difference
Values = Mapping[frozenset[str], float]


@dataclass(frozen=True)
class Cause:
    """A cause: its effect on the metric, how it came out, and its quantile under the plan."""

    name: str
    effect: float
    actual: float | None = None
    planned: float | None = None
    quantile: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What came of a metric over some quarters, and why it is not what was planned."""

    metric: str
    quarters: tuple[str, ...]
    planned: float
    actual: float
    quantile: float | None
    causes: tuple[Cause, ...]  # luck is the last of them
    untold: tuple[str, ...]  # causes that the actuals say nothing about
    realised: Realised  # the plan in the states that came

    @property
    def total(self) -> float:
        """What came less what was planned."""
        return self.actual - self.planned


def evaluate(
    plan: Scenario,
    actuals: Actuals,
    *,
    metric: str = "deals",
    quarters: Sequence[str] = (),
    runs: int = 10_000,
    seed: int = 0,
) -> Evaluation:
    """Split the miss or beat of a metric over its causes; all quarters where none are named.

    Raises ``RequestError`` for what the actuals do not tell.
    """
    labels = tuple(quarters) or tuple(actuals.quarters)
    came = _actual(plan, actuals, metric, labels)
    realised = Realised(plan, actuals)
    at = [realised.plan.calendar.quarters.index(label) for label in labels]

    def value(causes: frozenset[str]) -> float:
        found = realised.planned if not causes else expect(realised.scenario(causes), seed)
        return float(found.by_quarter(metric)[at].sum())

    causes = realised.causes
    values = {frozenset(some): value(frozenset(some)) for some in _subsets(causes)}
    effects = shapley(causes, values)
    everything, nothing = frozenset(causes), frozenset[str]()
    futures = simulate_rows(realised.plan, runs, seed)
    surprise = Surprise(realised, futures)

    def place(rows: Futures) -> float | None:
        return quantile_of(metric_of(rows, realised.plan, metric)[:, at].sum(axis=1), came)

    told = [_cause(name, effects[name], surprise.statistic(name)) for name in causes]
    left = came - values[nothing] - sum(effects.values())
    as_it_came = simulate_rows(realised.scenario(causes), runs, seed)
    told.append(Cause(LUCK, left, came, values[everything], place(as_it_came)))
    untold = tuple(cause for cause in CAUSES if cause not in causes)
    return Evaluation(
        metric, labels, values[nothing], came, place(futures), tuple(told), untold, realised
    )


def shapley(causes: Sequence[str], values: Values) -> dict[str, float]:
    """Give every cause its Shapley value: its mean effect over all orders.

    Source: Shapley (1953), doi:10.1515/9781400881970-018.

    >>> shapley("ab", {frozenset(s): v for s, v in (("", 0), ("a", 1), ("b", 2), ("ab", 5))})
    {'a': 2.0, 'b': 3.0}
    """
    n = len(causes)
    found = {}
    for cause in causes:
        others = [other for other in causes if other != cause]
        found[cause] = sum(
            factorial(len(some))
            * factorial(n - 1 - len(some))
            / factorial(n)
            * (values[frozenset({*some, cause})] - values[frozenset(some)])
            for some in _subsets(others)
        )
    return found


def verdict(found: Evaluation) -> str:
    """Say in a sentence whether luck explains it, and what else may.

    It is within luck where at least one in twenty such plans does worse (or better), hardly so
    where one in a hundred does. A cause is odd in a tail of one in forty, shared out over all
    causes: one of many is always a bit odd.
    """
    missed = found.total < 0
    word, worse = ("miss", "worse") if missed else ("beat", "better")
    if found.quantile is None or not found.total:
        return "As planned."
    tail = found.quantile if missed else 1.0 - found.quantile
    causes = [c for c in found.causes if c.name != LUCK and c.effect and (c.effect < 0) == missed]
    odd = sorted((c for c in causes if _tail(c) < NOTHING_ODD / 2 / len(found.causes)), key=_tail)
    share = f"{tail:.0%}" if tail >= TOO_ODD else _rare(tail)
    told = f"{share} of such plans do {worse}"
    if tail >= NOTHING_ODD:
        yet = f". What is more than luck: {listed_causes(odd)}" if odd else ""
        return f"The {word} is within luck: {told}{yet}."
    said = f"hardly within luck: {told}" if tail >= TOO_ODD else f"more than luck ({told})"
    return f"The {word} is {said}{_by(found, causes, odd)}."


def _by(found: Evaluation, causes: Sequence[Cause], odd: Sequence[Cause]) -> str:
    """Name what a difference comes from: odd causes, the one that makes most of it, or several."""
    if odd:
        return f", by {listed_causes(odd)}"
    if not causes:
        return ""
    most = max(causes, key=lambda cause: abs(cause.effect))
    if abs(most.effect) >= MOSTLY * abs(found.total):
        return f", mostly by {listed_causes([most])}"
    return f", by several causes; the oddest: {listed_causes([min(causes, key=_tail)])}"


def listed_causes(causes: Sequence[Cause]) -> str:
    """Name causes with what came against what was planned, and how rare that is."""
    return "; ".join(
        f"{c.name} {figure(c, c.actual)} against {figure(c, c.planned)} planned ({_rare(_tail(c))})"
        for c in causes
    )


def figure(cause: Cause, value: float | None) -> str:
    """Write a cause's figure as a person reads it."""
    if value is None or value != value:
        return words.NOTHING
    writers: dict[str, Callable[[float], str]] = {
        "lead volume": words.count,
        "criteria": lambda x: f"{x:.1%}",
        "follow-up": lambda x: f"{x:.1%}",
        "close ratio": lambda x: f"{x:.1%}",
        "cycle time": lambda x: f"{x:.0f} days",
        "deal size": words.money,
        "mix": lambda x: f"{x:.2f}",
    }
    return writers.get(cause.name, words.count)(value)


def describe(found: Evaluation, plan: Scenario, runs: int, seed: int) -> Document:
    """Lay an evaluation out as the JSON document of ``forecast evaluate``."""
    return {
        "scenario": plan.name,
        "currency": plan.currency,
        "metric": found.metric,
        "quarters": list(found.quarters),
        "runs": runs,
        "seed": seed,
        "planned": plain(found.planned),
        "actual": plain(found.actual),
        "quantile": plain(found.quantile),
        "total": plain(found.total),
        "causes": [
            {
                "cause": cause.name,
                "effect": plain(cause.effect),
                "quantile": plain(cause.quantile),
                "actual": plain(cause.actual),
                "planned": plain(cause.planned),
            }
            for cause in found.causes
        ],
        "untold": list(found.untold),
        "verdict": verdict(found),
    }


def as_dataset(found: Evaluation) -> xarray.Dataset:
    """Lay an evaluation into a dataset with the dim ``cause``."""
    import numpy as np
    import xarray

    def column(name: str) -> tuple[str, list[float]]:
        values = [getattr(cause, name) for cause in found.causes]
        return "cause", [np.nan if value is None else float(value) for value in values]

    names = ("effect", "actual", "planned", "quantile")
    attrs = {
        "metric": found.metric,
        "quarters": ", ".join(found.quarters),
        "planned": found.planned,
        "actual": found.actual,
        "total": found.total,
        "verdict": verdict(found),
    }
    labels = [cause.name for cause in found.causes]
    return xarray.Dataset({name: column(name) for name in names}, {"cause": labels}, attrs)


def _cause(name: str, effect: float, how: Statistic) -> Cause:
    return Cause(name, effect, how.actual, how.planned, how.quantile)


def _tail(cause: Cause) -> float:
    quantile = 0.5 if cause.quantile is None else cause.quantile
    return min(quantile, 1.0 - quantile)


def _rare(tail: float) -> str:
    return f"1 in {round(1.0 / tail):,}" if tail > 1e-4 else "less than 1 in 10,000"


def _subsets(causes: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(len(causes) + 1) for some in combinations(causes, size)]


def _actual(plan: Scenario, actuals: Actuals, metric: str, labels: Sequence[str]) -> float:
    """Add up what came of a metric; raises ``RequestError`` where that is not told."""
    known = ("deals", "bookings", "leads", *plan.stages)
    if metric not in known:
        mend = did_you_mean(metric, known) or "Choose one of them."
        raise RequestError(f"--metric: got {metric}; must be one of {listed(known, 'or')}. {mend}")
    total = 0.0
    for label in labels:
        if label not in actuals.quarters:
            must = f"one of the actuals: {listed(actuals.quarters, 'or')}"
            raise RequestError(f"--quarter: got {label}; must be {must}.")
        part = Actuals({label: actuals.quarters[label]})
        found = part.entries(metric) if metric in plan.stages else part.total(metric)
        if found is None:
            mend = f"Add {metric} to {label} of the actuals."
            raise RequestError(f"--metric: got {metric}; must be told for {label}. {mend}")
        total += found
    return total
