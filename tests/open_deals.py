"""Open deals for tests: made from rows, and followed one by one in plain Python.

The plain way shares no code with the engine: a deal's history in its stage is drawn afresh until it
is one that is still open at the deal's age.
"""

from __future__ import annotations

import dataclasses
import math
from random import Random

import numpy as np
from naive import Naive, Record, _Run, pick

from forecast.scenario.families import Periods
from forecast.scenario.model import Scenario
from forecast.scenario.pipeline_model import OpenDeals, Pipeline

PERIOD_DAYS = {"month": 365.25 / 12, "week": 7.0, "day": 1.0}


def with_deals(scenario: Scenario, rows: list[dict]) -> Scenario:
    """Give a scenario open deals; what a row does not say is the first, or not known."""

    def column(name, default, dtype):
        return np.array([row.get(name, default) for row in rows], dtype=dtype)

    def places(name, names):
        found = [row.get(name, names[0]) for row in rows]
        return np.array([names.index(one) for one in found], dtype=np.int64)

    deals = OpenDeals(
        ids=tuple(str(row.get("id", f"D-{i}")) for i, row in enumerate(rows)),
        stage=places("stage", scenario.stages),
        channel=places("channel", scenario.channels),
        segment=places("segment", scenario.segments),
        product=places("product", scenario.products),
        amount=column("amount", 1.0, np.float64),
        age_days=column("age_days", np.nan, np.float64),
        age_periods=column("age_periods", -1, np.int64),
        probability=column("probability", np.nan, np.float64),
        close_period=column("close_period", -1, np.int64),
        close_days=column("close_days", np.nan, np.float64),
        close_cv=column("close_cv", 0.0, np.float64),
    )
    return dataclasses.replace(scenario, pipeline=Pipeline(deals, ()))


class NaiveDeals(_Run):
    """One run that lives through the open deals too."""

    def simulate(self) -> Record:
        """Live through all leads, then through all open deals."""
        super().simulate()
        deals = self.scenario.pipeline.deals
        self.won: list[int] = []
        for d in range(len(deals.ids)):
            self._open(deals, d)
        return self.record

    def _open(self, deals: OpenDeals, d: int) -> None:
        stage = self.scenario.stages[deals.stage[d]]
        group = self.scenario.channels[deals.channel[d]], self.scenario.segments[deals.segment[d]]
        own = float(deals.probability[d])
        if deals.close_period[d] >= 0:
            later = self._closing(deals, d)
            if math.isnan(own):
                own = self._chance(deals, d, group, stage)
            path = [("won" if self.rng.random() < own else "lost", later)]
        elif math.isnan(own):
            path = self._history(deals, d, group, stage)
        elif self.rng.random() < own:
            path = [("", 0)]
            while path[-1][0] != "won":  # until it is a history of a deal that is won
                path = self._history(deals, d, group, stage, to_the_end=True)
        else:
            path = [("lost", 0)]
        self._note(deals, d, group, stage, path)

    def _note(self, deals, d, group, stage, path) -> None:
        """Count what a deal goes through within the horizon."""
        now = 0
        for target, later in path:
            for quarter, last in self.world.quarter_ends:
                if now <= last < later:
                    self.record.open[quarter, stage] += 1
            if later >= self.world.periods:
                return
            quarter = self.world.quarter_of[later]
            self.record.entered[quarter, *group, target] += 1
            if target == "won":
                key = (quarter, *group, self.scenario.products[deals.product[d]])
                self.record.deals[key] += 1
                self.record.bookings[key] += float(deals.amount[d])
                self.won.append(d)
            stage, now = target, later

    def _closing(self, deals, d) -> int:
        """The period of an expected close."""
        if deals.close_cv[d] == 0.0:
            return int(deals.close_period[d])
        sigma = math.sqrt(math.log(1.0 + float(deals.close_cv[d]) ** 2))
        mean = math.log(float(deals.close_days[d])) - sigma * sigma / 2.0
        return self._period_in(self.rng.lognormvariate(mean, sigma))

    def _period_in(self, days: float) -> int:
        calendar = self.scenario.calendar
        return math.floor(calendar.first_offset + days / PERIOD_DAYS[calendar.unit] + 1e-10)

    def _first_move(self, deals, d, group, stage) -> tuple[str, int]:
        """Draw histories of the stage until one is still open at the deal's age."""
        chances = self._chances(0, *group, stage)
        ways = self.scenario.versions[0].journeys[group][stage].transitions
        while True:
            target = pick(chances, self.rng)
            if target is None:
                return "lost", 0
            lag = ways[target].lag
            if isinstance(lag, Periods):
                ahead = int(pick(dict(lag.chances), self.rng) or 0) - max(deals.age_periods[d], 0)
                if ahead >= 0:
                    return target, int(ahead)
                continue
            age = 0.0 if math.isnan(deals.age_days[d]) else float(deals.age_days[d])
            if target == "lost" and lag.family.mean == 0.0:
                return target, 0
            days = self._vary(lag)
            if days > age or math.isnan(deals.age_days[d]):
                return target, self._period_in(days - age)

    def _history(self, deals, d, group, stage, to_the_end=False) -> list[tuple[str, int]]:
        """All moves of a deal, as far as the horizon or to the end."""
        path = [self._first_move(deals, d, group, stage)]
        while path[-1][0] not in ("won", "lost"):
            stage, period = path[-1]
            if period >= self.world.periods and not to_the_end:
                break
            version = self._version(min(period, self.world.periods - 1))
            chances = self._chances(version, *group, stage)
            target = pick(chances, self.rng)
            if target is None:
                path.append(("lost", period))
                break
            body = self.scenario.versions[version].journeys[group][stage]
            path.append((target, period + self._delay(body.transitions[target], target, period)))
        return path

    def _chance(self, deals, d, group, stage) -> float:
        """The chance to be won under the first version, by its own first principles."""
        first = self._weights_at_age(deals, d, group, stage)
        hopes = dict.fromkeys(self.scenario.stages, 0.0) | {"won": 1.0, "lost": 0.0}
        for _ in range(60):
            for name in self.scenario.stages:
                chances = self._chances(0, *group, name)
                hopes[name] = sum(c * hopes[target] for target, c in chances.items())
        return sum(chance * hopes[target] for target, chance in first.items())

    def _weights_at_age(self, deals, d, group, stage) -> dict[str, float]:
        chances = self._chances(0, *group, stage)
        ways = self.scenario.versions[0].journeys[group][stage].transitions
        weights = {"lost": 1.0 - sum(chances.values())}
        age = float(deals.age_days[d])
        for target, chance in chances.items():
            lag = ways[target].lag
            if target == "lost" and not isinstance(lag, Periods) and lag.family.mean == 0.0:
                longer = 1.0
            elif isinstance(lag, Periods):
                past = max(deals.age_periods[d], 0)
                longer = sum(p for n, p in lag.chances if n >= past)
            elif math.isnan(age):
                longer = 1.0
            else:
                at = np.array([age / self.factor(lag.about)])
                longer = 1.0 - float(lag.family.cdf(at)[0])
            weights[target] = weights.get(target, 0.0) + chance * longer
        total = sum(weights.values())
        return {target: weight / total for target, weight in weights.items()}


def naive_runs(scenario: Scenario, runs: int, seed: int) -> list[Record]:
    """Simulate runs of a scenario with open deals, one by one."""
    world, rng = Naive(scenario), Random(seed)
    return [NaiveDeals(world, rng).simulate() for _ in range(runs)]
