"""Offer how to write what is no number or date: the text that was most likely meant."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

# Longer texts are no slip of the pen, and looking for one would take time.
_LONGEST = 60
_EXAMPLE = "Write a number such as 120, 25k or 30%."
_GAP = "[ \u00a0\u2009\u202f']"
_AMOUNT = r"([+-]?(?:[0-9][0-9_,]*\.?[0-9]*|\.[0-9]+))"


def _hexadecimal(match: re.Match[str]) -> str:
    try:
        return f"Write it in ordinary digits: {int(match[0], 0)}."
    except ValueError:
        return "Write it in ordinary digits."


def _commas(match: re.Match[str]) -> str:
    grouped = re.fullmatch(r"([+-]?[0-9]{1,3}(?:,[0-9]{3})+)((?:\.[0-9]+)?[kMB%]?)", match[0])
    if grouped:
        return f"Write {grouped[1].replace(',', '_')}{grouped[2]}."
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+[kMB%]?", match[0]):
        return f"Write the decimals behind a point: {match[0].replace(',', '.')}."
    return "Write a point before the decimals, and neither commas nor spaces."


def _gaps(match: re.Match[str]) -> str:
    return f"Write {re.sub(_GAP, '_', match[0])}."


# What people write instead of a number, and how to write that one; the first that fits is used.
_SLIPS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"[+-]?0[xob][0-9a-f]+", _hexadecimal),
    (
        r"([+-]?)0[0-9_]*?([1-9][0-9_]*|0)((?:\.[0-9]*)?[kMB%]?)",
        r"Leave out the leading zeros: \1\2\3.",
    ),
    (r"[0-9]+(?::[0-9.]+)+", "Write one number; a time or a ratio is not one."),
    (r"[+-]?\.?(?:nan|inf|infinity)", "Write a number that is known and finite."),
    (
        r"(?:[$€£¥]|[a-z]{3} )\s*([^\s].*)",
        r"Write \1 alone; the currency is said once for the whole file.",
    ),
    (
        r"([0-9].*?)\s*(?:[$€£¥]| (?:usd|eur|gbp|chf|jpy))",
        r"Write \1 alone; the currency is said once for the whole file.",
    ),
    (r".*,.*", _commas),
    (r"yes|no|true|false|on|off", "Write a figure such as 1 or 0; a name goes in quotes."),
    (rf"[+-]?[0-9]{{1,3}}(?:{_GAP}[0-9]{{3}})+[kMB%]?", _gaps),
    (r"[+-]?[0-9_]*_[0-9_]*[kMB%]?", "Write groups of three digits: 25_000."),
    ("\u2212(.*)", r"Write the minus as a hyphen: -\1."),
    (rf"{_AMOUNT}\s*(?:percent|pct|per cent|％)", r"Write \1%."),
    (rf"{_AMOUNT}\s*(?:thousand|tsd)", r"Write \1k."),
    (rf"{_AMOUNT}\s*(?:m|mm|mn|mio|millions?)", r"Write \1M for millions."),
    (rf"{_AMOUNT}\s*(?:b|bn|billions?)", r"Write \1B for billions."),
    (rf"{_AMOUNT}\s+([kMB])", r"Write \1\2 without the space."),
    (rf"{_AMOUNT}\s*[a-z][a-z ]*", r"Write the number alone, such as \1."),
    (rf"{_AMOUNT}e[+-]?[0-9]+", "Write one with a smaller exponent."),
    (
        r"[0-9.]+%?\s*[-/–][0-9./ –-]+%?",
        "Write one number, or a distribution such as {uniform: {low: 1, high: 2}} for a range.",
    ),
    (r"=.*", "Write the result; formulas are not worked out."),
)


def number_mend(word: str) -> str:
    """Say how to write a number that was written otherwise.

    >>> number_mend("1,000")
    'Write 1_000.'
    """
    if len(word) <= _LONGEST:
        for pattern, mend in _SLIPS:
            if match := re.fullmatch(pattern, word, re.IGNORECASE | re.DOTALL):
                return match.expand(mend) if isinstance(mend, str) else mend(match)
    return _EXAMPLE


def day_mend(word: str) -> str:
    """Offer the dates that a text may mean, written as year-month-day.

    >>> day_mend("01/02/2027")
    'Write 2027-01-02 or 2027-02-01, whichever is meant.'
    """
    if match := re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ].*", word[:_LONGEST], re.DOTALL):
        return f"Write the day alone: {match[1]}."
    found: set[str] = set()
    if match := re.fullmatch(r"([0-9]{4})[-/.]?([0-9]{1,2})[-/.]?([0-9]{1,2})", word):
        found = {_iso(match[1], match[2], match[3])}
    elif match := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})", word):
        found = {_iso(match[3], match[2], match[1]), _iso(match[3], match[1], match[2])}
    dates = sorted(each for each in found if each)
    if not dates:
        return "Write year-month-day, such as 2027-01-31."
    return f"Write {' or '.join(dates)}{', whichever is meant' if dates[1:] else ''}."


def _iso(year: str, month: str, day: str) -> str:
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
