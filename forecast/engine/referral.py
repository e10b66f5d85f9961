"""Customers bring leads: how many a customer is to expect to bring, period by period.

A customer brings r leads a period for D periods after the win (both real numbers): in the k-th
period after it, k = 1, 2, ..., r times the part of that period that lies within D has the idea,

    b(k) = r max(0, min(1, D - (k - 1))),

and the lead comes so many periods later as the lag says, h(k) = sum_m b(k - m) P(lag = m). So all
of h adds up to r D. Of a recurring product b(k) is times the chance that a customer is still there
then, so that the leads are Poisson about what those who stayed are expected to bring. The customers
that are there at as_of are as if won at the start: they bring from the first period on, of which
only what is left counts where it begins mid-month.
"""

from __future__ import annotations

import numpy as np

from forecast.engine.assumptions import Floats, Values
from forecast.engine.kernel.shapes import Referral as PlanReferral
from forecast.engine.lags import lag_chances
from forecast.engine.layout import Layout
from forecast.engine.lifetimes import lifetime
from forecast.engine.stays import Kinds
from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.model import Referral


class Customers:
    """What the customers of a scenario bring; those whose figures differ are of other classes.

    A period that holds the day of a change has a class of its own: the average by days.
    """

    def __init__(self, layout: Layout, kinds: Kinds) -> None:
        scenario = layout.scenario
        name = scenario.referred
        self._channel = -1 if name is None else scenario.channels.index(name)
        self._calendar, self._kinds = scenario.calendar, kinds
        all_versions = [version.referral for version in scenario.versions]
        self._referrals = [r for r in dict.fromkeys(all_versions) if r is not None]
        mixes = [
            tuple(
                sum(w for w, given in zip(row, all_versions, strict=True) if given == referral)
                for referral in self._referrals
            )
            for row in layout.weights
        ]
        known: dict[tuple[tuple[float, ...], int], int] = {}
        self._class_of = np.empty((len(mixes), *kinds.of.shape), np.int64)
        for (f, g, v), _ in np.ndenumerate(self._class_of):
            one = mixes[f], int(kinds.of[g, v])
            self._class_of[f, g, v] = known.setdefault(one, len(known))
        self._classes = list(known)  # (class) shares of the referrals, and the recurring product

    def plan(self) -> PlanReferral:
        """Lay out whose leads customers bring, and which customers are of which class."""
        return PlanReferral(self._channel, self._class_of)

    def brought(self, values: Values) -> Floats:
        """Leads to expect of a customer k + 1 periods after the win, shape (row, class, k)."""
        if not self._referrals:
            return np.zeros((1, 1, 0))
        parts = []
        for mix, kind in self._classes:
            each = [self._after_win(referral, kind, values) for referral in self._referrals]
            parts.append(sum(share * part for share, part in zip(mix, each, strict=True)))
        rows = max(len(np.asarray(part)) for part in parts)
        shape = rows, self._calendar.periods
        out = np.stack([np.broadcast_to(np.asarray(part), shape) for part in parts], axis=1)
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
        leads = first + _convolved(later[None, :], self._lag(referral, values, 0.0))
        factor = values(referral.existing) * self._rate(referral, values)
        return np.asarray(factor[:, None] * leads)

    def _after_win(self, referral: Referral, kind: int, values: Values) -> Floats:
        """h(1), h(2), ... of a referral and a recurring product, or none, shape (row, k)."""
        periods = self._calendar.periods
        inside = referral.during / self._calendar.period_days - np.arange(periods)
        ideas = np.clip(inside, 0.0, 1.0)[None, :]
        if kind >= 0:
            over = self._kinds.terms[kind][np.minimum(np.arange(periods) + 1, periods - 1)]
            life = lifetime(self._kinds.kinds[kind], values)
            ideas = ideas * life.survival(np.arange(over[-1] + 1))[:, over]
        leads = _convolved(ideas, self._lag(referral, values, 0.0))
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
    """Shift ideas (row, period) by a lag of these chances (row, period)."""
    out = np.zeros((max(len(ideas), len(chances)), chances.shape[1]))
    for k in np.flatnonzero(ideas.any(axis=0)):
        out[:, k:] += ideas[:, k : k + 1] * chances[:, : chances.shape[1] - k]
    return out
