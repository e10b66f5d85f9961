"""Read the commonest form of dates and times, YYYY-MM-DD hh:mm:ss, many at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
NO_OFFSET: Final = np.iinfo(np.int64).min
_WIDTH: Final = 19  # of YYYY-MM-DD hh:mm:ss
_MARKS: Final = ((4, "-"), (7, "-"), (13, ":"), (16, ":"))
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_FIRST, _LAST = 1971, 2078  # years without days that stand for none
_REST: Final = re.compile(r"(?:\.(\d{1,9}))? ?(?:(Z)|([+-])(\d\d):?(\d\d)?)?")
_BAD: Final = (False, 0, 0)


class Plain(NamedTuple):
    """Tell which texts were `good`, and of those the day (ordinal), the microseconds of the day,
    and the offset from UTC in minutes (``NO_OFFSET`` if there is none)."""

    good: npt.NDArray[np.bool_]
    day: Ints
    clock: Ints
    offset: Ints


def read_plain(texts: Sequence[str]) -> Plain:
    """Read those of some texts that have the commonest form; the others are not good."""
    chars = _characters([text[:_WIDTH].ljust(_WIDTH, "\0") for text in texts])
    number = chars - ord("0")
    digits = (number >= 0) & (number <= 9)
    date_only = np.array([len(text) == 10 for text in texts], dtype=bool)
    day_good = digits[:, [0, 1, 2, 3, 5, 6, 8, 9]].all(axis=1)
    time_good = digits[:, [11, 12, 14, 15, 17, 18]].all(axis=1)
    time_good &= (chars[:, 10] == ord(" ")) | (chars[:, 10] == ord("T"))
    for place, mark in _MARKS:
        fits = chars[:, place] == ord(mark)
        day_good &= fits | (place > 10)
        time_good &= fits | (place < 10)
    day, real = _days(number)
    hour, minute, second = (number[:, at] * 10 + number[:, at + 1] for at in (11, 14, 17))
    time_good &= (hour < 24) & (minute < 60) & (second < 60)
    known: dict[str, tuple[bool, int, int]] = {}
    rests = [_rest(text[_WIDTH:], known) for text in texts]
    rest_good, micro, offset = (np.array(each) for each in zip(*rests, strict=True))
    clock = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro
    good = day_good & real & (date_only | (time_good & rest_good))
    timed = good & ~date_only
    return Plain(
        good,
        np.where(good, day, 0),
        np.where(timed, clock, 0),
        np.where(timed, offset, NO_OFFSET),
    )


def _characters(texts: list[str]) -> Ints:
    """Give the code of each character: array (text, place)."""
    flat = np.array(texts, dtype=f"U{_WIDTH}")
    return flat.view(np.uint32).reshape(len(texts), _WIDTH).astype(np.int64)


def _days(number: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Give the ordinals of days, and which of them there are."""
    year = number[:, :4] @ np.array([1000, 100, 10, 1])
    month = number[:, 5] * 10 + number[:, 6]
    day = number[:, 8] * 10 + number[:, 9]
    real = (year >= _FIRST) & (year <= _LAST) & (month >= 1) & (month <= 12)
    months = np.where(real, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    following = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    real &= (day >= 1) & (day <= following - first)
    return first + day - 1 + _EPOCH, real


def _rest(text: str, known: dict[str, tuple[bool, int, int]]) -> tuple[bool, int, int]:
    """Read the fraction of a second and the offset: whether there is any sense in it, the
    microseconds, the minutes."""
    if text in known:
        return known[text]
    found = _REST.fullmatch(text)
    if found is None:
        return known.setdefault(text, _BAD)
    fraction, utc, sign, hours, minutes = found.groups()
    offset = 0 if utc else NO_OFFSET
    if sign:
        offset = (int(hours) * 60 + int(minutes or 0)) * (-1 if sign == "-" else 1)
    micro = int(fraction.ljust(9, "0")[:6]) if fraction else 0
    return known.setdefault(text, (True, micro, offset))
