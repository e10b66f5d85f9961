"""The tables of ``forecast sensitivity``: a tornado, and shares of variance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forecast.analysis import Document
from forecast.analysis.words import chance, count, money, plural, target
from forecast.scenario.model import MONEY_METRICS

from .screen import Column, columns, fitting, heading, say, table_lines, wrapped

CHANCE = "chance of "
MIDDLE = "●"
OF_MONEY = (*MONEY_METRICS, "spend")
BAR_LEAST, BAR_MOST = 11, 31


def print_sensitivity(document: Document) -> None:
    """Print what a figure depends on."""
    write = _writer(document["metric"])
    error = document["base_standard_error"]
    doubt = f" ± {write(error)}" if error else ""
    heading(f"{document['scenario']}: {_measure(document)}")
    about = f"{write(document['base'])}{doubt} on average"
    how = "closed form, no simulation" if document["exact"] else plural(document["runs"], "run")
    say(wrapped(f"{about[0].upper()}{about[1:]} ({how}), seed {document['seed']}."))
    say()
    _print_tornado(document, write)
    say()
    _print_shares(document)


def _measure(document: Document) -> str:
    metric = str(document["metric"])
    if not metric.startswith(CHANCE):
        return f"{metric} in {document['quarter']}"
    of = metric.removeprefix(CHANCE)
    aim = target(document["target"], of.partition(" #")[0] in MONEY_METRICS)
    return f"chance of {aim} {of} in {document['quarter']}"


def _print_tornado(document: Document, write: Callable[[float], str]) -> None:
    bars: Sequence[Document] = document["tornado"]
    if not bars:
        say("No assumption moves it.")
        return
    kept = fitting(_columns(document, write, BAR_LEAST))
    used = sum(column.width + 2 for column in kept[:-1])
    if kept[-1].keep == 1:
        kept[-1] = _drawn(document, max(BAR_LEAST, min(columns() - used, BAR_MOST)))
    heads, rows = table_lines(kept)
    for head in heads:
        say(head, dim=True)
    for row in rows:
        say(row)
    notes = [
        "~ uncertain: moved to its P10 and its P90. Others: to 90% and to 110%, if they can be."
    ]
    if document["left_out"]:
        less = plural(document["left_out"], "certain assumption")
        notes.append(f"Not shown, for they move it less: {less}. --by PATH shows them.")
    for note in notes:
        say(wrapped(note, "  "), dim=True)


def _columns(document: Document, write: Callable[[float], str], width: int) -> list[Column]:
    bars: Sequence[Document] = document["tornado"]
    return [
        Column("assumption", [_name(bar) for bar in bars], left=True, keep=99),
        Column("from", [_figure(bar["at_low"]) for bar in bars], keep=20),
        Column("to", [_figure(bar["at_high"]) for bar in bars], keep=20),
        Column("low", [write(bar["low"]) for bar in bars], keep=50),
        Column("high", [write(bar["high"]) for bar in bars], keep=50),
        Column("swing", [_signed(bar["swing"], write) for bar in bars], keep=70),
        Column("error", [_error(bar["standard_error"], write) for bar in bars], keep=40),
        _drawn(document, width),
    ]


def _drawn(document: Document, width: int) -> Column:
    """The bars of a tornado on one scale; the point is the figure as it is."""
    bars: Sequence[Document] = document["tornado"]
    ends = [bar[key] for bar in bars for key in ("low", "high")] + [document["base"]]
    low, high = min(ends), max(ends)
    scale = float((width - 1) / (high - low)) if high > low else 0.0

    def at(value: float) -> int:
        return round(float((value - low) * scale))

    cells = []
    for bar in bars:
        one, other = sorted((at(bar["low"]), at(bar["high"])))
        line = [" "] * width
        line[one : other + 1] = "━" * (other + 1 - one)
        line[at(document["base"])] = MIDDLE
        cells.append("".join(line).rstrip())
    return Column("", cells, left=True, keep=1)


def _print_shares(document: Document) -> None:
    luck = document["luck"]
    if not document["shares"]:
        say("Nothing is uncertain: what varies is luck." if luck == 1.0 else _only_luck(luck))
        return
    known = 0.0 if luck is None else min(max(luck, 0.0), 1.0)
    doubt = document["luck_standard_error"] or 0.0
    text = (
        f"Of its variance {known:.1%} (± {doubt:.1%}) is luck, that would remain if all "
        f"assumptions were known. Of the rest, {1.0 - known:.1%}, is due to:"
    )
    say(wrapped(text))
    rows: Sequence[Mapping[str, Any]] = document["shares"]
    shown = [
        Column("uncertain assumption", [row["assumption"] for row in rows], left=True, keep=99),
        Column("alone", [_share(row["first_order"]) for row in rows], keep=50),
        Column("error", [f"± {row['first_order_standard_error']:.1%}" for row in rows], keep=30),
        Column("in all", [_share(row["total"]) for row in rows], keep=40),
        Column("error", [f"± {row['total_standard_error']:.1%}" for row in rows], keep=20),
    ]
    for line in (lines := table_lines(fitting(shown)))[0]:
        say(line, dim=True)
    for line in lines[1]:
        say(line)
    notes = ["in all: with what it does together with others."]
    if any(" + " in row["assumption"] for row in rows):
        notes.append("Correlated assumptions are taken together.")
    say(wrapped(" ".join(notes), "  "), dim=True)


def _only_luck(luck: float | None) -> str:
    if luck is None:
        return "It is certain: nothing varies."
    return f"Of its variance {min(luck, 1.0):.1%} is luck: too little else to be split."


def _name(bar: Document) -> str:
    return f"{'~' if bar['uncertain'] else ' '} {bar['assumption']}"


def _share(value: float) -> str:
    return f"{max(value, 0.0):.1%}"


def _figure(value: float) -> str:
    """A figure of any kind: of a share, a number of days, an amount."""
    if abs(value) >= 1_000:
        return money(value)
    return f"{value:.3g}"


def _signed(value: float, write: Callable[[float], str]) -> str:
    if not value:
        return "="
    return f"{'+' if value > 0 else '-'}{write(abs(value))}"


def _error(value: float | None, write: Callable[[float], str]) -> str:
    return f"± {write(value)}" if value else "exact"


def _writer(metric: str) -> Callable[[float], str]:
    if metric.startswith(CHANCE):
        return lambda value: chance(value, 2)
    return money if metric in OF_MONEY else count
