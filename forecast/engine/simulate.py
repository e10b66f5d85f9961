"""Simulate a scenario: slices of runs on threads, each into its own rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Draws
from forecast.engine.buffers import empty
from forecast.engine.expected import means_of
from forecast.engine.identity import KEPT
from forecast.engine.kernel.collapse import Outcomes, Terms, collapse, new_collapse
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.shapes import Futures, Keys, Tables
from forecast.engine.kernel.state import new_state
from forecast.engine.kernel.sweep import sweep
from forecast.engine.pipeline import add_deals, follow_deals
from forecast.engine.plan import Blueprint, make_blueprint, make_keys
from forecast.engine.request import JOURNEY, OUTCOME, check_memory, check_request
from forecast.engine.revenue import Amounts, Deals, add_recurring
from forecast.engine.terms import make_terms
from forecast.engine.threads import Cut, even_cuts, side_by_side, usable_threads
from forecast.engine.uses import needs_journey
from forecast.engine.variables import empty_rows, zeroed_rows
from forecast.engine.worth import add_blank_worth, add_worth, new_cells
from forecast.scenario.model import Scenario

SLICE_BYTES = 32_000_000  # the most a slice's rows may take
SLICE_SECONDS = 0.3  # about the longest time of a slice
SECONDS_PER_CELL = {JOURNEY: 1e-6, OUTCOME: 1e-7}  # of a group in a period, at most
RUNS_AT_ONCE = {JOURNEY: 1_024, OUTCOME: 4_096}  # the most of a slice
# The sums of sizes are prepared for so many deals: the mean's multiple, and standard deviations.
MEANS_PREPARED, DEVIATIONS_PREPARED = 4.0, 12.0

Rows = Futures | Outcomes


class Slice(NamedTuple):
    """Some runs, simulated."""

    first: int
    rows: Rows
    assumptions: NDArray[np.float64]  # (run, assumption)


def part_of(rows: Rows, first: int, count: int) -> Rows:
    """Give the rows of some runs: views, not copies."""
    views: list[Any] = [array[first : first + count] for array in rows]
    return Outcomes(*views) if isinstance(rows, Outcomes) else Futures(*views)


def bytes_per_run(scenario: Scenario, detail: str = JOURNEY) -> int:
    """Bytes that the rows of one run take."""
    return sum(array.nbytes for array in empty_rows(scenario, 1, detail))


def ready(
    scenario: Scenario, runs: int, seed: int, kept_bytes: int, detail: str = JOURNEY
) -> Simulator:
    """Make a simulator, once it is sure that so many runs can be simulated and kept.

    ``kept_bytes`` is what is kept of each run. Raises ``RequestError``.
    """
    check_request(runs, seed, detail)
    simulator = Simulator(make_blueprint(scenario), seed, detail)
    bytes_of_run = bytes_per_run(scenario, detail)
    in_flight = 2 * usable_threads() * simulator.slice_runs() * bytes_of_run
    check_memory(runs, kept_bytes, in_flight)
    return simulator


class Simulator:
    """A scenario and a seed, ready to simulate any runs: the same rows however they are cut.

    ``detail``: "journey" simulates all stages jointly; "outcome" draws deals, bookings and spend
    only, from the same law - where the scenario allows it, else it keeps only those. ``luck`` is a
    seed of its own for all that varies, beside the same uncertain assumptions.
    """

    def __init__(
        self, blueprint: Blueprint, seed: int, detail: str = JOURNEY, luck: int | None = None
    ) -> None:
        self.detail = detail
        self.collapses = detail == OUTCOME and not needs_journey(blueprint.scenario)
        self.draws = Draws(blueprint.scenario, seed)
        self.keys: Keys = make_keys(blueprint.layout, seed if luck is None else luck)
        self.blueprint = _prepared(_Drawn(blueprint, self.draws))
        self._drawn = _Drawn(self.blueprint, self.draws)
        self.costed = costed(blueprint.scenario)
        self._spaces = threading.local()
        self.terms = _terms(self._drawn) if self.collapses else None

    def slice_runs(self) -> int:
        """How many runs a slice holds."""
        scenario, plan = self.blueprint.scenario, self.blueprint.plan
        cells = self.keys.size.shape[0] * len(plan.quarter_of)
        bytes_of_run = bytes_per_run(scenario, self.detail) + _table_bytes(self._drawn, self.detail)
        fit = min(
            SLICE_BYTES // bytes_of_run, SLICE_SECONDS / (SECONDS_PER_CELL[self.detail] * cells)
        )
        whole = int(max(1, min(RUNS_AT_ONCE[self.detail], fit)))
        return max(whole // LANES, 1) * LANES if whole > LANES else whole

    def slices(self, runs: int, threads: int | None = None) -> list[Cut]:
        """Cut runs into slices that keep all threads at work."""
        return even_cuts(runs, self.slice_runs(), LANES, threads or usable_threads())

    def empty(self, runs: int) -> Rows:
        """Allocate the rows of so many runs, for ``into`` to fill."""
        return empty_rows(self.blueprint.scenario, runs, self.detail)

    def into(self, first: int, rows: Rows) -> tuple[NDArray[np.float64], Tables]:
        """Simulate runs from ``first`` on into rows, whatever these hold.

        Gives their assumptions (run, assumption) and the tables these make.
        """
        runs = len(rows.deals)
        values = self.draws.draw(first, runs)
        tables = self.blueprint.maker.tables(values)
        plan = self.blueprint.plan
        cells = new_cells(plan, self.keys, runs)
        full = rows
        if isinstance(rows, Outcomes) and not self.collapses:
            full = zeroed_rows(self.blueprint.scenario, runs, JOURNEY)
        else:
            for array in rows:
                array.fill(0)
        state, stays = self._state(), self.blueprint.maker.stays(tables, values)
        opened, followed = self.blueprint.opened, None
        if opened is not None:
            followed = follow_deals(opened, plan, self.keys, (tables, stays), first, full)
            if not isinstance(full, Outcomes):
                state = state._replace(earlier=followed.earlier)
        if isinstance(full, Outcomes):
            collapse(plan, self.keys, tables, state, first, full, cells)
        else:
            sweep(plan, self.keys, tables, state, first, full, cells)
        out = full.deals, full.bookings
        add_worth(self.blueprint, self.keys, tables, cells, first, out)
        if stays is not None:
            amounts = Amounts(full.deals, full.bookings, full.revenue)
            deals = Deals(cells, tables.scale, first)
            add_recurring(self.blueprint, self.keys, stays, deals, amounts)
        if opened is not None and followed is not None:
            if len(followed.blank):
                blank = followed.blank
                add_blank_worth(self.blueprint, self.keys, tables, blank, first, full)
            add_deals(opened, followed, full)
        if full is not rows:
            for name, array in rows._asdict().items():
                array[:] = getattr(full, name)
        return self.draws.matrix(values, runs), tables

    def _state(self) -> Any:
        """Give this thread's working space, which every slice leaves as it found it."""
        if not hasattr(self._spaces, "state"):
            plan, keys = self.blueprint.plan, self.keys
            self._spaces.state = (
                new_collapse(plan, self.terms, self.costed)
                if self.terms is not None
                else new_state(plan, keys)
            )
        return self._spaces.state

    def whole(self, runs: int, threads: int | None = None) -> Slice:
        """Simulate runs 0 .. runs - 1 into one set of rows."""
        rows = self.empty(runs)
        assumptions = empty((runs, len(self.draws.names)), np.float64)

        def one(first: int, count: int) -> None:
            part = part_of(rows, first, count)
            assumptions[first : first + count] = self.into(first, part)[0]

        threads = threads or usable_threads()
        side_by_side(one, self.slices(runs, threads), threads)
        return Slice(0, rows, assumptions)


