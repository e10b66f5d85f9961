"""Run one scenario: simulate, keep totals, set closed forms beside them, check, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.engine.capacity import (
    QUEUE_MEASURES,
    queue_means,
    queue_totals,
    stages_with_capacity,
    unknown_totals,
)
from forecast.engine.chance import ExactChances, GoalSpan, Moments
from forecast.engine.customers import CustomerRuns, Customers
from forecast.engine.expected import Expectation, expectation
from forecast.engine.kernel.collapse import Outcomes
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.shapes import Futures
from forecast.engine.outcome import Exact, Outcome
from forecast.engine.plan import Blueprint
from forecast.engine.request import JOURNEY
from forecast.engine.selfcheck import check_means
from forecast.engine.simulate import Simulator, Slice, ready
from forecast.engine.store import Sink, open_sink
from forecast.engine.threads import cuts, in_order
from forecast.engine.uses import RECURRING, uses
from forecast.scenario.model import Scenario

Progress = Callable[[int, int], None]
Opener = Callable[[Simulator, int, int], AbstractContextManager[Sink]]  # of runs and a seed
Totals = dict[str, NDArray[np.generic]]
_Part = tuple[Totals, Moments | None, Slice | None, CustomerRuns | None]


def forecast_run(
    scenario: Scenario,
    *,
    runs: int,
    seed: int,
    detail: str = JOURNEY,
    output: Path | Opener | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Simulate a scenario and set the closed forms beside it.

    ``progress`` is told (runs done, runs). With ``output`` (.nc or .zarr, or what opens a sink)
    every run is written there; raises ``forecast.engine.store.OutputError`` when that cannot be
    done, ``RequestError`` when so many runs or deals cannot be simulated. ``detail="outcome"``
    keeps totals of deals, bookings, revenue and spend only.
    """
    clock = [time.perf_counter()]
    simulator = ready(scenario, runs, seed, bytes_of_totals(scenario), detail)
    blueprint = simulator.blueprint
    exact = ExactChances(blueprint, bool(simulator.draws.names), runs)
    opener = _opened(output, simulator, runs, seed)
    customers = Customers(blueprint, simulator.draws, seed, runs)
    clock.append(time.perf_counter())
    totals, chances = simulate_totals(simulator, runs, exact, opener, progress, customers)
    clock.append(time.perf_counter())
    expected = expectation(blueprint, simulator.draws, runs)
    means = {n: np.asarray(a[0]) for n, a in totals_of(blueprint, expected.means).items()}
    means.setdefault("revenue", means["bookings"])
    means |= queue_means(scenario, expected.means)
    compared = _comparable(totals, expected, unknown_totals(scenario, means))
    check = check_means(compared, means, scenario.calendar.quarters)
    clock.append(time.perf_counter())
    parts = ("plan", "simulate", "closed forms")
    return Outcome(
        scenario=scenario,
        runs=runs,
        seed=seed,
        totals=totals,
        expected=means,
        check=check,
        exact=chances,
        expected_how=expected.how,
        seconds=dict(zip(parts, map(float, np.diff(clock)), strict=True)),
        customers=customers.whole(),
    )


def _opened(
    output: Path | Opener | None, simulator: Simulator, runs: int, seed: int
) -> AbstractContextManager[Sink | None]:
    if output is None:
        return nullcontext()
    if isinstance(output, Path):
        return open_sink(output, simulator, runs, seed)
    return output(simulator, runs, seed)


def bytes_of_totals(scenario: Scenario) -> int:
    """Bytes that the totals of one run take."""
    waits = len(QUEUE_MEASURES) * len(stages_with_capacity(scenario))
    of_pipeline = 2 if scenario.pipeline else 0
    kinds = 4 + len(scenario.stages) + waits + of_pipeline
    return 8 * len(scenario.calendar.quarters) * kinds


def simulate_totals(
    simulator: Simulator,
    runs: int,
    exact: ExactChances | None,
    opener: AbstractContextManager[Sink | None],
    progress: Progress | None,
    customers: Customers | None = None,
) -> tuple[Totals, dict[GoalSpan, Exact | None]]:
    """Simulate all runs slice by slice; keeps totals, chances and customers, writes the rest."""
    blueprint = simulator.blueprint
    totals: Totals = {}
    chances: list[Moments] = []
    with opener as sink:

        def one(first: int, count: int) -> _Part:
            rows = simulator.empty(count)
            assumptions, tables = simulator.into(first, rows)
            kept = Slice(first, rows, assumptions) if sink else None
            chance = exact.of_slice(tables, first, count) if exact else None
            bought = customers.of_slice(rows, first) if customers else None
            return totals_of(blueprint, rows), chance, kept, bought

        slices = cuts(runs, simulator.slice_runs())
        work = in_order(one, slices)
        with closing(work):
            for (first, count), (part, chance, kept, bought) in zip(slices, work, strict=True):
                for name, array in part.items():
                    if name not in totals:
                        totals[name] = np.empty((runs, array.shape[1]), array.dtype)
                    totals[name][first : first + count] = array
                if chance is not None:
                    chances.append(chance)
                if customers and bought:
                    customers.add(bought, first)
                if sink and kept:
                    sink.add(kept)
                if progress is not None:
                    progress(first + count, runs)
    totals.setdefault("revenue", totals["bookings"])  # the same array: it takes no memory
    return totals, exact.chances(chances) if exact else {}


def totals_of(blueprint: Blueprint, rows: Futures | Outcomes | Means) -> Totals:
    """Sum rows over channels, segments and products: (run, quarter) by name."""
    totals: Totals = {
        "deals": rows.deals.sum(axis=(2, 3, 4)),
        "bookings": rows.bookings.sum(axis=(2, 3, 4)),
        "spend": rows.spend.sum(axis=2),
    }
    if blueprint.opened is not None:
        totals["pipeline_deals"] = rows.pipeline_deals.sum(axis=(2, 3, 4))
        totals["pipeline_bookings"] = rows.pipeline_bookings.sum(axis=(2, 3, 4))
    if RECURRING in uses(blueprint.scenario):
        totals["revenue"] = rows.revenue.sum(axis=(2, 3, 4))
    if isinstance(rows, Outcomes):
        return totals
    totals["leads"] = rows.leads.sum(axis=(2, 3))
    for j, stage in enumerate(blueprint.scenario.stages):
        totals[stage] = rows.entered[..., j].sum(axis=(2, 3))
    if isinstance(rows, Futures):
        totals |= queue_totals(blueprint.scenario, rows)
    return totals


def _comparable(totals: Totals, expected: Expectation, unknown: Collection[str]) -> Totals:
    """The runs that a closed-form mean is about: all, or those it was averaged over."""
    left_out = {*unknown}
    if totals["revenue"] is totals["bookings"]:
        left_out.add("revenue")
    kept = {name: array for name, array in totals.items() if name not in left_out}
    return kept if expected.runs is None else {n: a[: expected.runs] for n, a in kept.items()}
