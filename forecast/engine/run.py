"""Run one scenario: simulate, keep totals, set closed forms beside them, check, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats
from forecast.engine.chance import ExactChances, Key
from forecast.engine.expected import Expectation, expectation
from forecast.engine.kernel.flow import Means
from forecast.engine.kernel.shapes import Futures
from forecast.engine.outcome import Exact, Outcome
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.request import (
    MOST_RUNS,
    RequestError,
    check_deals,
    check_memory,
    check_request,
)
from forecast.engine.selfcheck import check_means
from forecast.engine.simulate import Simulator, Slice, cuts, empty_futures, in_order
from forecast.engine.store import Sink, open_sink
from forecast.scenario.model import Goal, Scenario

PILOT_RUNS = 4_000
PILOT = 0x9E3779B9  # joins the seed of a pilot, so that its runs are independent of the forecast's

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
    check_request(runs)
    clock = [time.perf_counter()]
    blueprint = make_blueprint(scenario)
    simulator = Simulator(blueprint, seed)
    check_memory(runs, _bytes_of_totals(scenario))
    check_deals(simulator.drawn_deals)
    exact = ExactChances(blueprint, bool(simulator.draws.names), runs)
    clock.append(time.perf_counter())
    totals, chances = _simulate(
        simulator, runs, exact, _opener(simulator, runs, seed, output), progress
    )
    clock.append(time.perf_counter())
    expected = expectation(blueprint, simulator.draws, runs)
    means = {n: np.asarray(a[0]) for n, a in totals_of(blueprint, expected.means).items()}
    check = check_means(_comparable(totals, expected), means, scenario.calendar.quarters)
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
    return 8 * len(scenario.calendar.quarters) * (4 + len(scenario.stages))


def _opener(
    simulator: Simulator, runs: int, seed: int, output: Path | None
) -> AbstractContextManager[Sink | None]:
    return open_sink(output, simulator, runs, seed) if output else nullcontext()


def _simulate(
    simulator: Simulator,
    runs: int,
    exact: ExactChances,
    opener: AbstractContextManager[Sink | None],
    progress: Progress | None,
) -> tuple[Totals, dict[Key, Exact | None]]:
    """Simulate all runs slice by slice; keeps their totals and exact chances, writes the rest."""
    blueprint = simulator.blueprint
    totals: Totals = {}
    chances: list[Floats] = []
    with opener as sink:

        def one(first: int, count: int) -> tuple[Totals, Floats | None, Slice | None]:
            futures = empty_futures(blueprint.scenario, count)
            assumptions, tables = simulator.into(first, futures)
            kept = Slice(first, futures, assumptions) if sink else None
            return totals_of(blueprint, futures), exact.of_slice(tables, first, count), kept

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
    totals["revenue"] = totals["bookings"]
    return totals, exact.chances(chances)


def totals_of(blueprint: Blueprint, rows: Futures | Means) -> Totals:
    """Sum rows over channels, segments and products: (run, quarter) by name."""
    totals: Totals = {
        "leads": rows.leads.sum(axis=(2, 3)),
        "deals": rows.deals.sum(axis=(2, 3, 4)),
        "bookings": rows.bookings.sum(axis=(2, 3, 4)),
        "spend": rows.spend.sum(axis=2),
    }
    for j, stage in enumerate(blueprint.scenario.stages):
        totals[stage] = rows.entered[..., j].sum(axis=(2, 3))
    if isinstance(rows, Means):
        totals["revenue"] = totals["bookings"]
    return totals


def _comparable(totals: Totals, expected: Expectation) -> Totals:
    """The runs that a closed-form mean is about: all, or those it was averaged over."""
    kept = {name: array for name, array in totals.items() if name != "revenue"}
    return kept if expected.runs is None else {n: a[: expected.runs] for n, a in kept.items()}


def runs_for_precision(scenario: Scenario, *, precision: float, seed: int) -> int:
    """Find the runs that bring every goal's chance to a standard error of ``precision``.

    A pilot of independent runs estimates each chance; the number of runs is then fixed, so that
    no stopping rule bends the result. For caution a chance counts as the one nearest to 50% that
    the pilot's 95% interval (Wilson 1927) leaves possible.

    Raises ``RequestError`` where there is no goal or it would take more than 100 million runs.
    """
    if not scenario.goals:
        raise RequestError("--precision needs goals. Add goals to the scenario, or use --runs.")
    blueprint = make_blueprint(scenario)
    unasked = ExactChances(blueprint, True, 0)
    totals, _ = _simulate(
        Simulator(blueprint, seed ^ PILOT), PILOT_RUNS, unasked, nullcontext(), None
    )
    worst = max(
        _largest_variance(_hits(totals, goal, quarters))
        for goal in scenario.goals
        for _, quarters in goal.quarters
    )
    runs = max(1_000, ceil(worst / precision**2))
    if runs > MOST_RUNS:
        finest = (worst / MOST_RUNS) ** 0.5
        mend = f"Ask for {finest:.2%} or more."
        raise RequestError(f"--precision {precision:.4%} would take {runs:,} runs. {mend}")
    return runs


def _hits(totals: Totals, goal: Goal, quarters: tuple[int, ...]) -> float:
    reached = totals[goal.metric][:, list(quarters)].sum(axis=1) >= goal.target
    return float(reached.mean())


def _largest_variance(chance: float) -> float:
    """p (1 - p) at the p nearest to 1/2 within the Wilson interval of a pilot's chance."""
    z2 = 1.96**2 / PILOT_RUNS
    middle = (chance + z2 / 2) / (1 + z2)
    half = (z2 * (chance * (1 - chance) + z2 / 4)) ** 0.5 / (1 + z2)
    nearest = min(max(0.5, middle - half), middle + half)
    return float(nearest * (1 - nearest))
