"""Simulate a scenario: slices of runs on threads, each into its own rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Draws
from forecast.engine.expected import flow_at
from forecast.engine.kernel.shapes import Futures, Keys, Tables
from forecast.engine.kernel.sizes import FIXED
from forecast.engine.kernel.spread import GUIDE_CELLS
from forecast.engine.kernel.sweep import new_state, sweep
from forecast.engine.plan import Blueprint, make_blueprint, make_keys
from forecast.engine.request import check_deals, check_memory, check_request
from forecast.scenario.model import Scenario

T = TypeVar("T")

SLICE_RUNS = 1_024  # the most runs of a slice; small enough that Ctrl-C is heard at once
SLICE_BYTES = 32_000_000  # the most a slice's rows may take
SLICE_SECONDS = 0.3  # about the longest time of a slice
SECONDS_PER_CELL, SECONDS_PER_DEAL = 1e-6, 1.3e-8  # of a group in a period; of a size drawn


class Slice(NamedTuple):
    """Some runs, simulated."""

    first: int
    futures: Futures
    assumptions: NDArray[np.float64]  # (run, assumption)


def empty_futures(scenario: Scenario, runs: int) -> Futures:
    """Allocate the zeroed rows of so many runs."""
    sizes = len(scenario.channels), len(scenario.segments), len(scenario.products)
    channels, segments, products = sizes
    quarters, stages = len(scenario.calendar.quarters), len(scenario.stages) + 2
    return Futures(
        np.zeros((runs, quarters, channels, segments), np.int64),
        np.zeros((runs, quarters, channels, segments, stages), np.int64),
        np.zeros((runs, quarters, channels, segments, products), np.int64),
        np.zeros((runs, quarters, channels, segments, products)),
        np.zeros((runs, quarters, channels)),
        np.zeros((runs, quarters, stages), np.int64),
    )


def bytes_per_run(scenario: Scenario) -> int:
    """Bytes that the rows of one run take."""
    return sum(array.nbytes for array in empty_futures(scenario, 1))


def ready(scenario: Scenario, runs: int, seed: int, kept_bytes: int) -> Simulator:
    """Make a simulator, once it is sure that so many runs can be simulated and kept.

    ``kept_bytes`` is what is kept of each run. Raises ``RequestError``.
    """
    check_request(runs, seed)
    simulator = Simulator(make_blueprint(scenario), seed)
    in_flight = 2 * usable_threads() * simulator.slice_runs() * bytes_per_run(scenario)
    check_memory(runs, kept_bytes, in_flight)
    check_deals(simulator.drawn_deals)
    return simulator


class Simulator:
    """A scenario and a seed, ready to simulate any runs: the same rows however they are cut."""

    def __init__(self, blueprint: Blueprint, seed: int) -> None:
        self.blueprint = blueprint
        self.draws = Draws(blueprint.scenario, seed)
        self.keys: Keys = make_keys(blueprint.layout, seed)

    def slice_runs(self) -> int:
        """How many runs a slice holds."""
        scenario, plan = self.blueprint.scenario, self.blueprint.plan
        cells = len(plan.twin) * len(plan.quarter_of)
        seconds = SECONDS_PER_CELL * cells + SECONDS_PER_DEAL * self.drawn_deals
        fit = min(
            SLICE_BYTES // (bytes_per_run(scenario) + self._table_bytes()), SLICE_SECONDS / seconds
        )
        return int(max(1, min(SLICE_RUNS, fit)))

    @cached_property
    def drawn_deals(self) -> float:
        """About how many deals of a run have a size that must be drawn."""
        plan, scenario = self.blueprint.plan, self.blueprint.scenario
        drawn = np.zeros((len(scenario.groups), len(scenario.products)), dtype=bool)
        for variant, product in enumerate(plan.product_of):
            drawn[:, product] |= plan.size_code[:, variant] != FIXED
        if not drawn.any():
            return 0.0
        deals = flow_at(self.blueprint, self.draws.means(), 1).deals.sum(axis=(0, 1))
        return float(deals.reshape(drawn.shape)[drawn].sum())

    def _table_bytes(self) -> int:
        """Bytes of tables that one run takes when much is uncertain."""
        plan = self.blueprint.plan
        lags = sum(getattr(lag, "about", None) is not None for lag, _ in self.blueprint.maker.lags)
        quarters = len(self.blueprint.scenario.calendar.quarters)
        lag_bytes = 2 * GUIDE_CELLS + 8 * 5 * len(plan.quarter_of)
        by_cell = 8 * ((6 + quarters) * plan.fixed.size + 2 * plan.lag_of.size)
        return by_cell + lags * lag_bytes

    def into(self, first: int, futures: Futures) -> tuple[NDArray[np.float64], Tables]:
        """Simulate runs from ``first`` on into zeroed rows.

        Gives their assumptions (run, assumption) and the tables these make.
        """
        runs = len(futures.leads)
        values = self.draws.draw(first, runs)
        tables = self.blueprint.maker.tables(values)
        plan = self.blueprint.plan
        sweep(plan, self.keys, tables, new_state(plan, self.keys), first, futures)
        return self.draws.matrix(values, runs), tables

    def whole(self, runs: int, threads: int | None = None) -> Slice:
        """Simulate runs 0 .. runs - 1 into one set of rows."""
        futures = empty_futures(self.blueprint.scenario, runs)
        assumptions = np.empty((runs, len(self.draws.names)))

        def one(first: int, count: int) -> int:
            rows = Futures._make(array[first : first + count] for array in futures)
            assumptions[first : first + count] = self.into(first, rows)[0]
            return count

        for _ in in_order(one, cuts(runs, self.slice_runs()), threads):
            pass
        return Slice(0, futures, assumptions)


def cuts(runs: int, size: int) -> list[tuple[int, int]]:
    """Cut runs into (first, count) slices of at most ``size``."""
    return [(first, min(size, runs - first)) for first in range(0, runs, size)]


def in_order(
    work: Callable[[int, int], T], slices: list[tuple[int, int]], threads: int | None = None
) -> Generator[T, None, None]:
    """Do the slices on threads and give their results in order, few of them waiting at a time."""
    count = threads or usable_threads()
    pool = ThreadPoolExecutor(count)
    try:
        ahead = 2 * count
        waiting = [pool.submit(work, *cut) for cut in slices[:ahead]]
        for i in range(len(slices)):
            result = waiting.pop(0).result()
            if i + ahead < len(slices):
                waiting.append(pool.submit(work, *slices[i + ahead]))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def usable_threads() -> int:
    """Threads that this process may use at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
