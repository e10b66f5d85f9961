"""Which kept forecasts may go: all of the last days stay, and of older months the last day's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from forecast.operate.kept import Kept

KEEP_ALL_DAYS = 60


def to_prune(
    forecasts: Iterable[Kept], today: dt.date, keep_all_days: int = KEEP_ALL_DAYS
) -> list[Kept]:
    """Choose what may be deleted, by the as-of date.

    All forecasts known until a day within the last ``keep_all_days`` days stay; of each earlier
    month those of the scenario's last as-of date in it stay. A month's last date that lies within
    the last days is that month's, so a month is never left with two ends.
    """
    every = list(forecasts)
    last: dict[tuple[str, int, int], dt.date] = {}
    for kept in every:
        month = kept.scenario, kept.day.year, kept.day.month
        last[month] = max(last.get(month, kept.day), kept.day)
    edge = today - dt.timedelta(days=keep_all_days)
    return [
        kept
        for kept in every
        if kept.day < edge and kept.day != last[kept.scenario, kept.day.year, kept.day.month]
    ]
