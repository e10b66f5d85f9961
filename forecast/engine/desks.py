"""Capacities -> what the kernel reads of them: slots by period, who is served first, costs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.kernel.shapes import Desk
from forecast.engine.layout import Layout, partly_followed, version_weights
from forecast.engine.series import most_rows, stack_columns
from forecast.engine.uses import CAPACITY, WORKED, uses
from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.model import Capacity, Reps, Scenario

NO_LIMIT = 1 << 53  # slots where nothing limits
HARDLY = 1e-9  # what rounding may take from a whole slot
UNIX_ORDINAL = dt.date(1970, 1, 1).toordinal()


def limited_stages(scenario: Scenario) -> list[int]:
    """Give the stages that take up only so many items in some version."""
    names = {n for v in scenario.versions for n, each in v.capacity.items() if each.is_limited}
    return sorted(scenario.stages.index(name) for name in names)


def make_desk(layout: Layout) -> Desk:
    """Lay out which items are worked."""
    scenario = layout.scenario
    limited = limited_stages(scenario)
    place = np.full(len(scenario.stages), -1, dtype=np.int64)
    place[limited] = np.arange(len(limited))
    unworked = np.zeros(len(scenario.stages), dtype=np.int64)
    unworked[partly_followed(scenario)] = 1
    level = [_levels(scenario, scenario.stages[j]) for j in limited]
    return Desk(
        place,
        np.array(limited, dtype=np.int64),
        np.array(level, dtype=np.int64).reshape(len(limited), len(scenario.groups)),
        unworked,
        int(CAPACITY in uses(scenario)),
    )


def _levels(scenario: Scenario, stage: str) -> list[int]:
    """When each group is served at a stage: by the channels' order, the others after them."""
    every = [v.capacity[stage].priority for v in scenario.versions if stage in v.capacity]
    order = next(iter(every), ())
    named = [order.index(c) if c in order else len(order) for c, _ in scenario.groups]
    used = sorted(set(named))
    return [used.index(level) for level in named]


def slots(layout: Layout, values: Values) -> NDArray[np.int64]:
    """Items that the limited stages can take up, shape (row, stage, period).

    They are whole: what a plan has in parts is carried on, so that sums over time are kept.
    """
    scenario = layout.scenario
    stages = [scenario.stages[j] for j in limited_stages(scenario)]
    plans = [capacity_by_period(layout, stage, values) for stage in stages]
    out = np.zeros((most_rows(plans), len(stages), scenario.calendar.periods), np.int64)
    for k, plan in enumerate(plans):
        free = ~np.isfinite(plan)
        until = np.cumsum(np.where(free, 0.0, plan), axis=1)
        whole = np.diff(np.floor(until + HARDLY), axis=1, prepend=0.0)
        out[:, k] = np.where(free, NO_LIMIT, np.minimum(whole, NO_LIMIT))
    return out


def capacity_by_period(layout: Layout, stage: str, values: Values) -> Floats:
    """The capacity of a stage in items, whole or not, shape (row, period); inf without a limit."""
    scenario = layout.scenario
    weights = version_weights(scenario)
    parts = []
    for v, version in enumerate(scenario.versions):
        capacity = version.capacity.get(stage, Capacity())
        if capacity.per_period is not None:
            figures = capacity.per_period.first(len(weights))
            parts.append(stack_columns([values(f) for f in figures]).T * weights[:, v])
        elif capacity.reps is not None:
            parts.append(_by_reps(layout, v, capacity.reps, values))
        else:
            parts.append(np.where(weights[:, v] > 0.0, np.inf, 0.0)[None])
    total = np.zeros((most_rows(parts), len(weights)))
    for part in parts:
        total += part
    return total


