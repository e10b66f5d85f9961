"""Read amounts as exports write them: currency signs, thousands, points and commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecast.history.exports.dates import BLANK, BLANKS, EITHER, READ, UNREADABLE

POINT, COMMA = "point", "comma"
_SIGN: Final = re.compile(r"[A-Z]{3}|[A-Z]{0,2}[$€£¥₹₽₩₺₫₴₪฿¢]|zł|kr\.?|Kč|Ft|R(?=\s?\d)|lei|лв\.?")
_SPACES: Final = re.compile(r"[\s'’`\u00a0\u2009\u202f]+")
_BODY: Final = re.compile(
    r"(?P<digits>[\d.,]*\d[\d.,]*)(?P<power>[eE][+-]?\d{1,3})?(?P<unit>[kKMB]?)"
)
_UNITS: Final = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}
_GROUPED: Final = {
    mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}")
    for mark in ".,"
}
_MARK: Final = {POINT: ".", COMMA: ","}


@dataclass(frozen=True)
class Amounts:
    """Hold what the cells of a column say: `state` of each (READ, BLANK, UNREADABLE, or EITHER
    where a point or comma can be read two ways), its `value`, and the currency sign beside it."""

    state: npt.NDArray[np.int8]
    value: npt.NDArray[np.float64]
    sign: list[str]


def read_amounts(texts: Sequence[str], decimal: str | None) -> Amounts:
    """Read texts of money; `decimal` is ``point``, ``comma``, or None where nobody said it."""
    state = np.empty(len(texts), dtype=np.int8)
    value = np.full(len(texts), np.nan)
    signs = []
    for row, text in enumerate(texts):
        state[row], value[row], sign = amount(text, decimal)
        signs.append(sign)
    return Amounts(state, value, signs)


def amount(text: str, decimal: str | None) -> tuple[int, float, str]:
    """Read one amount: its state, its value, and its currency sign.

    >>> amount("€ 1.234,50", None)
    (0, 1234.5, '€')
    >>> amount("1,234", None)[0] == EITHER, amount("(1,234)", "point")[1]
    (True, -1234.0)
    """
    word = text.strip()
    if word.casefold() in BLANKS:
        return BLANK, np.nan, ""
    word = word.replace("−", "-")
    found = _SIGN.search(word)
    if found:
        word = word[: found.start()] + word[found.end() :]
    word = _SPACES.sub("", word)
    negative = False
    if word.startswith("(") and word.endswith(")"):
        word, negative = word[1:-1], True
    if word[:1] in ("-", "+") or word[-1:] == "-":
        negative ^= "-" in (word[0], word[-1])
        word = word.strip("+-")
    body = _BODY.fullmatch(word)
    plain = _plain(body["digits"], decimal) if body else None
    if body is None or plain is None:
        return UNREADABLE, np.nan, ""
    size = float(plain + (body["power"] or "")) * _UNITS[body["unit"]] if plain else np.nan
    if np.isinf(size):
        return UNREADABLE, np.nan, ""
    state = READ if plain else EITHER
    return state, -size if negative else size, found[0] if found else ""


def _plain(digits: str, decimal: str | None) -> str | None:
    """Write digits with a decimal point alone; "" if they can be read two ways, None if no way."""
    ways = decimals_of(digits)
    if not ways:
        return None
    if decimal is not None:
        if decimal not in ways:
            return None
        ways = {decimal}
    readings = {_with_point(digits, way) for way in ways}
    return readings.pop() if len(readings) == 1 else ""


def _with_point(digits: str, decimal: str) -> str:
    other = "," if decimal == POINT else "."
    return digits.replace(other, "").replace(_MARK[decimal], ".")


def decimals_of(digits: str) -> set[str]:
    """Tell which decimal marks a number may have been written with.

    >>> sorted(decimals_of("1,234")), decimals_of("1,234.5"), decimals_of("1.2.3")
    (['comma', 'point'], {'point'}, set())
    """
    fit = set()
    for decimal, mark in _MARK.items():
        other = "," if mark == "." else "."
        whole, _, part = digits.partition(mark)
        if mark in part or other in part:
            continue
        if other in whole and not _GROUPED[other].fullmatch(whole):
            continue
        if not (whole or part):
            continue
        fit.add(decimal)
    # No group of thousands follows a 0.
    if len(fit) == 2 and digits.startswith(("0.", "0,")):
        fit = {POINT if digits[1] == "." else COMMA}
    return fit
