"""What a block of runs carries from period to period, and where the sweep stands."""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.referral import new_customers
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Earlier, Keys, Plan
from forecast.engine.kernel.spread import Spread, new_spread

VISIT_SHIFT = 12  # a step is period | visit << 12: at most 4,095 periods


class Tally(NamedTuple):
    """What a block of runs adds up in a quarter."""

    leads: Counts  # (g, lane)
    entered: Counts  # (g, j + 2, lane)
    spend: Floats  # (c, lane)
    worked: Counts  # (j, lane) taken up; this and the next are (0, lane) where it is not asked for
    waited: Counts  # (j, lane) periods that those had waited
    given_up: Counts  # (j, lane)
    unworked: Counts  # (j, lane)


class Queue(NamedTuple):
    """Items that wait to be taken up, and working space."""

    held: Counts  # (k, t, g, lane) by the period in which they entered
    oldest: Counts  # (k,) no item has waited since before it
    slots: Counts  # (k, lane) items that can still be taken up in the period
    total: Counts  # (lane,) items of one level and age
    use: Counts  # (lane,) how many of them are taken up
    seen: Counts  # (lane,) items of the groups that had their turn
    given: Counts  # (lane,) how many of those were taken up
    turn: Floats  # (lane,)


class State(NamedTuple):
    """What a block of runs carries from period to period, and working space."""

    due: Counts  # (g, e, t, lane) items that arrive at a stage by a way in a period
    ending: Counts  # (g, e, span, lane) items that are won or lost by a way in a span
    waiting: Counts  # (g, j, lane) items that are to enter a stage
    open: Counts  # (j, lane) items inside each stage
    mean: Floats  # (lane,)
    chance: Floats  # (lane,)
    coming: Counts  # (lane,) leads of a channel that have no segment yet
    left: Counts  # (lane,) items that have no way yet, or deals that have no product
    taken: Counts  # (lane,)
    spread: Spread
    tally: Tally
    queue: Queue
    customers: Floats  # (class, t, lane) won in a period; empty where they bring no leads
    earlier: Earlier  # by the rows of what is simulated


class At(NamedTuple):
    """Where the sweep stands: the block's first row and run, and what it is at."""

    row: int
    run: int
    lanes: int
    period: int
    channel: int
    segment: int
    group: int


def new_state(plan: Plan, keys: Keys) -> State:
    """Allocate a state."""
    periods = len(plan.quarter_of)
    groups, ways = keys.conversion.shape
    stages = len(plan.first_way) - 1
    tally = Tally(
        np.zeros((groups, LANES), np.int64),
        np.zeros((groups, stages + 2, LANES), np.int64),
        np.zeros((len(plan.entry), LANES)),
        *np.zeros((4, stages if plan.desk.kept else 0, LANES), np.int64),
    )
    limited = len(plan.desk.stages)
    total, use, seen, given = np.zeros((4, LANES), np.int64)
    queue = Queue(
        np.zeros((limited, periods, groups, LANES), np.int64),
        np.zeros(limited, np.int64),
        np.zeros((limited, LANES), np.int64),
        total,
        use,
        seen,
        given,
        np.zeros(LANES),
    )
    coming, left, taken = np.zeros((3, LANES), np.int64)
    return State(
        np.zeros((groups, ways, periods, LANES), np.int64),
        np.zeros((groups, ways, len(plan.spans.start) - 1, LANES), np.int64),
        np.zeros((groups, stages, LANES), np.int64),
        np.zeros((stages, LANES), np.int64),
        np.empty(LANES),
        np.empty(LANES),
        coming,
        left,
        taken,
        new_spread(),
        tally,
        queue,
        new_customers(plan),
        Earlier(*np.zeros((2, 0, 0, 0), np.int64)),
    )
