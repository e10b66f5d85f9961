"""Write the deal sizes of a fit."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from forecast.history.estimates import SizeFit
from forecast.history.figures_text import (
    Page,
    figure,
    quoted,
    said,
    share,
    share_note,
    uncertain,
    whole_shares,
)

MOST_SIZES = 200


def write_products(page: Page, sizes: Sequence[SizeFit], opened: pd.DataFrame) -> None:
    """Write the products: their mix and sizes; those that only open items have get no new deals."""
    if not sizes:
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
        pairs = [f"{figure(v)}: {s}" for (v, _), s in zip(fit.values, shares, strict=True)
                 if s != "0%"]  # fmt: skip
        return "{values: {" + ", ".join(pairs) + "}}"
    if fit.family == "empirical":
        return "{empirical: [" + ", ".join(figure(v) for v, _ in fit.values) + "]}"
    if fit.family == "fixed":
        return figure(fit.mean.value)
    parts = {name: figure(value) for name, value in fit.parameters.items()}
    if "mean" in parts:
        parts["mean"] = uncertain(fit.mean, "lognormal", fit.cv)
    return f"{{{fit.family}: {{{', '.join(f'{k}: {v}' for k, v in parts.items())}}}}}"


def _write_unsold(page: Page, sizes: Sequence[SizeFit], opened: pd.DataFrame) -> None:
    """Products that were never won, but that open items have: the most frequent one's size."""
    if len(sizes) < 2:
        return
    usual = max(sizes, key=lambda fit: fit.mix.n)
    for name in sorted(set(opened["product"]) - {fit.product for fit in sizes}):
        page.add(f"  {quoted(name)}:")
        page.add(f"    mix: {share(0.0)}", "never won so far; open items have it")
        page.add(f"    size: {size_text(usual)}", f"as {usual.product}")
