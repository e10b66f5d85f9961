"""Lists that hold closed items only, or won ones only: what is missing from them, and what to do.

A report of closed deals has no open ones. Of those that came lately only the quick ones are in it,
so that arrivals seem to fade and lags to be short. Whether it is so is tested by the items that are
there: under lags as those of the older half, an item of age a is closed with chance F(a), so that
all are with chance Π F(a).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.history.estimates import WayFit
from forecast.history.records import LOST, OPEN, UNDATED, WON, Records

FEWEST = 30  # closed items with both days, below which nothing is said
NEVER_BY_CHANCE = 7.0  # -log of the chance of a list without open ones: one in a thousand
SETTLED = 0.98  # of the lags: items that are older are all in the list
FEWEST_SETTLED = 0.3  # of all items: else all are fitted, settled or not
LEAST_SEEN = 1e-3
NEARLY_ALL = 0.95  # won, without a single loss: losses are left out of the list

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClosedOnly:
    """Hold what a list without open items still tells.

    - `seen`: the chance that an item that came so many days before as_of is in the list: (age,);
      older ones are all there
    - `settled`: the records of those that are old enough to be all there
    - `missing`: how many are not in the list, to expect
    """

    seen: Floats
    settled: Records
    missing: float

    def note(self) -> str:
        """Say it, for the scenario's head."""
        return (
            "Not one item is open, which is next to impossible: the list seems to hold closed "
            f"items only. About {self.missing:,.0f} open ones are missing, and nothing is forecast "
            "of them, so the first periods are too low. Arrivals are corrected for them, "
            "conversions and lags are read from items that are old enough. Export the open ones as "
            "well, or say what their status is."
        )


def find_closed_only(records: Records) -> ClosedOnly | None:
    """Tell whether a list holds closed items only; None where it has or need have open ones."""
    stays = records.stays
    left = stays["left"].to_numpy()
    if not len(stays) or (left == OPEN).any():
        return None
    item, begin = np.unique(stays["item"].to_numpy(), return_index=True)
    came = stays["entered"].to_numpy()[begin]
    ended = np.full(len(records.items), -1, dtype=np.int64)
    np.maximum.at(ended, stays["item"].to_numpy(), np.where(left == UNDATED, -1, left))
    ended = ended[item]
    dated = ended >= came
    if dated.sum() < FEWEST:
        return None
    age = records.as_of.toordinal() - came
    older = dated & (age >= np.median(age[dated]))
    lags = np.sort((ended - came)[older])
    days = np.arange(int(lags[-1]) + 1)
    # Half a case is never closed, so that no chance is 0 or 1.
    seen = np.maximum(np.searchsorted(lags, days, side="right") / (len(lags) + 0.5), LEAST_SEEN)
    young = dated & (age < len(days))
    chances = seen[age[young]]
    if -np.log(chances).sum() < NEVER_BY_CHANCE:
        return None
    missing = float(young.sum() / seen.sum() * (1.0 - seen).sum())
    enough = int(np.searchsorted(seen, SETTLED)) if seen[-1] >= SETTLED else len(days)
    return ClosedOnly(seen, _older(records, item[age >= enough]), missing)


def doubts(closed: ClosedOnly | None) -> tuple[str, ...]:
    """Say what is missing from a list of closed items only, if it is one."""
    return () if closed is None else (closed.note(),)


def _older(records: Records, items: NDArray[np.int64]) -> Records:
    """Keep some items' stays, where enough of them are left."""
    if len(items) < max(FEWEST, FEWEST_SETTLED * len(records.items)):
        return records
    kept = np.isin(records.stays["item"].to_numpy(), items)
    return replace(records, stays=records.stays[kept].reset_index(drop=True))


def losses_missing(records: Records, ways: tuple[WayFit, ...]) -> tuple[str, ...]:
    """Say where no item is lost and nearly all are won: losses are not in such a list."""
    to = records.stays["to"]
    won = int((to == WON).sum())
    if won < FEWEST or (to == LOST).any():
        return ()
    whole = [way for way in ways if not way.group and way.to != LOST]
    if not whole or min(way.conversion.value for way in whole) < NEARLY_ALL:
        return ()
    return (
        f"No item is lost, and {won:,} of {len(records.items):,} are won: the lost ones seem to be "
        "missing from the list. If so the forecast is too high, for nearly all open items count as "
        "won in the end, and so do those that come. Export the lost ones as well.",
    )
