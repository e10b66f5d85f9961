"""Stages with a capacity, as ``forecast run`` and ``forecast check`` show them."""

from __future__ import annotations

from collections.abc import Sequence

from forecast.analysis import Document
from forecast.analysis.words import count, share

from .screen import Column, heading, print_table, say, wrapped


def print_queues(quarters: Sequence[Document]) -> None:
    """Print what each stage with a limit worked in every quarter, and who waits."""
    rows = [
        (stage, quarter["quarter"], found)
        for stage, first in quarters[0].get("capacity", {}).items()
        if first["backlog"]["expected"] is None  # else nothing limits it, and nothing waits
        for quarter in quarters
        for found in [quarter["capacity"][stage]]
    ]
    if not rows:
        return
    waits = [(found["backlog"], found["waiting_periods"], found["share_given_up"])
             for _, _, found in rows]  # fmt: skip
    first = [i == 0 or rows[i - 1][0] != stage for i, (stage, _, _) in enumerate(rows)]
    say()
    heading("Capacity: what is worked, and what waits at the quarter's end")
    table = [
        Column("stage", [r[0] if new else "" for r, new in zip(rows, first, strict=True)],
               left=True, keep=9),
        Column("quarter", [quarter for _, quarter, _ in rows], left=True, keep=8),
        Column("worked", [count(found["worked"]["mean"]) for _, _, found in rows], keep=7),
        Column("P50", [count(backlog["p50"]) for backlog, _, _ in waits], "backlog", keep=6),
        Column("P90", [count(backlog["p90"]) for backlog, _, _ in waits], "backlog", keep=5),
        Column("wait", [count(wait["mean"]) for _, wait, _ in waits], keep=4),
        Column("gave up", [share(gone["mean"]) for _, _, gone in waits], keep=3),
    ]  # fmt: skip
    if any(found["unworked"]["mean"] for _, _, found in rows):
        unworked = [count(found["unworked"]["mean"]) for _, _, found in rows]
        table.append(Column("not followed up", unworked, keep=2))
    print_table(table)
    note = "worked, wait (in periods, of those worked) and gave up (of those that came) are means."
    say(wrapped(note, "  "), dim=True)


def print_slots(document: Document) -> None:
    """Print what stages can take up beside the items to expect, and where that is too few."""
    stages = document["capacity"]
    if not stages:
        return
    lines: list[tuple[str, str, list[str]]] = []
    for each in stages:
        pairs = list(zip(each["followed_up"], each["slots"], strict=True))
        short = ["" if c is None or n <= c else count(n - c) for n, c in pairs]
        lines.append((each["stage"], "to be worked", [count(n) for n, _ in pairs]))
        if any(c is not None for _, c in pairs):
            lines.append(("", "can be worked", ["no limit" if c is None else count(c)
                                                for _, c in pairs]))  # fmt: skip
            if any(short):
                lines.append(("", "too many by", short))
    say()
    heading("Capacity: items to expect if nothing waits, and what can be taken up")
    labels = document["quarters"]
    print_table(
        [
            Column("stage", [stage for stage, _, _ in lines], left=True, keep=99),
            Column("", [what for _, what, _ in lines], left=True, keep=98),
            *(
                Column(label, [cells[i] for _, _, cells in lines], keep=-i)
                for i, label in enumerate(labels)
            ),
        ]
    )
