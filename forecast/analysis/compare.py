"""Which plan is better, by how much, how surely, and why: scenarios against one another.

All are simulated with the same random numbers, so that run r of one scenario is the same luck as
run r of another: a difference is taken run by run, and its error is that of the differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

import forecast
from forecast.analysis import Document
from forecast.analysis.bridge import Bridge, make_bridge
from forecast.analysis.measures import (
    SPEND,
    Floats,
    Futures,
    Measure,
    chance_rows,
    futures_of,
    goals_of,
    shared_measures,
)
from forecast.analysis.summary import chance_error, plain
from forecast.engine.request import RequestError, check_memory, check_request
from forecast.engine.run import Progress
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    import xarray

SAME = 1e-9  # of two sums of money: a smaller difference is rounding
LESS_IS_BETTER = (SPEND,)


@dataclass(frozen=True)
class Comparison:
    """What is asked of scenarios beside their difference.

    ``metrics`` and ``quarters`` choose measures, all where they are empty. ``each``: every scenario
    against every one before it, not only the first. ``bridge``: explain differences by assumptions,
    ``by_path``: each path by itself, however many there are.
    """

    metrics: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()
    each: bool = False
    bridge: bool = True
    by_path: bool = False


@dataclass(frozen=True)
class Difference:
    """Scenario less the one it is against, shape (measure,) each.

    ``probability_better``: the chance to come out better in the same run; a tie counts half.
    ``expected`` is exact, not a number where no closed form is known for both.
    """

    scenario: str
    against: str
    measures: tuple[Measure, ...]
    mean: Floats
    standard_error: Floats
    probability_better: Floats
    probability_standard_error: Floats
    expected: Floats
    expected_standard_error: Floats


def compare_document(
    scenarios: Mapping[str, Scenario],
    asked: Comparison = Comparison(),
    *,
    runs: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Document:
    """Compare scenarios, the first of which is the base, as ``forecast compare --json`` does.

    Raises ``RequestError`` for scenarios that cannot be compared and runs that are too many.
    """
    futures = _simulated(scenarios, asked, runs, seed, progress)
    differences: list[Document] = []
    bridges: list[Document] = []
    how: list[Document] = []
    for one, other, measures in _pairs(scenarios, asked):
        differences += _difference_rows(difference(futures, one, other, measures), futures)
        if asked.bridge:
            found = make_bridge(
                futures[one], futures[other], measures,
                seed=seed, by_path=asked.by_path, progress=progress,
            )  # fmt: skip
            bridges += _bridge_rows(found, one, other)
            how.append({"scenario": other, "against": one, "how": found.how})
    first = next(iter(scenarios.values()))
    return {
        "scenarios": list(scenarios),
        "runs": runs,
        "seed": seed,
        "version": forecast.__version__,
        "currency": first.currency,
        "difference": differences,
        "bridge": bridges,
        "bridge_from": how,
    }


def compare(
    scenarios: Mapping[str, Scenario],
    asked: Comparison = Comparison(),
    *,
    runs: int = 10_000,
    seed: int = 0,
) -> xarray.Dataset:
    """Give the differences between scenarios, the first of which is the base.

    Dims ``scenario``, ``against``, ``metric``, ``quarter``; metrics are in their own units, the
    metric "chance of deals" is the chance of a goal on deals; nan where a pair is not compared or
    has no such goal. Raises ``RequestError``.

    >>> from forecast import read_scenario
    >>> path, win = "scenarios/lean-consulting.yaml", "journey.opportunity.won.conversion"
    >>> plans = {rate: read_scenario(path, {win: rate}) for rate in ("30%", "35%")}
    >>> found = compare(plans, runs=500).sel(scenario="35%", against="30%", quarter="2027Q2")
    >>> found.expected.sel(metric="deals").round(6).item()
    1.7
    """
    futures = _simulated(scenarios, asked, runs, seed, None)
    found = [difference(futures, *pair) for pair in _pairs(scenarios, asked)]
    names = ("mean", "standard_error", "probability_better", "expected")
    rows = [((each.scenario, each.against), each.measures, each) for each in found]
    return _dense(rows, names, ("scenario", "against"))


def bridge(
    scenarios: Mapping[str, Scenario],
    asked: Comparison = Comparison(),
    *,
    runs: int = 10_000,
    seed: int = 0,
) -> xarray.Dataset:
    """Explain what changes from the first scenario to each other one, assumption by assumption.

    Dims ``scenario``, ``assumption``, ``metric``, ``quarter``; the effects of all assumptions sum
    to the difference; nan where there is none. Raises ``RequestError``.

    >>> from forecast import read_scenario
    >>> path, size = "scenarios/lean-consulting.yaml", "products.engagement.size"
    >>> changed = {"journey.opportunity.won.conversion": "33%", size: "80k"}
    >>> plans = {"now": read_scenario(path), "then": read_scenario(path, changed)}
    >>> found = bridge(plans, runs=500).sel(scenario="then", metric="deals", quarter="2027")
    >>> found.expected.round(6).values.tolist()
    [1.02, 0.0]
    """
    futures = _simulated(scenarios, asked, runs, seed, None)
    names = ("effect", "standard_error", "expected")
    rows = []
    for one, other, measures in _pairs(scenarios, asked):
        found = make_bridge(
            futures[one], futures[other], measures, seed=seed, by_path=asked.by_path
        )
        for i, cause in enumerate(found.causes):
            part = {name: getattr(found, name)[i] for name in names}
            rows.append(((other, cause), found.measures, part))
    return _dense(rows, names, ("scenario", "assumption"))


def difference(
    futures: Mapping[str, Futures], one: str, other: str, measures: Sequence[Measure]
) -> Difference:
    """Take the difference of two simulated scenarios, the second less the first, run by run."""
    found = [_one_difference(futures[one], futures[other], measure) for measure in measures]
    return Difference(other, one, tuple(measures), *np.array(found).reshape(-1, 6).T)


def _one_difference(one: Futures, other: Futures, measure: Measure) -> tuple[float, ...]:
    a, b = one.column(measure), other.column(measure)
    gain = b - a
    exact = other.known(measure) - one.known(measure)
    return (
        float(gain.mean()),
        _error(gain),
        *_better(a, b, measure.metric in LESS_IS_BETTER),
        float(exact.mean()),
        _error(exact) if len(exact) > 1 else 0.0,
    )


def _error(column: Floats) -> float:
    """Standard error of a mean of independent values."""
    return float(column.std(ddof=1)) / sqrt(len(column)) if len(column) > 1 else float("nan")


def _better(a: Floats, b: Floats, less: bool) -> tuple[float, float]:
    """The share of runs in which b beats a, a tie counting half, and its standard error."""
    same = np.abs(b - a) <= SAME * np.maximum(np.abs(a), np.abs(b))
    wins = np.where(same, 0.5, ((b < a) if less else (b > a)).astype(np.float64))
    share, runs = float(wins.mean()), len(wins)
    if same.all():
        return share, 0.0
    return share, max(_error(wins), chance_error(runs, runs)) if runs > 1 else float("nan")


def _simulated(
    scenarios: Mapping[str, Scenario],
    asked: Comparison,
    runs: int,
    seed: int,
    progress: Progress | None,
) -> dict[str, Futures]:
    """Simulate every scenario by itself; keys by name make the random numbers common."""
    check_request(runs, seed)
    if len(scenarios) < 2:
        got = f"{len(scenarios)} scenario{'s' * (len(scenarios) != 1)}"
        raise RequestError(f"compare: got {got}; must be two or more. Name another file.")
    first, *others = scenarios.values()
    for name, scenario in list(scenarios.items())[1:]:
        if scenario.currency != first.currency:
            must = f"{first.currency}, as the first scenario"
            mend = "Give both in one currency."
            raise RequestError(f"{name}: currency: got {scenario.currency}; must be {must}. {mend}")
    list(_pairs(scenarios, asked))  # refuse what cannot be compared before the work begins
    kept = sum(8 * len(s.calendar.quarters) * (4 + len(s.stages)) for s in (first, *others))
    check_memory(runs, kept)
    rows = chance_rows(scenarios.values(), runs)
    return {
        name: futures_of(scenario, runs=runs, seed=seed, rows=rows, progress=progress)
        for name, scenario in scenarios.items()
    }


def _pairs(
    scenarios: Mapping[str, Scenario], asked: Comparison
) -> Iterator[tuple[str, str, list[Measure]]]:
    """The pairs to compare (base, scenario), with what they share."""
    names = list(scenarios)
    for i, other in enumerate(names[1:], start=1):
        for one in names[:i] if asked.each else names[:1]:
            both = scenarios[one], scenarios[other]
            yield one, other, shared_measures(both, asked.metrics, asked.quarters)


def _difference_rows(found: Difference, futures: Mapping[str, Futures]) -> Iterator[Document]:
    for i, measure in enumerate(found.measures):
        row: Document = {
            "scenario": found.scenario,
            "against": found.against,
            "metric": measure.metric,
            "quarter": measure.quarter,
            "mean": plain(found.mean[i]),
            "standard_error": plain(found.standard_error[i]),
            "probability_better": plain(found.probability_better[i]),
            "probability_standard_error": plain(found.probability_standard_error[i]),
            "expected": plain(found.expected[i]),
            "expected_standard_error": _beside(found.expected[i], found.expected_standard_error[i]),
        }
        for key, name in (("value", found.scenario), ("value_against", found.against)):
            known = float(futures[name].known(measure).mean())
            row[key] = plain(futures[name].column(measure).mean() if np.isnan(known) else known)
        if measure.is_chance:
            goals = (goals_of(futures[name].scenario) for name in (found.scenario, found.against))
            targets = (of[measure][0].target for of in goals)
            row["target"], row["target_against"] = (int(t) if t == int(t) else t for t in targets)
        yield row


def _beside(value: float, error: float) -> float | int | None:
    """The error of a value, where there is one."""
    return None if np.isnan(value) else plain(error)


def _bridge_rows(found: Bridge, one: str, other: str) -> Iterator[Document]:
    for k, measure in enumerate(found.measures):
        for i, cause in enumerate(found.causes):
            exact = found.expected[i, k]
            yield {
                "scenario": other,
                "against": one,
                "metric": measure.metric,
                "quarter": measure.quarter,
                "cause": cause,
                "effect": plain(found.effect[i, k]),
                "standard_error": plain(found.standard_error[i, k]),
                "expected": plain(exact),
                "expected_standard_error": _beside(exact, found.expected_standard_error[i, k]),
            }


def _dense(
    rows: Sequence[tuple[tuple[str, str], Sequence[Measure], object]],
    names: Sequence[str],
    dims: tuple[str, str],
) -> xarray.Dataset:
    """Lay arrays by measure into a dataset of two leading dims, metric and quarter."""
    import xarray

    measures = list(dict.fromkeys(m for _, of, _ in rows for m in of))
    axes = [list(dict.fromkeys(keys[d] for keys, _, _ in rows)) for d in (0, 1)]
    axes.append(list(dict.fromkeys(m.metric for m in measures)))
    axes.append(sorted(dict.fromkeys(m.quarter for m in measures), key=lambda x: (len(x) < 5, x)))
    found = {name: np.full([len(axis) for axis in axes], np.nan) for name in names}
    for keys, of, values in rows:
        for k, m in enumerate(of):
            labels = (*keys, m.metric, m.quarter)
            at = tuple(axis.index(label) for axis, label in zip(axes, labels, strict=True))
            for name in names:
                array = values[name] if isinstance(values, dict) else getattr(values, name)
                found[name][at] = array[k]
    all_dims = (*dims, "metric", "quarter")
    coords = dict(zip(all_dims, axes, strict=True))
    return xarray.Dataset({name: (all_dims, array) for name, array in found.items()}, coords)
