"""The families of deal sizes, fitted by maximum likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]
MOST_PRICES = 12  # of a price list
DEALS_A_PRICE = 5  # at least, on average
MISFIT = 0.12  # largest distance of distribution functions that a family may have
MISFIT_LEAST = 50  # deals from which on that is looked at
TOO_LARGE = 1e-4  # chance of a maximum as large that a family must leave
SLICES = 100  # of an empirical distribution
TAIL_SHARE = 0.1  # of the deals are its tail
LIGHT_LEAST = 30  # deals of which a light tail is told
ODD = 0.01  # chance of a maximum below or above which it is called odd


@dataclass(frozen=True)
class Law:
    """A fitted family: the scenario language's name and parameters, and what follows of them."""

    family: str
    parameters: Mapping[str, float]
    mean: float
    cv: float
    values: tuple[tuple[float, float], ...] = ()
    aic: Mapping[str, float] = field(default_factory=dict)

    def frozen(self) -> Any:
        """Give the distribution as scipy has it; None where it is a list."""
        if self.family == "lognormal":
            sigma = np.sqrt(np.log1p(self.cv**2))
            return stats.lognorm(sigma, scale=self.mean * np.exp(-(sigma**2) / 2))
        if self.family == "gamma":
            return stats.gamma(1.0 / self.cv**2, scale=self.mean * self.cv**2)
        if self.family == "weibull":
            shape = self.parameters["shape"]
            return stats.weibull_min(shape, scale=self.mean / special.gamma(1.0 + 1.0 / shape))
        return None

    def chance_above(self, amount: float, n: int) -> float:
        """Give the chance that the largest of n is at least so large; 1 where it is a list."""
        law = self.frozen()
        return (
            1.0 if law is None else float(-np.expm1(n * np.log1p(-min(law.sf(amount), 1 - 1e-16))))
        )

    def mean_cv(self, n: float) -> float:
        """Give the coefficient of variation of the mean as n deals tell it.

        Of a lognormal by the delta method: (σ² + σ⁴ / 2) / n, of the others cv² / n; widened for
        few deals as Student's t is.
        """
        few = (n - 1.0) / (n - 3.0) if n > 4 else 3.0
        if self.family == "lognormal":
            square = float(np.log1p(self.cv**2))
            return float(np.sqrt(few * (square + square**2 / 2) / n))
        return float(self.cv * np.sqrt(few / n))

    def scaled(self, mean: float) -> Law:
        """Give the law of another mean and the same shape."""
        factor = mean / self.mean
        parameters = {
            name: value if name in ("cv", "shape") else value * factor
            for name, value in self.parameters.items()
        }
        values = tuple((value * factor, share) for value, share in self.values)
        if abs(factor - 1.0) < 1e-12:
            return self
        return replace(self, parameters=parameters, mean=mean, values=values)


def fit_law(amounts: Floats) -> Law:
    """Fit the family that the amounts (above 0) speak for."""
    prices = price_list(amounts)
    if prices is not None:
        return prices
    if len(amounts) < 3 or np.ptp(np.log(amounts)) < 1e-9:
        return _few(amounts)
    laws = fit_families(amounts)
    aic = {name: aic_of(law, amounts) for name, law in laws.items()}
    best = laws[min(aic, key=lambda name: aic[name])]
    if len(amounts) >= MISFIT_LEAST and _misfits(amounts, best):
        return replace(_empirical(amounts), aic=aic)
    return replace(best, aic=aic)


def fit_families(amounts: Floats) -> dict[str, Law]:
    """Fit every family by maximum likelihood to amounts (above 0) that are not all equal."""
    return {name: fit(amounts) for name, fit in _FITS.items()}


def aic_of(law: Law, amounts: Floats) -> float:
    """Give Akaike's criterion of a family with two parameters."""
    return float(4.0 - 2.0 * law.frozen().logpdf(amounts).sum())


def of_shape(family: str, mean: float, cv: float) -> Law:
    """Give the family of a mean and cv; a Weibull as a lognormal, for its shape is no plain one."""
    name = "gamma" if family == "gamma" else "lognormal"
    return Law(name, {"mean": mean, "cv": cv}, mean, cv)


def price_list(amounts: Floats) -> Law | None:
    """Give "fixed" or "values" where few prices occur again and again, else None."""
    values, counts = np.unique(amounts, return_counts=True)
    if len(values) == 1 and len(amounts) > 1:
        return Law("fixed", {"value": float(values[0])}, float(values[0]), 0.0)
    if not (1 < len(values) <= MOST_PRICES and len(amounts) >= DEALS_A_PRICE * len(values)):
        return None
    if (counts == 1).sum() > 0.05 * len(amounts):
        return None
    return _listed("values", values, counts / len(amounts))


