"""By when: what has to arrive in which period for a goal, and the last that can help.

All figures are closed-form means, at the means of what is uncertain; where stages take up only so
many, averages over simulated runs (``forecast.analysis.waiting``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.analysis.backward import Backward, inside_of
from forecast.analysis.goal_split import Span
from forecast.analysis.waiting import Lived, live
from forecast.engine.assumptions import Draws
from forecast.engine.expected import means_of
from forecast.engine.flows import by_period
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.shapes import Futures, Tables
from forecast.engine.plan import make_blueprint
from forecast.engine.uses import LIMITED, PIPELINE, uses
from forecast.scenario.calendar import Calendar
from forecast.scenario.model import Scenario

Floats = NDArray[np.float64]
NEGLIGIBLE = 1e-6  # of the best worth: a lead with no more can no longer help
HARDLY = 0.01  # the same of an average over runs
RUNS = 1_000  # whose queues are looked at
CLOSED = "closed form"


@dataclass(frozen=True)
class Arriving:
    """What arrives in each period, and what it brings for a goal."""

    what: str  # "leads", or the stage that is entered
    periods: tuple[str, ...]
    items: Floats  # (period,)
    counting: Floats  # (period,) what they bring, in the goal's units
    opening: float  # what open deals, and the customers that are there, bring beside them
    latest: str | None  # the last period in which one more can still help
    how: str  # "closed form", or over how many runs it is averaged

    @property
    def shares(self) -> Floats:
        """What has arrived by the end of each period, of all that is expected to count."""
        total = self.opening + float(self.counting.sum())
        brought = self.opening + np.cumsum(self.counting)
        return brought / total if total > 0 else np.zeros(len(self.counting))


def period_labels(calendar: Calendar) -> tuple[str, ...]:
    """Name the periods: months as 2027-03, shorter ones by their first day."""
    days = [dt.date.fromordinal(edge) for edge in calendar.edges[:-1]]
    return tuple(f"{d:%Y-%m}" if calendar.unit == "month" else d.isoformat() for d in days)


class Timing:
    """What the leads of a scenario, or the items of a stage, bring for a goal by their period."""

    def __init__(self, scenario: Scenario, seed: int = 0, runs: int = RUNS) -> None:
        self.scenario = scenario
        self.blueprint = make_blueprint(scenario)
        self.values = Draws(scenario, 0).means()
        self.tables: Tables = self.blueprint.maker.tables(self.values)
        self._seed, self._runs = seed, runs

    @property
    def how(self) -> str:
        """How its figures are found."""
        if LIMITED not in uses(self.scenario):
            return CLOSED
        return f"average of {self._lived.runs:,} simulated runs' waiting times"

    def arriving(self, path: str, span: Span) -> Arriving:
        """Tell what arrives where a path's assumption works, and what it brings for a goal.

        That is the leads of its channels, with all that comes of them, leads that their customers
        bring too; or what enters the stage whose transitions it is about, which brings what comes
        of it before it enters the stage again.
        """
        goal, _, quarters = span
        stage, groups = self._place(path)
        inside = inside_of(self.blueprint, quarters)
        j = -1 if stage is None else self.scenario.stages.index(stage)
        coming, adding = self._both
        each = self._worth(coming, goal.metric, inside, j)
        more = each if adding is coming else self._worth(adding, goal.metric, inside, j)
        items = self._items(j)
        counting = (items * each).mean(axis=0)
        opening = self._opening(goal.metric, quarters, counting.sum() if j < 0 else None)
        best = more.mean(axis=0)[groups].max(axis=0)
        least = NEGLIGIBLE if adding is coming else HARDLY
        helps = np.flatnonzero(best > least * best.max())
        labels = period_labels(self.scenario.calendar)
        return Arriving(
            stage or "leads",
            labels,
            items.mean(axis=0)[groups].sum(axis=0),
            counting[groups].sum(axis=0),
            opening,
            labels[helps[-1]] if len(helps) else None,
            self.how,
        )

    # --- what items are worth

    @cached_property
    def _both(self) -> tuple[Backward, Backward]:
        """To follow backward the items that come, and one more."""
        if self.how == CLOSED:
            one = Backward(self.blueprint, self.tables)
            return one, one
        return self._lived.backward(adding=False), self._lived.backward(adding=True)

    @cached_property
    def _lived(self) -> Lived:
        return live(self.scenario, self._seed, self._runs)

    @staticmethod
    def _worth(backward: Backward, metric: str, inside: Floats, j: int) -> Floats:
        """What each lead, or item that enters stage j, brings: (row, group, period)."""
        found = backward.worth(metric, inside, barred=j, brings=j < 0)
        return backward.lead_worth(metric, inside, found) if j < 0 else found[:, j]

    # --- what comes

    def _items(self, j: int) -> Floats:
        """Leads, but for those that customers bring, or what enters stage j: (row, group, period).

        Without what open deals enter.
        """
        if self.how == CLOSED:
            return self._own_leads(self.tables) if j < 0 else self._entering[..., j]
        if j >= 0:
            return np.moveaxis(self._lived.entered[..., j], 2, 1)
        leads = np.moveaxis(self._lived.leads, 2, 1).copy()
        channel, segments = self.blueprint.plan.referral.channel, len(self.scenario.segments)
        if channel >= 0:
            theirs = slice(channel * segments, (channel + 1) * segments)
            leads[:, theirs] = self._own_leads(self._lived.tables)[:, theirs]
        return leads

    def _own_leads(self, tables: Tables) -> Floats:
        """The leads to expect that no customer brings: (row, group, period)."""
        plan, backward = self.blueprint.plan, Backward(self.blueprint, tables)
        means = tables.market[:, None, None] * tables.mean + plan.fixed
        shares = np.moveaxis(backward.segment_shares(), 1, 2)  # (r, s, t)
        leads = means[:, :, None] * shares[:, None]
        return np.asarray(leads.reshape(len(leads), -1, leads.shape[3]))

    @cached_property
    def _entering(self) -> Floats:
        """What enters the stages of all leads: (row, group, period, stage)."""
        every, nothing = self._flow, self._without_leads
        entered = every.entered - nothing.entered
        rows, periods = entered.shape[:2]
        return np.moveaxis(entered.reshape(rows, periods, -1, entered.shape[-1]), 2, 1)

    @cached_property
    def _flow(self) -> Means:
        return means_of(by_period(self.blueprint), self.tables, 1)

    @cached_property
    def _without_leads(self) -> Means:
        """What comes of open deals and of the customers that are there."""
        plan = self.blueprint.plan
        bare = replace(
            by_period(self.blueprint), plan=by_period(self.blueprint).plan._replace(
                fixed=np.zeros_like(plan.fixed)
            ),
        )  # fmt: skip
        return means_of(bare, self.tables._replace(mean=np.zeros_like(self.tables.mean)), 1)

    def _opening(self, metric: str, quarters: tuple[int, ...], counted: float | None) -> float:
        """What open deals, and the customers that are there, bring for a goal.

        ``counted`` is what all leads bring; None where it is asked beside a stage's items.
        """
        plan, used = self.blueprint.plan, uses(self.scenario)
        if PIPELINE not in used and (plan.referral.channel < 0 or not self.tables.existing.any()):
            return 0.0
        inside = np.isin(plan.quarter_of, quarters)
        if self.how == CLOSED:
            return self._total(self._without_leads, metric, inside)
        if counted is None or plan.referral.channel < 0:
            return self._of_open_deals(metric, inside)
        return max(self._total(self._lived.rows, metric, inside) - counted, 0.0)

    def _of_open_deals(self, metric: str, inside: NDArray[np.bool_]) -> float:
        """What open deals bring in simulated runs; of what they pay again and again the first."""
        lived = self._lived
        if PIPELINE not in uses(self.scenario) or metric == "leads":
            return 0.0
        if metric in self.scenario.stages:
            found = lived.entered_open[:, inside, self.scenario.stages.index(metric)]
        else:
            name = "pipeline_deals" if metric == "deals" else "pipeline_bookings"
            found = getattr(lived.rows, name)[:, inside]
        return float(found.sum()) / lived.runs

    def _total(self, counted: Means | Futures, metric: str, inside: NDArray[np.bool_]) -> float:
        """A metric's mean over some periods."""
        if metric in self.scenario.stages:
            array = counted.entered[..., self.scenario.stages.index(metric)]
        else:
            array = getattr(counted, metric)
            if metric == "revenue" and 0 in array.shape:
                array = counted.bookings
        return float(array[:, inside].sum()) / len(array)

    def _place(self, path: str) -> tuple[str | None, list[int]]:
        """The stage (None: where leads arrive) and the groups that a path is about."""
        keys = path.split(".")
        stage = None
        if "journey" in keys[:-1]:
            named = keys[keys.index("journey") + 1]
            stage = named if named in self.scenario.stages else None
        groups = [
            g
            for g, (channel, segment) in enumerate(self.scenario.groups)
            if not (keys[0] == "channels" and keys[1] not in (channel, "*"))
            and not (keys[0] == "segments" and keys[1] not in (segment, "*"))
        ]
        return stage, groups
