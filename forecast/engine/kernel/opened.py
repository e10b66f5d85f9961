"""What the kernel is given of open deals, and the working space for them."""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel.ages import LOOKUPS, Movers, Ways, new_ways
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.samplers import Bits, Counts, Floats
from forecast.engine.kernel.shapes import Guides, Plan
from forecast.engine.kernel.wins import Stays


class Closes(NamedTuple):
    """When deals close of which a day is expected."""

    period: Counts  # (time,) the period, if it is not spread
    law: Counts  # (time,) of the time over its mean, or -1
    days: Floats  # (time,) its mean


class Batches(NamedTuple):
    """Deals side by side of which the same is known, and which are of one class."""

    kind: Counts  # (batch,) MODEL, SHARE (its own chance), CLOSE (its own time) or BOTH
    mover: Counts  # (batch,) class, or -1
    close: Counts  # (batch,) time, or -1
    group: Counts  # (batch,)
    stage: Counts  # (batch,)
    first: Counts  # (batch + 1,) first deal


class Deals(NamedTuple):
    """The deals, in the order of the batches."""

    amount: Floats  # (deal,)
    product: Counts  # (deal,)
    chance: Floats  # (deal,) to be won, where it has one of its own


class Open(NamedTuple):
    """All open deals."""

    movers: Movers
    closes: Closes
    batches: Batches
    deals: Deals
    variant: Counts  # (f, g, p) which a product is that is won in a phase, or -1


class Marks(NamedTuple):
    """The keys of the deals, and what is asked about them."""

    keys: Bits  # (deal,) in the order of the batches
    stays: Stays
    brings: bool  # whether they bring more than their amount when they are won
    works: bool  # whether it is counted what is worked, or whether some stage takes up only so many


class Space(NamedTuple):
    """Working space."""

    ways: Ways
    bits: Bits  # (lane,)
    unit: Floats  # (lane,)
    chance: Floats  # (lane,)
    way: Counts  # (lane,)
    going: Counts  # (lane,) lanes whose deal is not lost at once
    lost: Counts  # (lane,) deals of a batch that are
    done: Floats  # (t,)
    lookup: Guides  # (LOOKUPS,)


class Where(NamedTuple):
    """A block of runs, and what is at hand."""

    row: int
    run: int
    lanes: int
    batch: int
    deal: int


def new_space(plan: Plan) -> Space:
    """Allocate working space."""
    way, going, lost = np.zeros((3, LANES), np.int64)
    return Space(
        new_ways(plan),
        np.zeros(LANES, np.uint64),
        np.zeros(LANES),
        np.zeros(LANES),
        way,
        going,
        lost,
        np.zeros(len(plan.quarter_of)),
        np.zeros(LOOKUPS, np.int16),
    )
