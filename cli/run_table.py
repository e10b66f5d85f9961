"""The table of ``forecast run``: quarters, years and goals at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from forecast.analysis import Document
from forecast.analysis.words import chance, confidence, count, money, plural, target
from forecast.scenario.model import EVERYTHING, MONEY_METRICS

from .capacity_text import print_queues
from .pipeline_text import zombies_told
from .screen import Column, columns, fitting, heading, print_table, say, table_lines, wrapped

BAR_LEAST, BAR_MOST = 12, 32
BAR = "deals"  # the group of the bars: it stands apart from the figures by what is between


def print_head(document: Document) -> None:
    """Print whose figures follow, and of what runs."""
    heading(document["scenario"])
    about = (
        f"Known until {document['as_of']}. {plural(document['runs'], 'run')}, "
        f"seed {document['seed']}, money in {document['currency']}."
    )
    say(wrapped(about))
    say()


def print_run(document: Document) -> None:
    """Print what a run found."""
    print_head(document)
    _print_quarters(document)
    print_queues(document["quarters"])
    if "pipeline" in document:
        say()
        _print_pipeline(document["pipeline"])
    _print_customers(document["customers"])
    if document["goals"]:
        say()
        _print_goals(document["goals"])
    say()
    _print_check(document)


def _print_quarters(document: Document) -> None:
    spans = [*document["quarters"], *document["years"]]
    kept = fitting(_quarter_columns(spans, _bars(document, spans, BAR_LEAST)))
    if kept[-1].group == BAR:
        used = sum(c.width + 2 for c in kept[:-1])
        kept[-1] = _bars(document, spans, min(columns() - used, BAR_MOST))
    heads, rows = table_lines(kept)
    for head in heads:
        say(head, dim=True)
    for i, row in enumerate(rows):
        if i == len(document["quarters"]):
            say("─" * max(map(len, heads)), dim=True)
        say(row)


def _quarter_columns(spans: Sequence[Document], bars: Column) -> list[Column]:
    labels = [span.get("quarter") or span["year"] for span in spans]
    found = [Column("quarter", labels, left=True, keep=99)]
    found += _measure(spans, "deals", count, keep=20)
    if any(span["bookings"]["p90"] or span["bookings"]["mean"] for span in spans):
        found += _measure(spans, "bookings", money, keep=10)
    if any(span["revenue"]["mean"] != span["bookings"]["mean"] for span in spans):
        found.append(Column("revenue", [money(span["revenue"]["mean"]) for span in spans], keep=9))
    if any(span["spend"]["mean"] for span in spans):
        found.append(Column("spend", [money(span["spend"]["mean"]) for span in spans], keep=5))
    return [*found, bars]


def _measure(spans: Sequence[Document], name: str, write: Any, keep: int) -> list[Column]:
    """Columns P10, P50, P90, mean and, of deals, the closed form beside the mean."""
    found = [
        Column(heading, [write(span[name][key]) for span in spans], name, keep=keep + more)
        for heading, key, more in (
            ("P10", "p10", 6), ("P50", "p50", 8), ("P90", "p90", 7), ("mean", "mean", 5)
        )
    ]  # fmt: skip
    if name == "deals":
        cells = [write(span[name]["expected"]) for span in spans]
        found.append(Column("expected", cells, name, keep=keep - 19))
    if "from_pipeline" in spans[0][name]:
        cells = [write(span[name]["from_pipeline"]["mean"]) for span in spans]
        found.append(Column("of open", cells, name, keep=keep + 4))
    return found


def _print_pipeline(pipeline: Document) -> None:
    """Say what is open, and which deals are too old to be so."""
    retired = f"; {pipeline['retired']:,} more retired" if pipeline["retired"] else ""
    open_deals = plural(pipeline["deals"], "open deal")
    text = (
        f"of open: mean of what comes of {open_deals} worth {money(pipeline['amount'])}{retired}."
    )
    say(wrapped(text, "  "), dim=True)
    if pipeline["zombies"]["count"]:
        say(wrapped(zombies_told(pipeline["zombies"]), "  "))


def _bars(document: Document, spans: Sequence[Document], width: int) -> Column:
    """Deals from P10 to P90 with the median, all quarters on one scale from 0."""
    most = max(q["deals"]["p90"] for q in document["quarters"]) or 1
    drawn = [_bar(span["deals"], most, width) for span in document["quarters"]]
    empty = [""] * (len(spans) - len(drawn))
    scale = f"0{count(most):>{width - 1}}"
    return Column(scale, [*drawn, *empty], BAR, left=True, keep=2)


def _bar(deals: Document, most: float, width: int) -> str:
    low, middle, high = (round((width - 1) * deals[k] / most) for k in ("p10", "p50", "p90"))
    cells = [" "] * width
    for i in range(low, high + 1):
        cells[i] = "━"
    cells[middle] = "●"
    return "".join(cells).rstrip()


def _print_customers(customers: Sequence[Document]) -> None:
    """What a customer of each channel is worth and costs, where either is more than a deal."""
    rows = [each for each in customers if each["product"] == EVERYTHING]
    if not any(each["recurring"] or (each["cac"]["mean"] or 0.0) > 0.0 for each in rows):
        return

    def column(name: str, key: str, write: Callable[[float], str]) -> list[str]:
        figures = [each[name][key] for each in rows]
        return ["-" if figure is None else write(figure) for figure in figures]

    def times(figure: float) -> str:
        return f"{figure:.1f}x"

    say()
    print_table(
        [
            Column("customers", [each["channel"] for each in rows], left=True, keep=99),
            Column("P10", column("ltv", "p10", money), "lifetime value", keep=3),
            Column("P50", column("ltv", "p50", money), "lifetime value", keep=4),
            Column("P90", column("ltv", "p90", money), "lifetime value", keep=3),
            Column("mean", column("ltv", "mean", money), "lifetime value", keep=9),
            Column("cost", column("cac", "p50", money), "to win one: P50", keep=8),
            Column("value ÷ cost", column("ltv_to_cac", "p50", times), "to win one: P50", keep=7),
            Column("months to repay", column("payback_months", "p50", months), keep=5),
            Column("return on spend", column("return_on_spend", "p50", times), keep=6),
        ]
    )


def months(figure: float) -> str:
    """Write so many months."""
    return f"{figure:.1f}"


def _print_goals(goals: Sequence[Document]) -> None:
    places = [_decimals(goal["standard_error"]) for goal in goals]
    written = [target(g["target"], g["metric"] in MONEY_METRICS) for g in goals]
    pairs = list(zip(goals, places, strict=True))
    every = [
        Column("goal", [g["metric"] for g in goals], left=True, keep=9),
        Column("quarter", [_span(goal) for goal in goals], left=True, keep=8),
        Column("target", [f"≥ {text}" for text in written], keep=7),
        Column("wanted", [confidence(g["confidence"]) for g in goals], keep=5),
        Column("chance", [chance(g["probability"], d) for g, d in pairs], keep=8),
        Column("error", [f"± {chance(g['standard_error'], d)}" for g, d in pairs], keep=4),
        Column("exact", [chance(g["exact"], 2) for g in goals], keep=6),
        Column("reached", [_verdict(goal) for goal in goals], left=True, keep=9),
    ]
    if all(goal["exact"] is None for goal in goals):
        every = [c for c in every if c.heading != "exact"]
    print_table(every)
    for note in _notes(goals):
        say(wrapped(note, "  "), dim=True)


def _decimals(error: float) -> int:
    """Decimals of a percentage that its error does not make meaningless."""
    return 1 if error >= 0.0005 else 2 if error >= 0.00005 else 3


def _span(goal: Document) -> str:
    """Name a goal's quarters; of a year that is not whole, those that are in the horizon."""
    label, quarters = str(goal["quarter"]), goal["quarters"]
    if len(label) > 4 or len(quarters) == 4:
        return label
    return f"{label} {quarters[0][4:]}" + (f"-{quarters[-1][4:]}" if len(quarters) > 1 else "")


