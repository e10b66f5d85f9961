"""What records say about deal sizes and what is bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from forecast.history.estimates import Estimate, SizeFit
from forecast.history.fitting.size_families import (
    Floats,
    Law,
    aic_of,
    fit_families,
    fit_law,
    largest_fits,
    of_shape,
    price_list,
)
from forecast.history.records import OPEN, UNDATED, WON, Records

OUTLIER_CHANCE = 1e-4  # of a largest deal as large: below it is set aside
LEAST_OTHERS = 10  # deals beside which one can be an outlier
MOST_OUTLIERS = 5
CLOSE = 6.0  # AIC within which a family is still thought possible
FAR = 20.0  # times the median: what is nearer is no outlier
APART = 8.0  # times the next lower deal: heavy tails have no such gaps
DRAWN = 0.95  # share of its own that a mean keeps without a word
UNKNOWN_CV = 0.5  # of sizes of which nothing is known
SMALL = 20  # deals below which a product takes the shape of all
MIX_PRIOR = 0.5  # of the Dirichlet distribution of the mix (Jeffreys)
TREND_LEVEL = 0.01  # of the test of a trend


@dataclass(frozen=True)
class _Product:
    """A product's won deals: amounts that can be used, their days, and what was left out."""

    name: str
    won: int
    amounts: Floats
    days: Floats
    notes: tuple[str, ...]


def fit_sizes(records: Records) -> tuple[SizeFit, ...]:
    """Fit the deal sizes of won deals by product, and the share of deals that buy each.

    Blank, zero and negative amounts say nothing, and are counted in `notes`; so is an amount that
    is far from all others. The family is the one of lowest AIC of lognormal, gamma and Weibull;
    "fixed" or "values" where few prices occur again and again, and "empirical" (quantiles as they
    were seen) where no family fits. The mean of a product with few deals is drawn to that of all
    products as far as their means are alike (DerSimonian and Laird 1986). Empty where no amount
    can be used: then there is no money to forecast, only deals.
    """
    deals = _won_deals(records)
    products = [_product(str(name), rows) for name, rows in deals.groupby("product", observed=True)]
    used = [p for p in products if len(p.amounts)]
    if not used:
        return ()
    means = _pooled(used)
    total = sum(p.won for p in products)
    return tuple(
        _told(p, means.get(p.name, means[""]), _mix(p.won, total, len(products))) for p in products
    )


def _won_deals(records: Records) -> pd.DataFrame:
    """One row a won deal: product, amount, and the day it was won (NaN where nobody knows)."""
    stays = records.stays
    won = stays[(stays["to"] == WON).to_numpy()]
    day = won["left"].to_numpy().astype(np.float64)
    left = won["left"].to_numpy()
    day[(left == UNDATED) | (left == OPEN)] = np.nan
    rows = records.items.iloc[won["item"].to_numpy()][["product", "amount"]]
    return rows.assign(day=day, item=won["item"].to_numpy()).drop_duplicates("item")


def _product(name: str, rows: pd.DataFrame) -> _Product:
    """Set aside what says nothing about sizes, and count it."""
    amount = rows["amount"].to_numpy(np.float64)
    finite = np.isfinite(amount)
    good = finite & (amount > 0)
    counts = (
        (int((~finite).sum()), "no amount"),
        (int((amount == 0).sum()), "the amount 0"),
        (int((finite & (amount < 0)).sum()), "a negative amount"),
    )
    notes = [
        f"{n} of {len(rows)} won deals have {what}: not used for sizes" for n, what in counts if n
    ]
    amounts, days = amount[good], rows["day"].to_numpy()[good]
    kept, told = _without_outliers(amounts)
    notes += told
    notes += _trend(amounts[kept], days[kept])
    return _Product(name, len(rows), amounts[kept], days[kept], tuple(notes))


