"""Expected counts for rows of tables: the kernel's convolution with arrays of the right sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.kernel.flow import new_flow
from forecast.engine.kernel.means import Means, expect
from forecast.engine.kernel.shapes import Tables
from forecast.engine.plan import Blueprint


def expect_rows(blueprint: Blueprint, tables: Tables, rows: int) -> Means:
    """Expected counts of the leads that the tables hold."""
    scenario, plan = blueprint.scenario, blueprint.plan
    channels, segments = len(plan.entry), len(scenario.segments)
    products = max(len(scenario.products), int(plan.product_of.max(initial=0)) + 1)
    stages = len(scenario.stages)
    lead = rows, int(plan.quarter_of[-1]) + 1, channels
    means = Means(
        np.zeros((*lead, segments)),
        np.zeros((*lead, segments, stages + 2)),
        np.zeros((*lead, segments, products)),
        np.zeros((*lead, segments, products)),
        np.zeros(lead),
        np.zeros((*lead, stages)),
        np.zeros((*lead, stages)),
        np.zeros((*lead, segments, products)),
        np.zeros((*lead, segments, products)),
        np.zeros((*lead, segments, products)),
    )
    expect(plan, tables, size_means(blueprint), new_flow(plan, True), means)
    return means


def size_means(blueprint: Blueprint) -> Floats:
    """Mean deal sizes, shape (group, variant)."""
    groups = blueprint.scenario.groups
    rows = [
        [v.sizes[g].family.mean if g in v.sizes else 0.0 for v in blueprint.layout.variants]
        for g in groups
    ]
    return np.array(rows)


def by_period(blueprint: Blueprint) -> Blueprint:
    """The same with periods in the place of quarters, and variants in that of products."""
    plan = blueprint.plan
    finer = plan._replace(
        quarter_of=plan.periods.of,
        spans=plan.periods,
        product_of=np.arange(len(plan.product_of)),
    )
    return replace(blueprint, plan=finer)


def one_channel(
    blueprint: Blueprint, tables: Tables, c: int, leads: Floats
) -> tuple[Blueprint, Tables]:
    """Lay out one channel alone, of which so many leads (row, t) are expected."""
    plan, segments = blueprint.plan, len(blueprint.scenario.segments)
    groups = slice(c * segments, (c + 1) * segments)
    nothing = np.zeros((1, 1, len(plan.quarter_of)))
    alone = plan._replace(
        entry=plan.entry[c : c + 1],
        fixed=np.zeros(nothing.shape[1:], np.int64),
        lag_of=np.ascontiguousarray(plan.lag_of[:, groups]),
        kind=np.ascontiguousarray(plan.kind[groups]),
    )
    theirs = tables._replace(
        mean=np.ascontiguousarray(leads[:, None]),
        market=np.ones(1),
        take=np.ascontiguousarray(tables.take[:, :, groups]),
        mix=np.ascontiguousarray(tables.mix[:, :, groups]),
        scale=np.ascontiguousarray(tables.scale[:, groups]),
        fixed_cost=nothing,
        lead_cost=nothing,
    )
    return replace(blueprint, plan=alone), theirs
