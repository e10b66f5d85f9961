"""How long customers stay, what they pay meanwhile, and what that is worth.

A customer pays at the start of each ``every``, the first time when won, and leaves at the end of
a term only: it is there for the k-th term (k = 0, 1, ...) with chance S(k terms), where

- of a churn c per unit of time, S(t) = (1 - c)**t: the geometric distribution;
- of a churn that is Beta(a, b) among customers, S(t) = B(a, b + t) / B(a, b): the shifted beta
  geometric (Fader & Hardie 2007, "How to project customer retention",
  doi:10.1002/dir.20074), for times between the units as well.

With r the growth of a payment less its discount, over one ``every``, and m payments in a term, a
lifetime is worth, in payments of today,

    sum over k >= 0 of S(k terms) r**(m k) (1 + r + ... + r**(m - 1)).

Geometric: (r**m - 1) / (r - 1) / (1 - s r**m), s = S(1 term). Shifted beta geometric: the average
of 1 / (1 - (1 - u)**T r**m) over u ~ Beta(a, b) in place of the last factor; that is Gauss's
2F1(1, b; a + b; r**m) where a term is the unit of the churn (Fader & Hardie 2010,
"Customer-base valuation in a contractual setting", doi:10.1287/mksc.1080.0482).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.scenario.calendar import DAYS_IN, MONTHS_IN
from forecast.scenario.model import Rate, Recurring

POINTS, POINTS_OF_MANY = 1_200, 400  # of the trapezoidal rule: for one row, for rows
REACH, DEVIATIONS = 42.0, 12.0  # where its integrand is below e**-42
ROWS_AT_ONCE = 256
LEAST_LOG = -700.0
NEVER = 1e-12  # a logarithm of growth nearer to 0 than this is none


@dataclass(frozen=True)
class Lifetime:
    """A recurring product at some values of its assumptions: rows side by side, or one row."""

    every_months: int
    payments: int  # in a term
    term: float  # in units of the churn
    churn: Floats | None  # (row,) of the geometric distribution
    shape: tuple[Floats, Floats] | None  # (row,) alpha and beta, of the other one
    growth: Floats  # (row,) logarithm of a payment's growth over one ``every``
    discount: Floats  # (row,) logarithm of the discount over one ``every``

    def survival(self, terms: NDArray[np.int64]) -> Floats:
        """S(k terms) for some k, shape (row, k)."""
        times = terms * self.term
        if self.churn is not None:
            return np.asarray(np.power(1.0 - self.churn[:, None], times))
        from scipy.special import betaln

        a, b = self._shape()
        return np.asarray(np.exp(betaln(a, b + times) - betaln(a, b)))

    def value(self, *, discounted: bool = True) -> Floats:
        """All payments to expect of a customer, in payments of today, shape (row,)."""
        log = self._log_rate(discounted)
        return _sum_of_powers(log, float(self.payments)) * self._terms(log * self.payments)

    def value_of(self, terms: Floats) -> Floats:
        """The discounted payments of customers that stay so many whole terms, shape (row,)."""
        return _sum_of_powers(self._log_rate(True), self.payments * terms)

    def draw(self, u: Floats, w: Floats) -> Floats:
        """How many whole terms customers stay, 1 or more, at two uniforms each, shape (row,)."""
        with np.errstate(divide="ignore", over="ignore"):
            log = np.log1p(-self._hazard(w)) * self.term  # of S(1 term) of this very customer
            stays = np.divide(np.log(u), log, out=np.full(len(u), np.inf), where=log < 0.0)
        return np.asarray(1.0 + np.floor(stays))

    def payments_until(self, longest: int) -> Callable[[NDArray[np.int64]], Floats]:
        """Give the function of whole months up to ``longest``, (row,), that tells what is to be
        paid until their end, each payment counted evenly over its ``every``."""
        if self.churn is not None and max(len(self.growth), len(self.churn)) > 1:
            return self._paid_until
        curve = self._curve(longest)
        if len(curve) == 1:
            return lambda months: curve[0][months]
        return lambda months: np.take_along_axis(curve, months[:, None], axis=1)[:, 0]

    def _curve(self, longest: int) -> Floats:
        """What is to be paid until the end of each month, (row, longest + 1)."""
        at = np.arange(-(-longest // self.every_months))
        paid = self.survival(at // self.payments) * np.exp(self.growth[:, None] * at)
        monthly = np.repeat(paid / self.every_months, self.every_months, axis=1)[:, :longest]
        return np.concatenate([np.zeros((len(monthly), 1)), np.cumsum(monthly, axis=1)], axis=1)

    def _paid_until(self, months: NDArray[np.int64]) -> Floats:
        """The same of the geometric distribution, in closed form."""
        assert self.churn is not None
        with np.errstate(divide="ignore"):
            stay = np.maximum(np.log1p(-self.churn) * self.term, LEAST_LOG)
        whole, terms = months // self.every_months, months // self.every_months // self.payments
        per_term = stay + self.payments * self.growth
        before = _sum_of_powers(self.growth, self.payments) * _sum_of_powers(per_term, terms)
        inside = _sum_of_powers(self.growth, whole - terms * self.payments)
        begun = months / self.every_months - whole
        last = begun * np.exp(terms * stay + whole * self.growth)
        return np.asarray(before + np.exp(terms * per_term) * inside + last)

    def _hazard(self, w: Floats) -> Floats:
        if self.churn is not None:
            return np.broadcast_to(self.churn, w.shape)
        from scipy.special import betaincinv

        assert self.shape is not None
        return np.asarray(betaincinv(*self.shape, w))

    def _shape(self) -> tuple[Floats, Floats]:
        assert self.shape is not None
        return self.shape[0][:, None], self.shape[1][:, None]

    def _log_rate(self, discounted: bool) -> Floats:
        rate = self.growth - self.discount if discounted else self.growth
        return np.asarray(np.where(np.abs(rate) < NEVER, 0.0, rate))

    def _terms(self, log: Floats) -> Floats:
        """The sum of S(k terms) e**(k log) over all k; infinite where it has no end."""
        if self.churn is not None:
            with np.errstate(divide="ignore"):
                last = -np.expm1(np.log1p(-self.churn) * self.term + log)
                return np.where(last > 0.0, 1.0 / np.maximum(last, 0.0), np.inf)
        a, b = np.broadcast_arrays(*self._shape())
        log = np.broadcast_to(log, len(a) if len(log) == 1 else len(log))
        rows = max(len(a), len(log))
        a, b = np.broadcast_to(a[:, 0], rows), np.broadcast_to(b[:, 0], rows)
        found = np.full(rows, np.inf)
        fine = np.flatnonzero((log < 0.0) | ((log == 0.0) & (a > 1.0)))
        for first in range(0, len(fine), ROWS_AT_ONCE):
            at = fine[first : first + ROWS_AT_ONCE]
            found[at] = _beta_mean(a[at], b[at], self.term, log[at])
        return found


def lifetime(recurring: Recurring, values: Values) -> Lifetime:
    """A recurring product at values of its assumptions."""
    every_days, churn = DAYS_IN[recurring.every], recurring.churn
    payments = round(recurring.term / every_days)
    chance, shape = None, None
    if isinstance(churn, Rate):
        chance = values(churn.amount)
    else:
        shape = values(churn.alpha), values(churn.beta)
    return Lifetime(
        MONTHS_IN[recurring.every],
        payments,
        payments * every_days / DAYS_IN[churn.per],
        chance,
        shape,
        _log_growth(recurring.expansion, recurring.every, values),
        _log_growth(recurring.discount, recurring.every, values),
    )


def _log_growth(rate: Rate, every: str, values: Values) -> Floats:
    return np.asarray(np.log1p(values(rate.amount)) * (DAYS_IN[every] / DAYS_IN[rate.per]))


def _sum_of_powers(log: Floats, count: Floats | NDArray[np.int64] | float) -> Floats:
    """1 + r + ... + r**(count - 1) with r = e**log."""
    log, count = np.broadcast_arrays(log, np.asarray(count, dtype=np.float64))
    with np.errstate(over="ignore"):
        top = np.expm1(np.where(log == 0.0, 0.0, log * np.where(log == 0.0, 0.0, count)))
    bottom = np.expm1(log)
    return np.divide(top, bottom, out=np.array(count), where=log != 0.0)


def _beta_mean(a: Floats, b: Floats, term: float, log: Floats) -> Floats:
    """The mean of 1 / (1 - (1 - u)**term e**log) over u ~ Beta(a, b), shape (row,).

    By the trapezoidal rule in y = log(u / (1 - u)), whose error falls exponentially, as the
    integrand is analytic around the real line and falls exponentially along it (Trefethen &
    Weideman 2014, doi:10.1137/130932132).
    """
    from scipy.special import betaln

    middle, sd = np.log(a / b), np.sqrt(1.0 / a + 1.0 / b)
    # Without a discount the integrand is larger by 1 / u, and falls so much more slowly.
    slow = np.where(log < 0.0, a, a - 1.0)
    far = REACH + np.log1p(1.0 / np.maximum(-log, 1e-9))
    low = middle - far / slow - DEVIATIONS * sd
    high = middle + REACH / b + DEVIATIONS * sd
    points = POINTS if len(a) == 1 else POINTS_OF_MANY
    y = np.linspace(low, high, points, axis=1)
    log_u, log_stay = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y)
    weight = np.exp(a[:, None] * log_u + b[:, None] * log_stay - betaln(a, b)[:, None])
    leaves = -np.expm1(term * log_stay + log[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(weight > 0.0, weight / leaves, 0.0)
    return np.asarray(inside.sum(axis=1) * (high - low) / (points - 1))
