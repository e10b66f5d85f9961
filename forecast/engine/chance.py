"""The exact chance of a goal on counts, given the assumptions, averaged over the runs' draws.

Given its assumptions every lead reaches the goal (is won, or enters a stage it can enter once) in
the goal's quarters with a chance of its own cohort's. So of Poisson leads a Poisson count reaches
it, of negative binomial leads a negative binomial one, of exact leads a binomial one, independent
of each other; the goal's chance is a tail of their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats
from forecast.engine.cohorts import Cohorts, chances_to_count, first_steady, own_cohorts
from forecast.engine.dealchance import can_count_deals, deal_chances
from forecast.engine.expected import means_of
from forecast.engine.kernel.counts import chances_to_reach
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.limits import unknown_means
from forecast.engine.outcome import Exact, least
from forecast.engine.plan import Blueprint
from forecast.engine.uses import REFERRAL, uses
from forecast.scenario.facts import reachable
from forecast.scenario.model import Goal

MOST_STEPS = 2e11  # work of one goal beyond which its exact chance is not computed
GoalSpan = tuple[Goal, str]  # a goal, and the label of the quarters it adds up
GoalQuarters = tuple[Goal, str, tuple[int, ...]]  # and those quarters


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
            if REFERRAL not in uses(blueprint.scenario)  # counts are no longer independent
            and _is_countable(blueprint, goal.metric)
            and _steps(blueprint, goal) * rows <= MOST_STEPS
            and can_count_deals(blueprint, goal.target, rows)
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
    blueprint: Blueprint, tables: Tables, goals: Sequence[GoalQuarters], rows: int
) -> list[Floats]:
    """Conditional chances of each goal, shape (row,) each."""
    plan = blueprint.plan
    means = _poisson_means(blueprint, tables, goals, rows)
    cohorts = own_cohorts(plan, tables)
    stages = [
        (blueprint.layout.targets.index(_stage_of(goal.metric)), quarters)
        for goal, _, quarters in goals
        if goal.metric != "leads"
    ]
    of_stages = iter(chances_to_count(blueprint, tables, cohorts, stages, rows))
    found = []
    for (goal, _, quarters), mean in zip(goals, means, strict=True):
        deals = np.zeros((rows, 0)), np.zeros(0)
        if goal.metric == "leads":
            own = np.isin(plan.quarter_of[cohorts[:, 1]], quarters).astype(float)
            chances = np.tile(own, (rows, 1))
        else:
            chances = np.clip(next(of_stages), 0.0, 1.0)
            wanted = blueprint.layout.targets.index(_stage_of(goal.metric))
            deals = deal_chances(blueprint, tables, wanted, quarters, rows)
        if not len(cohorts) and not len(deals[1]):
            found.append(_poisson_tail(goal, mean))
        else:
            own_laws = _Own(cohorts, chances, *deals)
            found.append(_tail(plan, tables, own_laws, mean, ceil(least(goal))))
    return found


class _Own(NamedTuple):
    """Leads and open deals that have a law of their own."""

    cohorts: Cohorts
    chances: Floats  # (row, cohort) of a lead to count
    held: Floats  # (row, kind) of an open deal to count
    trials: Floats  # (kind,) deals


def _poisson_means(
    blueprint: Blueprint, tables: Tables, goals: Sequence[GoalQuarters], rows: int
) -> list[Floats]:
    """Expected number that Poisson leads add to what each goal counts, shape (row,) each."""
    plan = blueprint.plan._replace(fixed=np.zeros_like(blueprint.plan.fixed))
    poisson = tables._replace(mean=np.where(tables.shape > 0.0, 0.0, tables.mean))
    means = means_of(replace(blueprint, plan=plan, opened=None), poisson, rows)
    found = []
    for goal, _, quarters in goals:
        if goal.metric == "leads":
            counts: Floats = means.leads
        else:
            counts = means.entered[..., blueprint.layout.targets.index(_stage_of(goal.metric))]
        found.append(counts[:, list(quarters)].sum(axis=(1, 2, 3)))
    return found


def _poisson_tail(goal: Goal, mean: Floats) -> Floats:
    """P(Poisson count >= target) for every row."""
    from scipy.special import gammainc

    target = ceil(least(goal))
    return np.asarray(gammainc(float(target), mean)) if target > 0 else np.ones(len(mean))


def _tail(plan: Plan, tables: Tables, own: _Own, mean: Floats, target: int) -> Floats:
    """P(count >= target) for every row.

    Counted are a Poisson number of leads to expect, ``mean``, and what comes of the leads of some
    cohorts, each with a chance (row, cohort).
    """
    if target <= 0:
        return np.ones(len(mean))
    cohorts, chances = own.cohorts, own.chances
    at = cohorts[:, 0], cohorts[:, 1]
    shapes = tables.shape[:, *at]
    random = np.where(shapes > 0.0, tables.market[:, None] * tables.mean[:, *at], 0.0) * chances
    means = np.concatenate([mean[:, None], random], axis=1)
    shapes = np.concatenate([np.zeros((len(shapes), 1)), shapes], axis=1)
    held, trials = _merged(plan.fixed[at], chances)
    held = np.concatenate([held, own.held], axis=1)
    trials = np.concatenate([trials, own.trials])
    out = np.zeros(len(mean))
    chances_to_reach(target, means, shapes, trials, held, np.zeros((3, target)), out)
    return out


def _merged(fixed: NDArray[np.int64], chances: Floats) -> tuple[Floats, Floats]:
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
    if metric in unknown_means(blueprint.scenario):
        return False
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
    groups, periods = int(plan.lag_of.shape[1]), len(plan.quarter_of)
    following = groups * len(plan.target) * periods * periods
    if not exact_leads and not _has_shapes(blueprint):
        return following
    following *= 2 + first_steady(plan)
    target = max(goal.target, 1.0)
    return following + plan.fixed.size * target + target * target * (1 + exact_leads)


def _has_shapes(blueprint: Blueprint) -> bool:
    return any(
        channel.dispersion != 0.0
        for version in blueprint.scenario.versions
        for channel in version.channels.values()
    )
