"""Amounts of rows, in the currency of the mapping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forecast.history.exports import money
from forecast.history.exports.dates import EITHER, READ, UNREADABLE
from forecast.history.exports.mapping import ExportMapping
from forecast.history.exports.rows import Coded, Mask, Rows
from forecast.scenario.errors import listed, shown


def read_money(rows: Rows, mapping: ExportMapping) -> npt.NDArray[np.float64]:
    """Read the amount of every row, NaN where it is not known."""
    if not rows.has("amount"):
        return np.full(len(rows), np.nan)
    coded = rows.column("amount")
    theirs = rows.theirs["amount"]
    read = money.read_amounts(coded.texts, rows.table.decimal)
    state, value = coded.spread(read.state), coded.spread(read.value)
    numbers = rows.raw.are_numbers(theirs)
    if numbers.any():  # numbers of a sheet or database have a point whatever the export's style
        plain = money.read_amounts(coded.texts, money.POINT)
        state = np.where(numbers, coded.spread(plain.state), state)
        value = np.where(numbers, coded.spread(plain.value), value)
    live = rows.live
    if ((state == EITHER) & live).any():
        mask = (state == EITHER) & live
        text = coded[int(np.flatnonzero(mask)[0])]
        got = f"{shown(text)}, which can be read two ways, as can {int(mask.sum()):,} amounts"
        mend = f"Add decimal: point or decimal: comma to {rows.table.place.file}."
        rows.fault(mask, "amount", got, "amounts whose decimal mark is said", mend)
    if not rows.has("currency"):
        _check_signs(rows, coded, read.sign, mapping)
    unread = (state == UNREADABLE) & live
    filled = coded.spread([bool(text) for text in coded.texts]) & live
    if not rows.refuse_unreadable(unread, filled, "amount", "amount"):
        rows.note(unread, "amount cannot be read, taken as unknown", "amount")
    value = np.where(state == READ, value, np.nan) * _rates(rows, mapping, state == READ)
    negative = (value < 0) & live
    rows.note(negative, "amount below 0, taken as unknown", "amount")
    return np.where(value < 0, np.nan, value)


def _check_signs(rows: Rows, coded: Coded, signs: Sequence[str], mapping: ExportMapping) -> None:
    """Refuse amounts in several currencies, and say it when the sign is not the mapping's."""
    kinds = sorted(set(signs) - {""})
    marks = coded.spread([kinds.index(sign) if sign else -1 for sign in signs])
    there = [kind for number, kind in enumerate(kinds) if (marks[rows.live] == number).any()]
    if len(there) > 1:
        mask = (marks == kinds.index(there[1])) & rows.live
        got = f"amounts in several currencies: {listed(there)}"
        mend = "Convert them first, or choose the rows of one with only:."
        rows.fault(mask, "amount", got, "amounts in one currency", mend)
    known = {"USD": "$ US$", "EUR": "€", "GBP": "£", "JPY": "¥"}.get(mapping.currency, "").split()
    if len(there) == 1 and there[0] not in (*known, mapping.currency):
        what = f"amount is in {there[0]}, the mapping says {mapping.currency}"
        rows.note((marks == kinds.index(there[0])) & rows.live, what, "amount")


def _rates(rows: Rows, mapping: ExportMapping, said: Mask) -> npt.NDArray[np.float64]:
    """Give what one unit of each row's currency is worth; a currency without a rate is a fault."""
    if not rows.has("currency"):
        return np.ones(len(rows))
    coded = rows.column("currency")
    known = {mapping.currency: 1.0, "": 1.0} | dict(mapping.rates)
    for text in coded.texts:
        mask = coded.is_in([text]) & rows.live & said
        if text not in known and mask.any():
            got = (
                f"{shown(text)} in {int(mask.sum()):,} rows with an amount, whose rate nobody says"
            )
            must = f"{mapping.currency} or a currency of rates"
            mend = (
                f"Add rates: {{{text}: …}} to {mapping.file}, what one {text} is worth, or only:."
            )
            rows.fault(mask, "currency", got, must, mend)
    rates: npt.NDArray[np.float64] = coded.spread([known.get(text, np.nan) for text in coded.texts])
    return rates
