"""Rules of the slow simulator that only some scenarios have.

Leads that answer to money; deals that close by the calendar; thresholds on quality.
"""

from __future__ import annotations

import datetime as dt
import math
from random import Random
from statistics import NormalDist

import numpy as np
from scipy.special import ndtr

from forecast.scenario.model import Number, Stage, Transition, Variable

MONTH_DAYS = 365.25 / 12
UNIT_DAYS = {"day": 1, "week": 7, "month": MONTH_DAYS}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(120)
UNIT_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def figure_of(leads, unit: int) -> Number:
    """Give the figure of a unit, the list continued as ``then`` says."""
    figures = leads.figures
    if unit < len(figures):
        return figures[unit]
    if leads.then == "zero":
        return 0.0
    return figures[unit % len(figures)] if leads.then == "repeat" else figures[-1]


def pick(chances: dict[str, float], rng: Random) -> str | None:
    """Choose a name by its chance; None with the chance that is left."""
    u = rng.random()
    for name, chance in chances.items():
        if u < chance:
            return name
        u -= chance
    return None


def poisson(mean: float, rng: Random) -> int:
    """Count the arrivals of a unit-rate Poisson process before ``mean``."""
    count, clock = 0, rng.expovariate(1.0)
    while clock < mean:
        count += 1
        clock += rng.expovariate(1.0)
    return count


class Rules:
    """What a run of the simulator adds to the life of a lead."""

    def __init__(self) -> None:
        self.speeds: dict[int, float] = {}
        self.effects: dict[tuple[int, int], list[float]] = {}
        self.correlations: dict[tuple[float, float], float] = {}

    def _answer(self, c: int, channel: str, v: int, period: int) -> float:
        """Leads per unit that answer to the money spent up to a period, by a version's curve."""
        versions = [version.channels[channel].leads for version in self.scenario.versions]
        response = versions[v].response
        if response is None:
            return 0.0
        effect = self._effects(c, channel, v)[period]
        if effect == 0.0:
            return 0.0
        shape, half = self.value(response.shape), self.value(response.half)
        return self.value(response.max) * effect**shape / (half**shape + effect**shape)

    def _effects(self, c: int, channel: str, v: int) -> list[float]:
        """Spend per unit that is at work in each period, by the units of a version."""
        if (c, v) in self.effects:
            return self.effects[c, v]
        versions = [version.channels[channel].leads for version in self.scenario.versions]
        unit_days = UNIT_DAYS.get(versions[v].per) or MONTH_DAYS * UNIT_MONTHS[versions[v].per]
        before = next(leads.response.before for leads in versions if leads.response)
        effect = None
        if before is not None:
            other = UNIT_DAYS.get(before.per) or MONTH_DAYS * UNIT_MONTHS[before.per]
            effect = self.value(before.amount) * unit_days / other
        found = self.effects[c, v] = []
        for p, cost in enumerate(self._fixed_costs(c, channel)):
            spent = cost / self.world.units_of(versions[v].per, p)
            if effect is None:
                effect = spent
            kept = self._kept(versions, p)
            effect = (1.0 - kept) * spent + kept * effect
            found.append(effect)
        return found

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

    def _pass(self, target: str, period: int, u: float, lag: float) -> int:
        """Let a lag pass from part u of a period on; how many periods later it ends."""
        closing = self.scenario.versions[0].closing
        if closing is None or target != "won":
            return math.floor(u + lag)
        for p in range(period, self.world.periods):
            runs = self._speed(closing, p) * (1.0 - u)
            if lag <= runs:
                return p - period
            lag, u = lag - runs, 0.0
        return self.world.periods

    def _speed(self, closing, period: int) -> float:
        """How fast time runs in a period: the mean over its days."""
        if period not in self.speeds:
            factors = [self.value(number) for number in closing.month_of_quarter]
            days = range(self.world.edges[period], self.world.edges[period + 1])
            first = self.scenario.calendar.fiscal_year_start
            months = [(dt.date.fromordinal(day).month - first) % 3 for day in days]
            total = sum(factors[month] for month in months) / len(months)
            self.speeds[period] = 3.0 * total / sum(factors)
        return self.speeds[period]

    def _work_out_chances(self, body: Stage, own) -> dict[str, float]:
        chances: dict[str, float] = {}
        left = 1.0
        for target, beta in body.dirichlet.items():
            chances[target] = left * self.value(beta)
            left -= chances[target]
        for target, way in body.transitions.items():
            if way.conversion is not None:
                chances[target] = self.value(way.conversion) / self._within(way)
                if own is not None and own.to == target:
                    chances[target] = self._raised(min(chances[target], 1.0), own)
        total = sum(chances.values())
        if total > 1.0:
            chances = {target: chance / total for target, chance in chances.items()}
        rest = max(1.0 - total, 0.0)
        for target, way in body.transitions.items():
            if way.share_of_rest is not None:
                chances[target] = rest * self.value(way.share_of_rest)
        if "lost" in body.transitions and "lost" not in chances:
            chances["lost"] = max(1.0 - sum(chances.values()), 0.0)
        return chances

    def _within(self, way: Transition) -> float:
        """P(lag <= within)."""
        if way.within is None or not isinstance(way.lag, Variable):
            return 1.0
        limit = way.within / self.factor(way.lag.about)
        return float(way.lag.family.cdf(np.array([limit]))[0])

    def _turn_away(self, target: str | None, version: int, group, stage: str) -> str | None:
        """Let a lead on only if its rank is above the threshold of the stage that it goes to."""
        assumed = self.scenario.versions[version]
        body = assumed.journeys[group][stage]
        judge = assumed.qualification.get(target)
        if judge is None or self.rng.random() >= self.value(judge.threshold):
            return target
        rest = {t: way.share_of_rest for t, way in body.transitions.items() if way.share_of_rest}
        if target not in rest:
            again = pick({t: self.value(share) for t, share in rest.items()}, self.rng)
            if again is not None:
                return self._turn_away(again, version, group, stage)
        lost = body.transitions.get("lost")
        return "lost" if lost is not None and lost.conversion is None else None

    def _raised(self, base: float, own) -> float:
        """The win rate of those above a threshold, by integrals over the normal score."""
        best, rate = self.value(own.best_tenth), self.value(own.win_rate)
        if (rate, best) not in self.correlations:
            low, high = -0.9999, 0.9999
            for _ in range(45):
                middle = 0.5 * (low + high)
                if _mean_above(rate, 0.9, middle) < best:
                    low = middle
                else:
                    high = middle
            self.correlations[rate, best] = low
        return _mean_above(base, self.value(own.threshold), self.correlations[rate, best])


def _mean_above(base: float, threshold: float, rho: float) -> float:
    """The mean of P(W > z | score) over scores above a rank's, z exceeded by base of all."""
    if base in (0.0, 1.0):
        return base
    low = -9.0 if threshold == 0.0 else NormalDist().inv_cdf(threshold)
    scores = low + (9.0 - low) * (NODES + 1.0) / 2.0
    weights = WEIGHTS * (9.0 - low) / 2.0 * np.exp(-0.5 * scores**2) / math.sqrt(2.0 * math.pi)
    wins = ndtr((rho * scores - NormalDist().inv_cdf(1.0 - base)) / math.sqrt(1.0 - rho * rho))
    return float((weights * wins).sum() / (1.0 - threshold))
