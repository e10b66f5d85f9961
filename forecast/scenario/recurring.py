"""Products that customers pay for again and again: their form, and what it must not say."""

from __future__ import annotations

import dataclasses
from math import expm1, isinf, log1p
from typing import Any

from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.facts import RARE, high, low
from forecast.scenario.figures import Figure, RateForm, per_unit
from forecast.scenario.forms import (
    BROKEN,
    Door,
    Key,
    Record,
    Schema,
    choice,
    describe,
    is_whole,
    positive_duration,
)
from forecast.scenario.model import BetaGeometric, Product, Rate, Recurring
from forecast.scenario.nodes import Node, Table

NONE = Rate(0.0, "month")
WHOLE = 1e-6  # how far a term may be from a whole number of payments
LEAST_PARAMETER, MOST_PARAMETER = 0.001, 1e6
ENDLESS = 1e-12  # a month's growth of what is left to be paid, from which on it has no end
SBG = "shifted_beta_geometric"

MARGIN = Key(
    Figure("a margin", 0.0, 1.0, "70%"), "the share of revenue that is left after serving it", 1.0
)


def _parameter(name: str) -> Key:
    form = Figure(f"an {name}" if name == "alpha" else f"a {name}", 0.0, MOST_PARAMETER, "0.7")
    return Key(form, f"{name} of the beta distribution of churn", required=True, example="0.7")


BETA_GEOMETRIC = Record(
    "a shifted beta geometric churn",
    {
        "alpha": _parameter("alpha"),
        "beta": _parameter("beta"),
        "per": Key(per_unit(), "the unit of time", required=True, example="month"),
    },
    BetaGeometric,
)


CHURN_RATE = RateForm("a churn", 0.0, 1.0, "2% per month")


class ChurnForm:
    """The share of customers that leaves in a time, or how it differs between customers."""

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Rate`` or a ``BetaGeometric``; see ``Form``."""
        if isinstance(node, Table) and tuple(node) == (SBG,):
            found = BETA_GEOMETRIC.read(node[SBG], door)
            for name in ("alpha", "beta") if is_whole(found) else ():
                number = getattr(found, name)
                if low(number, RARE) < LEAST_PARAMETER:
                    must = f"a number from {LEAST_PARAMETER} upwards"
                    body = node[SBG]
                    place = body[name].place if isinstance(body, Table) else body.place
                    got = "nearly 0" if number != 0.0 else "0"
                    door.fault(place, got, must, f"Write {name}: 0.7.")
            return found
        return CHURN_RATE.read(node, door)

    def schema(self) -> Schema:
        """Describe the churn; see ``Form``."""
        named = {
            "type": "object",
            "additionalProperties": False,
            "properties": {SBG: BETA_GEOMETRIC.schema()},
            "required": [SBG],
        }
        return {"anyOf": [*CHURN_RATE.schema()["anyOf"], named]}


@dataclasses.dataclass(frozen=True)
class Terms:
    """What ``recurring`` says, and the margin that may stand in it."""

    recurring: Recurring
    margin: Any


def _make_terms(margin: Any, every: Any, term: Any, **values: Any) -> Terms:
    if term is None and every is not BROKEN:
        term = DAYS_IN[every]
    return Terms(Recurring(every=every, term=term, **values), margin)


class RecurringRecord(Record):
    """The record of ``recurring``, whose term fits its payments and whose lifetime value ends."""

    def read(self, node: Node, door: Door) -> Any:
        """Read ``Terms``; see ``Form``."""
        found = super().read(node, door)
        if isinstance(node, Table) and is_whole(found):
            _check_term(node, found.recurring, door)
            _check_end(node, found.recurring, door)
        return found


RECURRING = RecurringRecord(
    "a recurring product",
    {
        "every": Key(
            choice("month", "quarter", "year", what="every"),
            "how often the size is paid, and over which time it is recognised",
            required=True,
            example="month",
        ),
        "churn": Key(
            ChurnForm(), "the customers that leave in a time", required=True, example="2% per month"
        ),
        "expansion": Key(
            RateForm("an expansion", -0.99, 10.0, "1% per month"),
            "growth of the payment of a customer that stays",
            NONE,
        ),
        "term": Key(
            positive_duration("a term"), "customers leave at the end of a term only; one payment"
        ),
        "discount": Key(
            RateForm("a discount", 0.0, 10.0, "1% per month"),
            "of later payments, in lifetime values only",
            NONE,
        ),
        "margin": dataclasses.replace(MARGIN, default=None),
    },
    _make_terms,
)


def _check_term(node: Table, recurring: Recurring, door: Door) -> None:
    payments = recurring.term / DAYS_IN[recurring.every]
    if abs(payments - round(payments)) > WHOLE * payments or round(payments) < 1:
        near = max(1, round(payments))
        unit = f"{recurring.every}s" if near > 1 else recurring.every
        must = f"a whole number of {recurring.every}s, after each of which it is paid"
        door.fault(node["term"].place, describe(node["term"]), must, f"Write term: {near} {unit}.")


def _check_end(node: Table, recurring: Recurring, door: Door) -> None:
    """Refuse payments that may grow faster than customers leave and time discounts them."""
    growth = _monthly(high(recurring.expansion.amount, RARE), recurring.expansion.per)
    discount = _monthly(low(recurring.discount.amount, RARE), recurring.discount.per)
    growth -= discount
    churn = recurring.churn
    if isinstance(churn, Rate):
        left = low(churn.amount, RARE)
        growth += _monthly(-left, churn.per) if left < 1.0 else -float("inf")
        endless = growth > -ENDLESS
    else:
        # The most faithful customers leave with a chance near 0; their number falls as t**-alpha.
        endless = growth > ENDLESS or (growth > -ENDLESS and low(churn.alpha, RARE) <= 1.0)
    if endless and not isinf(growth):
        got = "a lifetime value without end"
        must = "customers that leave, or a discount, faster than payments grow"
        mend = "Raise churn, lower expansion, or add discount: 1% per month."
        if growth > 0.0:
            least = _percent(expm1(growth + discount))
            mend = f"Raise churn, lower expansion, or add a discount above {least}."
        door.fault(node.place, got, must, mend)


def _monthly(rate: float, per: str) -> float:
    """The logarithm of what a rate makes of 1 in a month."""
    return log1p(rate) * DAYS_IN["month"] / DAYS_IN[per]


def _percent(rate: float) -> str:
    return f"{rate * 100:.2g}% per month"


class ProductRecord(Record):
    """The record of a product, in which a margin stands once."""

    def read(self, node: Node, door: Door) -> Any:
        """Read a ``Product``; see ``Form``."""
        if isinstance(node, Table) and "margin" in node:
            inner = node.get("recurring")
            if isinstance(inner, Table) and "margin" in inner:
                mend = "Keep one of the two; they mean the same."
                door.fault(inner.place_of("margin"), "a second margin", "one margin", mend)
        return super().read(node, door)


def make_product(mix: Any, size: Any, margin: Any, recurring: Any) -> Product:
    """Make a product of what its keys say."""
    if not isinstance(recurring, Terms):
        return Product(mix, size, margin, recurring)
    inner = margin if recurring.margin is None else recurring.margin
    return Product(mix, size, inner, recurring.recurring)
