"""Line charts as SVG: real text, logarithmic axes, colours that everybody can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("pictures")
INCHES = (7.2, 4.0)
PLOT_POINTS, LINE_POINTS = 230.0, 14.0  # about the height of the plot, and of a line of text
# Okabe & Ito's colours, each with a marker and a dash of its own
LOOKS: dict[str, Any] = {
    "journey": {"color": "#0072B2", "marker": "s", "linestyle": "-"},
    "outcome": {"color": "#D55E00", "marker": "o", "linestyle": "-"},
    "NumPy peer": {"color": "#555555", "marker": "^", "linestyle": "--"},
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pictures",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib; readers may fall back
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
}

Points = Mapping[float, float]  # y by x


@dataclass(frozen=True)
class Picture:
    """Lines over one axis; both axes are logarithmic."""

    name: str
    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Points]

    def __str__(self) -> str:
        """Show the picture in Markdown."""
        return f"![{self.title}: {self.y_label} against {self.x_label}](pictures/{self.name}.svg)"

    def save(self) -> Path:
        """Draw the picture into its file."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context(STYLE):
            figure = Figure(figsize=INCHES, layout="constrained")
            axes = figure.add_subplot()
            for name, points in self.lines.items():
                axes.plot(list(points), list(points.values()), label=name, **LOOKS[name])
            _axes(axes, self)
            FOLDER.mkdir(exist_ok=True)
            path = FOLDER / f"{self.name}.svg"
            figure.savefig(path, facecolor="white", metadata={"Date": None, "Creator": None})
        return path


def _axes(axes: Any, picture: Picture) -> None:
    """Title, units and ticks: on the x axis every place that was measured."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axes.set(xscale="log", yscale="log", title=picture.title)
    axes.set(xlabel=picture.x_label, ylabel=picture.y_label)
    measured = sorted({x for points in picture.lines.values() for x in points})
    axes.xaxis.set_major_locator(FixedLocator(measured))
    axes.xaxis.set_minor_locator(NullLocator())
    values = [y for points in picture.lines.values() for y in points.values()]
    axes.set_ylim(*_decades(values))
    axes.yaxis.set_major_locator(LogLocator(base=10.0, numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.tick_params(length=3)
    _name_lines(axes, picture)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Limits that hold all values, at powers of ten."""
    low = high = 1.0
    while low > min(values):
        low /= 10.0
    while low * 10.0 <= min(values):
        low *= 10.0
    high = low * 10.0
    while high < max(values):
        high *= 10.0
    return low, high


def _name_lines(axes: Any, picture: Picture) -> None:
    """Write each line's name behind its last point, no two of them over each other."""
    low, high = axes.get_ylim()
    above = -LINE_POINTS
    for name, points in sorted(picture.lines.items(), key=lambda line: line[1][max(line[1])]):
        last = max(points)
        at = PLOT_POINTS * log(points[last] / low) / log(high / low)
        above = max(at, above + LINE_POINTS)
        axes.annotate(
            name,
            (last, points[last]),
            xytext=(9, above - at),
            textcoords="offset points",
            va="center",
            color=LOOKS[name]["color"],
            annotation_clip=False,
        )


def words(value: float) -> str:
    """Write a tick.

    >>> words(0.1), words(20), words(5_000), words(1_000_000)
    ('0.1', '20', '5,000', '1 million')
    """
    if value >= 1e6:
        return f"{value / 1e6:,.6g} million"
    return f"{value:,.6g}"
