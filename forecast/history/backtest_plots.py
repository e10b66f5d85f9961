"""Pictures of a backtest: forecasts against what came, PIT, coverage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from forecast.history.backtest import FORECAST
from forecast.history.origins import Floats
from forecast.history.scores import (
    LEVELS,
    QUANTILES,
    binomial_band,
    is_covered,
    pit_histogram,
)

BLUE, ORANGE, GREY, BLACK = "#0072b2", "#d55e00", "#999999", "#222222"
FANS = ((0.95, "#d6e6f1"), (0.8, "#a6cbe3"), (0.5, "#6fadd1"))  # central intervals
MOST_FANS = 6  # so many origins' fans, evenly chosen; more would hide each other
MOST_TICKS = 12
DOTS = 110


def draw_backtest(found: xr.Dataset, folder: Path) -> list[Path]:
    """Draw the pictures of a backtest into a folder, as PNG; gives their paths.

    For each metric: `<metric>-fans.png` forecasts as they were made and what came, by period;
    `<metric>-pit.png` the non-randomised PIT, flat if right; `<metric>-coverage.png` how much lay
    in central intervals, with exact 95% bands; `<metric>-errors.png` all models' scores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, tuple[Callable[[Axes, xr.Dataset], None], tuple[float, float]]] = {
        "fans": (_fans, (9.0, 4.5)),
        "pit": (_pit, (5.5, 4.0)),
        "coverage": (_coverage, (5.5, 4.0)),
        "errors": (_errors, (7.5, 4.0)),
    }
    paths = []
    for metric in found.metric.values.tolist():
        for name, (draw, size) in pictures.items():
            figure = Figure(figsize=size, layout="constrained")
            draw(figure.subplots(), found.sel(metric=metric))
            paths.append(folder / f"{metric}-{name}.png")
            figure.savefig(paths[-1], dpi=DOTS, metadata={"Software": None})
    return paths


def _fans(axes: Axes, part: xr.Dataset) -> None:
    """What came, and the forecasts of some origins before it."""
    labels = sorted({str(label) for label in part["period"].values.ravel()})
    place = {label: i for i, label in enumerate(labels)}
    ours = part.sel(model=FORECAST)
    origins = part.sizes["origin"]
    horizon = part.sizes["horizon"]
    step = max(horizon, -(-origins // MOST_FANS))
    for n, i in enumerate(range(0, origins, step)):
        at = np.array([place[str(label)] for label in part["period"].values[i]], dtype=float)
        quantiles: Floats = ours["quantiles"].values[i]
        _fan(axes, at, quantiles, first=n == 0)
    outcome: dict[int, float] = {}
    for row, values in zip(part["period"].values, part["outcome"].values, strict=True):
        known = zip(row, values, strict=True)
        outcome |= {place[str(label)]: y for label, y in known if np.isfinite(y)}
    at_came = sorted(outcome)
    came = [outcome[i] for i in at_came]
    axes.plot(at_came, came, "o-", color=ORANGE, lw=1.2, ms=5, label="what came", zorder=5)
    ticks = range(0, len(labels), max(1, -(-len(labels) // MOST_TICKS)))
    axes.set_xticks(list(ticks), [labels[i] for i in ticks], rotation=30, ha="right")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{_title(part)} by period: forecasts as they were made, and what came")
    axes.legend(frameon=False)
    _thousands(axes)


def _fan(axes: Axes, at: Floats, quantiles: Floats, first: bool) -> None:
    width = 0.4
    edges = np.concatenate([at - width, at[-1:] + width])
    for level, color in FANS:
        low, high = (_at_level(quantiles, 0.5 + side * level / 2) for side in (-1, 1))
        axes.fill_between(
            edges,
            np.append(low, low[-1]),
            np.append(high, high[-1]),
            step="post",
            color=color,
            lw=0,
            label=f"{level:.0%} interval" if first else None,
        )
    middle = _at_level(quantiles, 0.5)
    axes.step(edges, np.append(middle, middle[-1]), where="post", color=BLUE, lw=1.2)


def _at_level(quantiles: Floats, level: float) -> Floats:
    return np.asarray(quantiles[:, int(np.argmin(np.abs(np.array(QUANTILES) - level)))])


def _pit(axes: Axes, part: xr.Dataset) -> None:
    ours = part.sel(model=FORECAST)
    known = np.isfinite(part["outcome"].values)
    shares = pit_histogram(ours["pit_below"].values[known], ours["pit_up_to"].values[known])
    bins = len(shares)
    axes.bar((np.arange(bins) + 0.5) / bins, shares, width=0.96 / bins, color=BLUE, alpha=0.7)
    axes.axhline(1 / bins, color=BLACK, lw=1, ls="--", label="as it should be")
    axes.set(xlabel="where in the forecast the outcome lay", ylabel="share of outcomes")
    axes.set_title(f"{_title(part)}: PIT of {int(known.sum())} outcomes")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False)


def _coverage(axes: Axes, part: xr.Dataset) -> None:
    known = np.isfinite(part["outcome"].values)
    quantiles = part.sel(model=FORECAST)["quantiles"].values[known]
    outcome = part["outcome"].values[known]
    periods = len(np.unique(part["period"].values[known]))
    axes.plot([0, 1], [0, 1], color=BLACK, lw=1, ls="--", label="as it should be")
    for level in LEVELS:
        share = float(is_covered(quantiles, outcome, level).mean())
        low, high = binomial_band(round(share * periods), periods)
        axes.errorbar(
            level,
            share,
            yerr=[[max(share - low, 0.0)], [max(high - share, 0.0)]],
            fmt="o",
            color=BLUE,
            capsize=4,
            label=f"with 95% bands of {periods} periods" if level == LEVELS[0] else None,
        )
    axes.set(xlabel="central interval", ylabel="share of outcomes in it")
    axes.set(xlim=(0.4, 1.0), ylim=(0.0, 1.02))
    axes.set_title(f"{_title(part)}: coverage")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(frameon=False, loc="lower right")


def _errors(axes: Axes, part: xr.Dataset) -> None:
    scores = part["wis"].mean(("origin", "horizon")).to_series().sort_values(ascending=False)
    colors = [BLUE if name == FORECAST else GREY for name in scores.index]
    axes.barh(list(map(str, scores.index)), scores.to_numpy(), color=colors)
    perfect = float(part["perfect_wis"].mean())
    axes.axvline(perfect, color=ORANGE, lw=1.5, label="who knew all but luck")
    axes.set_xlabel("mean weighted interval score (less is better)")
    axes.set_title(f"{_title(part)}: how far off")
    axes.legend(frameon=False)


def _title(part: xr.Dataset) -> str:
    name = str(part.metric.values)
    currency = f" ({part.attrs['currency']})" if name == "bookings" else ""
    return f"{name.capitalize()}{currency}"


def _thousands(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
