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


def ratio(
    values: NDArray[np.float64], bound: float | None = None, at_least: float | None = None
) -> str:
    """Write the median of ratios with their range, and whether it keeps a bound.

    >>> ratio(np.array([0.5, 0.61, 0.55]), bound=0.6)
    '**0.55** (0.50 to 0.61), bound 0.6 kept'
    >>> ratio(np.array([1.9]), at_least=1.95)
    '**1.90**, at least 1.95 BROKEN'
    """
    found = float(np.median(values))
    span = f" ({figure(values.min())} to {figure(values.max())})" if len(values) > 1 else ""
    text = f"**{figure(found)}**{span}"
    if at_least is not None:
        return f"{text}, at least {at_least:g} {'kept' if found >= at_least else 'BROKEN'}"
    return text if bound is None else f"{text}, {kept(found, bound)}"


def kept(found: float, bound: float, unit: str = "") -> str:
    """Say whether a figure keeps its bound.

    >>> kept(0.3, 1 / 3), kept(2.1, 2.0, " s")
    ('bound 0.333 kept', 'bound 2 s BROKEN')
    """
    return f"bound {bound:.3g}{unit} {'kept' if found <= bound else 'BROKEN'}"


def figure(value: float) -> str:
    """Write a figure so that its size can be read.

    >>> figure(0.01234), figure(0.1234), figure(12.34), figure(1234.5)
    ('0.012', '0.12', '12.3', '1,234')
    """
    size = abs(value)
    if size < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if size < 10 else f"{value:,.{1 if size < 100 else 0}f}"
