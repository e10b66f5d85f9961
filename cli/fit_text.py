"""Show in a few lines what was fitted, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .screen import say

MOST_SHOWN = 20  # channels

if TYPE_CHECKING:
    from forecast.history.fitting.fit import Fit


def print_fit(fit: Fit, output: Path, pictures: list[Path]) -> None:
    """Print the main figures of a fit, its notes, and the files written."""
    from forecast.history.writing.figures_text import said, share_said
    from forecast.history.writing.write_journey import SAME_DAY

    for way in fit.ways:
        if not way.group:
            rate = way.conversion
            text = f"{way.stage} → {way.to}: {share_said(rate.value, rate.low, rate.high)}"
            if way.lag is not None:
                mean = said(way.lag.mean_days, " days").split(" | ")[0]
                same = way.lag.mean_days.value < SAME_DAY
                text += "; on the same day" if same else f"; after {mean} on average"
            say(text)
    largest = sorted(fit.arrivals, key=lambda arrival: -arrival.mean.n)[:MOST_SHOWN]
    for arrival in (each for each in fit.arrivals if each in largest):
        say(f"{arrival.channel}: {said(arrival.mean, f' a {arrival.per}')}")
    if rest := len(fit.arrivals) - len(largest):
        say(f"and {rest:,} smaller ones")
    for size in fit.sizes:
        say(f"{size.product}: {said(size.mean, f' {fit.currency} a deal')}, {size.family}")
    for stage, gap in fit.gaps.items():
        say(f"{stage}: what became of items before {gap.since} was not recorded. {gap.said}")
    for note in fit.notes:
        say(note)
    if len(fit.open_items):
        say(f"{len(fit.open_items):,} items are open at the end of {fit.as_of}.")
    if pictures:
        say(f"Drew {len(pictures)} pictures in {pictures[0].parent}.")
    say(f"Wrote {output}. Next: forecast check {output}, forecast run {output}.")
