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
from forecast.engine.expected import Expectation, expectation
from forecast.engine.kernel.collapse import Outcomes
from forecast.engine.kernel.flow import Means
from forecast.engine.kernel.shapes import Futures
from forecast.engine.outcome import Exact, Outcome
from forecast.engine.plan import Blueprint
from forecast.engine.selfcheck import check_means
from forecast.engine.simulate import Simulator, Slice, cuts, in_order, ready
from forecast.engine.store import Sink, open_sink
from forecast.scenario.model import Scenario

Progress = Callable[[int, int], None]
Totals = dict[str, NDArray[np.generic]]


def forecast_run(
    scenario: Scenario,
    *,
    runs: int,
    seed: int,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Simulate a scenario and set the closed forms beside it.

    ``progress`` is told (runs done, runs). With ``output`` (.nc or .zarr) every run is written
    there; raises ``forecast.engine.store.OutputError`` when that cannot be done, ``RequestError``
    when so many runs or deals cannot be simulated.
    """
    clock = [time.perf_counter()]
    simulator = ready(scenario, runs, seed, _bytes_of_totals(scenario))
    blueprint = simulator.blueprint
    exact = ExactChances(blueprint, bool(simulator.draws.names), runs)
    opener = open_sink(output, simulator, runs, seed) if output else nullcontext()
    clock.append(time.perf_counter())
    totals, chances = simulate_totals(simulator, runs, exact, opener, progress)
    clock.append(time.perf_counter())
    expected = expectation(blueprint, simulator.draws, runs)
    means = {n: np.asarray(a[0]) for n, a in totals_of(blueprint, expected.means).items()}
    means["revenue"] = means["bookings"]
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
    )


def _bytes_of_totals(scenario: Scenario) -> int:
    """Bytes that the totals of one run take."""
    waits = len(QUEUE_MEASURES) * len(stages_with_capacity(scenario))
    return 8 * len(scenario.calendar.quarters) * (4 + len(scenario.stages) + waits)


def simulate_totals(
    simulator: Simulator,
    runs: int,
    exact: ExactChances | None,
    opener: AbstractContextManager[Sink | None],
    progress: Progress | None,
) -> tuple[Totals, dict[GoalSpan, Exact | None]]:
    """Simulate all runs slice by slice; keeps their totals and exact chances, writes the rest."""
    blueprint = simulator.blueprint
    totals: Totals = {}
    chances: list[Moments] = []
    with opener as sink:

        def one(first: int, count: int) -> tuple[Totals, Moments | None, Slice | None]:
            rows = simulator.empty(count)
            assumptions, tables = simulator.into(first, rows)
            kept = Slice(first, rows, assumptions) if sink else None
            chance = exact.of_slice(tables, first, count) if exact else None
            return totals_of(blueprint, rows), chance, kept

        slices = cuts(runs, simulator.slice_runs())
        work = in_order(one, slices)
        with closing(work):
            for (first, count), (part, chance, kept) in zip(slices, work, strict=True):
                for name, array in part.items():
                    if name not in totals:
                        totals[name] = np.empty((runs, array.shape[1]), array.dtype)
                    totals[name][first : first + count] = array
                if chance is not None:
                    chances.append(chance)
                if sink and kept:
                    sink.add(kept)
                if progress is not None:
                    progress(first + count, runs)
    totals["revenue"] = totals["bookings"]  # the same array: it takes no memory of its own
    return totals, exact.chances(chances) if exact else {}


def totals_of(blueprint: Blueprint, rows: Futures | Outcomes | Means) -> Totals:
    """Sum rows over channels, segments and products: (run, quarter) by name."""
    totals: Totals = {
        "deals": rows.deals.sum(axis=(2, 3, 4)),
        "bookings": rows.bookings.sum(axis=(2, 3, 4)),
        "spend": rows.spend.sum(axis=2),
    }
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
    left_out = {"revenue", *unknown}
    kept = {name: array for name, array in totals.items() if name not in left_out}
    return kept if expected.runs is None else {n: a[: expected.runs] for n, a in kept.items()}
