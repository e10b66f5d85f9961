"""Pictures of a fit against the data: lags, conversions, arrivals, sizes, the closing pattern."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from forecast.history.estimates import SizeFit, WayFit
from forecast.history.fitting.fit import Fit, without_late_labels
from forecast.history.fitting.incidence import find_incidence
from forecast.history.fitting.names import with_safe_names
from forecast.history.fitting.open_items import longer
from forecast.history.records import WON, Records
from forecast.history.writing.fit_plots_time import draw_arrivals, draw_closing
from forecast.history.writing.plot_style import BLUE, DOTS, GREY, ORANGE, clean, grid_of, thousands
from forecast.history.writing.write_sizes import size_family

MOST_LAGS, MOST_SIZES = 12, 9
LEAST_SEEN = 10  # items at an age, below which the data say nothing in a picture
MOST_GROUPS = 12
FEWEST = 5  # of a cohort that is drawn


def draw_fit(fit: Fit, records: Records, folder: Path) -> list[Path]:
    """Draw a fit against its records into a folder, as PNG; gives the paths.

    `lags.png`: how many have gone each way by which age, and as fitted; `conversions.png`: the
    share won by cohort and by group; `arrivals.png`: by month, with the months ahead;
    `sizes.png`: deal sizes; `closing.png`: wins by month of the quarter. What the records do not
    have is not drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records, _ = with_safe_names(without_late_labels(records)[0])
    drawers: dict[str, Callable[[Fit, Records], Figure | None]] = {
        "arrivals": draw_arrivals,
        "lags": _lags,
        "conversions": _conversions,
        "sizes": _sizes,
        "closing": draw_closing,
    }
    paths = []
    for name, draw in drawers.items():
        figure = draw(fit, records)
        if figure is not None:
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=DOTS, metadata={"Software": None})
    return paths


def _lags(fit: Fit, records: Records) -> Figure | None:
    ways = [way for way in fit.ways if not way.group and way.lag is not None][:MOST_LAGS]
    if not ways:
        return None
    figure, axes = grid_of(len(ways), "How many have gone each way by which age")
    for way, each in zip(ways, axes, strict=True):
        _lag(each, way, records, fit)
    axes[0].legend(frameon=False, loc="lower right")
    return figure


def _lag(axes: Axes, way: WayFit, records: Records, fit: Fit) -> None:
    seen = find_incidence(records_with_gaps(records, fit), way.stage, way.to)
    enough = seen.there >= LEAST_SEEN
    last = int(np.flatnonzero(enough).max()) + 1 if enough.any() else len(seen.days)
    days = seen.days[:last]
    axes.fill_between(
        days, seen.low[:last], seen.high[:last], step="mid", color=ORANGE, alpha=0.2, lw=0
    )
    axes.step(days, seen.share[:last], where="mid", color=ORANGE, lw=1.4, label="records (90%)")
    rate = way.conversion
    assert way.lag is not None
    ages = np.linspace(0.0, max(float(days[-1]), 1.0) * 1.15, 300)
    gone = 1.0 - longer(way.lag, ages)
    axes.fill_between(ages, rate.low * gone, rate.high * gone, color=BLUE, alpha=0.15, lw=0)
    axes.plot(ages, rate.value * gone, color=BLUE, lw=1.4, label="fitted (90%)")
    axes.axhline(rate.value, color=GREY, lw=0.8, ls=":")
    axes.set_xlim(0, ages[-1])
    axes.set_ylim(bottom=0)
    axes.set_title(
        f"{way.stage} → {way.to}: {rate.value:.1%} in the end, {way.lag.family}", fontsize=9
    )
    axes.set_xlabel("days in the stage")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    clean(axes)


def records_with_gaps(records: Records, fit: Fit) -> Records:
    """Give the records the gaps that were found while they were fitted."""
    return replace(records, gaps=dict(fit.gaps))


