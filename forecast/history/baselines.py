"""Simple forecasts to be beaten, each from what was known at its origin and nothing later.

A baseline says what to expect in each period ahead. All are made distributions in one way, by
their own past errors (``predict``), so that none loses for want of one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from statsmodels.tools.sm_exceptions import ConvergenceWarning
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from forecast.history.origins import BOOKINGS, DEALS, Floats
from forecast.history.past import Past

Expect = Callable[[Past, int, str], Floats]

WINDOW = 3  # periods of a moving average
TREND = 6  # periods that a trend is read off
PERIODS_A_YEAR = {"month": 12, "week": 52}
LEAST_FOR_TREND, LEAST_FOR_SEASONS = 8, 2.0  # ETS: periods, years
PRIOR_CASES = 2.0  # past errors as large as chance alone makes them, beside those that were seen
LEAST_MEAN = 0.5  # deals: nobody is sure that there will be none


def last_period(past: Past, horizon: int, metric: str) -> Floats:
    """Expect the last period again."""
    series = past.series(metric)
    return np.full(horizon, series[-1] if len(series) else 0.0)


def last_year(past: Past, horizon: int, metric: str) -> Floats:
    """Expect the same period of last year again; the last period where none was recorded."""
    series = past.series(metric)
    year = PERIODS_A_YEAR[past.periods.unit]
    back = len(series) - year + np.arange(horizon) % year
    known = (back >= 0) & (back < len(series))
    found = last_period(past, horizon, metric)
    found[known] = series[back[known]]
    return found


def moving_average(past: Past, horizon: int, metric: str) -> Floats:
    """Expect the mean of the last three periods."""
    series = past.series(metric)[-WINDOW:]
    return np.full(horizon, series.mean() if len(series) else 0.0)


def exponential_smoothing(past: Past, horizon: int, metric: str) -> Floats:
    """Expect what exponential smoothing does, its form chosen by AICc (statsmodels' ETS).

    Additive errors; from eight periods on also with a damped trend, from two years on also with
    seasons. A moving average where there is too little, or nothing varies.
    """
    series = past.series(metric)
    if len(series) < WINDOW + 1 or np.ptp(series) == 0.0:
        return moving_average(past, horizon, metric)
    year = PERIODS_A_YEAR[past.periods.unit]
    forms: list[dict[str, object]] = [{}]
    if len(series) >= LEAST_FOR_TREND:
        forms.append({"trend": "add", "damped_trend": True})
    if len(series) >= LEAST_FOR_SEASONS * year and year < 50:
        forms += [{**form, "seasonal": "add", "seasonal_periods": year} for form in forms]
    scale = series.std()
    fits = [_smooth(series / scale, form) for form in forms]
    best = min(fits, key=lambda fit: float(fit.aicc) if np.isfinite(fit.aicc) else np.inf)
    ahead = np.asarray(best.forecast(horizon), dtype=np.float64) * scale
    if not np.isfinite(ahead).all():
        return moving_average(past, horizon, metric)
    return np.asarray(np.maximum(ahead, 0.0))


def _smooth(series: Floats, form: Mapping[str, object]) -> Any:
    """Fit one form; on a short series its likelihood is flat, and any optimum will do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="statsmodels")
        return ETSModel(series, **form).fit(disp=False)


def win_rate(past: Past, horizon: int, metric: str) -> Floats:
    """Expect the historical win rate of all open items, and a trend of what is new.

    Open items win at the win rate, as many periods after now as wins came after arrival. What
    arrives later wins as many in the h-th period as it did h periods after earlier origins,
    with the straight line through those of the last six.
    """
    ahead = past.open_by_stage.sum() * past.win_rate * past.age_shares(horizon)
    deals = ahead + _forward(_line(new) if len(new) else None for new in _new(past, horizon))
    return _valued(past, np.maximum(deals, 0.0), metric)


def weighted_pipeline(past: Past, horizon: int, metric: str) -> Floats:
    """Expect each stage's historical share of wins from its open items, and average new business.

    The share of a stage and period ahead is the wins that came so many periods after earlier
    origins, over the items that were open then: a CRM's probabilities by stage, with the time
    in them. What arrives later wins as it did on average after the last six.
    """
    deals = _forward(float(new.mean()) if len(new) else None for new in _new(past, horizon))
    for stage, share in _stage_shares(past, horizon).items():
        deals += past.open_by_stage.get(stage, 0) * share
    return _valued(past, deals, metric)


def _origins(past: Past) -> range:
    return range(max(past.begun, past.now - TREND), past.now)


def _new(past: Past, horizon: int) -> list[Floats]:
    """Wins of what arrived after earlier origins, in each period after them: a series each."""
    after = [past.later_wins(start)[1] for start in _origins(past)]
    return [np.array([wins[h] for wins in after if len(wins) > h]) for h in range(horizon)]


