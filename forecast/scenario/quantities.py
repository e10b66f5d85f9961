"""Read numbers, times, dates and names as a planner writes them; refuse what is ambiguous."""

from __future__ import annotations

import calendar
import datetime
import math
import re
import unicodedata
from decimal import Decimal

from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.errors import did_you_mean, nearest, shown, visible
from forecast.scenario.mends import day_mend, number_mend
from forecast.scenario.source import FORBIDDEN

MAX_CHARS = 400
MAX_NAME_CHARS = 80
FIRST_YEAR, LAST_YEAR = 1900, 2200
UNITS = tuple(DAYS_IN)
MONTHS = tuple(each.lower() for each in calendar.month_name if each)

_EXPONENTS = {"": 0, "%": -2, "k": 3, "K": 3, "M": 6, "B": 9}
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:_[0-9]{3})+)?)"
    r"(?:\.(?P<part>[0-9]*))?(?:[eE](?P<power>[+-]?[0-9]{1,5}))?(?P<suffix> ?%|[kKMB]?)"
)
_SHORT = {"d": "day", "w": "week", "wk": "week", "mo": "month", "mon": "month", "mth": "month"}
_SHORT |= {"m": "month", "q": "quarter", "qtr": "quarter", "y": "year", "yr": "year"}


class QuantityFault(Exception):
    """Say what was written, what must stand there and how to mend it.

    >>> print(QuantityFault("010", "a number", "Write 10."))
    got 010; must be a number. Write 10.
    """

    def __init__(self, got: str, must: str, mend: str) -> None:
        super().__init__(got, must, mend)
        self.got, self.must, self.mend = got, must, mend

    def __str__(self) -> str:
        return f"got {self.got}; must be {self.must}. {self.mend}"


def number(text: str) -> float:
    """Read a number; raises QuantityFault.

    >>> number("30%"), number("25_000"), number("1.5M")
    (0.3, 25000.0, 1500000.0)
    """
    # One conversion from decimal text gives the nearest float: 30% is 0.3 and not 30 * 0.01.
    exact = _decimal(text)
    value = float(exact)
    if math.isinf(value) or (value == 0 and exact != 0):
        size = "large" if value else "small"
        must = "a number that a computer can hold"
        raise QuantityFault(shown(text), must, f"Write one that is not so {size}.")
    return value


def whole(text: str) -> int:
    """Read a whole number; raises QuantityFault.

    >>> whole("25k")
    25000
    """
    must = "a whole number"
    value = _decimal(text, must)
    number(text)
    if text.strip().endswith("%"):
        raise QuantityFault(shown(text), must, "Write it without the percent sign, such as 12.")
    if value != value.to_integral_value():
        near = f" to {math.floor(value)} or {math.ceil(value)}" if abs(value) < 10**15 else ""
        raise QuantityFault(shown(text), must, f"Round it{near}.")
    return int(value)


def _decimal(text: str, must: str = "a number") -> Decimal:
    """Read a number exactly."""
    word = text.strip()
    if len(word) > MAX_CHARS:
        raise QuantityFault(f"{len(word)} characters", must, "Write a shorter number.")
    match = _NUMBER.fullmatch(word)
    if match is None or not (match["whole"] or match["part"]):
        raise QuantityFault(shown(text), must, number_mend(word))
    if match["power"] is not None and match["suffix"]:
        raise QuantityFault(
            shown(text), must, f"Write either {word[-1]} or the exponent, not both."
        )
    power = int(match["power"] or 0) + _EXPONENTS[match["suffix"].strip()]
    digits = (match["whole"] or "0").replace("_", "") + "." + (match["part"] or "0")
    sign = "-" if match["sign"] == "-" and digits.strip("0.") else ""
    return Decimal(f"{sign}{digits}e{power}")


def duration_days(text: str) -> float:
    """Read a duration as days, a month being 365.25 / 12 of them; raises QuantityFault.

    >>> duration_days("6 weeks")
    42.0
    """
    amount, unit = span(text)
    return amount * DAYS_IN[unit]


