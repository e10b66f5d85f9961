"""The output of ``forecast goal``: a sentence for each goal first, then what it would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from forecast.analysis import Document
from forecast.analysis.words import chance, confidence, count, duration, money, share, target
from forecast.scenario.model import MONEY_METRICS

from .run_table import print_head
from .screen import Column, print_table, say, wrapped

AT_START = "at start"
CLOSED = "closed form"
MOST_OF_IT = 0.8  # what of all that counts must have arrived, in the sentence about when


def print_goals(document: Document) -> None:
    """Print what was found about goals."""
    print_head(document)
    for goal in document["goals"]:
        say(wrapped(_goal(goal), "  "))
    reach = document.get("reach", [])
    alone = len(document["goals"]) == 1
    for path, entries in groupby(reach, key=lambda entry: str(entry["assumption"])):
        say()
        _print_reach(path, list(entries), alone)
    if "coverage" in document:
        say()
        _print_coverage(document["coverage"])


def _goal(goal: Mapping[str, Any]) -> str:
    """All about one goal in a few sentences."""
    known = goal["exact"] is not None
    best, error = goal["probability"], goal["standard_error"]
    if known:
        best, error = goal["exact"], goal["exact_standard_error"]
    sure = f"{chance(best)} {f'± {chance(error)}' if error else '(exact)'}"
    verdict = "too close to say" if goal["too_close"] else "yes" if goal["reached"] else "no"
    text = f"{_named(goal)}: {sure}, wanted {confidence(goal['confidence'])}: {verdict}."
    if goal["luck"] is not None:
        luck = min(max(goal["luck"], 0.0), 1.0)
        doubt = goal["luck_standard_error"]
        about = f" (± {chance(doubt, 0)})" if doubt and doubt >= 0.005 else ""
        text += f" Uncertainty: luck {luck:.0%}, not knowing {1 - luck:.0%}{about}."
    if goal["shortfall_mean"] is not None:
        write = money if goal["metric"] in MONEY_METRICS else count
        short, far = goal["shortfall_mean"], goal["shortfall_p90"]
        text += (
            f" If missed, short by {write(short)} on average, by {write(far)} in a bad case (P90)."
        )
    return text


def _named(entry: Mapping[str, Any]) -> str:
    aim = target(entry["target"], entry["metric"] in MONEY_METRICS)
    return f"{aim} {entry['metric']} in {entry['quarter']}"


# --- what it takes


def _print_reach(path: str, entries: Sequence[Document], alone: bool) -> None:
    first = entries[0]
    total = " in all" if first["total"] else ""
    say(wrapped(f"By {path} (now {_figure(first, first['now'])}{total}):"), bold=True)
    rows = [
        Column("goal", [_named(entry) for entry in entries], left=True, keep=9),
        Column("wanted", [confidence(entry["confidence"]) for entry in entries], keep=8),
        Column("takes", [_takes(entry) for entry in entries], keep=9),
        Column("between", [_interval(entry) for entry in entries], keep=6),
        Column(f"{MOST_OF_IT:.0%} by", [_most_by(entry) or "-" for entry in entries], keep=4),
        Column("last in", [entry["latest_period"] or "-" for entry in entries], keep=5),
    ]
    print_table(rows)
    for entry in entries:
        if entry["value"] is None:
            say(wrapped(_out_of_reach(entry), "  "))
    for note in _notes(entries):
        say(wrapped(note, "  "), dim=True)
    if alone:
        _print_schedule([entry for entry in entries if entry["schedule"]])


def _notes(entries: Sequence[Document]) -> list[str]:
    """What the columns mean, where that needs saying."""
    notes = []
    if any(entry["exact"] and entry["value"] is not None for entry in entries):
        notes.append("exact: from a closed form.")
    if any(not entry["exact"] and entry["low"] is not None for entry in entries):
        notes.append("between: holds the true value with 98% confidence; more --runs narrow it.")
    if any(_most_by(entry) for entry in entries):
        comes = _comes(entries[0])
        notes.append(
            f"{MOST_OF_IT:.0%} by: by its end {MOST_OF_IT:.0%} must have {comes} of what makes the "
            f"goal; last in: the last period in which one more can still help."
        )
    if any(_most_by(entry) == AT_START for entry in entries):
        notes.append(f"{AT_START}: what was there before brings as much by itself.")
    waits = [entry["schedule_from"] for entry in entries if entry["schedule_from"] != CLOSED]
    if waits and entries[0]["which"] != "no effect":
        notes.append(f"When, as stages take up only so many: {waits[0]}.")
    return notes


def _comes(entry: Document) -> str:
    return "arrived" if entry["arriving"] == "leads" else f"entered {entry['arriving']}"


def _print_schedule(entries: Sequence[Document]) -> None:
    """What must arrive in each period, side by side for the confidences, and the running share."""
    if not entries:
        return
    last = entries[-1]
    say()
    say(wrapped(f"When: what has {_comes(last)} in each period, and of all that makes the goal"))
    by_period = [{row["period"]: row for row in entry["schedule"]} for entry in entries]
    labels = [row["period"] for row in last["schedule"]]
    shares = [f"{row['share']:.0%}" for row in last["schedule"]]
    if (opening := _opening(last)) > 0.0:
        labels, shares = [AT_START, *labels], [f"{opening:.0%}", *shares]

    def cells(rows: Mapping[str, Document]) -> list[str]:
        return [count(rows[label]["items"]) if label in rows else "-" for label in labels]

    what = last["arriving"]
    columns = [Column("period", labels, left=True, keep=9)]
    for entry, rows in zip(entries, by_period, strict=True):
        sure = confidence(entry["confidence"])
        head, group = (sure, what) if len(entries) > 1 else (f"{what} at {sure}", "")
        columns.append(Column(head, cells(rows), group, keep=6))
    print_table([*columns, Column("so far", shares, keep=8)])


def _takes(entry: Document) -> str:
    if entry["value"] is None:
        return "-"
    sign = "≤ " if entry["which"] == "largest" else ""
    return f"{sign}{_figure(entry, entry['value'])}"


def _interval(entry: Document) -> str:
    if entry["value"] is None:
        return "-"
    if entry["exact"]:
        return "exact"
    low, high = (
        "?" if entry[key] is None else _figure(entry, entry[key]) for key in ("low", "high")
    )
    return f"{low} … {high}"


def _figure(entry: Document, value: float) -> str:
    """Write a value in the unit of its assumption."""
    kind = entry["unit"]
    if kind == "days":
        return duration(value)
    if kind == "share" or (kind == "rate" and abs(value) < 1):
        return share(value)
    if kind == "leads":
        return f"{count(value)} leads"
    if kind == "factor":
        return f"× {count(value)}"
    if 0 < abs(value) < 1:
        return f"{value:.3g}"
    return money(value) if abs(value) >= 1000 else count(value)


def _most_by(entry: Document) -> str | None:
    """The period by whose end most of what makes the goal must have arrived."""
    if entry["which"] == "no effect":
        return None
    rows = entry["schedule"]
    if rows and _opening(entry) >= MOST_OF_IT:
        return AT_START
    return next((row["period"] for row in rows if row["share"] >= MOST_OF_IT - 1e-9), None)


def _opening(entry: Document) -> float:
    """The share of what makes the goal that open deals and the customers that are there bring."""
    total = entry["opening"] + sum(row["counting"] for row in entry["schedule"])
    return float(entry["opening"] / total) if total > 0 else 0.0


def _out_of_reach(entry: Document) -> str:
    best = chance(entry["best_possible"])
    why = f"this alone makes it {best} at best"
    if entry["which"] == "no effect":
        why = f"this has no effect on it; its chance stays {best}"
    return f"{_named(entry)} at {chance(entry['confidence'], 0)} is out of reach: {why}."


def _print_coverage(entries: Sequence[Document]) -> None:
    say(wrapped("Pipeline coverage: opportunities that are decided in time, against the target:"))
    columns = [
        Column("goal", [_named(entry) for entry in entries], left=True, keep=9),
        Column("wanted", [confidence(entry["confidence"]) for entry in entries], keep=8),
        Column("coverage", [_times(entry["coverage"]) for entry in entries], keep=9),
        Column("1 ÷ win rate", [_times(entry["usual"]) for entry in entries], keep=7),
        Column("opportunities", [count(entry["opportunities"]) for entry in entries], keep=5),
        Column("worth", [money(entry["value"]) for entry in entries], keep=4),
    ]
    if any(entry["open_opportunities"] for entry in entries):
        numbers = [count(entry["open_opportunities"]) for entry in entries]
        values = [money(entry["open_value"]) for entry in entries]
        columns += [
            Column("number", numbers, "of them open", keep=4),
            Column("worth", values, "of them open", keep=4),
        ]
    print_table(columns)


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}×"
