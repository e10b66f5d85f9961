"""Write the cells of typed sources as text, in one way each."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from forecast.history.tables.table import DATE, NUMBER, TEXT, Kinds

_WHOLE: Final = 1e15  # beyond it the digits of a float are no longer all its own


def cell_text(value: Any) -> str:
    """Write a value as text: dates in ISO order, numbers without noise, nothing as "".

    >>> cell_text(25000.0), cell_text(0.1), cell_text(None), cell_text(True)
    ('25000', '0.1', '', 'true')
    >>> cell_text(dt.date(2027, 1, 31)), cell_text(dt.datetime(2027, 1, 31, 9, 30))
    ('2027-01-31', '2027-01-31T09:30:00')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def cell_kind(value: Any) -> int:
    """Tell what a value is: ``TEXT``, ``NUMBER`` or ``DATE``."""
    if isinstance(value, dt.date):
        return DATE
    if isinstance(value, bool):
        return TEXT
    return NUMBER if isinstance(value, int | float | Decimal) else TEXT


def _float(value: float) -> str:
    value = float(value)
    if math.isnan(value):
        return ""
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return repr(value)


def _decimal(value: Decimal) -> str:
    return "" if value.is_nan() else format(value, "f")


def _moment(value: dt.datetime) -> str:
    return value.isoformat()


_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _float,
    Decimal: _decimal,
    dt.datetime: _moment,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
}


def typed_columns(
    columns: Mapping[str, list[Any]],
) -> tuple[dict[str, list[str]], dict[str, Kinds]]:
    """Give columns as text, and what the cells were of those that had more than text."""
    texts: dict[str, list[str]] = {}
    kinds: dict[str, Kinds] = {}
    for name, values in columns.items():
        texts[name] = [value if type(value) is str else cell_text(value) for value in values]
        if all(type(value) is str for value in values):
            continue
        found = np.array([cell_kind(value) for value in values], dtype=np.int8)
        found[[not text for text in texts[name]]] = TEXT
        if found.any():
            kinds[name] = found
    return texts, kinds
