"""Histories whose truth is known: every item lived through on its own, day by day, in plain NumPy.

It shares no code with the engine or with what reads and fits records.
"""

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecast.history.records import OPEN, build_records

START = dt.date(2024, 1, 1)


@dataclass(frozen=True)
class Way:
    """A way out of a stage: the share that goes it in the end, and its lag in days (a function of
    a generator and a number of items); `lag` None is a way that nobody ever sees being gone."""

    to: str
    conversion: float
    lag: object = None


def gamma_days(mean, cv):
    """A lag of gamma distribution, in days."""
    return lambda rng, n: rng.gamma(1 / cv**2, mean * cv**2, n)


def weekly_days(chance):
    """A lag of whole weeks, geometric from 1: each week with the same chance."""
    return lambda rng, n: 7.0 * rng.geometric(chance, n)


@dataclass(frozen=True)
class Truth:
    """What is true of a made history. `journey` gives each stage's ways; what they leave over stays
    open for ever (write a way to `lost` with a lag to have it closed). `arrivals` gives the items
    to expect each day, one figure a day or one for all, by channel."""

    journey: dict = field(
        default_factory=lambda: {
            "opportunity": (
                Way("won", 0.3, gamma_days(60, 0.7)),
                Way("lost", 0.7, gamma_days(40, 0.9)),
            )
        }
    )
    arrivals: dict = field(default_factory=lambda: {"web": 2.0})
    size: object = staticmethod(lambda rng, n: rng.lognormal(9.0, 0.8, n))
    days: int = 730
    start: dt.date = START
    products: dict = field(default_factory=lambda: {"unknown": 1.0})


def simulate_history(truth, seed):
    """Give the records of `truth` at the end of its last day."""
    rng = np.random.default_rng(seed)
    items, stays = [], []
    first_stage = next(iter(truth.journey))
    products, shares = list(truth.products), list(truth.products.values())
    for channel, mean in truth.arrivals.items():
        counts = rng.poisson(np.broadcast_to(mean, truth.days))
        for moment in np.repeat(np.arange(truth.days), counts) + rng.random(counts.sum()):
            item = {
                "id": f"{channel}-{len(items)}",
                "channel": channel,
                "product": products[rng.choice(len(products), p=shares)],
                "amount": float(truth.size(rng, 1)[0]),
            }
            stays += _lived(truth, len(items), (first_stage, moment), rng)
            items.append(item)
    frame = pd.DataFrame(stays, columns=["item", "stage", "entered", "left", "to"])
    made = pd.DataFrame(items)
    won = frame.loc[frame["to"] == "won", "item"]
    made.loc[~made.index.isin(won), "amount"] = np.nan
    as_of = truth.start + dt.timedelta(days=truth.days - 1)
    return build_records(made, frame, tuple(truth.journey), as_of)


def _lived(truth, item, begin, rng):
    """The stays of one item until the last day that is known."""
    stage, moment = begin
    zero = truth.start.toordinal()
    found = []
    while stage in truth.journey and moment < truth.days:
        way = _drawn(truth.journey[stage], rng)
        lag = np.inf if way is None or way.lag is None else float(way.lag(rng, 1)[0])
        entered = zero + int(moment)
        if moment + lag >= truth.days:
            return [*found, (item, stage, entered, OPEN, "")]
        moment += lag
        found.append((item, stage, entered, zero + int(moment), way.to))
        stage = way.to
    return found


def _drawn(ways, rng):
    """The way that an item goes, or None if it stays for ever."""
    u = rng.random()
    for way in ways:
        u -= way.conversion
        if u < 0:
            return way
    return None
