"""The explanation of ``forecast check``: what was read, section by section."""

from __future__ import annotations

from collections.abc import Sequence

from forecast.analysis import Document
from forecast.analysis.words import chance, count, duration, money, plural, share, target
from forecast.scenario.model import MONEY_METRICS

from .capacity_text import print_slots
from .journey_text import print_changes, print_differences, print_tree
from .pipeline_text import print_pipeline
from .quality_text import print_closing, print_qualification
from .screen import Column, fits, heading, print_table, say, wrapped

SHARES = ("conversion", "share", "share_of_rest", "mix", "margin", "follow_up")
SHARES_INSIDE = {
    "dirichlet",
    "growth",
    "churn",
    "expansion",
    "discount",
    "qualification",
    "carry_over",
    "give_up",
    "ramp",
}


def print_check(document: Document) -> None:
    """Print what a scenario says; the last line is OK."""
    quarters = document["quarters"]
    heading(document["scenario"])
    head = (
        f"{plural(len(quarters), 'quarter')}, {quarters[0]} to {quarters[-1]}, in "
        f"{plural(document['periods'], document['period'])}. Known until {document['as_of']}. "
        f"Money in {document['currency']}."
    )
    say(wrapped(head))
    _print_channels(document)
    _print_segments(document["segments"])
    say()
    heading("Journey")
    print_tree(document["journey"])
    print_differences(document["journey"]["differences"])
    _print_products(document["products"])
    print_pipeline(document["pipeline"])
    print_qualification(document["qualification"])
    print_closing(document["closing"])
    _print_recurring(document["products"])
    _print_uncertain(document)
    print_changes(document["changes"])
    print_slots(document)
    _print_goals(document["goals"])
    say()
    heading("OK")


def _print_channels(document: Document) -> None:
    """Leads to expect of each channel, and what becomes of them."""
    channels = document["channels"]
    blank = [""] if len(channels) > 1 else []
    names = [c["channel"] for c in channels] + ["all"] * len(blank)
    won = [share(c["won"]) for c in channels]
    days = [duration(c["mean_days"]) if c["mean_days"] is not None else "-" for c in channels]
    before = [Column("channel", names, left=True, keep=99)]
    after = [
        Column("won", won + blank, "in the end", keep=2),
        Column("after", days + blank, "in the end", keep=1),
    ]
    table = [*before, *_leads(document["quarters"], [c["leads"] for c in channels]), *after]
    if document["years"] and not fits(table):
        table = [
            *before,
            *_leads(document["years"], [c["leads_by_year"] for c in channels]),
            *after,
        ]
    say()
    heading("Channels: leads to expect, and what is won of them in the end")
    print_table(table)
    _print_referral(document["referral"])


def _print_referral(loops: Sequence[Document]) -> None:
    """What a customer brings, from each day on which that changes."""
    for i, loop in enumerate(loops):
        brings = f"{'' if i == 0 else 'from ' + loop['since'] + ' on '}a customer brings"
        text = (
            f"{brings} {count(loop['leads'])} leads in {duration(loop['during_days'])}, of which "
            f"{count(loop['customers'])} become customers: every 100 customers bring "
            f"{count(100 * loop['more'])} more in the end"
        )
        say(wrapped(f"{loop['channel']}: {text}.", "  "))
    if loops and loops[0]["existing"]:
        known = f"{count(loops[0]['existing'])} customers are there at the start and bring some too"
        say(wrapped(f"{known}, for {duration(loops[0]['during_days'])}.", "  "))


def _leads(labels: Sequence[str], rows: Sequence[Sequence[float]]) -> list[Column]:
    """Columns of leads to expect, with the sum of several channels below."""
    sums = [[sum(column) for column in zip(*rows, strict=True)]] if len(rows) > 1 else []
    return [
        Column(label, [count(row[i]) for row in [*rows, *sums]], "leads", keep=-i)
        for i, label in enumerate(labels)
    ]


def _print_segments(segments: Sequence[Document]) -> None:
    if len(segments) < 2:
        return
    days = [duration(s["mean_days"]) if s["mean_days"] is not None else "-" for s in segments]
    say()
    heading("Segments")
    print_table(
        [
            Column("segment", [s["segment"] for s in segments], left=True, keep=9),
            Column("share", [share(s["mean"]) for s in segments], keep=8),
            Column("won", [share(s["won"]) for s in segments], "in the end", keep=7),
            Column("after", days, "in the end", keep=6),
        ]
    )


