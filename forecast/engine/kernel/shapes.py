"""The arrays a kernel works on. Axes: r run, t period, q quarter, c channel, s segment, g = (c, s)
group, j stage (then won, lost), e way (a transition with one lag), v variant (a product with one
size), f phase, k stage that takes up only so many. A table whose values are the same in all runs
has one row."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.samplers import Bits, Counts, Floats

Guides = NDArray[np.int16]


class Steps(NamedTuple):
    """A division of the horizon: its steps' first periods and the end, and each period's step."""

    start: Counts  # (step + 1,)
    of: Counts  # (t,)


class Desk(NamedTuple):
    """Which items are worked at the stages."""

    place: Counts  # (j,) which of the limited stages it is, or -1
    stages: Counts  # (k,) the limited stages
    level: Counts  # (k, g) when a group is served: those of level 0 first
    unworked: Counts  # (j,) 1 where the first way is that of items that are not followed up, else 0
    kept: int  # 1 where it is counted what was worked


class Referral(NamedTuple):
    """Whose leads customers bring, and how customers differ in what they bring."""

    channel: int  # -1: customers bring none
    class_of: Counts  # (f, g, v) class of the customers won in a phase


class Plan(NamedTuple):
    """What is the same in every run."""

    quarter_of: Counts  # (t,)
    phase_of: Counts  # (t,)
    periods: Steps  # every period a step of its own
    spans: Steps  # the periods of one quarter and phase together
    entry: Counts  # (c,) stage where a channel's leads enter
    fixed: Counts  # (c, t) leads that come for certain, beside the random ones
    first_way: Counts  # (j + 1,) ways of stage j are first_way[j] .. first_way[j + 1] - 1
    source: Counts  # (e,)
    target: Counts  # (e,)
    product_of: Counts  # (v,)
    lag_phase_of: Counts  # (t,) a phase of its own for lags
    lag_of: Counts  # (lag phase, g, e) which lag
    desk: Desk
    referral: Referral
    kind: Counts  # (g, v) which kind of recurring product, -1 for what is paid once


class Keys(NamedTuple):
    """The random-number keys, each from the name of what it is for."""

    arrivals: Bits  # (c,)
    dispersion: Bits  # (c,)
    segment: Bits  # (c, s)
    conversion: Bits  # (g, e)
    lag: Bits  # (g, e)
    product: Bits  # (g, v)
    size: Bits  # (g, v)
    outcome: Bits  # (g, v) deals drawn at once, without their journey
    ending: Bits  # (g,) the same of leads that come for certain
    giving_up: Bits  # (g, k)
    turn: Bits  # (k,)
    referral: Bits  # (c,) leads that customers bring
    deal: Bits  # (deal,) open ones, in the order of the file
    stays: Bits  # (g, v) how long customers stay
    stay_size: Bits  # (g, v) sizes of the deals of customers that stay equally long
    deal_stay: Bits  # (deal,) how long the customer of an open one stays, in the order of the file


class Tables(NamedTuple):
    """What the assumptions give: one row a run, or one row where nothing in it is uncertain."""

    mean: Floats  # (r, c, t) leads to expect, but for the market
    market: Floats  # (r,) the market's factor on them
    shape: Floats  # (r, c, t) negative binomial's gamma shape, 0 for Poisson
    share: Floats  # (r, f, s) of what the segments before it left
    take: Floats  # (r, f, g, e) of what the ways before it left
    mix: Floats  # (r, f, g, v) of what the variants before it left
    scale: Floats  # (r, g, v) factor on sizes
    fixed_cost: Floats  # (r, c, t)
    lead_cost: Floats  # (r, c, t)
    slots: Counts  # (r, k, t) items that can be taken up
    give_up: Floats  # (r, f, k) of those that wait at a period's end
    worked_cost: (
        Floats  # (r, f, c, j) for an item that is taken up; (r, f, c, 0) where there is none
    )
    kept: Floats  # (r, kind, n) of a size, revenue to expect in the n-th period after the win
    booked: Floats  # (r, kind) of a size, what is booked
    lag_first: Counts  # (lag,) its first row among the lag rows
    lag_step: Counts  # (lag,) rows to the next run: 1 where the lag is uncertain, else 0
    lag_cells: Counts  # (row,) cells in use
    lag_chance: Floats  # (row, cell) chance of so many periods; the last cell in use closes the sum
    lag_beyond: Floats  # (row, cell + 1) chance of so many periods or more
    lag_last: Counts  # (row,) the last cell that counts in the choice of a method
    lag_cumulative: Bits  # (row, cell) 2**64 times the chance of so many periods or fewer
    lag_guide: Guides  # (row, GUIDE_CELLS) where to look in it
    brought: Floats  # (r, class, k) leads that a customer brings k + 1 periods after the win
    existing: Floats  # (r, t) leads that the customers at as_of bring
    lag_factor: Floats  # (r, lag) factor on time, for open deals; (1, 0) where there are none
    ahead: Floats  # (r, t) days that the clock of closing has run by a period's end; (1, 0) if even


class Futures(NamedTuple):
    """What comes out, one row a run; axes in the order of the dataset.

    Arrays of what a scenario does not have are empty, (r, 0, ...).
    """

    leads: Counts  # (r, q, c, s)
    entered: Counts  # (r, q, c, s, j)
    deals: Counts  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    spend: Floats  # (r, q, c)
    open: Counts  # (r, q, j)
    revenue: Floats  # (r, q, c, s, p)
    backlog: Counts  # (r, q, j)
    worked: Counts  # (r, q, j)
    waited: Counts  # (r, q, j)
    given_up: Counts  # (r, q, j)
    unworked: Counts  # (r, q, j)
    pipeline_deals: Counts  # (r, q, c, s, p)
    pipeline_bookings: Floats  # (r, q, c, s, p)


class Earlier(NamedTuple):
    """What the open deals did, who come before all new leads; no rows where it does not matter."""

    customers: Counts  # (r, class, t) won in a period, who bring leads
    used: Counts  # (r, k, t) slots of the limited stages