def _stage_shares(past: Past, horizon: int) -> dict[str, Floats]:
    won = {stage: np.zeros(horizon) for stage in past.records.stages}
    opened = {stage: np.zeros(horizon) for stage in past.records.stages}
    for start in _origins(past):
        then = past.records.known_at(past.periods.as_of(start))
        count = Past(then, past.periods, start).open_by_stage
        for stage, wins in past.later_wins(start)[0].items():
            known = min(len(wins), horizon)
            won[stage][:known] += wins[:known]
            opened[stage][:known] += count.get(stage, 0)
    return {
        s: _forward(w / n if n else None for w, n in zip(won[s], opened[s], strict=True))
        for s in won
    }


def _forward(figures: Iterable[float | None]) -> Floats:
    """Fill what is not known yet so many periods ahead with what is known nearer by."""
    found = [0.0]
    for figure in figures:
        found.append(found[-1] if figure is None else figure)
    return np.array(found[1:])


def _line(series: Floats) -> float:
    """Extend a straight line by the step to now; the mean of fewer than three figures."""
    if len(series) < WINDOW:
        return float(series.mean())
    slope, level = np.polyfit(np.arange(len(series)), series, 1)
    return max(float(level + slope * len(series)), 0.0)


def _valued(past: Past, deals: Floats, metric: str) -> Floats:
    return deals * past.mean_amount if metric == BOOKINGS else deals


BASELINES: Final[Mapping[str, Expect]] = {
    "last period": last_period,
    "same period last year": last_year,
    "moving average": moving_average,
    "exponential smoothing": exponential_smoothing,
    "win rate x open + trend": win_rate,
    "weighted pipeline": weighted_pipeline,
}


class Pasts:
    """What was known at each origin, and what baselines expected there: each made once."""

    def __init__(self, past: Past) -> None:
        self._whole = past
        self._known: dict[int, Past] = {past.now: past}
        self._expected: dict[tuple[str, int, int, str], Floats] = {}

    def at(self, now: int) -> Past:
        """Give what was known before period `now`."""
        if now not in self._known:
            periods = self._whole.periods
            records = self._whole.records.known_at(periods.as_of(now))
            self._known[now] = Past(records, periods, now)
        return self._known[now]

    def expected(self, name: str, now: int, horizon: int, metric: str) -> Floats:
        """Give what a baseline expected before period `now`, shape (horizon,)."""
        key = name, now, horizon, metric
        if key not in self._expected:
            self._expected[key] = BASELINES[name](self.at(now), horizon, metric)
        return self._expected[key]


def predict(pasts: Pasts, name: str, at: tuple[int, int], metric: str, runs: int) -> Floats:
    """Make a baseline's expectation a distribution by its own past errors: (run, horizon).

    `at` is (period, horizon). Around the mean m (half a deal at least) the variance is d m, where
    d is the mean of (y - m')^2 / m' over the origins before, of which the outcome so many periods
    later is known, with two cases of chance alone among them, and not below that chance: 1 of
    Poisson deals, E[S^2] / E[S] of bookings that sum random deals of size S. Deals are negative
    binomial (Poisson where d is 1), bookings gamma.
    """
    now, horizon = at
    past = pasts.at(now)
    unit, chance = (1.0, 1.0) if metric == DEALS else (past.mean_amount, past.spread_amount)
    least = max(LEAST_MEAN * unit, 1e-9)
    mean = np.maximum(pasts.expected(name, now, horizon, metric), least)
    came = past.series(metric)
    ratios: list[list[float]] = [[] for _ in range(horizon)]
    for earlier in range(past.begun + 1, now):
        guess = np.maximum(pasts.expected(name, earlier, horizon, metric), least)
        known = came[earlier - past.begun :][:horizon]
        for h, y in enumerate(known):
            ratios[h].append((y - guess[h]) ** 2 / guess[h])
    spread = np.array(
        [max(chance, (sum(r) + PRIOR_CASES * chance) / (len(r) + PRIOR_CASES)) for r in ratios]
    )
    # The same random numbers for all: baselines that expect the same score the same.
    rng = np.random.default_rng([now, *map(ord, metric)])
    return _drawn(rng, mean, spread, (runs, horizon), metric == DEALS)


def _drawn(
    rng: np.random.Generator, mean: Floats, spread: Floats, shape: tuple[int, int], count: bool
) -> Floats:
    """Draw figures of mean m and variance spread x m."""
    if not count:
        return rng.gamma(mean / spread, spread, shape)
    extra = spread - 1.0
    rate = rng.gamma(mean / np.maximum(extra, 1e-9), np.maximum(extra, 1e-9), shape)
    return rng.poisson(np.where(extra > 1e-6, rate, mean)).astype(np.float64)
