"""Read days and times as exports write them; what can be read two ways is told, never guessed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.exports.plain_dates import NO_OFFSET, read_plain

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day-month-year", "month-day-year", "year-month-day"
ORDERS: Final = (YEAR_FIRST, DAY_FIRST, MONTH_FIRST)
EXCEL: Final = "excel"
FIRST_YEAR, LAST_YEAR = 1901, 2199

READ, BLANK, SENTINEL, UNREADABLE, EITHER = range(5)  # what a cell was found to be
BLANKS: Final = frozenset(
    {"", "none", "null", "nan", "nat", "n/a", "na", "#n/a", "-", "--", "–", "—", "\\n", "(blank)"}
)
# Days that programs write where there is none: the first ones of their calendars, and far ones.
_SENTINELS: Final = frozenset(
    {(1970, 1, 1), (1969, 12, 31), (2079, 6, 6), (2099, 12, 31), (2100, 1, 1)}
)
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july",
         "aug august", "sep sept september", "oct october", "nov november", "dec december"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_CHUNK: Final = 100_000
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_EXCEL_ZERO: Final = dt.date(1899, 12, 30).toordinal()
_TIME_AT: Final = re.compile(r"(?:[T ]|,\s)\s*(?=\d{1,3}:\d)")
_TIME: Final = re.compile(
    r"(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|z|(?:UTC|GMT)?(?P<off>[+-]\d\d(?::?\d\d)?)|UTC|GMT)?"
)
_THREE: Final = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})\.?")
_NAMED: Final = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,?\s+)?(\d{1,4})(?:st|nd|rd|th)?"
    r"[-/. ]*([A-Za-z]{3,9})\.?,?[-/. ]*(\d{1,4})"
)
_NAME_FIRST: Final = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,?\s+)?([A-Za-z]{3,9})\.?\s*(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{2,4})"
)

Day = tuple[int, int, int] | int  # year, month, day; or what it is instead


@dataclass(frozen=True)
class Days:
    """Hold what the cells of a column say: `state` of each (READ, BLANK, ...), `day` (ordinal, 0
    where not read) and `moment` (microseconds since 1970, for the order of rows of one item)."""

    state: npt.NDArray[np.int8]
    day: npt.NDArray[np.int64]
    moment: npt.NDArray[np.int64]
    timed: bool  # some have a time of day
    zoned: int  # how many are written with an offset from UTC


def read_days(texts: Sequence[str], order: str | None, zone: str | None) -> Days:
    """Read texts of dates and times into days of a time zone.

    `order` is one of ``ORDERS``, a pattern such as ``%d/%m/%y``, ``excel`` (days since 1900), or
    None: then a date that can be read two ways is EITHER. `zone` names the zone whose days count
    (UTC if None); what is written without an offset is taken in it.
    """
    count = len(texts)
    state = np.full(count, UNREADABLE, dtype=np.int8)
    day, clock = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    offset = np.full(count, NO_OFFSET)
    read = _Reader(order)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = np.arange(start, min(count, part.stop))
        if read.pattern is None:
            quick = read_plain(texts[part])
            good = quick.good
            state[part][good] = READ
            day[part], clock[part], offset[part] = quick.day, quick.clock, quick.offset
            rows = start + np.flatnonzero(~good)
        for row in rows.tolist():
            state[row], day[row], clock[row], minutes = read.cell(texts[row])
            offset[row] = NO_OFFSET if minutes is None else minutes
    return _in_zone(state, day, clock, offset, zone)


def _in_zone(
    state: npt.NDArray[np.int8],
    day: npt.NDArray[np.int64],
    clock: npt.NDArray[np.int64],
    offset: npt.NDArray[np.int64],
    zone: str | None,
) -> Days:
    """Bring what has an offset to the wall clock of the zone."""
    wall = (day - _EPOCH) * _DAY_US + clock
    zoned = (offset != NO_OFFSET) & (state == READ)
    moment = wall.copy()
    if zoned.any():
        instants = wall[zoned] - offset[zoned] * 60_000_000
        stamps = pd.DatetimeIndex(instants.view("M8[us]"), tz="UTC").tz_convert(zone or "UTC")
        local = stamps.tz_localize(None).to_numpy().astype("M8[us]").view(np.int64)
        day, moment = day.copy(), moment.copy()
        day[zoned] = local // _DAY_US + _EPOCH
        # Where all have offsets the instants themselves are the order, also in the hour that a
        # clock set back shows twice.
        moment[zoned] = instants if zoned[state == READ].all() else local
    bad = state != READ
    return Days(
        state,
        np.where(bad, 0, day),
        np.where(bad, 0, moment),
        bool(clock.any()),
        int(zoned.sum()),
    )


class _Reader:
    """Reads cells one by one, each day and each time of day only once."""

    def __init__(self, order: str | None) -> None:
        self.order = order
        self.days: dict[str, tuple[int, int]] = {}
        self.times: dict[str, tuple[int, int | None] | None] = {}
        self.pattern = order if order and "%" in order else None

    def cell(self, text: str) -> tuple[int, int, int, int | None]:
        """Give the state, the day, the microseconds of the day, and the offset in minutes."""
        if self.pattern:
            return _by_pattern(text, self.pattern)
        found = _TIME_AT.search(text)
        head, tail = (text[: found.start()], text[found.end() :]) if found else (text, "")
        day = self.days.get(head)
        if day is None:
            day = self.days[head] = _settled(_day(head, self.order))
        if not tail:
            return _number(text, self.order) if day[0] == UNREADABLE else (*day, 0, None)
        if tail not in self.times:
            self.times[tail] = _time(tail)
        time = self.times[tail]
        return (UNREADABLE, 0, 0, None) if time is None else (*day, *time)


def _settled(day: Day) -> tuple[int, int]:
    """Give the state and the ordinal of a day."""
    if isinstance(day, int):
        return day, 0
    year, month, number = day
    if day in _SENTINELS or not FIRST_YEAR <= year <= LAST_YEAR:
        return SENTINEL, 0
    try:
        return READ, dt.date(year, month, number).toordinal()
    except ValueError:
        return UNREADABLE, 0


def _day(text: str, order: str | None) -> Day:
    """Read a day without its time."""
    word = text.strip()
    if word.casefold() in BLANKS:
        return BLANK
    if found := _THREE.fullmatch(word):
        return _three(found[1], found[3], found[4], order)
    if found := _NAMED.fullmatch(word):
        month = _MONTHS.get(found[2].casefold())
        if month and len(found[1]) == 4:
            return int(found[1]), month, int(found[3])
        if month and len(found[3]) in (2, 4):
            return _year(found[3]), month, int(found[1])
    if found := _NAME_FIRST.fullmatch(word):
        month = _MONTHS.get(found[1].casefold())
        if month and len(found[3]) != 3:
            return _year(found[3]), month, int(found[2])
    return UNREADABLE


def _three(first: str, second: str, third: str, order: str | None) -> Day:
    """Read three numbers: with the year first there is one way only, else the order must be said,
    unless one of the two ways does not exist or both are the same day."""
    if len(first) == 4:
        return int(first), int(second), int(third)
    if len(first) == 3 or len(third) == 3:
        return UNREADABLE
    a, b = int(first), int(second)
    if order == YEAR_FIRST:
        return (_year(first), b, int(third)) if len(third) <= 2 else UNREADABLE
    if len(third) == 1:
        return UNREADABLE
    if order is None and len(third) == 2:
        return EITHER
    ways = [(_year(third), b, a), (_year(third), a, b)]
    if order is not None:
        return ways[order == MONTH_FIRST]
    good = {way for way in ways if 1 <= way[1] <= 12}
    if len(good) == 2:
        return EITHER
    return good.pop() if good else UNREADABLE


def _year(text: str) -> int:
    """Two digits are a year from 1970 to 2069, as POSIX reads them (it has 1969 to 2068)."""
    if len(text) == 4:
        return int(text)
    return 1900 + int(text) if int(text) >= 70 else 2000 + int(text)


def _time(text: str) -> tuple[int, int | None] | None:
    """Read a time of day: its microseconds and its offset from UTC in minutes."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found["h"]), int(found["m"]), int(found["s"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"][0] in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    micro = int((found["f"] or "0").ljust(9, "0")[:6])
    clock = ((hour * 60 + minute) * 60 + min(second, 59)) * 1_000_000 + micro
    return clock, _offset(found)


