"""Spread the items of a cohort over the periods of a lag: a multinomial, the cheaper way."""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.samplers import alias_build, crossover, spread_few, spread_many
from forecast.engine.kernel.shapes import Bits, Counts, Floats, Tables

# Cells with less mass than this hardly ever get an item, so they do not count for the choice.
CELL_MASS = 1e-3
CROSSOVER = np.array([0, 0] + [crossover(cells) for cells in range(2, 1001)], dtype=np.int64)


@jit(entry=True)
def build_rows(
    chances: Floats, cells: Counts, threshold: Bits, other: Counts, crossovers: Counts
) -> None:
    """Fill the alias table and the crossover of every row; row i uses cells[i] cells."""
    for i in range(len(chances)):
        n = cells[i]
        alias_build(chances[i, :n], threshold[i, :n], other[i, :n])
        full = 0
        for k in range(n):
            if chances[i, k] > CELL_MASS:
                full += 1
        crossovers[i] = CROSSOVER[min(full, len(CROSSOVER) - 1)]


@jit(merge=True)
def spread(
    m: int,
    tables: Tables,
    row: int,
    address: tuple[int, int, int],
    scratch: tuple[Bits, Floats],
    counts: Counts,
) -> None:
    """Add m items to counts[k] for a lag of k periods; the last cell is all beyond the horizon."""
    key, run, step = address
    cells = tables.lag_cells[row]
    if m < tables.lag_crossover[row]:
        spread_few(
            m,
            tables.lag_threshold[row, :cells],
            tables.lag_other[row, :cells],
            key,
            run,
            step,
            scratch[0],
            counts,
        )
    else:
        spread_many(m, tables.lag_conditional[row, :cells], key, run, step, scratch[1], counts)