@dataclass(frozen=True)
class _Drawn:
    """A blueprint and any draws of its assumptions, on whose seed nothing that is asked depends."""

    blueprint: Blueprint
    draws: Draws = field(compare=False)


@lru_cache(KEPT)
def _prepared(of: _Drawn) -> Blueprint:
    """Prepare the sums of sizes for the most deals that a group may well win in a quarter."""
    blueprint = of.blueprint
    tables = blueprint.maker.tables(of.draws.means())
    means = means_of(replace(blueprint, opened=None), tables, 1).deals[0].max(axis=0)
    most = MEANS_PREPARED * means + DEVIATIONS_PREPARED * np.sqrt(means) + 1.0
    by_group = most.reshape(len(blueprint.scenario.groups), -1)
    by_variant = np.minimum(by_group[:, blueprint.plan.product_of], 1e15).astype(np.int64)
    prepared = replace(blueprint, most_deals=by_variant)
    _ = prepared.sizes  # before two threads ask for them
    return prepared


@lru_cache(KEPT)
def _terms(of: _Drawn) -> Terms:
    """Give the expected deals of groups as polynomials, where they are."""
    blueprint = of.blueprint
    return make_terms(blueprint.layout, blueprint.maker, blueprint.plan, of.draws)


@lru_cache(2 * KEPT)
def _table_bytes(of: _Drawn, detail: str) -> int:
    """Bytes of tables, deals and, with all detail, exact chances that one run takes."""
    plan, maker, layout = of.blueprint.plan, of.blueprint.maker, of.blueprint.layout
    two, three = (sum(a.nbytes for a in maker.tables(of.draws.draw(0, n))) for n in (2, 3))
    scenario = layout.scenario
    groups = len(scenario.groups)
    cells = 3 * 8 * groups * len(layout.variants) * (len(plan.spans.start) - 1)
    if maker.kinds.kinds:
        cells += 2 * 8 * (int(maker.kinds.terms.max()) + 1)
    of_leads = len(plan.quarter_of) * len(scenario.segments) * (len(plan.first_way) + 1)
    quarters = len(scenario.calendar.quarters)
    chances = 8 * (quarters * plan.fixed.size + of_leads)
    return three - two + cells + (chances if detail == JOURNEY else 0)


def costed(scenario: Scenario) -> NDArray[np.int64]:
    """Tell of each channel whether a lead may cost something."""
    versions, channels = scenario.versions, scenario.channels
    costs = [any(v.channels[c].cost.per_lead != 0.0 for v in versions) for c in channels]
    return np.array(costs, dtype=np.int64)
