"""What records say about deal sizes and what is bought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from forecast.history.estimates import Estimate, SizeFit
from forecast.history.records import LOST, OPEN, UNDATED, WON, Records
from forecast.history.size_families import Floats, Law, fit_law, largest_fits, price_list

OUTLIER_CHANCE = 1e-6  # of a largest deal as large: below it is set aside
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
    law: Law | None = None


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
    whole = fit_law(np.concatenate([p.amounts for p in used]))
    means = _pooled([p for p in used], whole)
    total = sum(p.won for p in products)
    return tuple(
        _told(p, means.get(p.name, means[""]), whole, _mix(p.won, total, len(products)))
        for p in products
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


def _without_outliers(amounts: Floats) -> tuple[np.ndarray, list[str]]:
    """Set aside the largest amounts as long as the others' family says they cannot be."""
    order = np.argsort(amounts, kind="stable")
    kept = np.ones(len(amounts), dtype=bool)
    told: list[str] = []
    while kept.sum() >= 10 and len(told) < 5:
        rest = order[: int(kept.sum()) - 1]
        largest = float(amounts[order[int(kept.sum()) - 1]])
        law = fit_law(amounts[rest])
        chance = law.chance_above(largest, len(rest) + 1)
        if law.family in ("fixed", "values", "empirical") or chance >= OUTLIER_CHANCE:
            far = largest > 1000.0 * float(amounts[rest].max())
            if not far:
                break
        kept[order[int(kept.sum()) - 1]] = False
        median = float(np.median(amounts[rest]))
        told.append(
            f"one deal of {largest:,.0f} is {largest / median:,.0f} times the median: not used "
            "for sizes, correct it or add it by hand if it is real"
        )
    return kept, told


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
    """A mean and how well it is known."""

    value: float
    cv: float
    drawn: bool


def _pooled(products: list[_Product], whole: Law) -> dict[str, _Mean]:
    """Draw the means of products together, on the scale of logarithms; "" is one not seen."""
    sizes = np.array([len(p.amounts) for p in products], dtype=np.float64)
    laws = [fit_law(p.amounts) if len(p.amounts) >= SMALL else whole for p in products]
    own = np.array([p.amounts.mean() for p in products])
    own = np.where(sizes >= SMALL, [law.mean for law in laws], own)
    error = np.array([law.mean_cv(n) for law, n in zip(laws, sizes, strict=True)])
    logs, precise = np.log(own), 1.0 / np.maximum(error, 1e-6) ** 2
    if len(products) == 1:
        return {p.name: _Mean(float(own[0]), float(error[0]), False) for p in products} | {
            "": _Mean(whole.mean, whole.mean_cv(len(products[0].amounts)), True)
        }
    centre = float((precise * logs).sum() / precise.sum())
    excess = float((precise * (logs - centre) ** 2).sum()) - (len(products) - 1)
    between = max(excess / (precise.sum() - (precise**2).sum() / precise.sum()), 0.0)
    share = between / (between + 1.0 / precise)
    wide = 1.0 / (between + 1.0 / precise)
    centre = float((wide * logs).sum() / wide.sum())
    drawn = np.exp(centre + share * (logs - centre))
    spread = np.sqrt(share / precise + (1.0 - share) ** 2 / wide.sum())
    found = {
        p.name: _Mean(float(m), float(s), bool(w < 0.9))
        for p, m, s, w in zip(products, drawn, spread, share, strict=True)
    }
    unseen = _Mean(float(np.exp(centre)), float(np.sqrt(between + 1.0 / wide.sum())), True)
    return {**found, "": unseen}


def _mix(won: int, total: int, products: int) -> Estimate:
    """The share of a product, with the interval of its Dirichlet distribution."""
    if products == 1:
        return Estimate(1.0, 1.0, 1.0, total, "the only product")
    a, b = won + MIX_PRIOR, total - won + MIX_PRIOR * (products - 1)
    law = stats.beta(a, b)
    low, high = float(law.ppf(0.05)), float(law.ppf(0.95))
    return Estimate(a / (a + b), low, high, won, "share of won deals, Dirichlet with half a case each")


def _told(product: _Product, mean: _Mean, whole: Law, mix: Estimate) -> SizeFit:
    n = len(product.amounts)
    law = fit_law(product.amounts) if n >= SMALL or _sure(product.amounts) else whole
    law = law.scaled(mean.value)
    method = f"{law.family}, maximum likelihood"
    if n < SMALL and not _sure(product.amounts):
        method = f"{law.family}, shape of all products"
    if mean.drawn:
        method += "; mean drawn toward that of all products"
    z = stats.norm.ppf(0.95) * mean.cv
    low, high = mean.value * float(np.exp(-z)), mean.value * float(np.exp(z))
    estimate = Estimate(law.mean, low, high, n, method)
    tail = largest_fits(product.amounts, law)
    return SizeFit(
        product.name,
        law.family,
        law.parameters,
        estimate,
        mean.cv,
        mix,
        tail,
        law.aic,
        law.values,
        product.notes,
    )


def _sure(amounts: Floats) -> bool:
    """Whether even few deals show a list of prices."""
    return price_list(amounts) is not None