def _verdict(goal: Document) -> str:
    if goal["too_close"]:
        return "≈ too close to say"
    return "✓ yes" if goal["reached"] else "✗ no"


def _notes(goals: Sequence[Document]) -> list[str]:
    """What the columns of the goals mean, where that needs saying."""
    sources = dict.fromkeys(g["exact_from"] for g in goals if g["exact_from"])
    errors = [g["exact_standard_error"] for g in goals if g["exact_standard_error"]]
    within = f" (± {chance(max(errors), 1)} or less)" if errors else ""
    notes = [f"exact: {source}{within}." for source in sources]
    if any(goal["too_close"] for goal in goals):
        notes.append(
            "too close to say: within two errors of the wanted confidence; more --runs will tell."
        )
    return notes


def _print_check(document: Document) -> None:
    check = document["check"]
    if check["passed"] and not check["cells"]:
        say(wrapped("Self-check: too few runs to compare their means with expected values."))
        return
    agree = "agree" if check["passed"] else "DO NOT AGREE"
    z = "infinite" if check["largest_z"] is None else f"{abs(check['largest_z']):.1f}"
    where = f" ({check['where']})" if check["where"] else ""
    text = (
        f"Self-check: {check['cells']} simulated means {agree} with their expected values "
        f"({document['expected_from']}); largest z {z}{where}, bound {check['bound']:.1f}."
    )
    say(wrapped(text, "  "), dim=True)
