"""Records of what happened to every item, as far as was known on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

WON, LOST, STAYING = "won", "lost", ""
UNKNOWN = "unknown"  # the channel, segment or product of items that do not say
OPEN = np.iinfo(np.int64).max  # in place of the day on which a stay ended: it goes on
UNDATED = np.int64(-1)  # it ended, nobody knows when
LABELS = ("channel", "segment", "product")


@dataclass(frozen=True)
class Gap:
    """Say from which day on something was recorded.

    `complete` tells the two kinds of gaps apart: with True the items from before are all there,
    and only what became of them before `since` is missing; with False those that left before are
    missing too, and the rest are survivors (delayed entry, or left truncation). `said` tells in a
    sentence how it is known, where it was found in the records and not said by anybody.
    """

    since: dt.date
    complete: bool
    said: str = ""
    full: dt.date | None = None  # from when on nearly all was, where recording began slowly

    @property
    def sure(self) -> dt.date:
        """The day from which on the records say when something did not happen."""
        return self.full or self.since


@dataclass(frozen=True)
class Records:
    """Hold items and their stays in stages, as far as known at the end of the day `as_of`.

    Days are proleptic ordinals (``datetime.date.toordinal``).

    - items: a row an item, in the order of arrival. `id` (text, unique), `channel`, `segment`,
      `product` (categories; "unknown" where not said), `amount` (float, NaN where not known or not
      yet won).
    - stays: a row a stay of an item in a stage, ordered by item and day. `item` (row of `items`),
      `stage` (category), `entered` (day), `left` (day, ``OPEN``, or ``UNDATED``), `to` (category:
      a stage, "won", "lost", or "" while it stays).
    - stages: their names in the order of the journey; `won` and `lost` are none.
    - gaps: what was recorded late, by the stage whose ways out were not.
    """

    items: pd.DataFrame
    stays: pd.DataFrame
    stages: tuple[str, ...]
    as_of: dt.date
    currency: str = "USD"
    gaps: Mapping[str, Gap] = field(default_factory=dict)

    def known_at(self, day: dt.date) -> Records:
        """Give the records as they stood at the end of `day`: what came later is not in them.

        Stays that ended later are open, and items that arrived later are not there. Before `as_of`
        only the amounts of deals that were won by then count as known, for nobody knows what was
        written beside an open one. Raises ValueError for a day after `as_of`.
        """
        if day == self.as_of:
            return self
        if day > self.as_of:
            raise ValueError(f"{day} is after {self.as_of}, the last day that is known")
        last = day.toordinal()
        stays = self.stays[self.stays["entered"] <= last]
        later = (stays["left"] > last).to_numpy()
        stays = stays.assign(
            left=np.where(later, OPEN, stays["left"]),
            to=stays["to"].mask(later, STAYING),
        )
        there = np.unique(stays["item"].to_numpy())
        items = self.items.iloc[there].reset_index(drop=True)
        stays = stays.assign(item=np.searchsorted(there, stays["item"].to_numpy()))
        won = np.zeros(len(items), dtype=bool)
        won[stays.loc[(stays["to"] == WON).to_numpy(), "item"].to_numpy()] = True
        items = items.assign(amount=items["amount"].where(won))
        return replace(self, items=items, stays=stays.reset_index(drop=True), as_of=day)


def build_records(
    items: pd.DataFrame,
    stays: pd.DataFrame,
    stages: tuple[str, ...],
    as_of: dt.date,
    currency: str = "USD",
    gaps: Mapping[str, Gap] | None = None,
) -> Records:
    """Put rows in order and columns in their types; labels that are blank become "unknown".

    See ``Records`` for the columns. Raises ValueError where rows contradict each other: an id
    twice, a stay that ends before it began or that began after `as_of`, a stage that is not among
    `stages`.
    """
    items = _typed_items(items)
    stays = _typed_stays(stays, stages)
    _check(items, stays, as_of)
    first = np.full(len(items), OPEN)
    np.minimum.at(first, stays["item"].to_numpy(), stays["entered"].to_numpy())
    order = np.lexsort((items["id"].to_numpy().astype(str), first))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    stays = stays.assign(item=place[stays["item"].to_numpy()])
    ended = np.where(stays["left"] == UNDATED, OPEN - 1, stays["left"])
    rows = np.lexsort((ended, stays["entered"], stays["item"]))
    return Records(
        items.iloc[order].reset_index(drop=True),
        stays.iloc[rows].reset_index(drop=True),
        stages,
        as_of,
        currency,
        dict(gaps or {}),
    )


def _typed_items(items: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, pd.Series[Any]] = {"id": items["id"].astype(str)}
    for label in LABELS:
        if label in items:
            text = items[label].astype(object).where(items[label].notna(), UNKNOWN).astype(str)
            columns[label] = text.replace("", UNKNOWN).astype("category")
        else:
            columns[label] = pd.Series(UNKNOWN, index=items.index, dtype="category")
    amount = items.get("amount", np.nan)
    columns["amount"] = pd.Series(amount, index=items.index, dtype=np.float64)
    return pd.DataFrame(columns).reset_index(drop=True)


def _typed_stays(stays: pd.DataFrame, stages: tuple[str, ...]) -> pd.DataFrame:
    ways = [*stages, WON, LOST, STAYING]
    for column, choices in (("stage", stages), ("to", ways)):
        strange = set(stays[column].astype(str)) - set(choices)
        if strange:
            raise ValueError(f"{column} {sorted(strange)} is not one of {list(choices)}")
    return pd.DataFrame(
        {
            "item": stays["item"].to_numpy(np.int64),
            "stage": pd.Categorical(stays["stage"].astype(str), categories=list(stages)),
            "entered": stays["entered"].to_numpy(np.int64),
            "left": stays["left"].to_numpy(np.int64),
            "to": pd.Categorical(stays["to"].astype(str), categories=ways),
        }
    )


def _check(items: pd.DataFrame, stays: pd.DataFrame, as_of: dt.date) -> None:
    if items["id"].duplicated().any():
        raise ValueError(f"the id {items['id'][items['id'].duplicated()].iloc[0]!r} occurs twice")
    last = as_of.toordinal()
    left = stays["left"].to_numpy()
    ended = (left != OPEN) & (left != UNDATED)
    if (stays["entered"] > last).any() or (left[ended] > last).any():
        raise ValueError(f"something happened after {as_of}, the last day that is known")
    if (left[ended] < stays["entered"].to_numpy()[ended]).any():
        raise ValueError("a stay ends before it began")
    if ((left == OPEN) != (stays["to"] == STAYING).to_numpy()).any():
        raise ValueError("a stay without an end has no way out, and one with an end has")