def _offset(found: re.Match[str]) -> int | None:
    if not found["zone"]:
        return None
    if not (written := found["off"]):
        return 0
    digits = written[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if written[0] == "-" else minutes


def _number(text: str, order: str | None) -> tuple[int, int, int, int | None]:
    """Read a day that is one number: an epoch's seconds (10 digits), milli- (13) or microseconds
    (16), year-month-day in 8 digits, or, if `order` says so, Excel's count of days."""
    digits = re.fullmatch(r"(\d{1,16})(\.\d*)?", text.strip())
    if digits is None:
        return UNREADABLE, 0, 0, None
    size, part = len(digits[1]), digits[2] or ""
    if order == EXCEL and size <= 6:
        days = float(digits[1] + part)
        year, month, number = _date_of(_EXCEL_ZERO + int(days))
        return (*_settled((year, month, number)), int(days % 1 * _DAY_US), None)
    if part.strip("0."):
        return UNREADABLE, 0, 0, None
    if not int(digits[1]):
        return SENTINEL, 0, 0, None
    if size == 8:
        word = digits[1]
        return (*_settled((int(word[:4]), int(word[4:6]), int(word[6:]))), 0, None)
    scale = {10: 1_000_000, 13: 1_000, 16: 1}.get(size)
    if scale is None:
        return UNREADABLE, 0, 0, None
    day, clock = divmod(int(digits[1]) * scale, _DAY_US)
    return (*_settled(_date_of(_EPOCH + day)), clock, 0)


def _date_of(ordinal: int) -> tuple[int, int, int]:
    day = dt.date.fromordinal(min(ordinal, dt.date.max.toordinal()))
    return day.year, day.month, day.day


def _by_pattern(text: str, pattern: str) -> tuple[int, int, int, int | None]:
    """Read by a pattern of the planner's."""
    word = text.strip()
    if word.casefold() in BLANKS:
        return BLANK, 0, 0, None
    try:
        stamp = dt.datetime.strptime(word, pattern)
    except ValueError:
        # A sentinel is often written in another form than the rest of a column.
        state = _settled(_day(_TIME_AT.split(word)[0], None))[0]
        return (SENTINEL if state == SENTINEL else UNREADABLE), 0, 0, None
    state, day = _settled((stamp.year, stamp.month, stamp.day))
    clock = stamp.hour * 3600 + stamp.minute * 60 + stamp.second
    offset = stamp.utcoffset()
    minutes = None if offset is None else int(offset.total_seconds() // 60)
    return state, day, clock * 1_000_000 + stamp.microsecond, minutes


def orders_of(texts: Sequence[str]) -> set[str]:
    """Tell which orders of day and month fit every text that is a date of three numbers.

    >>> sorted(orders_of(["01-02-2018", "20-10-2017"]))
    ['day-month-year']
    """
    fit = {DAY_FIRST, MONTH_FIRST}
    for text in texts:
        found = _THREE.fullmatch(_TIME_AT.split(text.strip())[0])
        if found is None or len(found[1]) == 4:
            continue
        if int(found[1]) > 12:
            fit.discard(MONTH_FIRST)
        if int(found[3]) > 12:
            fit.discard(DAY_FIRST)
    return fit


def have_order(texts: Sequence[str]) -> bool:
    """Tell whether some texts are dates of three numbers with the year last."""
    found = (_THREE.fullmatch(_TIME_AT.split(text.strip())[0]) for text in texts)
    return any(each is not None and len(each[1]) < 4 for each in found)


def a_zone(name: str) -> bool:
    """Tell whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def a_pattern(text: str) -> bool:
    """Tell whether a pattern names a year, a month and a day, and can be read back."""
    stamp: Callable[..., Any] = dt.datetime(2018, 2, 13, 14, 15, 16).strftime
    named = set(re.findall("%-?([A-Za-z])", text))
    if not (named & set("yYcxGD") and (named & set("mbBcxD") or "j" in named)):
        return False
    try:
        dt.datetime.strptime(stamp(text), text)
    except (ValueError, re.error):
        return False
    return True


def day_of(ordinal: int) -> dt.date:
    """Give the date of an ordinal."""
    return dt.date.fromordinal(ordinal)
