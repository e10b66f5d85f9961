"""What open deals leave behind: what is counted of them, and what they bring once they are won."""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word, bit_pair
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Bits, Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables

GUIDE_SHIFT = np.uint64(54)


class Results(NamedTuple):
    """What comes out, one row a run; what is not wanted has no rows."""

    deals: Counts  # (r, q, c, s, p)
    bookings: Floats  # (r, q, c, s, p)
    revenue: Floats  # (r, q, c, s, p), where it is not the bookings
    entered: Counts  # (r, q, c, s, j + 2)
    change: Counts  # (r, q, j) of the items inside
    customers: Counts  # (r, class, t) won in a period, where they bring leads
    used: Counts  # (r, k, t) slots of the limited stages; this and the next, where it is counted
    spend: Floats  # (r, q, c)
    worked: Counts  # (r, q, j)
    waited: Counts  # (r, q, j)
    given_up: Counts  # (r, q, j)
    unworked: Counts  # (r, q, j)
    held: Counts  # (r, q, j) change of those that wait


class Stays(NamedTuple):
    """How long the customers of recurring products stay, and what they pay."""

    keys: Bits  # (deal,) each deal's own, in the order of the batches
    leaving: Tables  # its lags are the terms after which customers leave, one for each kind
    terms: Counts  # (kind, n) whole terms that are over when the n-th period after a win begins
    paid: Floats  # (r or 1, kind, n) of a payment, in the n-th period after a win


class Won(NamedTuple):
    """A deal that is won."""

    row: int
    run: int
    period: int
    group: int
    variant: int  # -1: none, so it is paid once
    place: tuple[int, int, int]  # channel, segment, product
    deal: int
    amount: float


@jit()
def bring(plan: Plan, booked: Floats, stays: Stays, won: Won, out: Results) -> None:
    """Add what a deal that is won brings: revenue over time, and a customer who brings leads.

    Its amount is what it pays in its first term, ``booked`` (row, kind) times its payment.
    """
    row, t, g = won.row, won.period, won.group
    c, s, p = won.place
    if len(out.customers) > 0:
        out.customers[row, plan.referral.class_of[plan.phase_of[t], g, max(won.variant, 0)], t] += 1
    if len(out.revenue) == 0:
        return
    kind = plan.kind[g, won.variant] if won.variant >= 0 else -1
    if kind < 0:
        out.revenue[row, plan.quarter_of[t], c, s, p] += won.amount
        return
    word, _ = bit_pair(stays.keys[won.deal], won.run, 0, 0)
    stay = cell_of(stays.leaving, kind, row, word)
    payment = won.amount / booked[row_of(len(booked), row), kind]
    paid, terms = stays.paid[row_of(len(stays.paid), row), kind], stays.terms[kind]
    for n in range(len(plan.quarter_of) - t):
        if terms[n] > stay:
            break
        out.revenue[row, plan.quarter_of[t + n], c, s, p] += payment * paid[n]


@jit(inline=True)
def cell_of(tables: Tables, lag: int, row: int, word: Word) -> int:
    """Draw how many periods a lag lasts, by 64 random bits."""
    of = tables.lag_first[lag] + tables.lag_step[lag] * row
    cell = int(tables.lag_guide[of, word >> GUIDE_SHIFT])
    if cell < 0:
        cell = -1 - cell
        while cell < tables.lag_cells[of] - 1 and word >= tables.lag_cumulative[of, cell]:
            cell += 1
    return cell