def _conversions(fit: Fit, records: Records) -> Figure | None:
    wins = [way for way in fit.ways if way.to == WON]
    if not wins:
        return None
    stage = wins[0].stage
    whole = next(way for way in wins if way.stage == stage and not way.group)
    groups = [way for way in wins if way.stage == stage and way.group][:MOST_GROUPS]
    count = 2 if groups else 1
    figure = Figure(figsize=(6.0 * count, 4.2), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    gap = fit.gaps.get(stage)
    _cohorts(axes[0], whole, records, f"{gap.since:%Y-%m}" if gap else "")
    if groups:
        _groups(axes[1], whole, groups, records)
    return figure


def _cohorts(axes: Axes, way: WayFit, records: Records, since: str) -> None:
    """The share won so far by month of entry, and what the fit expects of each by now.

    Of cohorts from before `since` the records do not tell all that was won.
    """
    stays = records.stays[(records.stays["stage"] == way.stage).to_numpy()]
    entered = stays["entered"].to_numpy()
    labels, index = np.unique(_months(entered), return_inverse=True)
    n = np.bincount(index)
    won = np.bincount(index, weights=(stays["to"] == WON).to_numpy())
    age = records.as_of.toordinal() + 1.0 - entered
    due = way.conversion.value * (1.0 - longer(way.lag, age))
    expected = np.bincount(index, weights=due) / n
    low, high = _wilson(won, n)
    at, share = np.arange(len(labels)), won / n
    axes.axhspan(way.conversion.low, way.conversion.high, color=BLUE, alpha=0.15, lw=0)
    axes.plot(at, expected, color=BLUE, lw=1.4, label="fitted, due by now")
    early = labels < since
    for part, colour, what in ((early, GREY, "before recording"), (~early, ORANGE, "won so far")):
        part = part & (n >= FEWEST)  # the interval of a few would fill the picture
        if part.any():
            errors = [(share - low)[part], (high - share)[part]]
            axes.errorbar(at[part], share[part], yerr=errors, fmt="o", ms=4, color=colour, lw=1,
                          label=f"{what} (90%)")  # fmt: skip
    step = max(1, -(-len(labels) // 9))
    axes.set_xticks(at[::step], labels[::step], rotation=30, ha="right")
    axes.set_title(f"{way.stage}: share won by month of entry", fontsize=10)
    # A cohort of a few has an interval that would squeeze all others.
    tops = [*high[n >= 20], *share, way.conversion.high]
    axes.set_ylim(0, min(1.0, 1.25 * max(tops)))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(frameon=False, fontsize=8, loc="best")
    clean(axes)


def _months(days: NDArray[np.int64]) -> NDArray[np.str_]:
    """The months of days, as 2027-01."""
    known, index = np.unique(days, return_inverse=True)
    names = np.array([f"{dt.date.fromordinal(int(day)):%Y-%m}" for day in known])
    return np.asarray(names[index])


def _groups(axes: Axes, whole: WayFit, groups: list[WayFit], records: Records) -> None:
    """The fitted conversion of all and of each group, beside the bare share won so far."""
    rows = [whole, *sorted(groups, key=lambda way: -way.conversion.value)]
    for y, way in enumerate(reversed(rows)):
        won, n = _counts(records, way)
        low, high = _wilson(np.array([won]), np.array([n]))
        share = won / max(n, 1)
        axes.errorbar(share, y - 0.15, xerr=[[share - low[0]], [high[0] - share]], fmt="o", ms=4,
                      color=ORANGE, lw=1, label="won so far (90%)" if y == 0 else None)  # fmt: skip
        rate = way.conversion
        left, right = max(rate.value - rate.low, 0.0), max(rate.high - rate.value, 0.0)
        axes.errorbar(rate.value, y + 0.15, xerr=[[left], [right]], fmt="s", ms=4, color=BLUE, lw=1,
                      label="fitted, in the end (90%)" if y == 0 else None)  # fmt: skip
    names = [" ".join(way.group[1:]) or "all" for way in reversed(rows)]
    counts = [f"{_counts(records, way)[1]:,}" for way in reversed(rows)]
    axes.set_yticks(range(len(rows)), [f"{a} ({b})" for a, b in zip(names, counts, strict=True)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_title("Conversion to won, all and by group (items)", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    clean(axes)


def _counts(records: Records, way: WayFit) -> tuple[int, int]:
    stays = records.stays[(records.stays["stage"] == way.stage).to_numpy()]
    if way.group:
        labels = records.items[way.group[0]].astype(str).to_numpy()
        stays = stays[labels[stays["item"].to_numpy()] == way.group[1]]
    return int((stays["to"] == way.to).sum()), len(stays)


def _wilson(won: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(won, np.maximum(n, 1), alpha=0.1, method="wilson")
    share = won / np.maximum(n, 1)
    return np.minimum(low, share), np.maximum(high, share)


def _sizes(fit: Fit, records: Records) -> Figure | None:
    """The share of deals of at most a value: as seen, and as fitted."""
    if not fit.sizes:
        return None
    largest = sorted(fit.sizes, key=lambda size: -size.mix.n)[:MOST_SIZES]
    figure, axes = grid_of(
        len(largest), f"Deal sizes ({fit.currency}): share of deals up to a value"
    )
    won = np.zeros(len(records.items), dtype=bool)
    won[records.stays.loc[(records.stays["to"] == WON).to_numpy(), "item"].to_numpy()] = True
    for size, each in zip(largest, axes, strict=True):
        mine = won & (records.items["product"].astype(str) == size.product).to_numpy()
        amounts = np.sort(records.items["amount"].to_numpy()[mine])
        _size(each, size, amounts[amounts > 0])
    axes[0].legend(frameon=False, loc="upper left")
    return figure


def _size(axes: Axes, size: SizeFit, amounts: np.ndarray) -> None:
    family = size_family(size)
    ends = family.ppf(np.array([0.001, 0.999]))
    low = min([*amounts[:1], float(ends[0])])
    high = max([*amounts[-1:], float(ends[1])])
    low = max(low, high * 1e-5)
    x = np.geomspace(low, max(high, low * 1.01), 400)
    axes.plot(x, family.cdf(x), color=BLUE, lw=1.4, label=f"fitted: {size.family}")
    if len(amounts):
        shares = (np.arange(len(amounts)) + 0.5) / len(amounts)
        axes.step(amounts, shares, where="post", color=ORANGE, lw=1.2, label="records")
    axes.set_xscale("log")
    thousands(axes.xaxis, high / low)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_title(f"{size.product}: mean {size.mean.value:,.0f}, n {size.mean.n:,}", fontsize=9)
    clean(axes)
