"""Tables of figures as Markdown, the same on the screen and in RESULTS.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """A head and rows of text; the first column is a name, all others are figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Write the table as Markdown with aligned columns."""
        columns = list(zip(self.head, *self.rows, strict=True))
        widths = [max(3, *map(len, column)) for column in columns]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        return "\n".join(_line(row, widths) for row in (self.head, rule, *self.rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        row[0].ljust(widths[0]),
        *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
    ]
    return f"| {' | '.join(cells)} |"


def ratio(values: NDArray[np.float64], bound: float | None = None) -> str:
    """Write the median of ratios with their range, and whether it keeps a bound.

    >>> ratio(np.array([0.5, 0.61, 0.55]), bound=0.6)
    '**0.55** (0.50 to 0.61), bound 0.6 kept'
    """
    found = float(np.median(values))
    text = f"**{figure(found)}** ({figure(values.min())} to {figure(values.max())})"
    return text if bound is None else f"{text}, {kept(found, bound)}"


def kept(found: float, bound: float, unit: str = "") -> str:
    """Say whether a figure keeps its bound."""
    return f"bound {bound:g}{unit} {'kept' if found <= bound else 'BROKEN'}"


def figure(value: float) -> str:
    """Write a figure so that its size can be read.

    >>> figure(0.1234), figure(12.34), figure(1234.5)
    ('0.12', '12.3', '1,234')
    """
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.{1 if abs(value) < 100 else 0}f}"
