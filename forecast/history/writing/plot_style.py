"""How pictures of a fit look: colours, a grid of small ones, plain axes."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#999999"
DOTS = 110


def grid_of(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """Make a figure of `count` small pictures, three a row."""
    columns = min(count, 3)
    rows = -(-count // columns)
    width = 6.5 if columns == 1 else 4.2 * columns
    figure = Figure(figsize=(width, 3.1 * rows + 0.5), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.set_visible(False)
    figure.suptitle(title, fontsize=11)
    return figure, axes[:count]


def clean(axes: Axes) -> None:
    """Take away the frame that says nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)
    axes.tick_params(labelsize=8)


def thousands(axis: Any, ratio: float) -> None:
    """Write amounts short, 25k or 1.5M, on a scale of logarithms that spans so large a ratio."""
    wide = LogLocator(subs=(1.0, 2.0, 5.0) if ratio < 1000 else (1.0,), numticks=8)
    axis.set_major_locator(wide if ratio > 8 else MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda x, _: short(x)))
    axis.set_minor_formatter(NullFormatter())


def short(x: float) -> str:
    """Write an amount short.

    >>> short(25000), short(1.5e6), short(800)
    ('25k', '1.5M', '800')
    """
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= unit:
            return f"{x / unit:g}{name}"
    return f"{x:g}"
