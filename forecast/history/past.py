"""What a baseline may look at: the records as they stood at an origin, counted by period."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.history.origins import Came, Floats, Periods, arrival_days, wins_of
from forecast.history.records import LOST, OPEN, WON, Records


@dataclass(frozen=True)
class Past:
    """Records known at the end of the day before period `now`, and the periods until then."""

    records: Records
    periods: Periods
    now: int

    @cached_property
    def begun(self) -> int:
        """The first whole period of wins: the one after the first win, if three follow it.

        Recording rarely begins on the first of a period.
        """
        wins = self.periods.of(wins_of(self.records).day)
        first = int(wins.min()) if len(wins) else self.now
        return min(first + 1, self.now) if self.now - first > 2 else min(first, self.now)

    @cached_property
    def _came(self) -> Came:
        return Came(self.records, Periods(self.periods.unit, self.periods.edges[: self.now + 1]))

    def series(self, metric: str) -> Floats:
        """Give a metric by whole period, from `begun` to the last before now."""
        zeros = np.zeros(self.now)
        return np.asarray(self._came.totals.get(metric, zeros)[self.begun :])

    @cached_property
    def mean_amount(self) -> float:
        """The mean value of a deal won until now."""
        amounts = wins_of(self.records).amount
        return float(np.nanmean(amounts)) if np.isfinite(amounts).any() else 0.0

    @cached_property
    def spread_amount(self) -> float:
        """E[S^2] / E[S] of the values S of deals won: variance per mean of random deals' sum."""
        amounts = wins_of(self.records).amount
        amounts = amounts[np.isfinite(amounts)]
        total = float(amounts.sum())
        return float((amounts**2).sum()) / total if total > 0.0 else 1.0

    @cached_property
    def open_by_stage(self) -> pd.Series[int]:
        """Count the open items in each stage."""
        stays = self.records.stays
        return stays.loc[(stays["left"] == OPEN).to_numpy(), "stage"].value_counts()

    @cached_property
    def win_rate(self) -> float:
        """Give won / (won + lost), or won / arrived where no loss was ever recorded."""
        ended = self.records.stays["to"].value_counts()
        won, lost = int(ended.get(WON, 0)), int(ended.get(LOST, 0))
        cases = won + lost if lost else len(self.records.items)
        return won / cases if cases else 0.0

    def age_shares(self, horizon: int) -> Floats:
        """Give the shares of wins that came 0, 1, ... periods after their item arrived."""
        wins = wins_of(self.records)
        arrived = self.periods.of(arrival_days(self.records)[wins.item])
        ages = np.clip(self.periods.of(wins.day) - arrived, 0, None)
        return np.bincount(ages, minlength=horizon)[:horizon] / max(len(ages), 1)

    def later_wins(self, start: int) -> tuple[dict[str, Floats], Floats]:
        """Count wins since period `start` by the stage their items were open in just before it.

        Gives (periods,) arrays by stage, and one for the items that arrived later.
        """
        count = self.now - start
        stays, first_day = self.records.stays, int(self.periods.edges[start])
        inside = (stays["entered"] < first_day) & (stays["left"] >= first_day)
        stage = pd.Series(stays["stage"][inside].astype(str).to_numpy(), stays["item"][inside])
        stage = stage[~stage.index.duplicated(keep="last")]
        wins = wins_of(self.records)
        later = wins.day >= first_day
        period = self.periods.of(wins.day[later]) - start
        origin = stage.reindex(wins.item[later]).to_numpy()
        known = (period >= 0) & (period < count)
        came: NDArray[np.bool_] = pd.isna(origin)

        def by(mask: NDArray[np.bool_]) -> Floats:
            return np.bincount(period[mask & known], minlength=count).astype(np.float64)

        return {s: by(origin == s) for s in self.records.stages}, by(came)
