"""Rows of the tables: one a run where something in them is uncertain, else one for all."""

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.samplers import Floats


@jit(inline=True)
def row_of(rows: int, row: int) -> int:
    """The row of a table for a run."""
    return row if rows > 1 else 0


@jit()
def pick(column: Floats, first: int, lanes: int, out: Floats) -> None:
    """Give each lane its value of a table's column, lane i that of row first + i."""
    each = int(len(column) > 1)
    for i in range(lanes):
        out[i] = column[np.uint64((first + i) * each)]
