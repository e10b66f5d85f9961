"""The table of ``forecast evaluate``: cause by cause, from what was planned to what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forecast.analysis import Document
from forecast.analysis.evaluate import Evaluation, figure
from forecast.analysis.words import count, money
from forecast.scenario.errors import listed
from forecast.scenario.model import MONEY_METRICS

from .screen import Column, heading, print_table, say, wrapped

LOWER_IN = (
    "lower in: the share of the plan's runs where it is lower. Chance is in every cause: it may "
    "be no more than that from 5% to 95%. Luck is what is left."
)


def print_evaluation(found: Evaluation, document: Document) -> None:
    """Print what came, its causes and the verdict."""
    write = money if found.metric in MONEY_METRICS else count
    heading(f"{document['scenario']}: {found.metric} of {listed(found.quarters)}")
    say(
        f"Planned {write(found.planned)}, came {write(found.actual)}: "
        f"{_signed(found.total, write)}{_rank(found.quantile)}."
    )
    say()
    print_table(_columns(found, write))
    say()
    say(wrapped(document["verdict"]))
    say(wrapped(LOWER_IN))
    if found.untold:
        say(wrapped(f"Of {', '.join(found.untold)} the actuals say nothing."))
    if "updated" in document:
        _print_update(document["updated"])


def _columns(found: Evaluation, write: Any) -> Sequence[Column]:
    causes = found.causes
    return [
        Column("cause", [c.name for c in causes], left=True, keep=99),
        Column("effect", [_signed(c.effect, write) for c in causes], keep=98),
        Column("planned", [_of(c.name, figure(c, c.planned)) for c in causes], keep=3),
        Column("came", [_of(c.name, figure(c, c.actual)) for c in causes], keep=4),
        Column("lower in", [_share(c.quantile) for c in causes], keep=5),
    ]


def _of(name: str, text: str) -> str:
    return "" if name == "luck" else text


def _signed(value: float, write: Any) -> str:
    if abs(value) < 0.005:
        return "0"
    return f"{'+' if value > 0 else '-'}{write(abs(value))}"


def _share(quantile: float | None) -> str:
    if quantile is None:
        return "-"
    return (
        f"{quantile:.1%}"
        if 0.001 <= quantile <= 0.999
        else ("<0.1%" if quantile < 0.5 else ">99.9%")
    )


def _rank(quantile: float | None) -> str:
    return "" if quantile is None else f"; {_share(quantile)} of the plan's runs are lower"


def _print_update(document: Document) -> None:
    """Print what the uncertain assumptions were and are."""
    say()
    rows = document["assumptions"]
    print_table(
        [
            Column("assumption", [r["assumption"] for r in rows], left=True, keep=99),
            Column("was", [_pair(r["mean_before"], r["sd_before"]) for r in rows], keep=3),
            Column("is", [_pair(r["mean"], r["sd"]) for r in rows], keep=4),
        ]
    )
    say(f"Wrote {document['file']}. Next: forecast check {document['file']}.")


def _pair(mean: float, sd: float) -> str:
    return f"{mean:.4g} ± {sd:.2g}"