def _print_products(products: Sequence[Document]) -> None:
    if not any(p["mean_size"] for p in products):
        return
    rows = [
        row
        for product in products
        for row in [("", product), *((d["where"], d) for d in product["differences"])]
    ]
    names = [f"  in {where}" if where else each["product"] for where, each in rows]
    say()
    heading("Products")
    print_table(
        [
            Column("product", names, left=True, keep=9),
            Column("mix", [share(each["mix"]) for _, each in rows], keep=8),
            Column("mean", [money(each["mean_size"]) for _, each in rows], "deal size", keep=7),
            Column("P10", [money(each["p10_size"]) for _, each in rows], "deal size", keep=6),
            Column("P90", [money(each["p90_size"]) for _, each in rows], "deal size", keep=6),
        ]
    )


def _print_recurring(products: Sequence[Document]) -> None:
    """Of products that are paid again and again, how long customers stay and what one is worth."""
    rows = [
        (f"  in {each['where']}" if "where" in each else each["product"], each)
        for product in products
        for each in (product, *product["differences"])
        if each["every"] is not None
    ]
    if not rows:
        return
    stays = [each["lifetime_months"] for _, each in rows]
    worth = [each["lifetime_value"] for _, each in rows]
    say()
    heading("Recurring products: a customer, at the means of what is uncertain")
    print_table(
        [
            Column("product", [name for name, _ in rows], left=True, keep=9),
            Column("paid every", [each["every"] for _, each in rows], left=True, keep=5),
            Column("there after a year", [share(e["retention_year"]) for _, e in rows], keep=8),
            Column("months", ["-" if m is None else f"{m:.1f}" for m in stays], keep=7),
            Column("margin", [share(each["margin"]) for _, each in rows], keep=4),
            Column("lifetime value", ["-" if w is None else money(w) for w in worth], keep=8),
        ]
    )


def _print_uncertain(document: Document) -> None:
    """What is drawn once per run, and what is drawn together."""
    uncertain = document["uncertain"]
    if not uncertain:
        return
    say()
    heading("Uncertain assumptions, drawn once per run")
    names = [u["assumption"] for u in uncertain]
    print_table(
        [
            Column("assumption", names, left=True, keep=9),
            Column("mean", [figure(u["assumption"], u["mean"]) for u in uncertain], keep=8),
            Column("P10", [figure(u["assumption"], u["p10"]) for u in uncertain], keep=7),
            Column("P90", [figure(u["assumption"], u["p90"]) for u in uncertain], keep=6),
            Column("drawn from", [u["uncertain"] for u in uncertain], left=True, keep=5),
        ]
    )
    for each in document["correlations"]:
        first, second = each["between"]
        idle = " and ".join(each["certain"])
        effect = f"; no effect while {idle} stays certain" if idle else ""
        text = f"{first} and {second} are correlated: rank {each['rank']:g}{effect}"
        say(wrapped(text, "  "))


def figure(path: str, value: float) -> str:
    """Write an assumption's value as what its path says it is.

    >>> figure("journey.lead.won.conversion", 0.3), figure("channels.web.leads.mean", 20.0)
    ('30%', '20')
    """
    parts = path.split("@")[0].split(".")
    if parts[-1] in ("alpha", "beta") and "churn" in parts:
        return f"{value:.3g}"
    if parts[-1] in SHARES or SHARES_INSIDE & set(parts):
        return share(value)
    if "lag" in parts:
        return duration(value)
    if parts[-1] == "shape" or "closing" in parts:
        return f"{value:.3g}"
    return money(value) if {"size", "cost", "half", "before"} & set(parts) else count(value)


def _print_goals(goals: Sequence[Document]) -> None:
    if not goals:
        return
    spans = [
        g["quarters"][0]
        if len(g["quarters"]) == 1
        else f"{g['quarters'][0]} to {g['quarters'][-1]}"
        for g in goals
    ]
    wanted = [target(g["target"], g["metric"] in MONEY_METRICS) for g in goals]
    say()
    heading("Goals")
    print_table(
        [
            Column("goal", [g["metric"] for g in goals], left=True, keep=9),
            Column("quarter", spans, left=True, keep=8),
            Column("target", [f"≥ {text}" for text in wanted], keep=7),
            Column("wanted", [chance(g["confidence"], 0) for g in goals], keep=6),
        ]
    )
