"""The chances of goals along a lever: each value a scenario, all with common random numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from forecast.analysis.goal_chance import Conditional, GoalChances
from forecast.analysis.goal_split import Span, hits
from forecast.analysis.levers import Lever
from forecast.analysis.summary import chance_error
from forecast.engine.chance import GoalSpan
from forecast.engine.plan import make_blueprint
from forecast.engine.request import detail_for
from forecast.engine.simulate import Simulator
from forecast.scenario.model import Scenario


class Chance(NamedTuple):
    """A goal's chance at one value of a lever, and its standard error (0 where it is exact)."""

    probability: float
    standard_error: float


class NoLongerExact(Exception):
    """A chance that was exact elsewhere is only an average here."""


class Curves:
    """The chances of some goals at any value of a lever; each value is worked out once."""

    def __init__(self, lever: Lever, spans: Sequence[Span], runs: int, seed: int) -> None:
        self.lever, self.spans, self.runs, self.seed = lever, tuple(spans), runs, seed
        known = self._known(lever.now, self.spans)
        self.exact = {s for s in self.spans if (c := known.get(s[:2])) and c.integrated}
        self._averaged = [s for s in self.spans if s[:2] in known and s not in self.exact]
        self._simulated = [s for s in self.spans if s[:2] not in known]
        self._exact_at: dict[float, dict[Span, Chance | None]] = {}
        self._sampled_at: dict[float, dict[Span, Chance]] = {}

    def at(self, span: Span, value: float) -> Chance:
        """Give a goal's chance at a value; raises ``NoLongerExact``, ``ScenarioError``."""
        if span not in self.exact:
            return self._sample(value)[span]
        if value not in self._exact_at:
            known = self._known(value, [s for s in self.spans if s in self.exact])
            self._exact_at[value] = {
                s: Chance(one.probability, 0.0) if (one := known[s[:2]]).integrated else None
                for s in self.exact
            }
        found = self._exact_at[value][span]
        if found is None:
            raise NoLongerExact
        return found

    def error(self, span: Span, near: Chance, probability: float) -> float:
        """Standard error of a chance of about ``probability``, by that of a chance near it."""
        if span not in self._simulated:
            return near.standard_error
        return chance_error(round(probability * self.runs), self.runs)

    def give_up_exact(self, span: Span) -> None:
        """Take a goal's chance as an average over the runs from now on."""
        self.exact.discard(span)
        self._averaged.append(span)
        self._sampled_at.clear()

    def _scenario(self, value: float, spans: Sequence[Span]) -> Scenario:
        goals = tuple(dict.fromkeys(goal for goal, _, _ in spans))
        return dataclasses.replace(self.lever.at(value), goals=goals)

    def _known(self, value: float, spans: Sequence[Span]) -> dict[GoalSpan, Conditional]:
        scenario = self._scenario(value, spans)
        return GoalChances(scenario, self.seed, self.runs).known([s[:2] for s in spans])

    def _sample(self, value: float) -> dict[Span, Chance]:
        if value in self._sampled_at:
            return self._sampled_at[value]
        found: dict[Span, Chance] = {}
        if self._averaged:
            known = self._known(value, self._averaged)
            for span in self._averaged:
                one = known[span[:2]]
                found[span] = Chance(one.probability, one.standard_error)
        if self._simulated:
            detail = detail_for(goal.metric for goal, _, _ in self._simulated)
            blueprint = make_blueprint(self._scenario(value, self._simulated))
            simulator = Simulator(blueprint, self.seed, detail)
            reached = hits(simulator, self._simulated, self.runs)
            for span, hit in zip(self._simulated, reached, strict=True):
                count = int(np.count_nonzero(hit))
                found[span] = Chance(count / self.runs, chance_error(count, self.runs))
        self._sampled_at[value] = found
        return found
