"""Open deals in the parts that the kernel takes them in, and the odds of those that ask no model.

A deal with a chance and a time of its own is won by the end of a quarter with the one times the
other's distribution there: where only deals and money are asked for, no more is needed of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.ages import BOTH, ON_EDGE_DAYS
from forecast.engine.kernel.odds import TOGETHER, Odds
from forecast.engine.kernel.opened import Batches, Open
from forecast.scenario.calendar import Calendar
from forecast.scenario.families import build

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

NUMBERS = 2.0**31  # that are drawn from


class Part(NamedTuple):
    """Deals whose amount is known, or all those without one."""

    op: Open  # to be followed
    blank: bool  # whether their amounts are not known
    odds: Odds  # of the others
    deal: Counts  # (deal,) which those are, in the order of the batches


def closed_by(times: Floats, calendar: Calendar) -> Floats:
    """Chances that deals are closed by the end of each quarter: (time, q).

    ``times``: (time, 3) the period, or the mean days and their cv.
    """
    quarter_of = np.array(calendar.quarter_of)
    last = np.flatnonzero(np.diff(quarter_of, append=quarter_of[-1] + 1))
    out = (last >= times[:, :1]).astype(np.float64)
    days = (last + 1.0 - calendar.first_offset) * calendar.period_days - ON_EDGE_DAYS
    for cv in np.unique(times[times[:, 2] > 0.0, 2]):
        mine = times[:, 2] == cv
        law = build("lognormal", {"mean": 1.0, "cv": float(cv)})
        out[mine] = law.cdf((days / times[mine, 1:2]).ravel()).reshape(-1, len(days))
    return out


def parts_of(op: Open, known: int, closed: Floats | None, segments: int) -> Iterator[Part]:
    """Give the parts: batches up to ``known`` have amounts. None are left to odds without closes.

    Those that could be are the last batches of each part.
    """
    batches, count = op.batches, len(op.batches.kind)
    for first, end, blank in ((0, known, False), (known, count, True)):
        if first == end:
            continue
        own = 0 if closed is None else int(np.sum(batches.kind[first:end] == BOTH))
        some = slice(first, end - own)
        follow = Batches(
            batches.kind[some],
            batches.mover[some],
            batches.close[some],
            batches.group[some],
            batches.stage[some],
            batches.first[first : end - own + 1],
        )
        of = np.repeat(np.arange(end - own, end), np.diff(batches.first[end - own : end + 1]))
        deal = batches.first[end - own] + np.arange(len(of))
        odds, order = _odds(op, closed, of, deal, segments)
        yield Part(op._replace(batches=follow), blank, odds, deal[order])


def _odds(
    op: Open, closed: Floats | None, of: Counts, deal: Counts, segments: int
) -> tuple[Odds, Counts]:
    """The odds of some deals, which are of the batches ``of``; and the order they are put in."""
    group = op.batches.group[of]
    places = np.stack([group // segments, group % segments, op.deals.product[deal]], axis=1)
    order = np.lexsort(places.T[::-1])
    places, deal, of = places[order], deal[order], of[order]
    fresh = np.flatnonzero(np.diff(places, axis=0, prepend=-1).any(axis=1))
    if closed is None:
        upto = np.zeros((0, 0), dtype=np.int32)
    else:
        won = op.deals.chance[deal, None] * closed[op.batches.close[of]]
        short = -closed.shape[1] % TOGETHER
        won = np.pad(won, ((0, 0), (0, short)), constant_values=1.0)
        upto = (np.rint(won * NUMBERS).astype(np.int64) - 1).astype(np.int32)
    first = np.append(fresh, len(deal)).astype(np.int64)
    return Odds(upto, op.deals.amount[deal], first, places[fresh]), order
