"""The tables of ``forecast compare``: what differs, by quarter, and what makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from forecast.analysis import Document
from forecast.analysis.words import chance, count, money, plural
from forecast.scenario.errors import listed
from forecast.scenario.model import MONEY_METRICS

from .screen import Column, columns, heading, print_table, say, wrapped

CHANCE = "chance of "
OF_MONEY = (*MONEY_METRICS, "spend")
NO_CHANGE = "="
WIDEST_CAUSE = 50

Rows = Sequence[Document]


def print_comparison(document: Document) -> None:
    """Print every pair: its difference, and its bridge."""
    pairs = dict.fromkeys((row["against"], row["scenario"]) for row in document["difference"])
    for i, (against, scenario) in enumerate(pairs):
        if i:
            say()
        heading(f"{scenario}, against {against}")
        if not i:
            about = (
                f"{plural(document['runs'], 'run')} of each with the same random numbers, "
                f"seed {document['seed']}, money in {document['currency']}."
            )
            say(wrapped(about))
        say()
        _print_difference(_of(document["difference"], against, scenario))
        effects = _of(document["bridge"], against, scenario)
        if effects:
            how = _of(document["bridge_from"], against, scenario)
            _print_bridges(effects, how[0]["how"])
        elif document["bridge_from"]:
            say()
            say("No assumption differs.")


def _of(rows: Rows, against: str, scenario: str) -> list[Document]:
    return [row for row in rows if (row["against"], row["scenario"]) == (against, scenario)]


def _print_difference(rows: Rows) -> None:
    metrics = dict.fromkeys(row["metric"] for row in rows if not _is_chance(row))
    labels = list(dict.fromkeys(row["quarter"] for row in rows if not _is_chance(row)))
    at = {(row["metric"], row["quarter"]): row for row in rows}
    shown = [Column("quarter", labels, left=True, keep=99)]
    for rank, metric in enumerate(metrics):
        of = [at[metric, label] for label in labels]
        booked = [at.get(("bookings", label)) for label in labels]
        if metric == "revenue" and all(b and _same(b, r) for b, r in zip(booked, of, strict=True)):
            continue
        if not any(row["mean"] or row["standard_error"] for row in of):
            continue
        keep = 60 - 10 * rank
        shown.append(Column("more", [_change(row) for row in of], metric, keep=keep + 3))
        shown.append(Column("error", [_error(row) for row in of], metric, keep=keep))
        shown.append(Column("better", [_better(row) for row in of], metric, keep=keep + 1))
    if len(shown) > 1:
        print_table(shown)
    elif labels:
        say("Deals, money and leads are the same in every run.")
    goals = [row for row in rows if _is_chance(row)]
    if goals:
        say()
        _print_goals(goals)


def _print_goals(goals: Rows) -> None:
    print_table(
        [
            Column("chance of", [_goal_name(row) for row in goals], left=True, keep=9),
            Column("quarter", [row["quarter"] for row in goals], left=True, keep=8),
            Column("target", [_targets(row) for row in goals], keep=5),
            Column("before", [chance(row["value_against"], 2) for row in goals], keep=6),
            Column("now", [chance(row["value"], 2) for row in goals], keep=7),
            Column("more", [_change(row) for row in goals], keep=8),
            Column("error", [_error(row) for row in goals], keep=4),
        ]
    )
    unknown = dict.fromkeys(_goal_name(row) for row in goals if row["expected"] is None)
    if unknown:
        say(wrapped(f"The chances of {listed(unknown)} are simulated.", "  "), dim=True)


def _print_bridges(effects: Rows, how: str) -> None:
    """What each change does: to the last year, or all quarters asked for, and to the goals."""
    labels = list(dict.fromkeys(row["quarter"] for row in effects if not _is_chance(row)))
    years = [label for label in labels if len(label) == 4]
    chosen = years[-1:] or labels[-1:]
    for label in labels if len(labels) <= 2 else chosen:
        _print_bridge([r for r in effects if r["quarter"] == label and not _is_chance(r)], label)
    moved = {r["metric"]: r["quarter"] for r in effects if _is_chance(r) and _best(r)}
    _print_bridge([r for r in effects if moved.get(r["metric"]) == r["quarter"]], "chances")
    note = f"{how}; they sum to the difference. --by-path and --json tell more."
    say(wrapped(note[0].upper() + note[1:], "  "), dim=True)


def _print_bridge(rows: Rows, title: str) -> None:
    metrics = [m for m in dict.fromkeys(row["metric"] for row in rows) if _worth_showing(rows, m)]
    if not metrics:
        return
    causes = list(dict.fromkeys(row["cause"] for row in rows))
    at = {(row["metric"], row["cause"]): row for row in rows}
    first = metrics[0]
    causes.sort(key=lambda cause: -abs(_best(at[first, cause])))
    say()
    width = max(20, min(WIDEST_CAUSE, columns() - 40))
    names = [*(_short(cause, width) for cause in causes), "in all"]
    shown = [Column(f"what makes it: {title}", names, left=True, keep=99)]
    for rank, metric in enumerate(metrics):
        of = [at[metric, cause] for cause in causes]
        cells = [*map(_change, of), _signed(_writer(metric), sum(map(_best, of)))]
        group = f"{_goal_name(of[0])} {of[0]['quarter']}" if _is_chance(of[0]) else metric
        shown.append(Column("more", cells, group, keep=60 - 10 * rank))
        shown.append(Column("error", [*map(_error, of), ""], group, keep=50 - 10 * rank))
    print_table(shown)


def _worth_showing(rows: Rows, metric: str) -> bool:
    of = [row for row in rows if row["metric"] == metric]
    if metric == "revenue":
        booked = {r["cause"]: r for r in rows if r["metric"] == "bookings"}
        if booked and all(_same(booked[row["cause"]], row) for row in of):
            return False
    return any(_best(row) for row in of)


def _same(one: Document, other: Document) -> bool:
    key = "effect" if "effect" in one else "mean"
    return bool(one[key] == other[key])


def _is_chance(row: Document) -> bool:
    return str(row["metric"]).startswith(CHANCE)


def _goal_name(row: Document) -> str:
    return str(row["metric"]).removeprefix(CHANCE)


def _best(row: Document) -> float:
    """What is known of a change: exactly, else simulated."""
    simulated = row["effect"] if "effect" in row else row["mean"]
    return float(simulated if row["expected"] is None else row["expected"])


def _change(row: Document) -> str:
    return _signed(_writer(row["metric"]), _best(row))


def _signed(write: Callable[[float], str], value: float) -> str:
    if not value:
        return NO_CHANGE
    return f"{'+' if value > 0 else '-'}{write(abs(value))}"


def _writer(metric: str) -> Callable[[float], str]:
    if metric.startswith(CHANCE):
        return lambda value: chance(value, 2)
    return money if metric in OF_MONEY else count


def _error(row: Document) -> str:
    known = row["expected"] is not None
    error = row["expected_standard_error"] if known else row["standard_error"]
    if not error and not _best(row):
        return ""
    if known and not error:
        return "exact"
    if error is None:
        return "-"
    return f"± {_writer(row['metric'])(error)}"


def _better(row: Document) -> str:
    if not row["mean"] and not row["standard_error"]:
        return NO_CHANGE
    return chance(row["probability_better"], 1)


def _targets(row: Document) -> str:
    write: Any = money if _goal_name(row) in MONEY_METRICS else count
    one, other = write(row["target_against"]), write(row["target"])
    return one if one == other else f"{one} → {other}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[1 - width :]}"