def span(text: str) -> tuple[float, str]:
    """Read a duration as (amount, unit), the unit in the singular; raises QuantityFault.

    >>> span("2 quarters")
    (2.0, 'quarter')
    """
    must = "a duration"
    word = text.strip()
    match = _SPAN.fullmatch(word) if len(word) <= MAX_CHARS else None
    if match is None or not any(char.isdigit() for char in match[1]):
        mend = "Write a number and a unit, such as 10 days or 3 months."
        raise QuantityFault(shown(text), must, mend)
    digits, written = match[1], match[2]
    if digits.endswith("%"):
        raise QuantityFault(shown(text), must, "Write an amount of time, such as 10 days.")
    if written is None or written in ("k", "M", "B"):
        amount = _amount(digits, text, must)
        raise QuantityFault(shown(text), must, f"Say the unit: {digits}{written or ''} days.")
    unit = _unit(written, text, digits)
    amount = _amount(digits, text, must)
    if amount < 0:
        raise QuantityFault(shown(text), "a duration of 0 or more", "Leave out the minus.")
    return amount, unit


# A suffix k, M or B belongs to the number when a unit follows it: 1k days.
_WORDS = r"[^\W\d_]+(?:\s+[^\W\d_]+)*"
_SPAN = re.compile(rf"(.*?[kMB](?=\s)|.*?)\s*({_WORDS})?", re.DOTALL)
_RATE = re.compile(r"(.*?)\s+per\s+(.*)", re.DOTALL)


def _amount(digits: str, text: str, must: str) -> float:
    """Read the number inside a longer text; a fault shows the whole of it."""
    try:
        return number(digits)
    except QuantityFault as fault:
        raise QuantityFault(shown(text), must, fault.mend) from None


def _unit(written: str, text: str, digits: str) -> str:
    """Read a unit of time, in the singular or plural."""
    word = written.lower()
    if word.removesuffix("s") in DAYS_IN:
        return word.removesuffix("s")
    if word.rstrip("s.") in _SHORT:
        mend = f"Write the unit out: {digits} {_SHORT[word.rstrip('s.')]}s."
    elif word.startswith(("hour", "minute", "second", "hr")):
        mend = "Write it in days, such as 0.5 days."
    elif near := nearest(word, [f"{unit}s" for unit in UNITS]):
        mend = f"Did you mean {digits} {near}? Then write that."
    else:
        mend = "Use days, weeks, months, quarters or years."
    raise QuantityFault(shown(text), "a duration in days, weeks, months, quarters or years", mend)


def rate(text: str) -> tuple[float, str]:
    """Read an amount per unit of time as (amount, unit); raises QuantityFault.

    >>> rate("2% per quarter")
    (0.02, 'quarter')
    """
    must = "an amount per day, week, month, quarter or year"
    word = text.strip()
    match = _RATE.fullmatch(word) if len(word) <= MAX_CHARS else None
    if match is None:
        every = re.fullmatch(r"([^\s/]+)\s*(?:/|\s(?:a|an|each|every)\s|p\.)\s*(\w+)", word)
        each = re.fullmatch(r"(\S+)\s+(\w+)ly", word)
        mend = "Write it such as 4_000 per month or 2% per quarter."
        if found := every or each:
            mend = f"Write {found[1]} per {found[2].lower()}."
        elif _NUMBER.fullmatch(word) and word:
            mend = f"Say for how long: {word} per month."
        raise QuantityFault(shown(text), must, mend)
    amount = _amount(match[1], text, must)
    try:
        return amount, per_unit(match[2])
    except QuantityFault as fault:
        raise QuantityFault(shown(text), must, fault.mend) from None


def per_unit(text: str) -> str:
    """Read the unit behind `per`, in the singular; raises QuantityFault.

    >>> per_unit("month")
    'month'
    """
    word = text.strip()
    if word in DAYS_IN:
        return word
    lower = word.lower()
    one = lower.removesuffix("ly") if lower != "daily" else "day"
    one = _SHORT.get(one, one.removesuffix("s"))
    mend = f"Write {one}." if one in DAYS_IN else did_you_mean(word, UNITS)
    raise QuantityFault(shown(text), "day, week, month, quarter or year", mend)


