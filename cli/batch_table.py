"""The table of ``forecast batch``: a line for each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .group import BadInput
from .screen import Column, print_table, say, wrapped

if TYPE_CHECKING:
    from forecast.operate.batch import Result

MOST_LINES = 60


def print_batch(result: Result, quarter: str | None) -> None:
    """Print the chances of goals and a quarter's or year's figures of each scenario."""
    from forecast.analysis.words import plural

    documents = [each.document for each in result.done if each.document is not None]
    count = plural(len(result.done), "scenario")
    kept = [each for each in result.done if each.kept]
    if documents:
        first = documents[0]
        about = f"{count}, {plural(first['runs'], 'run')} each, seed {first['seed']}."
        say(wrapped(about))
        say()
        print_table(_columns(documents[:MOST_LINES], _label(documents, quarter)))
    if len(documents) > MOST_LINES:
        say(f"and {len(documents) - MOST_LINES:,} more; --output writes all.")
    if kept:
        old = sum(not each.new for each in kept)
        say()
        say(f"Kept: {len(kept) - old:,} new, {old:,} there already and not done again.")
    if result.failed:
        say()
        say(f"Failed: {len(result.failed):,} of {len(result.done):,}.")


def _label(documents: Sequence[dict[str, Any]], quarter: str | None) -> str:
    """Choose what to show: what is asked for, the year or quarter of a goal, the first year."""
    from forecast.operate.comparison import spans_of

    labels = [label for label, _ in spans_of(documents[0])]
    if quarter is not None:
        if quarter not in labels:
            must = f"one of {', '.join(labels)}"
            raise BadInput(f"--quarter: got {quarter}; must be {must}.")
        return quarter
    of_goals = [g["quarter"] for g in documents[0]["goals"] if g["quarter"] in labels]
    years = [year["year"] for year in documents[0]["years"]]
    return str([*of_goals, *years, labels[0]][0])


def _columns(documents: Sequence[dict[str, Any]], label: str) -> list[Column]:
    """The columns: names, goals by their metric and quarter, the figures of one span."""
    from forecast.analysis.words import chance, count, money
    from forecast.operate.comparison import goals_of, spans_of

    found = [Column("scenario", [d["scenario"] for d in documents], left=True, keep=99)]
    goals = list(dict.fromkeys((n, g["quarter"]) for d in documents for n, g in goals_of(d)))
    for i, (name, quarter) in enumerate(goals):
        cells = []
        for document in documents:
            mine = [g for n, g in goals_of(document) if (n, g["quarter"]) == (name, quarter)]
            best = [g["probability"] if g["exact"] is None else g["exact"] for g in mine]
            cells.append(chance(best[0], 1) if best else "-")
        group = f"{name.removeprefix('goal ')} {quarter}"
        found.append(Column("chance", cells, group, keep=50 - i))
    spans = [dict(spans_of(document)).get(label) for document in documents]
    for metric, write, keep in (("deals", count, 30), ("bookings", money, 20)):
        for key, more in (("p10", 2), ("p50", 3), ("p90", 2), ("mean", 4)):
            cells = ["-" if span is None else write(span[metric][key]) for span in spans]
            head = "mean" if key == "mean" else key.upper()
            found.append(Column(head, cells, f"{metric} {label}", keep=keep + more - 50))
    return found
