"""The leads that customers are expected to bring, generation by generation.

The customers won of the leads that come anyway, and of open deals, bring leads, those of these
bring more, and so on. A customer brings nothing in the period of the win, so each generation begins
a period later at the earliest: after as many as there are periods, nothing is left out.
"""

from __future__ import annotations

import numpy as np

from forecast.engine.assumptions import Floats
from forecast.engine.flows import by_period, expect_rows, one_channel
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.pipeline import add_deal_means
from forecast.engine.plan import Blueprint

NOTHING = 1e-15  # of all leads brought: generations that bring less are left out


def with_brought(blueprint: Blueprint, tables: Tables, rows: int) -> Tables:
    """Add the leads that customers bring to those expected; the same tables if they bring none."""
    plan = blueprint.plan
    c = plan.referral.channel
    if c < 0:
        return tables
    finer = by_period(blueprint)
    means = expect_rows(finer, tables, rows)
    if blueprint.opened is not None:  # their products stand in the place of variants
        add_deal_means(blueprint.opened, finer.plan, tables, means)
    more = tables.existing + _brought(tables, _customers(plan, means.deals, 0))
    total = more.copy()
    for _ in range(len(plan.quarter_of)):
        alone, theirs = one_channel(finer, tables, c, more)
        won = expect_rows(alone, theirs, rows).deals
        more = _brought(tables, _customers(plan, won, c))
        total += more
        if np.all(more <= NOTHING * total):
            break
    own = tables.market[:, None, None] * tables.mean
    mean = np.broadcast_to(own, (rows, *own.shape[1:])).copy()
    mean[:, c] += total
    return tables._replace(mean=mean, market=np.ones(1))


def _customers(plan: Plan, won: Floats, first_channel: int) -> Floats:
    """Count deals (row, t, c, s, v) as customers of their classes, shape (row, class, t)."""
    rows, periods, channels, segments, variants = won.shape
    first = first_channel * segments
    class_of = plan.referral.class_of[:, first : first + channels * segments]
    out = np.zeros((rows, int(plan.referral.class_of.max()) + 1, periods))
    flat = won.reshape(rows, periods, channels * segments, variants)
    for a in range(out.shape[1]):
        mine = (class_of == a)[plan.phase_of]  # (t, g, v)
        out[:, a] = (flat * mine).sum(axis=(2, 3))
    return out


def _brought(tables: Tables, customers: Floats) -> Floats:
    """The leads to expect of customers (row, class, t), shape (row, t)."""
    rows, _, periods = customers.shape
    out = np.zeros((rows, periods))
    for k in range(min(tables.brought.shape[2], periods - 1)):
        each = tables.brought[:, :, k : k + 1]
        out[:, k + 1 :] += (customers[:, :, : periods - 1 - k] * each).sum(axis=1)
    return out
