"""The output of ``forecast history score``: who was right, the verdict first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forecast.analysis.words import count, money

from .screen import Column, heading, print_table, say, wrapped

Document = Mapping[str, Any]
MONEY = "bookings"
NOTE = (
    "CRPS: how far a forecast was off what came; of first: over that of the first row, in the "
    "quarters that both have; width: of the 80% interval; coverage: what the 50%, 80% and 95% "
    "intervals held; bias: means above what came. Forecasts of one quarter are not independent: "
    "a quarter counts once (n), and bands are 95% (Clopper-Pearson)."
)


def print_scores(document: Document) -> None:
    """Print how the kept forecasts did."""
    quarters = document["quarters"]
    if quarters:
        made = document["forecasts"]
        heading(
            f"{document['scenario']}: {made:,} kept forecast{'s' * (made != 1)}, "
            f"{len(quarters)} quarter{'s that are' if len(quarters) != 1 else ' that is'} over, "
            f"{quarters[0]} to {quarters[-1]}."
        )
    else:
        say(wrapped(f"{document['scenario']}: no quarter that was forecast can be scored yet."))
    for judged in document["verdict"]:
        say()
        _print_metric(document, judged)
    if document["goals"]:
        say()
        _print_goals(document["goals"])
    if document["left_out"]:
        say()
        say("Left out:")
        for row in document["left_out"]:
            say(wrapped(f"  {_left_out(row)}", "    "))
    if quarters:
        say()
        say(wrapped(NOTE), dim=True)


def _print_metric(document: Document, judged: Document) -> None:
    name = judged["metric"]
    is_money = name == MONEY
    say(name.capitalize() + (f" in {document['currency']}" if is_money else ""), bold=True)
    for sentence in judged["sentences"]:
        say(wrapped(f"  {sentence}", "  "))
    say()
    rows = [row for row in document["scores"] if row["metric"] == name]

    def cells(key: str, write: Any) -> list[str]:
        return ["-" if row[key] is None else write(row[key]) for row in rows]

    def percent(share: float) -> str:
        return f"{share:.0%}"

    def band(ends: Sequence[float]) -> str:
        return f"{ends[0]:.0%}–{ends[1]:.0%}"

    amount = money if is_money else _score
    print_table(
        [
            Column("before its end", [row["lead"] for row in rows], left=True, keep=9),
            Column("n", cells("quarters", count), keep=8),
            Column("CRPS", cells("crps", amount), keep=7),
            Column("of first", cells("relative_crps", percent), keep=6),
            Column("width", cells("width", amount), keep=4),
            Column("50%", cells("coverage_50", percent), "coverage", keep=5),
            Column("80%", cells("coverage_80", percent), "coverage", keep=8),
            Column("band", cells("coverage_80_band", band), "coverage", keep=7),
            Column("95%", cells("coverage_95", percent), "coverage", keep=5),
            Column("bias", cells("bias", lambda x: f"{x:+.0%}"), keep=5),
        ]
    )


def _print_goals(goals: Document) -> None:
    say("Goals", bold=True)
    n, brier = goals["quarters"], goals["brier"]
    say(f"  Brier score {brier:.3f}, over {n:,} quarter{'s' * (n != 1)} or year{'s' * (n != 1)}.")
    for sentence in goals["verdict"]:
        say(wrapped(f"  {sentence}", "  "))
    say()
    rows = goals["reliability"]
    bands = [row["reached_band"] for row in rows]
    print_table(
        [
            Column("chance given", [f"{r['from']:.0%}–{r['to']:.0%}" for r in rows], left=True),
            Column("n", [count(row["quarters"]) for row in rows]),
            Column("mean", [f"{row['said']:.0%}" for row in rows]),
            Column("reached", [f"{row['reached']:.0%}" for row in rows]),
            Column("band", [f"{low:.0%}–{high:.0%}" for low, high in bands]),
        ]
    )


def _left_out(row: Document) -> str:
    n, quarters = row["forecasts"], row["quarters"]
    of = ""
    if quarters:
        of = f" of {quarters[0]}" + (f" to {quarters[-1]}" if len(quarters) > 1 else "")
    return f"{n:,} forecast{'s' * (n != 1)}{of}: {row['why']}."


def _score(value: float) -> str:
    return f"{value:.2f}" if value < 100 else count(value)
