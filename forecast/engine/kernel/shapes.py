"""The arrays a kernel works on. Axes: r run, t period, q quarter, c channel, s segment, g = (c, s)
group, j stage (then won, lost), e way (a transition with one lag), v variant (a product with one
size), f phase. A table whose values are the same in all runs has one row."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.samplers import Bits, Counts, Floats
from forecast.engine.kernel.sums import Sizes

Guides = NDArray[np.int16]


class Steps(NamedTuple):
    """A division of the horizon: its steps' first periods and the end, and each period's step."""

    start: Counts  # (step + 1,)
    of: Counts  # (t,)


class Plan(NamedTuple):
    """What is the same in every run."""

    quarter_of: Counts  # (t,)
    phase_of: Counts  # (t,)
    periods: Steps  # every period a step of its own
    spans: Steps  # the periods of one quarter and phase together
    twin: Counts  # (g,) the first group with the same journey
    entry: Counts  # (c,) stage where a channel's leads enter
    fixed: Counts  # (c, t) leads that come for certain, beside the random ones
    first_way: Counts  # (j + 1,) ways of stage j are first_way[j] .. first_way[j + 1] - 1
    source: Counts  # (e,)
    target: Counts  # (e,)
    product_of: Counts  # (v,)
    lag_of: Counts  # (f, g, e) which lag
    sizes: Sizes
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
    stays: Bits  # (g, v) how long customers stay
    stay_size: Bits  # (g, v) sizes of the deals of customers that stay equally long


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
