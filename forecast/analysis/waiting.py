"""How long items wait where stages take up only so many, in simulated runs, period by period.

Of every run the items that enter a stage in each period are known. They are taken up as the engine
does: by priority, the oldest first, channels and segments in proportion; the shares of those who
give up are expected ones. So the fate of an item that enters in a period is known in each run.

One item more takes the place of another, which takes that of a later one, and so on: in the end one
more is worked in the first period in which a slot is left, unless one gives up before.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.analysis.backward import Backward, Floats, Wait
from forecast.engine.kernel.shapes import Futures, Tables
from forecast.engine.pipeline import follow_deals
from forecast.engine.plan import Blueprint, make_blueprint
from forecast.engine.simulate import Simulator
from forecast.engine.variables import zeroed_rows
from forecast.scenario.model import Scenario

MOST_RUNS = 1_000
MOST_CELLS = 6e6  # runs x groups x periods^2 x stages
NOBODY = 1e-6  # items: so few in place of none tell how they would fare


@dataclass(frozen=True, eq=False)
class Lived:
    """Some simulated runs, period by period."""

    blueprint: Blueprint
    tables: Tables
    runs: int
    leads: Floats  # (r, t, g)
    entered: Floats  # (r, t, g, j) of leads
    entered_open: Floats  # (r, t, j) of open deals
    rows: Futures  # all of it, periods in the place of quarters
    used: Floats  # (r, k, t) slots that open deals take

    def backward(self, adding: bool) -> Backward:
        """Follow items backward: those that come, or one more (``adding``)."""
        stages = enumerate(self.blueprint.plan.desk.stages)
        waits = {int(j): self._wait(k, adding) for k, j in stages}
        return Backward(self.blueprint, self.tables, self.runs, waits)

    def _wait(self, k: int, adding: bool) -> Wait:
        plan, tables = self.blueprint.plan, self.tables
        j = int(plan.desk.stages[k])
        came = self.entered[..., j]
        if plan.desk.unworked[j]:
            came = came * (1.0 - tables.take[..., plan.first_way[j]][:, plan.phase_of])
        slots = np.maximum(tables.slots[:, k] - self.used[:, k], 0.0)
        shape = self.runs, slots.shape[1]
        leaving = np.broadcast_to(tables.give_up[:, plan.phase_of, k], shape)
        desk = _Desk(came, np.broadcast_to(slots, shape), leaving, plan.desk.level[k])
        return desk.adding() if adding else desk.coming()


class _Desk:
    """A stage that takes up only so many, in every run."""

    def __init__(self, came: Floats, slots: Floats, leaving: Floats, level: Any) -> None:
        self.came = np.maximum(came, NOBODY)  # (r, t, g)
        self.slots, self.leaving, self.level = slots, leaving, level
        self.levels = int(level.max(initial=0)) + 1
        runs, periods, groups = came.shape
        self.shares = np.zeros((runs, self.levels, periods, periods))  # (r, level, entered, worked)
        self.left = np.zeros((runs, periods))  # slots that nobody takes
        self.last = np.zeros((runs, periods, groups))  # groups' shares of those worked last
        self._serve()

    def _serve(self) -> None:
        """Take up items period by period."""
        runs, periods, _ = self.came.shape
        by_level = np.stack(
            [self.came[..., self.level == one].sum(axis=2) for one in range(self.levels)], axis=1
        )
        held = np.zeros((runs, self.levels, periods))
        groups_of = self.level[None] == np.arange(self.levels)[:, None]  # (level, g)
        for t in range(periods):
            held[:, :, t] = by_level[:, :, t]
            slots = self.slots[:, t].astype(np.float64)
            for one in range(self.levels):
                ahead = np.cumsum(held[:, one, : t + 1], axis=1)
                use = np.diff(np.minimum(ahead, slots[:, None]), axis=1, prepend=0.0)
                held[:, one, : t + 1] -= use
                self.shares[:, one, : t + 1, t] = use / by_level[:, one, : t + 1]
                slots = slots - use.sum(axis=1)
                self._note_last(t, use, groups_of[one])
            self.left[:, t] = slots
            held *= 1.0 - self.leaving[:, None, t, None]

    def _note_last(self, t: int, use: Floats, mine: NDArray[np.bool_]) -> None:
        """Note of what groups the items are that a level has worked, where there are any."""
        some = use.sum(axis=1) > 1e-3
        mix = np.einsum("ru,rug->rg", use, self.came[:, : t + 1] * mine / self._of(mine, t))
        total = mix.sum(axis=1, keepdims=True)
        self.last[some, t] = (mix / np.maximum(total, 1e-300))[some]

    def _of(self, mine: NDArray[np.bool_], t: int) -> Floats:
        total = self.came[:, : t + 1][..., mine].sum(axis=2)
        return np.asarray(np.maximum(total, 1e-300)[..., None])

    def coming(self) -> Wait:
        """The fate of the items that come."""
        return Wait(self.shares[:, self.level])

    def adding(self) -> Wait:
        """What one item more brings: an item more that is worked, and when."""
        runs, periods = self.left.shape
        more = np.zeros((runs, periods, periods))
        extra = np.zeros((runs, periods))
        for t in range(periods):
            extra[:, t] = 1.0
            use = np.minimum(extra, self.left[:, t, None])
            more[:, :, t] = use
            extra = (extra - use) * (1.0 - self.leaving[:, t, None])
        return Wait(self.shares[:, self.level], more, self.last)


def live(scenario: Scenario, seed: int, runs: int) -> Lived:
    """Simulate the first runs of a scenario, no more than serve, and keep every period."""
    blueprint = _by_period(make_blueprint(scenario))
    plan = blueprint.plan
    periods, groups = len(plan.quarter_of), len(scenario.groups)
    cells = groups * periods**2 * max(len(plan.desk.stages), 1)
    runs = int(max(min(runs, MOST_RUNS, MOST_CELLS / cells), 1))
    simulator = Simulator(blueprint, seed)
    rows = simulator.whole(runs).rows
    assert isinstance(rows, Futures)
    values = simulator.draws.draw(0, runs)
    tables = simulator.blueprint.maker.tables(values)
    entered = rows.entered.reshape(runs, periods, groups, -1).astype(np.float64)
    used = np.zeros((runs, len(plan.desk.stages), periods))
    of_open = np.zeros((runs, periods, entered.shape[3]))
    if blueprint.opened is not None:
        theirs = zeroed_rows(blueprint.scenario, runs, simulator.detail)
        assert isinstance(theirs, Futures)
        stays = blueprint.maker.stays(tables, values)
        followed = follow_deals(blueprint.opened, plan, simulator.keys, (tables, stays), 0, theirs)
        of_open = theirs.entered.reshape(entered.shape).sum(axis=2)
        entered -= theirs.entered.reshape(entered.shape)
        if len(followed.earlier.used):
            used = followed.earlier.used.astype(np.float64)
    leads = rows.leads.reshape(runs, periods, groups).astype(np.float64)
    return Lived(blueprint, tables, runs, leads, entered, of_open, rows, used)


def _by_period(blueprint: Blueprint) -> Blueprint:
    """The same with periods in the place of quarters."""
    plan, scenario = blueprint.plan, blueprint.scenario
    labels = tuple(str(t) for t in range(scenario.calendar.periods))
    calendar = dataclasses.replace(
        scenario.calendar, quarter_of=tuple(range(len(labels))), quarters=labels
    )
    layout = dataclasses.replace(
        blueprint.layout, scenario=dataclasses.replace(scenario, calendar=calendar)
    )
    finer = plan._replace(quarter_of=plan.periods.of, spans=plan.periods)
    return dataclasses.replace(blueprint, layout=layout, plan=finer)
