"""Write the deal sizes of a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecast.history.estimates import SizeFit
from forecast.history.writing.figures_text import (
    Page,
    figure,
    quoted,
    said,
    share_note,
    uncertain,
    whole_shares,
)
from forecast.scenario.families import build, build_empirical, build_values
from forecast.scenario.families.base import Family

MOST_SIZES = 60  # of products that were never won
FINE = 1_000


def write_products(page: Page, sizes: Sequence[SizeFit], opened: pd.DataFrame) -> None:
    """Write the products: their mix and sizes; those that only open items have get no new deals."""
    if not sizes:
        page.comment("products: no won deal has an amount, so new deals bring no bookings.")
        page.add()
        return
    page.add("products:")
    texts = whole_shares([fit.mix.value for fit in sizes])
    for fit, mix in zip(sizes, texts, strict=True):
        page.add(f"  {quoted(fit.product)}:")
        if len(sizes) > 1:
            page.add(f"    mix: {mix}", share_note(fit.mix))
        _write_size(page, fit)
        for note in (fit.tail, *fit.notes):
            if note:
                page.comment(note, 4)
    _write_unsold(page, sizes, opened)
    page.add()


def _write_size(page: Page, fit: SizeFit) -> None:
    mean = fit.mean
    others = sorted((aic - fit.aic[fit.family], name) for name, aic in fit.aic.items()
                    if name != fit.family and fit.family in fit.aic)  # fmt: skip
    chosen = f"; AIC {others[0][0]:.3g} below {others[0][1]}" if others else ""
    page.add_list(
        f"    size: {size_text(fit)}",
        f"{said(mean)} | {mean.method}{chosen}",
    )


def size_text(fit: SizeFit) -> str:
    """Write a deal size; its mean is uncertain where the family has one."""
    if fit.family == "values":
        shares = whole_shares([part for _, part in fit.values], 3)
        pairs = [f"{price(v)}: {s}" for (v, _), s in zip(fit.values, shares, strict=True)
                 if s != "0%"]  # fmt: skip
        return "{values: {" + ", ".join(pairs) + "}}"
    if fit.family == "empirical":
        return "{empirical: [" + ", ".join(figure(v) for v, _ in fit.values) + "]}"
    if fit.family == "fixed":
        return price(fit.mean.value)
    parts = {name: figure(value) for name, value in fit.parameters.items()}
    if "mean" in parts:
        parts["mean"] = uncertain(fit.mean, "lognormal", fit.cv)
    return f"{{{fit.family}: {{{', '.join(f'{k}: {v}' for k, v in parts.items())}}}}}"


def price(value: float) -> str:
    """Write a price as it is, and what is none to four digits.

    >>> price(12499.0), price(49.9), price(8123.456)
    ('12_499', '49.9', '8_123')
    """
    if abs(value - round(value, 2)) > 1e-9 * abs(value):
        return figure(value)
    return f"{value:_.2f}".rstrip("0").rstrip(".")


def _write_unsold(page: Page, sizes: Sequence[SizeFit], opened: pd.DataFrame) -> None:
    """Products that were never won, but that open items have: their sizes are those of all."""
    if len(sizes) < 2:
        return
    for name in sorted(set(opened["product"]) - {fit.product for fit in sizes}):
        page.add(f"  {quoted(name)}:")
        page.add("    mix: 0%", "never won so far; open items have it")
        page.add_list(f"    size: {_of_all(sizes)}", "of all products together, as they are mixed")


def _of_all(sizes: Sequence[SizeFit]) -> str:
    """The sizes of all products as values, each with the same share; the mean is kept."""
    points = (np.arange(FINE) + 0.5) / FINE
    values = np.concatenate([size_family(fit).ppf(points) for fit in sizes])
    weights = np.repeat([max(fit.mix.value, 1e-9) / FINE for fit in sizes], FINE)
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order] / weights.sum()
    part = np.minimum(((np.cumsum(weights) - weights / 2) * MOST_SIZES).astype(int), MOST_SIZES - 1)
    whole = np.bincount(part, weights, MOST_SIZES)
    means = np.bincount(part, weights * values, MOST_SIZES)[whole > 0] / whole[whole > 0]
    shares = whole_shares(list(whole[whole > 0]), 3)
    joined = {figure(mean): "" for mean in means}
    if len(joined) < len(means):  # rounded to the same figure: rare, and too close to matter
        return "{empirical: [" + ", ".join(figure(mean) for mean in means) + "]}"
    pairs = [f"{figure(mean)}: {text}" for mean, text in zip(means, shares, strict=True)]
    return "{values: {" + ", ".join(pairs) + "}}"


def size_family(size: SizeFit) -> Family:
    """Make the family of a fitted size."""
    if size.family == "values":
        return build_values(list(size.values))
    if size.family == "empirical":
        return build_empirical([value for value, _ in size.values])
    if size.family == "fixed":
        return build("fixed", {"value": size.mean.value})
    return build(size.family, dict(size.parameters))
