"""The output of ``forecast backtest``: the verdict first, then the scores behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forecast.analysis.words import count, money

from .screen import Column, heading, print_table, say, wrapped

Document = Mapping[str, Any]
MONEY = "bookings"
NOTE = (
    "off by: the weighted interval score (WIS) over the best baseline's; coverage: what lay in the "
    "50%, 80% and 95% intervals; bias: means above what came."
)


def print_backtest(document: Document) -> None:
    """Print how the forecasts of a backtest did."""
    unit, every = document["unit"], document["every"]
    origins = document["origins"]
    how_often = f"every {every} {unit}s" if every > 1 else f"every {unit}"
    arrivals = ", told which leads arrive" if document["known_arrivals"] else ""
    times = f"as of {origins[0]} to {origins[-1]}" if len(origins) > 1 else f"as of {origins[0]}"
    heading(
        f"{len(origins)} forecast{'s' if len(origins) > 1 else ''} made again, {how_often}, "
        f"{times}{arrivals}; records to {document['as_of']}; "
        f"{document['runs']:,} runs, seed {document['seed']}."
    )
    for metric in document["metrics"]:
        say()
        _print_metric(document, metric)
    if document["skipped"]:
        say()
        missing = len(document["skipped"])
        say(f"{missing} forecast{'s' if missing > 1 else ''} could not be made:")
        for line in document["skipped"]:
            say(wrapped(f"  {line}", "    "))
    say()
    say(wrapped(NOTE), dim=True)


def _print_metric(document: Document, judged: Document) -> None:
    name = judged["metric"]
    currency = f" in {document['currency']}" if name == MONEY else ""
    say(f"{name.capitalize()}{currency} per {document['unit']}", bold=True)
    for sentence in judged["verdict"]:
        say(wrapped(f"  {sentence}", "  "))
    say()
    write = money if name == MONEY else _score
    overall = [row for row in document["overall"] if row["metric"] == name]
    overall.sort(key=lambda row: row["wis"])
    print_table(_columns("model", [row["model"] for row in overall], overall, write))
    ours = [r for r in document["scores"] if r["metric"] == name and r["model"] == "forecast"]
    if len(ours) > 1:
        say()
        unit = document["unit"]
        print_table(_columns(f"{unit}s ahead", [str(r["horizon"]) for r in ours], ours, write))


def _columns(
    head: str, names: Sequence[str], rows: Sequence[Document], write: Callable[[float], str]
) -> list[Column]:
    def cells(key: str, to_text: Callable[[float], str]) -> list[str]:
        return ["-" if row[key] is None else to_text(row[key]) for row in rows]

    def percent(share: float) -> str:
        return f"{share:.0%}"

    return [
        Column(head, list(names), left=True, keep=9),
        Column("n", cells("n", count), keep=3),
        Column("off by", cells("relative_wis", lambda x: f"{x:.2f}"), keep=8),
        Column("WIS", cells("wis", write), keep=5),
        Column("CRPS", cells("crps", write), keep=4),
        Column("50%", cells("coverage_50", percent), "coverage", keep=6),
        Column("80%", cells("coverage_80", percent), "coverage", keep=7),
        Column("95%", cells("coverage_95", percent), "coverage", keep=6),
        Column("bias", cells("bias", lambda x: f"{x:+.0%}"), keep=5),
    ]


def _score(value: float) -> str:
    return f"{value:.2f}" if value < 100 else count(value)
