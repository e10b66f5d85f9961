"""Rules of the slow simulator that only some scenarios have: leads that answer to money."""

from __future__ import annotations

from forecast.scenario.model import Number

MONTH_DAYS = 365.25 / 12
UNIT_DAYS = {"day": 1, "week": 7, "month": MONTH_DAYS}
UNIT_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def figure_of(leads, unit: int) -> Number:
    """Give the figure of a unit, the list continued as ``then`` says."""
    figures = leads.figures
    if unit < len(figures):
        return figures[unit]
    if leads.then == "zero":
        return 0.0
    return figures[unit % len(figures)] if leads.then == "repeat" else figures[-1]


class Rules:
    """What a run of the simulator adds to the life of a lead."""

    def _answer(self, c: int, channel: str, v: int, period: int) -> float:
        """Leads per unit that answer to the money spent up to a period, by a version's curve."""
        versions = [version.channels[channel].leads for version in self.scenario.versions]
        response = versions[v].response
        if response is None:
            return 0.0
        unit_days = UNIT_DAYS.get(versions[v].per) or MONTH_DAYS * UNIT_MONTHS[versions[v].per]
        before = next(leads.response.before for leads in versions if leads.response)
        effect = None
        if before is not None:
            other = UNIT_DAYS.get(before.per) or MONTH_DAYS * UNIT_MONTHS[before.per]
            effect = self.value(before.amount) * unit_days / other
        for p in range(period + 1):
            spent = self._fixed_cost(c, channel, p) / self.world.units_of(versions[v].per, p)
            if effect is None:
                effect = spent
            kept = self._kept(versions, p)
            effect = (1.0 - kept) * spent + kept * effect
        if effect == 0.0:
            return 0.0
        shape, half = self.value(response.shape), self.value(response.half)
        return self.value(response.max) * effect**shape / (half**shape + effect**shape)

    def _kept(self, versions: list, period: int) -> float:
        """What share of an effect is left after a period."""
        kept = 1.0
        whole = 1.0 if period else 1.0 - self.scenario.calendar.first_offset
        for v, weight in self.world.weights[period].items():
            rate = versions[v].response and versions[v].response.carry_over
            if not rate:
                return 0.0
            units = self.world.elapsed(rate.per, period + 1) - self.world.elapsed(rate.per, period)
            kept *= self.value(rate.amount) ** (units * whole * weight)
        return kept