def _without_outliers(amounts: Floats) -> tuple[NDArray[np.bool_], list[str]]:
    """Set aside largest amounts where no family that fits the others lets the least of them be.

    From many to one (Rosner 1983), as a second outlier would hide the first.
    """
    order = np.argsort(amounts, kind="stable")
    kept = np.ones(len(amounts), dtype=bool)
    for many in range(min(MOST_OUTLIERS, len(amounts) // LEAST_OTHERS), 0, -1):
        rest, strange = amounts[order[:-many]], order[-many:]
        least, median = float(amounts[strange[0]]), float(np.median(rest))
        near = least < FAR * median or least < APART * float(rest.max())
        if near or _possible(least, rest):
            continue
        kept[strange] = False
        return kept, [
            f"one deal of {x:,.0f} is {x / median:,.0f} times the median: not used for sizes; "
            "correct it, or plan it by hand if it is real"
            for x in amounts[strange]
        ]
    return kept, []


def _possible(largest: float, rest: Floats) -> bool:
    if np.ptp(np.log(rest)) < 1e-9:
        return False
    laws = fit_families(rest).values()
    aic = [aic_of(law, rest) for law in laws]
    close = [law for law, a in zip(laws, aic, strict=True) if a <= min(aic) + CLOSE]
    return any(law.chance_above(largest, len(rest) + 1) >= OUTLIER_CHANCE for law in close)


def _trend(amounts: Floats, days: Floats) -> list[str]:
    """A sentence where sizes rose or fell over time."""
    known = np.isfinite(days)
    if known.sum() < 20 or np.ptp(days[known]) < 60 or np.ptp(amounts[known]) == 0.0:
        return []
    years = (days[known] - days[known].mean()) / 365.25
    line = stats.linregress(years, np.log(amounts[known]))
    if line.pvalue >= TREND_LEVEL:
        return []
    return [
        f"sizes moved by {np.expm1(line.slope):+.0%} a year (p = {line.pvalue:.2g}): the fit is "
        "that of all years, without a trend"
    ]


@dataclass(frozen=True)
class _Mean:
    """A product's law with its mean drawn together, and how well the mean is known."""

    law: Law
    cv: float
    method: str


def _pooled(products: list[_Product]) -> dict[str, _Mean]:
    """Draw the means of products together, on the scale of logarithms; "" is one not seen."""
    shape = _common_shape(products)
    laws = [_own(p, shape) for p in products]
    n = np.array([len(p.amounts) for p in products], dtype=np.float64)
    error = np.array(
        [_error(law, len(p.amounts), shape) for law, p in zip(laws, products, strict=True)]
    )
    logs = np.log([law.mean for law in laws])
    precise = 1.0 / np.maximum(error, 1e-6) ** 2
    between = _between(logs, precise) if len(products) > 1 else 1.0
    centre_weight = 1.0 / (between + 1.0 / precise)
    centre = float((centre_weight * logs).sum() / centre_weight.sum())
    share = between / (between + 1.0 / precise) if len(products) > 1 else np.ones(1)
    drawn = np.exp(centre + share * (logs - centre))
    spread = np.sqrt(share / precise + (1.0 - share) ** 2 / centre_weight.sum())
    found = {}
    for k, p in enumerate(products):
        method = f"{laws[k].family}, " + ("own shape" if n[k] >= SMALL else "shape of all products")
        if share[k] < DRAWN:
            method += f"; its mean drawn {1.0 - share[k]:.0%} of the way to that of all"
        law = laws[k] if share[k] > 0.999 else laws[k].scaled(float(drawn[k]))
        found[p.name] = _Mean(law, float(spread[k]), method)
    unseen = of_shape(shape.family, float(np.exp(centre)), shape.cv)
    wide = float(np.sqrt(between + 1.0 / centre_weight.sum()))
    return {**found, "": _Mean(unseen, wide, "no amounts of its own: as products differ")}


def _between(logs: Floats, precise: Floats) -> float:
    """The variance between products, by moments (DerSimonian and Laird 1986)."""
    centre = float((precise * logs).sum() / precise.sum())
    excess = float((precise * (logs - centre) ** 2).sum()) - (len(logs) - 1)
    return max(excess / float(precise.sum() - (precise**2).sum() / precise.sum()), 0.0)


def _error(law: Law, n: int, shape: Law) -> float:
    """How well a mean is known; a list of prices by what other products' spread would say."""
    if law.family == "fixed" and n < SMALL:
        law = shape
    return law.mean_cv(n)


def _common_shape(products: list[_Product]) -> Law:
    """The shape within products: pooled variance of the logarithms, and the commonest family."""
    free = sum(len(p.amounts) - 1 for p in products)
    if free < 1:
        return of_shape("lognormal", 1.0, UNKNOWN_CV)
    rest = sum(
        float(((logs := np.log(p.amounts)) - logs.mean()) @ (logs - logs.mean())) for p in products
    )
    # One deal of a spread that planners find usual keeps a few equal deals from being certain.
    square = (rest + np.log1p(UNKNOWN_CV**2)) / (free + 1.0)
    families = [fit_law(p.amounts).family for p in products if len(p.amounts) >= SMALL]
    family = max(sorted(set(families)), key=families.count) if families else "lognormal"
    return of_shape(family, 1.0, float(np.sqrt(np.expm1(square))))


def _own(product: _Product, shape: Law) -> Law:
    """A product's own law, or that of the common shape and its mean where it has few deals."""
    if len(product.amounts) >= SMALL or price_list(product.amounts) is not None:
        return fit_law(product.amounts)
    return of_shape(shape.family, float(product.amounts.mean()), shape.cv)


def _mix(won: int, total: int, products: int) -> Estimate:
    """The share of a product, with the interval of its Dirichlet distribution."""
    if products == 1:
        return Estimate(1.0, 1.0, 1.0, total, "the only product")
    a, b = won + MIX_PRIOR, total - won + MIX_PRIOR * (products - 1)
    law = stats.beta(a, b)
    low, high = float(law.ppf(0.05)), float(law.ppf(0.95))
    return Estimate(
        a / (a + b), low, high, won, "share of won deals, Dirichlet with half a case each"
    )


def _told(product: _Product, mean: _Mean, mix: Estimate) -> SizeFit:
    law = mean.law
    reach = float(np.exp(stats.norm.ppf(0.95) * mean.cv))
    estimate = Estimate(
        law.mean, law.mean / reach, law.mean * reach, len(product.amounts), mean.method
    )
    return SizeFit(
        product.name,
        law.family,
        law.parameters,
        estimate,
        mean.cv,
        mix,
        largest_fits(product.amounts, law),
        law.aic,
        law.values,
        product.notes,
    )
