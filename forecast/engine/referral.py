"""Customers bring leads: how many a customer is to expect to bring, period by period.

A customer brings r leads a period for D periods after the win (both real numbers): in the k-th
period after it, k = 1, 2, ..., r times the part of that period that lies within D has the idea,

    b(k) = r max(0, min(1, D - (k - 1))),

and the lead comes so many periods later as the lag says, h(k) = sum_m b(k - m) P(lag = m). So all
of h adds up to r D. The customers that are there at as_of are as if won at the start: they bring
from the first period on, of which only what is left counts where it begins mid-month.
"""

from __future__ import annotations

import numpy as np

from forecast.engine.assumptions import Floats, Values
from forecast.engine.kernel.shapes import Referral as PlanReferral
from forecast.engine.lags import lag_chances
from forecast.engine.layout import Layout
from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.model import Referral


class Customers:
    """What the customers of a scenario bring; those whose figures differ are of other classes.

    A period that holds the day of a change has a class of its own: the average by days.
    """

    def __init__(self, layout: Layout) -> None:
        scenario = layout.scenario
        name = scenario.referred
        self._channel = -1 if name is None else scenario.channels.index(name)
        self._calendar = scenario.calendar
        all_versions = [version.referral for version in scenario.versions]
        self._referrals = [r for r in dict.fromkeys(all_versions) if r is not None]
        mixes = [
            tuple(
                sum(w for w, given in zip(row, all_versions, strict=True) if given == referral)
                for referral in self._referrals
            )
            for row in layout.weights
        ]
        self._mixes = list(dict.fromkeys(mixes))  # (class) shares of the referrals
        of = np.array([self._mixes.index(mix) for mix in mixes], dtype=np.int64)
        shape = len(of), len(scenario.groups), len(layout.variants)
        self._class_of = np.broadcast_to(of[:, None, None], shape).copy()  # not read-only

    def plan(self) -> PlanReferral:
        """Lay out whose leads customers bring, and which customers are of which class."""
        return PlanReferral(self._channel, self._class_of)

    def brought(self, values: Values) -> Floats:
        """Leads to expect of a customer k + 1 periods after the win, shape (row, class, k)."""
        if not self._referrals:
            return np.zeros((1, 1, 0))
        each = [self._after_win(referral, values) for referral in self._referrals]
        out = np.stack(
            [
                np.asarray(sum(share * part for share, part in zip(mix, each, strict=True)))
                for mix in self._mixes
            ],
            axis=1,
        )
        used = np.flatnonzero(out.any(axis=(0, 1)))
        return np.ascontiguousarray(out[:, :, : used[-1] + 1 if len(used) else 0])

    def existing(self, values: Values) -> Floats:
        """Leads to expect of the customers at as_of in each period, shape (row, t)."""
        periods, offset = self._calendar.periods, self._calendar.first_offset
        if not self._referrals:
            return np.zeros((1, 0))
        referral = self._referrals[0]
        since = np.maximum(np.arange(periods + 1.0) - offset, 0.0)
        ideas = np.diff(np.minimum(since, referral.during / self._calendar.period_days))
        later = np.concatenate([[0.0], ideas[1:]])
        first = ideas[0] * self._lag(referral, values, offset)
        leads = first + _convolved(later, self._lag(referral, values, 0.0))
        factor = values(referral.existing) * self._rate(referral, values)
        return np.asarray(factor[:, None] * leads)

    def _after_win(self, referral: Referral, values: Values) -> Floats:
        """h(1), h(2), ... of a referral, shape (row, k)."""
        periods = self._calendar.periods
        inside = referral.during / self._calendar.period_days - np.arange(periods)
        leads = _convolved(np.clip(inside, 0.0, 1.0), self._lag(referral, values, 0.0))
        return np.asarray(self._rate(referral, values)[:, None] * leads)

    def _lag(self, referral: Referral, values: Values, offset: float) -> Floats:
        """Chance that a lead comes 0, 1, ... periods after the idea, shape (row, period)."""
        calendar = self._calendar
        return lag_chances(referral.lag, values, calendar.periods, calendar.period_days, offset)[
            :, : calendar.periods
        ]

    def _rate(self, referral: Referral, values: Values) -> Floats:
        """Leads that a customer brings a period, shape (row,)."""
        days = DAYS_IN[referral.leads.per]
        return np.asarray(values(referral.leads.amount) * (self._calendar.period_days / days))


def _convolved(ideas: Floats, chances: Floats) -> Floats:
    """Shift ideas (period,) by a lag of these chances (row, period)."""
    out = np.zeros_like(chances)
    for k in np.flatnonzero(ideas):
        out[:, k:] += ideas[k] * chances[:, : chances.shape[1] - k]
    return out
