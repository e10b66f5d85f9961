"""The exact chance of a goal on counts, given the assumptions, averaged over the runs' draws.

Given its assumptions every lead reaches the goal (is won, or enters a stage it can enter once) in
the goal's quarters with a chance of its own cohort's. So of Poisson leads a Poisson count reaches
it, of negative binomial leads a negative binomial one, of exact leads a binomial one, independent
of each other; the goal's chance is a tail of their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.expected import means_of
from forecast.engine.kernel.counts import chances_to_reach
from forecast.engine.kernel.flow import Means
from forecast.engine.kernel.reach import new_work, reach
from forecast.engine.kernel.shapes import Tables
from forecast.engine.outcome import Exact, least
from forecast.engine.plan import Blueprint
from forecast.scenario.facts import reachable
from forecast.scenario.model import Goal

MOST_STEPS = 2e11  # work of one goal beyond which its exact chance is not computed
GoalSpan = tuple[Goal, str]  # a goal, and the label of the quarters it adds up


class Moments(NamedTuple):
    """Conditional chances of some runs, summed up by goal."""

    rows: int
    total: Floats  # (goal,)
    squares: Floats  # (goal,)


class ExactChances:
    """The goals whose exact chance is known, and the average of it over runs, slice by slice."""

    def __init__(self, blueprint: Blueprint, uncertain: bool, runs: int) -> None:
        self._blueprint = blueprint
        self._uncertain = uncertain
        goals = [(goal, *entry) for goal in blueprint.scenario.goals for entry in goal.quarters]
        self._found: dict[GoalSpan, Exact | None] = {
            (goal, label): None for goal, label, _ in goals
        }
        rows = runs if uncertain else 1
        self._wanted = [
            (goal, label, quarters)
            for goal, label, quarters in goals
            if _is_countable(blueprint, goal.metric)
            and _steps(blueprint, goal) * rows <= MOST_STEPS
        ]

    @property
    def known(self) -> tuple[GoalSpan, ...]:
        """The goals, each with the label of its quarters, whose exact chance is known."""
        return tuple((goal, label) for goal, label, _ in self._wanted)

    def of_slice(self, tables: Tables, first: int, count: int) -> Moments | None:
        """Sum up the conditional chances of a slice's runs; None where they are not wanted.

        Without uncertain assumptions all runs have the same chances, and the first stands for all.
        """
        if not self._wanted or (first > 0 and not self._uncertain):
            return None
        rows = count if self._uncertain else 1
        chances = self.conditional(tables, rows)
        return Moments(rows, chances.sum(axis=1), np.square(chances).sum(axis=1))

    def conditional(self, tables: Tables, rows: int) -> Floats:
        """The chances given each row's assumptions, shape (goal, row)."""
        return np.stack(_chances(self._blueprint, tables, self._wanted, rows))

    def chances(self, parts: Sequence[Moments]) -> dict[GoalSpan, Exact | None]:
        """Average the slices' conditional chances; None for a goal without a closed form."""
        if not parts:
            return self._found
        rows = sum(part.rows for part in parts)
        means = np.sum([part.total for part in parts], axis=0) / rows
        squares = np.sum([part.squares for part in parts], axis=0) / rows
        variances = np.maximum(squares - means**2, 0.0)
        how = "closed form"
        if self._uncertain:
            how = f"average of {rows:,} runs' exact conditional chances"
        for (goal, label, _), mean, variance in zip(self._wanted, means, variances, strict=True):
            error = float(np.sqrt(variance / rows)) if self._uncertain else 0.0
            self._found[goal, label] = Exact(float(mean), how, error)
        return self._found


def _chances(
    blueprint: Blueprint,
    tables: Tables,
    wanted: Sequence[tuple[Goal, str, tuple[int, ...]]],
    rows: int,
) -> list[Floats]:
    """Conditional chances of each goal, shape (row,) each."""
    if not blueprint.plan.fixed.any() and not tables.shape.any():
        return _of_poisson(blueprint, means_of(blueprint, tables, rows), wanted)
    hits = {m: _hits(blueprint, tables, m, rows) for m in {g.metric for g, _, _ in wanted}}
    return [
        _tail(blueprint, tables, hits[goal.metric][..., list(quarters)].sum(axis=-1), goal)
        for goal, _, quarters in wanted
    ]


def _of_poisson(
    blueprint: Blueprint, means: Means, wanted: Sequence[tuple[Goal, str, tuple[int, ...]]]
) -> list[Floats]:
    """The chances where all leads are Poisson: so is every count, with its expected number."""
    from scipy.special import gammainc

    found = []
    for goal, _, quarters in wanted:
        target = ceil(least(goal))
        if goal.metric == "leads":
            counts = means.leads
        else:
            counts = means.entered[..., blueprint.layout.targets.index(_stage_of(goal.metric))]
        mean = counts[:, list(quarters)].sum(axis=(1, 2, 3))
        found.append(gammainc(float(target), mean) if target > 0 else np.ones(len(mean)))
    return found


