"""What came of a plan, read from records: counts by quarter, and lags that know of open items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd

from forecast.analysis.actuals import Actuals, By, Part, QuarterActuals
from forecast.history.fitting.ways import fit_ways
from forecast.history.gaps import find_gaps
from forecast.history.records import OPEN, UNDATED, WON, Records
from forecast.scenario.calendar import quarter_label
from forecast.scenario.errors import Fault, ScenarioError
from forecast.scenario.model import Scenario

FEWEST_LAGS = 20  # items that went a way, for its mean lag to be told


def actuals_of(records: Records, plan: Scenario, file: str = "(records)") -> Actuals:
    """Count what came in the quarters of a plan that are over; ``file`` is what a fault names.

    Leads are told apart by channel and deals by product where all of the records' names are the
    plan's. Raises ``ScenarioError`` where no quarter of the plan is over.
    """
    over = _over(records, plan)
    if not over:
        first = plan.calendar.quarters[0]
        must = f"records until the end of {first}, the plan's first quarter, or later"
        mend = "Evaluate it when that is over, or an earlier plan."
        raise ScenarioError([Fault(file, 1, "as_of", str(records.as_of), must, mend)])
    count = _Counts(records, plan)
    quarters = {
        label: QuarterActuals(
            leads=count.leads(label),
            entered={s: count.entered(label, s) for s in plan.stages if s in records.stages},
            deals=count.deals(label),
            bookings=count.bookings(label),
        )
        for label in over
    }
    return Actuals(quarters, _lags(records, plan))


def _over(records: Records, plan: Scenario) -> list[str]:
    """The quarters of the plan that ended on or before as_of."""
    ends: dict[str, int] = {}
    calendar = plan.calendar
    for t, q in enumerate(calendar.quarter_of):
        ends[calendar.quarters[q]] = calendar.edges[t + 1] - 1
    return [label for label, end in ends.items() if end <= records.as_of.toordinal()]


class _Counts:
    """Counts of records by quarter, in the plan's names."""

    def __init__(self, records: Records, plan: Scenario) -> None:
        self.items, self.stays, self.plan = records.items, records.stays, plan
        start, first_month = plan.calendar.edges[0], plan.calendar.fiscal_year_start

        def label(day: int) -> str:
            if day < start or day in (OPEN, UNDATED):
                return ""
            return quarter_label(dt.date.fromordinal(day), first_month)

        self.entered_in = _mapped(self.stays["entered"], label)
        left_in = _mapped(self.stays["left"], label)
        self.won_in = np.where((self.stays["to"] == WON).to_numpy(), left_in, "")
        self.is_first = ~self.stays["item"].duplicated().to_numpy()

    def leads(self, label: str) -> Part:
        """Items that arrived."""
        return self._by("channel", self.plan.channels, self.is_first & (self.entered_in == label))

    def entered(self, label: str, stage: str) -> float:
        """Items that entered a stage."""
        here = (self.stays["stage"] == stage).to_numpy()
        return float((here & (self.entered_in == label)).sum())

    def deals(self, label: str) -> Part:
        """Items that were won."""
        return self._by("product", self.plan.products, self.won_in == label)

    def bookings(self, label: str) -> Part:
        """What they were worth; None where an amount is not known."""
        won = self.won_in == label
        amounts = self.items["amount"].to_numpy()[self.stays["item"].to_numpy()[won]]
        if np.isnan(amounts).any():
            return None
        return self._by("product", self.plan.products, won, amounts)

    def _by(
        self,
        name: str,
        known: tuple[str, ...],
        chosen: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Part:
        labels = self.items[name].astype(str).to_numpy()
        of = labels[self.stays["item"].to_numpy()[chosen]]
        figures = np.ones(len(of)) if weights is None else weights
        if len(known) < 2 or not set(labels) <= set(known):
            return float(figures.sum())
        found: By = {each: float(figures[of == each].sum()) for each in known}
        return found


def _mapped(days: pd.Series, label: Callable[[int], str]) -> np.ndarray:
    different, of = np.unique(days.to_numpy(), return_inverse=True)
    return np.array([label(int(day)) for day in different], dtype=object)[of]


def _lags(records: Records, plan: Scenario) -> dict[tuple[str, str], float]:
    """The mean lags of the plan's ways onward, of those that records tell well."""
    found = {}
    for way in fit_ways(find_gaps(records)):
        stage = plan.journey.get(way.stage)
        known = stage is not None and way.to in stage.transitions and way.to != "lost"
        if known and not way.group and way.lag is not None and way.lag.mean_days.n >= FEWEST_LAGS:
            found[way.stage, way.to] = way.lag.mean_days.value
    return found
