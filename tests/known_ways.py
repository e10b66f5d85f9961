"""Records of one stage whose conversions and lags are known, made at once (histories.py: one by
one, and any journey)."""

import datetime as dt

import numpy as np
import pandas as pd

from forecast.history.records import OPEN, build_records

FIRST = dt.date(2024, 1, 1).toordinal()
CASES = ("half", "weeks")


def records_of(entered, left, to, days, gaps=None, **items):
    """Records of the stage "opportunity" from days since the first; `left` NaN for who stays."""
    stays = np.isnan(left)
    frame = pd.DataFrame(
        {
            "item": np.arange(len(entered)),
            "stage": "opportunity",
            "entered": FIRST + np.floor(entered).astype(np.int64),
            "left": np.where(stays, OPEN, FIRST + np.floor(np.where(stays, 0, left)).astype(int)),
            "to": np.where(stays, "", to),
        }
    )
    made = pd.DataFrame({"id": [str(i) for i in range(len(entered))], **items})
    as_of = dt.date.fromordinal(FIRST + days - 1)
    return build_records(made, frame, ("opportunity",), as_of, gaps=gaps)


def lived(rng, entered, days, ways):
    """Send items their ways: (name, share, lag(rng, n)); who is not seen to leave stays."""
    way = np.searchsorted(np.cumsum([share for _, share, _ in ways]), rng.random(len(entered)))
    left, to = np.full(len(entered), np.nan), np.full(len(entered), "won", dtype=object)
    for k, (name, _, lag) in enumerate(ways):
        mine = way == k
        left[mine] = entered[mine] + lag(rng, int(mine.sum()))
        to[mine] = name
    return np.where(left < days, left, np.nan), to


def gamma(mean, cv):
    return lambda rng, n: rng.gamma(cv**-2, mean * cv**2, n)


def known_history(case, seed, n=2000):
    """Give records, and the true conversion and mean lag of "won"."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(n)
    if case == "weeks":
        days, ways = 169, [("won", 0.2, lambda rng, n: 7.0 * rng.geometric(0.1, n))]
        entered = 7.0 * rng.integers(0, 24, count) + rng.random(count)
    else:
        days = 168
        ways = [("won", 0.2, gamma(70, 0.8)), ("lost", 0.8, gamma(90, 0.9))]
        entered = days * rng.random(count)
    left, to = lived(rng, entered, days, ways)
    return records_of(entered, left, to, days), 0.2, 70.0