def _hits(blueprint: Blueprint, tables: Tables, metric: str, rows: int) -> Floats:
    """Chance of a new lead to count for a metric: (row, channel, period, quarter)."""
    plan = blueprint.plan
    quarters = len(blueprint.scenario.calendar.quarters)
    channels, periods = plan.fixed.shape
    out = np.zeros((rows, channels, periods, quarters))
    if metric == "leads":
        out[:, :, np.arange(periods), plan.quarter_of] = 1.0
        return out
    wanted = blueprint.layout.targets.index(_stage_of(metric))
    stages = len(blueprint.scenario.stages)
    reach(plan, tables, wanted, new_work(plan, stages, quarters), out)
    return out


def counting_chances(blueprint: Blueprint, tables: Tables, metric: str) -> Floats:
    """Chance of an item to count for a metric, its own entry included, at the first assumptions.

    Shape (stage it enters, group, period in which it enters, quarter).
    """
    plan, stages = blueprint.plan, len(blueprint.scenario.stages)
    channels, periods = plan.fixed.shape
    quarters = len(blueprint.scenario.calendar.quarters)
    work = new_work(plan, stages, quarters)
    wanted = blueprint.layout.targets.index(_stage_of(metric))
    reach(plan, tables, wanted, work, np.zeros((1, channels, periods, quarters)))
    chances = work.known[plan.twin].transpose(1, 0, 2, 3)
    if wanted < stages:
        chances[wanted, :, np.arange(periods), plan.quarter_of] += 1.0
    return np.ascontiguousarray(chances)


def _tail(blueprint: Blueprint, tables: Tables, chances: Floats, goal: Goal) -> Floats:
    """P(count >= target) for every row; chances are (row, channel, period)."""
    rows = len(chances)
    target = ceil(least(goal))
    if target <= 0:
        return np.ones(rows)
    means = (tables.market[:, None, None] * tables.mean * chances).reshape(rows, -1)
    shapes = tables.shape.reshape(len(tables.shape), -1)
    fixed = blueprint.plan.fixed.ravel()
    chances = np.clip(chances.reshape(rows, -1), 0.0, 1.0)
    held, counts = _merged(fixed, chances)
    out = np.zeros(rows)
    work = np.zeros((3, target))
    chances_to_reach(target, means, shapes, counts, held, work, out)
    return out


def _merged(
    fixed: np.ndarray[tuple[int], np.dtype[np.int64]], chances: Floats
) -> tuple[Floats, Floats]:
    """Join cohorts of exact leads of equal chances: (row, cohort) chances, (cohort,) trials."""
    used = np.flatnonzero(fixed)
    groups: dict[bytes, list[int]] = {}
    for i in used:
        groups.setdefault(np.round(chances[:, i], 15).tobytes(), []).append(int(i))
    firsts = [members[0] for members in groups.values()]
    counts = np.array([float(fixed[members].sum()) for members in groups.values()])
    return np.ascontiguousarray(chances[:, firsts]), counts


def _stage_of(metric: str) -> str:
    return "won" if metric == "deals" else metric


def _is_countable(blueprint: Blueprint, metric: str) -> bool:
    """Tell whether a lead can count for a metric once at most."""
    if metric in ("leads", "deals"):
        return True
    stages = blueprint.scenario.stages
    return metric in stages and metric not in _after(blueprint, metric)


def _after(blueprint: Blueprint, stage: str) -> set[str]:
    """The stages that an item of a stage can enter later."""
    targets = blueprint.layout.targets
    ways: dict[str, list[str]] = {}
    for way in blueprint.layout.ways:
        ways.setdefault(targets[way.source], []).append(targets[way.target])
    return reachable(ways, ways.get(stage, ()))


def _steps(blueprint: Blueprint, goal: Goal) -> float:
    """About how many steps one row of a goal takes."""
    plan = blueprint.plan
    exact_leads = int(np.count_nonzero(plan.fixed))
    periods = len(plan.quarter_of)
    journeys = len(np.unique(plan.twin))
    reaching = journeys * len(plan.target) * periods * periods
    if not exact_leads and not _has_shapes(blueprint):
        return reaching
    target = max(goal.target, 1.0)
    return reaching + plan.fixed.size * target + target * target * (1 + exact_leads)


def _has_shapes(blueprint: Blueprint) -> bool:
    return any(
        channel.dispersion != 0.0
        for version in blueprint.scenario.versions
        for channel in version.channels.values()
    )
