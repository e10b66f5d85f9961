"""Made histories of one stage in plain NumPy: many items at once, with a clock, gaps and cohorts
that differ. They share no code with what reads and fits records."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.history.records import OPEN, build_records

FIRST = dt.date(2024, 1, 1)
ZERO = FIRST.toordinal()
NEVER = 1e9


def gamma_days(mean, cv):
    """Lags of gamma distribution."""
    return lambda rng, n: rng.gamma(1 / cv**2, mean * cv**2, n)


def never(_, n):
    """Lags that nobody sees the end of."""
    return np.full(n, NEVER)


@dataclass(frozen=True)
class Made:
    """One stage: `rate` items a day, `win` of them won after `won`, the rest lost after `lost`.

    `speed` are the clock's three months; `frail` the cv of months' arrivals and win rates; `growth`
    of arrivals a year, in logarithms. What was closed before the day `cut` is not recorded: if
    `complete` such items look open, else they are not there.
    """

    days: int = 400
    rate: float = 3.0
    win: float = 0.3
    won: object = gamma_days(60, 0.7)
    lost: object = gamma_days(40, 0.9)
    speed: tuple | None = None
    frail: float = 0.0
    growth: float = 0.0
    cut: int | None = None
    complete: bool = True


def made_history(made, seed):
    """Give the records of a made history."""
    rng = np.random.default_rng(seed)
    days = np.arange(made.days)
    mean = made.rate * np.exp(made.growth * days / 365) * _months(made, rng, made.days)
    entered = np.repeat(days, rng.poisson(mean)).astype(float)
    entered += rng.random(len(entered))
    chance = np.clip(made.win * _months(made, rng, made.days)[entered.astype(int)], 0, 0.95)
    won = rng.random(len(entered)) < chance
    lag = np.where(won, made.won(rng, len(won)), made.lost(rng, len(won)))
    left = np.where(won, _by_clock(made, entered, lag), entered + lag)
    closed = left < made.days
    there = np.ones(len(won), dtype=bool)
    if made.cut is not None:
        if made.complete:
            closed &= left >= made.cut
        else:
            there = left >= made.cut
    return _records((entered, left, won, closed), there, made.days)


def _months(made, rng, days):
    """A factor for each day, one for each 30."""
    if not made.frail:
        return np.ones(days)
    factors = rng.gamma(1 / made.frail**2, made.frail**2, days // 30 + 1)
    return np.repeat(factors, 30)[:days]


def _by_clock(made, entered, lag):
    if made.speed is None:
        return entered + lag
    calendar = pd.date_range(FIRST, periods=made.days + 4000)
    speed = np.array(made.speed)[(calendar.month - 1) % 3]
    clock = np.concatenate([[0.0], np.cumsum(speed)])
    day = np.arange(len(clock))
    return np.interp(np.interp(entered, day, clock) + lag, clock, day)


def _records(lived, there, days):
    entered, left, won, closed = (x[there] for x in lived)
    day = ZERO + np.floor(entered).astype(np.int64)
    end = np.where(closed, ZERO + np.floor(np.minimum(left, NEVER)).astype(np.int64), OPEN)
    stays = pd.DataFrame(
        {
            "item": np.arange(len(day)),
            "stage": "deal",
            "entered": day,
            "left": end,
            "to": np.where(closed, np.where(won, "won", "lost"), ""),
        }
    )
    items = pd.DataFrame({"id": [str(k) for k in range(len(day))]})
    return build_records(items, stays, ("deal",), dt.date.fromordinal(ZERO + days - 1))


def arrived(daily, first=FIRST):
    """Give records of items that arrived and stayed: counts by channel, a list of figures a day."""
    entered, channels = [], []
    for name, counts in daily.items():
        entered.append(np.repeat(np.arange(len(counts)), counts))
        channels += [name] * int(np.sum(counts))
    day = first.toordinal() + np.concatenate(entered).astype(np.int64)
    last = max(len(counts) for counts in daily.values()) - 1
    items = pd.DataFrame({"id": [str(k) for k in range(len(day))], "channel": channels})
    stays = pd.DataFrame(
        {"item": np.arange(len(day)), "stage": "lead", "entered": day, "left": OPEN, "to": ""}
    )
    return build_records(items, stays, ("lead", "deal"), first + dt.timedelta(days=last))


def bought(amounts, products=None, days=None):
    """Give records of deals won for such amounts, on such days after the first."""
    n = len(amounts)
    day = ZERO + (np.zeros(n, dtype=np.int64) if days is None else np.asarray(days, np.int64))
    items = pd.DataFrame({"id": [str(k) for k in range(n)], "amount": amounts})
    if products is not None:
        items["product"] = products
    stays = pd.DataFrame(
        {"item": np.arange(n), "stage": "deal", "entered": day, "left": day, "to": "won"}
    )
    last = FIRST if n == 0 else dt.date.fromordinal(int(day.max()))
    return build_records(items, stays, ("deal",), last)
