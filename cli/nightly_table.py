"""The tables of ``forecast nightly`` and ``forecast history diff``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from forecast.analysis import Document
from forecast.analysis.words import chance, count, money
from forecast.scenario.model import MONEY_METRICS

from .screen import Column, heading, print_table, say, wrapped

CHANCE = "chance of "
Rows = Sequence[Document]


def print_night(document: Document) -> None:
    """Print what is done and to come, the goals, and why the forecast changed."""
    heading(f"{document['scenario']}, known until {document['as_of']}")
    data = document["data"]
    say(f"{data['rows']:,} rows read, {data['set_aside']:,} set aside.")
    say()
    _print_quarters(document["quarters"])
    if document["goals"]:
        say()
        _print_goals(document["goals"])
    say()
    if document["previous"] is None:
        say("There is no earlier forecast to compare with.")
    else:
        print_bridge(document["bridge"])
    say()
    say(f"{'Kept' if document['kept'] else 'Was kept before'}: {document['path']}")


def _print_quarters(quarters: Rows) -> None:
    shown = [Column("quarter", [q["quarter"] for q in quarters], left=True, keep=99)]
    for name, write in (("deals", count), ("bookings", money)):
        rows = [q[name] for q in quarters]
        shown += [
            Column("done", [write(row["done"]) for row in rows], name, keep=7),
            Column(
                "P10", [write(row["done"] + row["to_come"]["p10"]) for row in rows], name, keep=5
            ),
            Column("mean", [write(row["mean"]) for row in rows], name, keep=9),
            Column(
                "P90", [write(row["done"] + row["to_come"]["p90"]) for row in rows], name, keep=5
            ),
        ]
    print_table(shown)


def _print_goals(goals: Rows) -> None:
    def amount(goal: Document, key: str) -> str:
        return (money if goal["metric"] in MONEY_METRICS else count)(goal[key])

    best = [g["probability"] if g["exact"] is None else g["exact"] for g in goals]
    print_table(
        [
            Column("goal", [g["metric"] for g in goals], left=True, keep=99),
            Column("in", [g["quarter"] for g in goals], left=True, keep=98),
            Column("target", [amount(g, "target") for g in goals], keep=9),
            Column("done", [amount(g, "done") for g in goals], keep=8),
            Column("chance", [chance(p) for p in best], keep=97),
            Column("wanted", [chance(g["confidence"]) for g in goals], keep=7),
            Column("", ["✓ yes" if g["reached"] else "✗ no" for g in goals], left=True, keep=6),
        ]
    )


def print_bridge(effects: Rows) -> None:
    """Print what each cause changed, a column for each figure."""
    figures = list(dict.fromkeys((row["metric"], row["quarter"]) for row in effects))
    causes = list(dict.fromkeys(row["cause"] for row in effects))
    at = {(row["metric"], row["quarter"], row["cause"]): row["effect"] for row in effects}
    moved = [c for c in causes if any(abs(at[*f, c]) > 1e-12 for f in figures)]
    if not moved:
        say("Nothing changed since the last forecast.")
        return
    chances = [f for f in figures if f[0].startswith(CHANCE)]
    for some in ([f for f in figures if f not in chances], chances):
        if some:
            if some is chances:
                say()
            shown = [Column("changed by", [*moved, "in all"], left=True, keep=99)]
            print_table([*shown, *_effects(some, moved, at)])
    say(wrapped("Figures are of whole quarters: done already and to come."))


def _effects(
    figures: Sequence[tuple[str, str]],
    causes: Sequence[str],
    at: Mapping[tuple[str, str, str], float],
) -> Iterator[Column]:
    """Give a column for each figure, in groups by metric."""
    groups = [metric for metric, _ in figures]
    for rank, (metric, quarter) in enumerate(figures):
        write = _writer(metric)
        effects = [at[metric, quarter, cause] for cause in causes]
        cells = [_signed(effect, write) for effect in (*effects, sum(effects))]
        # The name of a group is no wider than its columns.
        title = quarter.rjust(len(metric) + 4 if groups.count(metric) == 1 else 0)
        yield Column(title, cells, metric, keep=90 - rank)


def _writer(metric: str) -> Callable[[float], str]:
    if metric.startswith(CHANCE):
        return lambda x: f"{x:.1%}"
    return money if metric in MONEY_METRICS else count


def _signed(value: float, write: Callable[[float], str]) -> str:
    if abs(value) < 5e-4:
        return "0"
    return f"{'+' if value > 0 else '-'}{write(abs(value))}"
