"""The tables of ``forecast check`` about quality against quantity, and about closing."""

from __future__ import annotations

from collections.abc import Sequence

from forecast.analysis import Document
from forecast.analysis.words import share

from .screen import Column, heading, print_table, say, wrapped


def print_qualification(qualification: Sequence[Document]) -> None:
    """Print the curve of each threshold."""
    for each in qualification:
        rows = each["curve"]
        say()
        heading(f"Quality against quantity before {each['stage']}")
        print_table(
            [
                Column("threshold", [share(r["threshold"]) for r in rows], keep=9),
                Column("let through", [share(r["let_through"]) for r in rows], keep=8),
                Column(f"then {each['to']}", [share(r["win_rate"]) for r in rows], keep=7),
                Column(
                    each["stage"],
                    [f"{r['opportunities_per_100']:.0f}" for r in rows],
                    "per 100",
                    keep=5,
                ),
                Column(each["to"], [f"{r['deals_per_100']:.1f}" for r in rows], "per 100", keep=6),
            ]
        )
        now = each["now"]
        text = (
            f"Per 100 at threshold 0%. It is {share(now['threshold'])}: "
            f"{now['deals_per_100']:.1f} of 100 are left to go to {each['to']}, "
            f"{share(now['win_rate'])} of those let through. The best tenth goes there at "
            f"{share(each['best_tenth']['mean'])}, which is a correlation of "
            f"{each['correlation']:.2f} with quality."
        )
        say(wrapped(text, "  "))


def print_closing(closing: Document | None) -> None:
    """Print how fast deals close in each month of a quarter."""
    if closing is None:
        return
    months = closing["month_of_quarter"]
    said = ", ".join(f"{factor:.2f}" for factor in months)
    say()
    heading("Closing")
    text = f"Time to won runs at {said} of its usual speed in the three months of a quarter."
    say(wrapped(text, "  "))
