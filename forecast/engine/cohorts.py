"""The leads of a channel and period that need a law of their own, and the chance that one counts.

Leads that are Poisson need none: so is whatever comes of them. For negative binomial leads, and
those that come for certain, the chance that one of a period enters a stage in a quarter is found as
the expected entries of a single lead, which flows through the same convolution as all others. All
periods of the last phase have the same response, by periods since arrival, so that it is found once
for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats
from forecast.engine.flows import by_period, expect_rows, one_channel
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.plan import Blueprint

Cohorts = NDArray[np.int64]  # (cohort, 2) channel and period
Wanted = tuple[int, tuple[int, ...]]  # a stage's number among the targets, and quarters


def own_cohorts(plan: Plan, tables: Tables) -> Cohorts:
    """Give the cohorts with a law of their own."""
    clumped = (tables.shape > 0.0).any(axis=0) & (tables.mean > 0.0).any(axis=0)
    return np.argwhere(clumped | (plan.fixed > 0))


def first_steady(plan: Plan) -> int:
    """Give the first period from which on the phase, and that of the lags, is the last one."""
    phases = np.stack([plan.phase_of, plan.lag_phase_of])
    return int(np.flatnonzero(np.diff(phases, prepend=-1).any(axis=0))[-1])


def chances_to_count(
    blueprint: Blueprint, tables: Tables, cohorts: Cohorts, wanted: Sequence[Wanted], rows: int
) -> list[Floats]:
    """Chances that a lead of each cohort enters a stage in some quarters, for each one wanted.

    Shape (row, cohort) each. They are expected entries, and so chances where a lead can enter once
    at most; segments are averaged over.
    """
    plan = blueprint.plan
    edges = np.searchsorted(plan.quarter_of, np.arange(plan.quarter_of[-1] + 2))
    found = [np.zeros((rows, len(cohorts))) for _ in wanted]
    begins = np.minimum(cohorts[:, 1], first_steady(plan))
    pairs = sorted({*zip(cohorts[:, 0].tolist(), begins.tolist(), strict=True)})
    for c, begin in pairs if wanted else ():
        entered = _entered(blueprint, tables, c, begin, rows)
        together = np.flatnonzero((cohorts[:, 0] == c) & (begins == begin))
        for stage in {stage for stage, _ in wanted}:
            until = np.zeros((len(plan.quarter_of) + 1, rows))
            np.cumsum(entered[..., stage].sum(axis=2).T, axis=0, out=until[1:])
            for i in together:
                at = np.clip(edges - cohorts[i, 1] + begin, 0, len(plan.quarter_of))
                by_quarter = np.diff(until[at], axis=0)
                for out, (counted, quarters) in zip(found, wanted, strict=True):
                    if counted == stage:
                        out[:, i] = by_quarter[list(quarters)].sum(axis=0)
    return found


def _entered(blueprint: Blueprint, tables: Tables, c: int, begin: int, rows: int) -> Floats:
    """Expected entries by period of one lead of a channel and period: (r, t, s, j + 2)."""
    leads = np.zeros((1, len(blueprint.plan.quarter_of)))
    leads[0, begin] = 1.0
    alone, theirs = one_channel(by_period(blueprint), tables, c, leads)
    return expect_rows(alone, theirs, rows).entered[:, :, 0]
