"""Look at the columns of an export: what each holds, and what it may say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.exports import dates, money
from forecast.history.exports.dates import BLANK, BLANKS, EITHER, READ, SENTINEL
from forecast.history.exports.suggest_words import claim, plain_name
from forecast.history.tables.table import RawTable

_SAMPLE = 2_000
MOST_STATUSES = 60
MOST_LABELS = 300
MOST_NAMES = 2_000  # of activities in a log, of which few matter
_SURE = 0.4  # claims of a name below this are not sure


@dataclass(frozen=True)
class Profile:
    """Hold what a column holds: its texts (each once, not blank), how often, and in which rows."""

    name: str
    place: int
    texts: list[str]
    counts: list[int]
    codes: npt.NDArray[np.int64]  # of `texts` by row, -1 for blank
    typed_dates: bool
    typed_numbers: bool

    @property
    def rows(self) -> int:
        """Count the rows."""
        return len(self.codes)

    @property
    def filled(self) -> int:
        """Count the rows that are not blank."""
        return sum(self.counts)

    @property
    def plain(self) -> str:
        """Give the name in small words."""
        return plain_name(self.name)

    @cached_property
    def _sample(self) -> list[str]:
        step = max(1, len(self.texts) // _SAMPLE)
        return self.texts[::step]

    @cached_property
    def dated(self) -> float:
        """Give the share of the texts that are dates."""
        state = dates.read_days(self._sample, None, None).state
        counts = np.bincount(state, minlength=5)
        total = len(self._sample) - counts[BLANK]
        if not counts[READ] + counts[EITHER]:
            return 0.0
        # Numbers of ten digits are phone numbers as often as they are times.
        return float((counts[READ] + counts[EITHER] + counts[SENTINEL]) / max(1, total))

    @cached_property
    def numeric(self) -> float:
        """Give the share of the texts that are amounts."""
        state = money.read_amounts(self._sample, None).state
        counts = np.bincount(state, minlength=5)
        total = len(self._sample) - counts[BLANK]
        return float((counts[READ] + counts[EITHER]) / total) if total else 0.0

    @property
    def unique(self) -> float:
        """Give the number of different texts, as a share of the rows that have one."""
        return len(self.texts) / self.filled if self.filled else 0.0

    def fits(self, role: str) -> bool:
        """Tell whether the contents can be what a role needs."""
        if not self.filled:
            return False
        if role in ("created", "closed", "won", "lost", "at"):
            return self.dated >= 0.5 and (self.numeric < 0.9 or claim(self.name, role) > 0.3)
        if role == "amount":
            return self.numeric >= 0.8 and self.dated < 0.8
        if role == "id":
            return self.dated < 0.8 or self.numeric > 0.9
        if role == "stage" and self.unique < 0.5 and claim(self.name, role) > 0.6:
            return len(self.texts) <= MOST_NAMES and self.dated < 0.5
        if role in ("status", "stage"):
            return len(self.texts) <= MOST_STATUSES and self.dated < 0.5
        return len(self.texts) <= MOST_LABELS and self.dated < 0.5 and self.numeric < 0.8


def profiles_of(raw: RawTable) -> list[Profile]:
    """Look at every column of a table."""
    found = []
    for place, name in enumerate(raw.columns):
        if name in raw.repeated:
            continue
        column = raw.frame[name].str.strip()
        codes, texts = pd.factorize(column)
        sizes = np.bincount(codes, minlength=len(texts))
        every = texts.tolist()
        kept = [at for at, text in enumerate(every) if text.casefold() not in BLANKS]
        new = np.full(len(every) + 1, -1, dtype=np.int64)
        new[kept] = np.arange(len(kept))
        found.append(
            Profile(
                name,
                place,
                [every[at] for at in kept],
                [int(sizes[at]) for at in kept],
                new[codes],
                bool(raw.are_dates(name).any()),
                bool(raw.are_numbers(name).any()),
            )
        )
    return found


def choose(profiles: Iterable[Profile], role: str) -> list[Profile]:
    """Give the columns that may have a role, the likeliest first."""
    claims = [(claim(each.name, role), each) for each in profiles if each.fits(role)]
    kept = [(-score, each.place, each) for score, each in claims if score > 0]
    return [each for _, _, each in sorted(kept, key=lambda found: found[:2])]


def is_sure(profile: Profile, role: str) -> bool:
    """Tell whether a column's name says its role plainly."""
    return claim(profile.name, role) >= _SURE


def order_of(profile: Profile) -> set[str]:
    """Tell which orders of day and month a column's dates can have; empty where it has no order."""
    if not dates.have_order(profile.texts):
        return set()
    return dates.orders_of(profile.texts) or {"none"}


def is_twofold(profile: Profile) -> bool:
    """Tell whether some of a column's dates can be read two ways."""
    return bool((dates.read_days(profile.texts, None, None).state == EITHER).any())


def decimal_of(profile: Profile) -> set[str]:
    """Tell which decimal marks a column's amounts can have; empty where nobody need say."""
    if profile.typed_numbers:
        return set()
    state = money.read_amounts(profile.texts, None).state
    if not (state == EITHER).any():
        return set()
    fit = {money.POINT, money.COMMA}
    for mark in tuple(fit):
        own = money.read_amounts(profile.texts, mark).state
        if ((own != READ) & ((state == READ) | (state == EITHER))).any():
            fit.discard(mark)
    return fit or {"none"}


def span(profile: Profile, order: str | None) -> str:
    """Say from when to when a column's dates are."""
    days = dates.read_days(profile.texts, order, None)
    read = days.day[days.state == READ]
    if not len(read):
        return ""
    first, last = (dates.day_of(int(each)) for each in (read.min(), read.max()))
    return f"{first} to {last}"
