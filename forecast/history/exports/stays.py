"""Stays in stages, of what happened to each item in its order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.records import LOST, OPEN, STAYING, UNDATED, WON

Ints = npt.NDArray[np.int64]


def make_stays(item: Ints, state: Ints, day: Ints, stages: tuple[str, ...]) -> pd.DataFrame:
    """Make the stays of items from what happened to them, by item and in order.

    `state` is the place of a stage in `stages`, ``len(stages)`` for won and one more for lost; an
    ending is the last that happens to an item, and its day may be ``UNDATED``.
    """
    ends = len(stages)
    starts = np.flatnonzero(state < ends)
    following = starts + 1
    inside = following < len(item)
    safe = np.where(inside, following, 0)
    goes_on = inside & (item[safe] == item[starts])
    ways = pd.Index([*stages, WON, LOST, STAYING])
    return pd.DataFrame(
        {
            "item": item[starts],
            "stage": pd.Categorical.from_codes(state[starts], categories=pd.Index(stages)),
            "entered": day[starts],
            "left": np.where(goes_on, day[safe], OPEN),
            "to": pd.Categorical.from_codes(
                np.where(goes_on, state[safe], ends + 2), categories=ways
            ),
        }
    )


def sort_happenings(item: Ints, moment: Ints, state: Ints, day: Ints) -> npt.NDArray[np.intp]:
    """Give the order of what happened: by item, then time; the journey's order where both are the
    same. What has no day comes last."""
    return np.lexsort((state, moment, day == UNDATED, item))
