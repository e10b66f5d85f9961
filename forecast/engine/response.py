"""Leads that answer to money: a Hill curve of what was spent, with some of it carried over.

With s_t the spend per unit of time in period t and theta_t the share of the effect that outlasts
the period,

    x_t = (1 - theta_t) s_t + theta_t x_{t-1},
    leads per unit = max x_t^shape / (half^shape + x_t^shape),

a geometric adstock normalised so that x is the spend itself where that is steady (Jin, Wang, Sun,
Chan and Koehler 2017, Bayesian methods for media mix modeling with carryover and shape effects).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecast.engine.assumptions import Floats, Values
from forecast.scenario.model import Number, Rate, Response


@dataclass(frozen=True)
class Kept:
    """The share of an effect that outlasts each period, version by version."""

    shares: tuple[tuple[Number, Floats], ...]  # kept per unit, and the units of each period

    def __call__(self, values: Values) -> Floats:
        """Give the shares, shape (row, period); 0 where nothing is carried over."""
        theta = np.ones((1, 1))
        for share, units in self.shares:
            theta = theta * np.power(values(share)[:, None], units)
        return np.asarray(theta)


@dataclass(frozen=True)
class Answer:
    """The leads of one version's response."""

    response: Response
    spend: Callable[[Values], Floats]  # (row, period) money of each period
    units: Floats  # (period,) units ``per`` that each period holds
    kept: Kept
    before: Rate | None  # spent before the start
    before_units: float  # units of ``before`` in one unit ``per``
    weight: Callable[[Values], Floats]  # (row, period) units under this version, times factors

    def __call__(self, values: Values) -> Floats:
        """Give the leads to expect, shape (row, period)."""
        rate = self.spend(values) / self.units
        before = rate[:, 0]
        if self.before is not None:
            before = values(self.before.amount) * self.before_units
        of = self.response
        effective = adstock(rate, self.kept(values), before)
        return self.weight(values) * hill(
            effective, values(of.max)[:, None], values(of.half)[:, None], values(of.shape)[:, None]
        )


def adstock(spend: Floats, kept: Floats, before: Floats) -> Floats:
    """Effective spend: spend and kept are (row or 1, period), before is (row or 1,).

    >>> adstock(np.array([[0.0, 8.0, 8.0]]), np.array([[0.5, 0.5, 0.5]]), np.zeros(1))
    array([[0., 4., 6.]])
    """
    rows = max(len(spend), len(kept), len(before))
    periods = spend.shape[1]
    kept = np.broadcast_to(kept, (len(kept), periods))
    effective = np.empty((rows, periods))
    last = before
    for t in range(periods):
        last = (1.0 - kept[:, t]) * spend[:, t] + kept[:, t] * last
        effective[:, t] = last
    return effective


def hill(x: Floats, most: Floats, half: Floats, shape: Floats) -> Floats:
    """max x^shape / (half^shape + x^shape), 0 where nothing is spent.

    >>> hill(np.array([0.0, 10.0, 30.0]), np.array(300.0), np.array(10.0), np.array(1.0))
    array([  0., 150., 225.])
    """
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.power(half / np.where(x > 0.0, x, 1.0), shape)
    return np.asarray(np.where(x > 0.0, most / (1.0 + ratio), 0.0))