def _by_reps(layout: Layout, version: int, reps: Reps, values: Values) -> Floats:
    """What the reps of a version take up, shape (row, period).

    A rep's items are spread evenly over the days of their unit. Those who leave were past their
    ramp, and never more leave than there are.
    """
    calendar, scenario = layout.scenario.calendar, layout.scenario
    units = calendar.units(reps.each.per)
    since = np.array([v.since.toordinal() for v in scenario.versions])
    days = calendar.days()
    mine = np.searchsorted(since, days, side="right") - 1 == version
    share = np.where(mine, 1.0 / units.length_days[units.index], 0.0)
    period_of = calendar.period_of_days()

    def units_of(held: NDArray[np.bool_]) -> Floats:
        return np.asarray(np.bincount(period_of, np.where(held, share, 0.0), calendar.periods))

    heads = values(reps.now)[:, None] * units_of(mine)
    for hire in reps.hires:
        months = _months_since(hire.since, days)
        count = values(hire.count)[:, None]
        for month, ramp in enumerate(reps.ramp):
            last = month + 1 == len(reps.ramp)
            inside = (months >= month) if last else (months == month)
            heads = heads + np.maximum(count, 0.0) * values(ramp)[:, None] * units_of(inside)
        heads = heads + np.minimum(count, 0.0) * units_of(months >= 0)
    return np.asarray(values(reps.each.amount)[:, None] * np.maximum(heads, 0.0))


def _months_since(first: dt.date, days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole calendar months from a day to others (ordinals); negative before it."""
    dates = (days - UNIX_ORDINAL).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    day_of_month = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    number = months.astype(np.int64) - (12 * (first.year - 1970) + first.month - 1)
    return np.asarray(number - (day_of_month < first.day))


def give_up(layout: Layout, values: Values) -> Floats:
    """Chance to give up in a period of waiting, shape (row, phase, stage): 1 - (1 - g)^(p / u)."""
    scenario = layout.scenario

    def chance(capacity: Capacity) -> Floats:
        rate = capacity.give_up
        periods = scenario.calendar.period_days / DAYS_IN[rate.per]
        return np.asarray(1.0 - (1.0 - values(rate.amount)) ** periods)

    names = [scenario.stages[j] for j in limited_stages(scenario)]
    return _phased(layout, names, chance)


def with_unworked(layout: Layout, values: Values, takes: Floats) -> Floats:
    """Fill in the chance that an item is not followed up: the first way out of its stage."""
    stages = partly_followed(layout.scenario)
    if not stages:
        return takes
    names = [layout.scenario.stages[j] for j in stages]
    chance = _phased(layout, names, lambda capacity: 1.0 - values(capacity.follow_up))
    rows = max(len(chance), len(takes))
    out = takes if len(takes) == rows else np.repeat(takes, rows, axis=0)
    for i, j in enumerate(stages):
        out[..., layout.first_way[j]] = chance[:, :, i, None]
    return out


def _phased(layout: Layout, stages: Sequence[str], of: Callable[[Capacity], Floats]) -> Floats:
    """A figure of each stage's capacity by phase, shape (row, phase, stage)."""
    versions, weights = layout.scenario.versions, layout.weights
    parts = [[of(v.capacity.get(stage, Capacity())) for v in versions] for stage in stages]
    out = np.zeros((most_rows([p for part in parts for p in part]), len(weights), len(stages)))
    for i, part in enumerate(parts):
        for v, figure in enumerate(part):
            out[:, :, i] += figure[:, None] * weights[:, v]
    return out


def worked_cost(layout: Layout, values: Values) -> Floats:
    """Cost of an item that is taken up, shape (row, phase, channel, stage)."""
    scenario = layout.scenario
    shape = len(layout.weights), len(scenario.channels)
    if WORKED not in uses(scenario):
        return np.zeros((1, *shape, 0))
    costs = [
        (v, c, scenario.stages.index(stage), values(cost))
        for v, version in enumerate(scenario.versions)
        for c, channel in enumerate(scenario.channels)
        for stage, cost in version.channels[channel].cost.worked.items()
    ]
    out = np.zeros((most_rows([each[3] for each in costs]), *shape, len(scenario.stages)))
    for v, c, j, cost in costs:
        out[:, :, c, j] += cost[:, None] * layout.weights[:, v]
    return out