def largest_fits(amounts: Floats, law: Law) -> str:
    """Say in a sentence how the largest deals fit the law.

    The chance of a maximum as large under the law, and Hill's index of the largest tenth (1975).
    """
    if len(amounts) == 0:
        return "no amounts of its own"
    largest = float(amounts.max())
    if law.family == "fixed":
        return f"all {len(amounts)} deals have the same size"
    top = np.sort(amounts)[::-1][: max(int(TAIL_SHARE * len(amounts)), 1)]
    said = f"the largest of {len(amounts)} is {largest:,.0f}"
    share = float(top.sum() / amounts.sum())
    if len(top) >= 3:
        said += f", the largest tenth brings {share:.0%} of the value"
    if law.frozen() is None:
        said += "; sizes are as they were seen, none larger can come"
    else:
        chance = law.chance_above(largest, len(amounts))
        said += f"; a largest as large has a chance of {chance:.2g}"
        if chance < ODD:
            said += ": the tail is heavier than the family's"
        elif chance > 1.0 - ODD and len(amounts) >= LIGHT_LEAST:
            said += ": the tail is lighter than the family's"
    if len(top) >= 10:
        hill = float(np.mean(np.log(top[:-1] / top[-1])))
        if hill > 0.5:
            said += f"; Hill's index is {1.0 / hill:.1f}, the mean rests on few deals"
    return said


def _few(amounts: Floats) -> Law:
    """One or two deals, or all but equal ones: a lognormal of their mean that is wide."""
    cv = 0.5 if len(amounts) < 3 else max(float(amounts.std() / amounts.mean()), 1e-6)
    mean = float(amounts.mean())
    return Law("lognormal", {"mean": mean, "cv": cv}, mean, cv)


def _lognormal(x: Floats) -> Law:
    logs = np.log(x)
    square = float(logs.var())
    mean = float(np.exp(logs.mean() + square / 2.0))
    cv = float(np.sqrt(np.expm1(square)))
    return Law("lognormal", {"mean": mean, "cv": cv}, mean, cv)


def _gamma(x: Floats) -> Law:
    """log k - ψ(k) = log of the mean - mean of the logs."""
    mean = float(x.mean())
    gap = float(np.log(mean) - np.log(x).mean())
    k = optimize.brentq(lambda k: np.log(k) - special.digamma(k) - gap, 1e-4, 1e12)
    cv = float(1.0 / np.sqrt(k))
    return Law("gamma", {"mean": mean, "cv": cv}, mean, cv)


def _weibull(x: Floats) -> Law:
    """Σ x^k log x / Σ x^k - 1/k = mean of the logs."""
    logs = np.log(x)
    logs = logs - logs.max()
    centre = float(logs.mean())

    def slope(k: float) -> float:
        power = np.exp(k * logs)
        return float(power @ logs / power.sum() - 1.0 / k - centre)

    k = float(optimize.brentq(slope, 1e-3, 1e6, rtol=1e-10))
    scale = float(x.max() * np.mean(np.exp(k * logs)) ** (1.0 / k))
    mean = scale * float(special.gamma(1.0 + 1.0 / k))
    second = float(special.gamma(1.0 + 2.0 / k) / special.gamma(1.0 + 1.0 / k) ** 2)
    cv = float(np.sqrt(max(second - 1.0, 1e-18)))
    return Law("weibull", {"shape": k, "scale": scale}, mean, cv)


_FITS = {"lognormal": _lognormal, "gamma": _gamma, "weibull": _weibull}


def _distance(x: Floats, law: Law) -> float:
    """The largest distance of the distribution functions (Kolmogorov)."""
    return float(stats.ks_1samp(x, law.frozen().cdf, method="asymp").statistic)


def _misfits(x: Floats, law: Law) -> bool:
    return _distance(x, law) > MISFIT or law.chance_above(float(x.max()), len(x)) < TOO_LARGE


def _empirical(x: Floats) -> Law:
    """The means of equal slices of the sorted amounts: their mean is that of the amounts."""
    parts = np.array_split(np.sort(x), min(SLICES, len(x)))
    values = np.array([part.mean() for part in parts])
    return _listed("empirical", values, np.array([len(part) for part in parts]) / len(x))


def _listed(family: str, values: Floats, shares: Floats) -> Law:
    mean = float(values @ shares)
    cv = float(np.sqrt(max(float((values - mean) ** 2 @ shares), 0.0)) / mean)
    pairs = tuple((float(v), float(s)) for v, s in zip(values, shares, strict=True))
    return Law(family, {}, mean, cv, pairs)
