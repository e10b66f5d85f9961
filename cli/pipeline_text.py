"""The open pipeline as ``forecast check`` explains it."""

from __future__ import annotations

from forecast.analysis import Document
from forecast.analysis.words import chance, duration, money, plural

from .screen import Column, heading, print_table, say, wrapped


def print_pipeline(pipeline: Document | None) -> None:
    """Print the open deals by stage, and what is said of single ones."""
    if pipeline is None:
        return
    stages = [each for each in pipeline["stages"] if each["deals"]]
    rows = [*stages, {**pipeline, "stage": "all"}] if len(stages) > 1 else stages
    say()
    heading("Pipeline: the deals that are open")
    if rows:
        print_table(
            [
                Column("stage", [each["stage"] for each in rows], left=True, keep=9),
                Column("deals", [f"{each['deals']:,}" for each in rows], keep=8),
                Column("amount", [money(each["amount"]) for each in rows], keep=7),
                Column("median", [_days(each, "median_days") for each in rows], "in stage", keep=6),
                Column(
                    "longest", [_days(each, "longest_days") for each in rows], "in stage", keep=5
                ),
            ]
        )
    for line in _notes(pipeline):
        say(wrapped(line, "  "))


def _days(row: Document, key: str) -> str:
    if key not in row:
        return ""
    return "-" if row[key] is None else duration(row[key])


def _notes(pipeline: Document) -> list[str]:
    notes = []
    if not pipeline["deals"]:
        notes.append("No deal is open.")
    own = [
        f"{plural(pipeline[key], 'deal')} with {what}"
        for key, what in (
            ("own_probability", "an own probability"),
            ("own_close", "an own expected close"),
        )
        if pipeline[key]
    ]
    if own:
        notes.append(f"{', '.join(own)}.")
    if pipeline["retired"]:
        notes.append(f"{plural(pipeline['retired'], 'deal')} retired as stale.")
    if pipeline["zombies"]["count"]:
        notes.append(zombies_told(pipeline["zombies"]))
    return notes


def zombies_told(zombies: Document) -> str:
    """Name the deals that are too old to be open, and their chance."""
    more = ", …" if zombies["count"] > len(zombies["ids"][:3]) else ""
    are, them = ("is", "it") if zombies["count"] == 1 else ("are", "them")
    return (
        f"{plural(zombies['count'], 'deal')} {are} older than the lags of the stage allow "
        f"({', '.join(zombies['ids'][:3])}{more}): the model gives {them} "
        f"{chance(zombies['chance'], 1)}."
    )
