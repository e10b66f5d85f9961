"""Names that a scenario can hold: no dots, no slashes, none of those that mean something there."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from forecast.history.records import LABELS, LOST, STAYING, UNKNOWN, WON, Records
from forecast.scenario.quantities import MAX_NAME_CHARS
from forecast.scenario.source import FORBIDDEN, FORMULA
from forecast.scenario.stages import RESERVED_STAGES

MOST = {"channel": 100, "segment": 50, "product": 50}  # more are joined: a plan has few
MANY = 20  # channels or segments: of so many the tiny ones are joined
TINY, TINY_SHARE = 20, 0.005  # items, and share of all: with fewer of both a group is tiny
OTHER = "other"
ONLY = {"channel": "all leads", "segment": UNKNOWN, "product": "deal"}  # where none is named


def safe_name(name: str, taken: Iterable[str] = ()) -> str:
    """Change a name so that a scenario can hold it, and so that it is not one of `taken`.

    >>> safe_name("GTX Plus v1.0"), safe_name("Quote/Offer", ["Quote-Offer"])
    ('GTX Plus v1_0', 'Quote-Offer 2')
    """
    text = name.replace(".", "_").replace("/", "-").replace("\\", "-")
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cf") else c for c in text)
    text = (
        " ".join(FORBIDDEN.sub(" ", text).split()).strip("_ ").lstrip("".join((*FORMULA, " ")))
        or UNKNOWN
    )
    text = text[: MAX_NAME_CHARS - 5].rstrip()
    known = set(taken)
    found, number = text, 1
    while found in known:
        number += 1
        found = f"{text} {number}"
    return found


def with_safe_names(records: Records) -> tuple[Records, tuple[str, ...]]:
    """Give the records with names that a scenario can hold, and what was changed, in sentences."""
    notes: list[str] = []
    items, stays = records.items, records.stays
    for label in LABELS:
        names = [str(name) for name in items[label].cat.categories]
        # A scenario has one channel at least; where no item says its own, it is that of all.
        new = {UNKNOWN: ONLY[label]} if names == [UNKNOWN] else _renamed(names, ())
        notes += _told(label, new) if names != [UNKNOWN] else []
        items = items.assign(**{label: items[label].cat.rename_categories(new)})
        items, joined = _joined(items, label)
        notes += joined
    stages = _renamed(records.stages, (*RESERVED_STAGES, WON, LOST))
    notes += _told("stage", stages)
    ways = {**stages, WON: WON, LOST: LOST, STAYING: STAYING}
    stays = stays.assign(
        stage=stays["stage"].cat.rename_categories(stages),
        to=stays["to"].cat.rename_categories(ways),
    )
    gaps = {stages[stage]: gap for stage, gap in records.gaps.items()}
    order = tuple(stages[stage] for stage in records.stages)
    changed = replace(records, items=items, stays=stays, stages=order, gaps=gaps)
    return changed, tuple(notes)


def _renamed(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Each name's new one; those that may stay as they are have the first right to theirs."""
    names = list(names)
    reserved = set(taken)
    kept = {name for name in names if safe_name(name) == name and name not in reserved}
    found = {name: name for name in kept}
    for name in names:
        if name not in kept:
            found[name] = safe_name(name, reserved | set(found.values()))
    return {name: found[name] for name in names}


def _told(label: str, new: Mapping[str, str]) -> list[str]:
    return [
        f"The {label} {old!r} is called {name!r}: a name holds neither dots nor slashes, "
        "and some words mean something of their own."
        for old, name in new.items()
        if old != name
    ]


def _joined(items: pd.DataFrame, label: str) -> tuple[pd.DataFrame, list[str]]:
    """Join the smallest groups of a label: those beyond what a plan holds, tiny ones of many."""
    counts = items[label].value_counts()
    # Equal counts go by name, so that the order of the rows decides nothing.
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    kept = len(order)
    if label != "product" and kept > MANY:
        least = min(TINY, TINY_SHARE * len(items))
        kept = max(MANY, int((counts >= least).sum()))
    if kept >= MOST[label] and len(order) > MOST[label]:
        kept = MOST[label] - 1
    if len(order) - kept < 2:
        return items, []
    small = set(order[kept:])
    text = items[label].astype(str)
    joined = text.where(~text.isin(small), OTHER).astype("category")
    rows = int(text.isin(small).sum())
    note = (
        f"{len(small):,} small {label}s are joined as {OTHER!r} ({rows:,} items): "
        f"the {kept} largest stand alone."
    )
    return items.assign(**{label: joined}), [note]
