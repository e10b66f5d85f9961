"""Pictures of what has dates: arrivals by month with the months ahead, wins by month of quarter."""

from __future__ import annotations

import datetime as dt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from forecast.history.estimates import ArrivalFit
from forecast.history.fitting.fit import Fit, fiscal_month
from forecast.history.records import UNDATED, WON, Records
from forecast.history.writing.plot_style import BLUE, GREY, ORANGE, clean, grid_of

MOST_CHANNELS, MOST_MONTHS_BACK, MONTHS_AHEAD = 12, 36, 12
A_MONTH = {"day": 365.25 / 12, "week": 365.25 / 84, "month": 1.0, "quarter": 1 / 3, "year": 1 / 12}
NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
Floats = NDArray[np.float64]


def draw_arrivals(fit: Fit, records: Records) -> Figure | None:
    """Draw each channel's arrivals by month, the fitted level, and a fan of the months ahead."""
    largest = sorted(fit.arrivals, key=lambda each: -each.mean.n)[:MOST_CHANNELS]
    if not largest:
        return None
    figure, axes = grid_of(len(largest), "Arrivals a month, and what is expected (50% and 90%)")
    first = records.stays.drop_duplicates("item", keep="first")
    channel = records.items["channel"].astype(str).to_numpy()[first["item"].to_numpy()]
    stage = first["stage"].astype(str).to_numpy()
    days = first["entered"].to_numpy()
    several = {
        a.channel for a in fit.arrivals if sum(b.channel == a.channel for b in fit.arrivals) > 1
    }
    for arrival, each in zip(largest, axes, strict=True):
        mine = channel == arrival.channel
        title = arrival.channel
        if arrival.channel in several:
            mine &= stage == arrival.enters
            title = f"{arrival.channel} into {arrival.enters}"
        _arrivals(each, days[mine], arrival, records.as_of)
        each.set_title(title, fontsize=9)
    return figure


def _arrivals(axes: Axes, days: NDArray[np.int64], arrival: ArrivalFit, as_of: dt.date) -> None:
    start = as_of + dt.timedelta(days=1)
    months = [
        add_months(start.replace(day=1), k) for k in range(-MOST_MONTHS_BACK, MONTHS_AHEAD + 2)
    ]
    edges = np.array([day.toordinal() for day in months])
    counts = np.histogram(days, bins=edges)[0]
    whole = edges[1:] <= start.toordinal()
    begun = int(np.argmax(counts > 0)) if counts.any() else int(whole.sum())
    seen = np.flatnonzero(whole & (np.arange(len(counts)) >= begun))
    axes.plot(seen, counts[seen], "o-", ms=3, lw=1, color=ORANGE)
    now = int(whole.sum())
    ahead = np.arange(now, min(now + MONTHS_AHEAD, len(counts)))
    mean, cv = _expected(arrival, months, ahead), max(arrival.cv, 1e-6)
    spread = cv**2 + arrival.dispersion
    r = 1.0 / max(spread, 1e-9)
    for level, opacity in ((0.9, 0.18), (0.5, 0.3)):
        tails = (0.5 - level / 2, 0.5 + level / 2)
        low, high = (stats.nbinom.ppf(q, r, r / (r + mean)) for q in tails)
        axes.fill_between(ahead, low, high, color=BLUE, alpha=opacity, lw=0)
    axes.plot(ahead, mean, color=BLUE, lw=1.4)
    axes.axvline(now - 0.5, color=GREY, lw=0.8, ls=":")
    ticks = np.arange(begun, ahead[-1] + 1, max(1, (ahead[-1] - begun) // 6))
    axes.set_xticks(ticks, [f"{months[i]:%Y-%m}" for i in ticks], rotation=30, ha="right")
    axes.set_ylim(bottom=0)
    clean(axes)


def _expected(arrival: ArrivalFit, months: list[dt.date], ahead: NDArray[np.int64]) -> Floats:
    """Leads to expect in some months."""
    each = arrival.mean.value * A_MONTH[arrival.per]
    growth = 0.0 if arrival.growth is None else arrival.growth.value
    steps = (ahead - ahead[0]) * A_MONTH[arrival.per]
    season = [arrival.seasonality.get(NAMES[months[i].month - 1], 1.0) for i in ahead]
    length = [(months[i + 1] - months[i]).days / (365.25 / 12) for i in ahead]
    return np.asarray(each * (1.0 + growth) ** steps * np.array(season) * np.array(length))


def add_months(day: dt.date, months: int) -> dt.date:
    """Give the first day of the month so many months from one.

    >>> add_months(dt.date(2027, 1, 1), -2)
    datetime.date(2026, 11, 1)
    """
    count = day.year * 12 + day.month - 1 + months
    return dt.date(count // 12, count % 12 + 1, 1)


def draw_closing(fit: Fit, records: Records) -> Figure | None:
    """Draw the wins of each month against its quarter's mean, by month of the fiscal quarter."""
    left = records.stays["left"].to_numpy()
    won = (records.stays["to"] == WON).to_numpy() & (left != UNDATED)
    if won.sum() < 30:
        return None
    start = records.as_of + dt.timedelta(days=1)
    first = dt.date.fromordinal(int(left[won].min())).replace(day=1)
    months = [first]
    while months[-1] < start:
        months.append(add_months(months[-1], 1))
    months = [day for day in months if day <= start]
    counts = np.histogram(left[won], bins=[day.toordinal() for day in months])[0]
    place = np.array([(day.month - fiscal_month(fit.fiscal_year_start)) % 3 for day in months[:-1]])
    if len(counts) < 3:
        return None
    figure = Figure(figsize=(8.5, 3.8), layout="constrained")
    bars, factors = figure.subplots(1, 2, width_ratios=(2.2, 1.0))
    shades = [GREY, "#56b4e9", BLUE]
    bars.bar(np.arange(len(counts)), counts, color=[shades[i] for i in place])
    step = max(1, len(counts) // 10)
    at = np.arange(0, len(counts), step)
    bars.set_xticks(at, [f"{months[i]:%Y-%m}" for i in at], rotation=30, ha="right")
    bars.set_title("Wins by month", fontsize=10)
    _factors(factors, counts, place, shades)
    speeds = fit.clock.month_of_quarter
    if speeds is not None:
        factors.plot(range(3), speeds, "s", color="#222222", ms=6, label="fitted speed")
        factors.legend(frameon=False, fontsize=8)
    factors.set_ylim(bottom=0)
    for axes in (bars, factors):
        clean(axes)
    return figure


def _factors(
    axes: Axes, counts: NDArray[np.int64], place: NDArray[np.int64], shades: list[str]
) -> None:
    whole = [i for i in range(len(place) - 2) if tuple(place[i : i + 3]) == (0, 1, 2)]
    for k in range(3):
        ratios = [3 * counts[i + k] / max(counts[i : i + 3].sum(), 1) for i in whole]
        axes.plot(np.full(len(ratios), k), ratios, "o", color=shades[k], alpha=0.7, ms=5)
    axes.axhline(1.0, color=GREY, lw=0.8, ls=":")
    axes.set_xticks(range(3), ["first", "second", "third"])
    axes.set_xlim(-0.5, 2.5)
    axes.set_title("Against the quarter's mean month", fontsize=10)