def day(text: str) -> datetime.date:
    """Read a date written as year-month-day; raises QuantityFault.

    >>> day("2027-01-01")
    datetime.date(2027, 1, 1)
    """
    must = "a date such as 2027-01-31"
    word = text.strip()
    match = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", word)
    if match is None:
        raise QuantityFault(shown(text), must, day_mend(word))
    year, month_, day_ = int(match[1]), int(match[2]), int(match[3])
    _check_year(year, text, must)
    if not 1 <= month_ <= 12:
        raise QuantityFault(shown(text), must, f"There is no month {month_}; write year-month-day.")
    last = calendar.monthrange(year, month_)[1]
    if not 1 <= day_ <= last:
        named = f"{MONTHS[month_ - 1].capitalize()} {year}"
        raise QuantityFault(shown(text), must, f"{named} has {last} days; write one of them.")
    return datetime.date(year, month_, day_)


def _check_year(year: int, text: str, must: str) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        mend = f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}."
        raise QuantityFault(shown(text), must, mend)


def month(text: str) -> int:
    """Read a calendar month by its name, 1 to 12; raises QuantityFault.

    >>> month("jan"), month("September")
    (1, 9)
    """
    word = text.strip().lower()
    for index, name_ in enumerate(MONTHS, start=1):
        if word in (name_, name_[:3]) or (word == "sept" and index == 9):
            return index
    if re.fullmatch("0?[1-9]|1[0-2]", word):
        mend = f"Write its name: {MONTHS[int(word) - 1][:3]}."
    elif near := nearest(word, [*MONTHS, *(name_[:3] for name_ in MONTHS)]):
        mend = f"Did you mean {near}? Then write that."
    else:
        mend = "Write a name such as jan or january."
    raise QuantityFault(shown(text), "a month's name", mend)


def quarter_label(text: str) -> tuple[int, int]:
    """Read a fiscal quarter as (year, 1 to 4); raises QuantityFault.

    >>> quarter_label("2027Q1")
    (2027, 1)
    """
    must = "a quarter such as 2027Q1"
    word = text.strip()
    if match := re.fullmatch(r"([0-9]{4})Q([1-4])", word):
        _check_year(int(match[1]), text, must)
        return int(match[1]), int(match[2])
    mend = "Write the year, Q and 1 to 4, such as 2027Q1."
    loose = word[:MAX_CHARS].upper()
    if match := re.fullmatch(r"([0-9]{4})[ /-]?Q([1-4])", loose):
        mend = f"Write {match[1]}Q{match[2]}."
    elif match := re.fullmatch(r"Q([1-4])[ /-]?'?([0-9]{4}|[0-9]{2})", loose):
        mend = f"Write {match[2] if len(match[2]) == 4 else '20' + match[2]}Q{match[1]}."
    raise QuantityFault(shown(text), must, mend)


def year_label(text: str) -> int:
    """Read a fiscal year; raises QuantityFault.

    >>> year_label("2027")
    2027
    """
    must = "a year such as 2027"
    word = text.strip()
    if re.fullmatch("[0-9]{4}", word):
        _check_year(int(word), text, must)
        return int(word)
    match = re.fullmatch(r"FY[ -]?'?(?:20)?([0-9]{2})", word[:MAX_CHARS], re.IGNORECASE)
    mend = f"Write 20{match[1]}." if match else "Write its four digits."
    raise QuantityFault(shown(text), must, mend)


def name(text: str, what: str, *, dots_allowed: bool = True) -> str:
    """Read a person's name for a thing; raises QuantityFault.

    >>> name("Lean consulting", "scenario")
    'Lean consulting'
    """
    must = f"a name for the {what}"
    if not text.strip():
        raise QuantityFault("an empty name", must, "Write a word or two.")
    if len(text) > MAX_NAME_CHARS:
        must = f"{must} of at most {MAX_NAME_CHARS} characters"
        raise QuantityFault(f"{len(text)} characters", must, "Shorten it.")
    if text != text.strip():
        raise QuantityFault(shown(text), must, "Leave out the spaces around it.")
    if FORBIDDEN.search(text) or any(unicodedata.category(char) == "Cc" for char in text):
        mend = "Leave out line breaks, tabs and control characters."
        raise QuantityFault(f"'{visible(text)}'", must, mend)
    if any(char in text for char in "/\\") or not text.strip("."):
        raise QuantityFault(shown(text), f"{must}, not a path", "Leave out slashes and lone dots.")
    if not dots_allowed and "." in text:
        mend = f"Write {text.replace('.', '_').strip('_')}; dots part the keys of a path."
        raise QuantityFault(shown(text), f"{must} without dots", mend)
    return text
