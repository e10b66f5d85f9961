"""How surprising what came would be if the plan were true: its quantile in the plan's runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from forecast.analysis.expectations import Floats
from forecast.analysis.plain_rates import close_rate, criteria_rate
from forecast.analysis.realised import (
    CLOSE,
    CRITERIA,
    CYCLE,
    FOLLOW_UP,
    MIX,
    SIZE,
    VOLUME,
    Realised,
)
from forecast.engine.kernel.shapes import Futures
from forecast.engine.simulate import bytes_per_run, ready
from forecast.scenario.families import Periods
from forecast.scenario.model import WON, Scenario


@dataclass(frozen=True)
class Statistic:
    """A figure that tells how a cause came out: as it came, as planned, and its quantile.

    The quantile is P(X < x) + P(X = x) / 2 of the figure X in the plan's runs; None where the plan
    cannot vary in it.
    """

    actual: float
    planned: float
    quantile: float | None


@dataclass(frozen=True)
class Sums:
    """Sums over the quarters that are over, by run: leads (run, c), entered (run, j), ..."""

    leads: Floats
    entered: Floats
    deals: Floats
    bookings: Floats
    unworked: Floats


def quantile_of(figures: Floats, actual: float) -> float | None:
    """Place a figure among those of the runs; None where these do not vary."""
    figures = figures[np.isfinite(figures)]
    if not figures.size:
        return None
    near = np.abs(figures - actual) <= 1e-9 * max(1.0, abs(actual))
    if figures.min() == figures.max() and near.all():
        return None
    below = (figures < actual) & ~near
    return float(below.mean() + 0.5 * near.mean())


def simulate_rows(scenario: Scenario, runs: int, seed: int) -> Futures:
    """Simulate a scenario with all detail; raises ``RequestError`` where it cannot be held."""
    rows = ready(scenario, runs, seed, bytes_per_run(scenario)).whole(runs).rows
    assert isinstance(rows, Futures)
    return rows


def metric_of(rows: Futures, scenario: Scenario, metric: str) -> Floats:
    """Add up a metric by quarter, shape (run, q)."""
    if metric in scenario.stages:
        column: Floats = rows.entered[..., scenario.stages.index(metric)].sum(axis=(2, 3))
        return column
    array = getattr(rows, metric)
    total: Floats = array.sum(axis=tuple(range(2, array.ndim)), dtype=np.float64)
    return total


def _sums(rows: Futures, stages: int) -> Sums:
    """Add up the quarters."""
    unworked = np.asarray(rows.unworked, dtype=np.float64)
    return Sums(
        rows.leads.sum(axis=(1, 3)),
        rows.entered[..., :stages].sum(axis=(1, 2, 3)),
        rows.deals.sum(axis=(1, 2, 3)),
        rows.bookings.sum(axis=(1, 2, 3)),
        unworked.sum(axis=1) if unworked.size else np.zeros((len(rows.leads), stages)),
    )


class Surprise:
    """What the plan's own futures, simulated rows, say about what came."""

    def __init__(self, realised: Realised, rows: Futures) -> None:
        self.of, self.actuals, self.plan = realised, realised.actuals, realised.plan
        self.runs = _sums(rows, len(self.plan.stages))
        planned = realised.planned
        self.planned = Sums(
            planned.leads.sum(axis=0)[None],
            planned.entered.sum(axis=0)[None],
            planned.deals.sum(axis=0)[None],
            planned.bookings.sum(axis=0)[None],
            np.zeros((1, len(self.plan.stages))),
        )
        self.came = self._came()

    def _came(self) -> Sums:
        """What came, in the same shape; what was not counted as planned."""
        plan, actuals = self.plan, self.actuals
        leads = self.of.actual_leads() if actuals.total("leads") is not None else None
        entries = [actuals.entries(stage) for stage in plan.stages]
        planned = self.planned.entered[0]
        entered = [n if n is not None else planned[j] for j, n in enumerate(entries)]
        return Sums(
            self.planned.leads if leads is None else leads.sum(axis=0)[None],
            np.array([entered], dtype=np.float64),
            self._products("deals"),
            self._products("bookings"),
            self.planned.unworked,
        )

    def _products(self, name: str) -> Floats:
        """Deals or bookings by product; shared out as planned where they are not told apart."""
        named, total = self.actuals.named(name), self.actuals.total(name)
        planned: Floats = getattr(self.planned, name)
        if named is not None:
            return np.array([[named.get(p, 0.0) for p in self.plan.products]])
        if total is None:
            return planned
        whole = planned.sum()
        return planned / whole * total if whole else np.full_like(planned, total / planned.size)

    def statistic(self, cause: str) -> Statistic:
        """Tell how a cause came out."""
        if cause == FOLLOW_UP:
            return self._follow_up()
        if cause == CYCLE:
            return self._cycle()
        measure = {
            VOLUME: lambda sums: sums.leads.sum(axis=1),
            MIX: self._mix,
            CRITERIA: self._criteria,
            CLOSE: self._close,
            SIZE: self._size,
        }[cause]
        actual, planned = (float(measure(sums)[0]) for sums in (self.came, self.planned))
        quantile = quantile_of(measure(self.runs), actual)
        return Statistic(*(self._as_written(cause) or (actual, planned)), quantile)

    def _as_written(self, cause: str) -> tuple[float, float] | None:
        """Give a rate, as it came and as planned, in the way the plan writes it."""
        if cause == CLOSE:
            return close_rate(self.of)
        return criteria_rate(self.of, self._last_counted()) if cause == CRITERIA else None

    # --- figures of every run

    def _mix(self, sums: Sums) -> Floats:
        """What the mix is worth, the planned one being 1: channels by deals, products by size."""
        expected = self.of.planned
        leads, won = expected.leads.sum(axis=0), expected.won.sum(axis=0)
        deals, money = expected.deals.sum(axis=0), expected.bookings.sum(axis=0)
        index = _mean_by(sums.leads, _ratio(won, leads)) / (_ratio(won.sum(), leads.sum()) or 1.0)
        if self.of.actual_mix() is not None:
            sizes = _ratio(money, deals)
            index = index * _mean_by(sums.deals, sizes) / (_ratio(money.sum(), deals.sum()) or 1.0)
        return index

    def _criteria(self, sums: Sums) -> Floats:
        last = self.plan.stages.index(self._last_counted())
        return _ratio(sums.entered[:, last], sums.leads.sum(axis=1))

    def _last_counted(self) -> str:
        return [stage for stage in self.plan.stages if stage in self.of.factors][-1]

    def _close(self, sums: Sums) -> Floats:
        counted = [
            j
            for j, stage in enumerate(self.plan.stages)
            if WON in self.plan.journey[stage].transitions
        ]
        return _ratio(sums.deals.sum(axis=1), sums.entered[:, counted].sum(axis=1))

    def _size(self, sums: Sums) -> Floats:
        """The mean size, of the planned mix of products."""
        deals, money = (x.sum(axis=0) for x in (self.of.planned.deals, self.of.planned.bookings))
        sizes = _ratio(money, deals)
        expected = (sums.deals * np.nan_to_num(sizes)).sum(axis=1)
        return _ratio(sums.bookings.sum(axis=1), expected) * _ratio(money.sum(), deals.sum())

    def _follow_up(self) -> Statistic:
        """The share that was worked, of the stages where it was counted."""
        told: Mapping[str, list[float]] = {
            stage: [
                q.followed_up[stage]
                for q in self.actuals.quarters.values()
                if stage in q.followed_up
            ]
            for stage in self.plan.stages
        }
        at = [j for j, stage in enumerate(self.plan.stages) if told[stage]]
        worked = 1.0 - _ratio(
            self.runs.unworked[:, at].sum(axis=1), self.runs.entered[:, at].sum(axis=1)
        )
        actual = float(np.mean([np.mean(told[self.plan.stages[j]]) for j in at]))
        return Statistic(actual, float(np.nanmean(worked)), quantile_of(worked, actual))

    def _cycle(self) -> Statistic:
        """The mean lag of the way that most went; a normal about the planned mean."""
        (stage, to), days = max(self.actuals.lags.items(), key=lambda way: way[0][1] == WON)
        count = self.actuals.total("deals") if to == WON else self.actuals.entries(to)
        lag = self.plan.journey[stage].transitions[to].lag
        if isinstance(lag, Periods):
            scale = self.plan.calendar.period_days
            mean = lag.mean * scale
            squares = sum(k * k * chance for k, chance in lag.chances) * scale**2
            variance, doubt = squares - mean**2, 0.0
        else:
            mean, variance = lag.family.mean, lag.family.sd**2
            about = lag.about.family if lag.about else None
            doubt = mean * about.sd / about.mean if about else 0.0
        error = np.sqrt(variance / max(count or 1.0, 1.0) + doubt**2)
        quantile = float(ndtr((days - mean) / error)) if error else None
        return Statistic(days, mean, quantile)


def _ratio(above: Floats | float, below: Floats | float) -> Floats:
    """Divide; not a number where there is nothing to divide by."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    found: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return found


def _mean_by(counts: Floats, worth: Floats) -> Floats:
    """Average a worth by counts, shape (run,)."""
    return _ratio((counts * np.nan_to_num(worth)).sum(axis=1), counts.sum(axis=1))
