"""The leads to expect of a channel in a period, for the rows of a block of lanes."""

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word
from forecast.engine.kernel.rows import pick
from forecast.engine.kernel.samplers import Floats, gamma
from forecast.engine.kernel.shapes import Plan, Tables


@jit()
def random_leads(tables: Tables, at: tuple[int, int, int, int], space: Floats, out: Floats) -> None:
    """out[i] = the random leads to expect of a channel in a period; at: (row, lanes, c, t)."""
    first, lanes, c, t = at
    pick(tables.mean[:, c, t], first, lanes, out)
    pick(tables.market, first, lanes, space)
    for i in range(lanes):
        out[i] *= space[i]


@jit()
def expect_leads(
    plan: Plan, tables: Tables, at: tuple[int, int, int, int], space: Floats, out: Floats
) -> None:
    """out[i] = all leads to expect of a channel in a period, those that come for certain too."""
    random_leads(tables, at, space, out)
    _, lanes, c, t = at
    for i in range(lanes):
        out[i] += plan.fixed[c, t]


@jit()
def share_of(
    tables: Tables, phase: int, s: int, first: int, lanes: int, space: Floats, leads: Floats
) -> None:
    """Multiply leads by the share that is of segment s."""
    for before in range(s):
        pick(tables.share[:, phase, before], first, lanes, space)
        for i in range(lanes):
            leads[i] *= 1.0 - space[i]
    pick(tables.share[:, phase, s], first, lanes, space)
    for i in range(lanes):
        leads[i] *= space[i]


@jit()
def disperse(
    tables: Tables,
    at: tuple[int, int, int, int],
    key: Word,
    first_run: int,
    space: Floats,
    mean: Floats,
) -> None:
    """Multiply random leads to expect by the gammas that make them negative binomial.

    at: (row, lanes, c, t); lane i is run first_run + i.
    """
    first, lanes, c, t = at
    pick(tables.shape[:, c, t], first, lanes, space)
    for i in range(lanes):
        if space[i] > 0.0:
            mean[i] *= gamma(space[i], key, first_run + i, t, 0) / space[i]
