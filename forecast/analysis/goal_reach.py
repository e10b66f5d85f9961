"""Backward: the smallest value of a lever at which a goal's chance reaches a confidence.

Where the chance is exact the answer is an equality, found by bisection on whole numbers or Brent's
method (scipy). Else the chances at several values, all with the same random numbers, are made
monotone in the probit (isotonic regression), joined by a monotone interpolant (Fritsch and Carlson
1980, doi:10.1137/0717021), and Brent's method finds where that meets the confidence. The interval
is where it meets the confidence less and plus ``DOUBT`` standard errors.

A lever may hurt: of a lag the largest value is sought. Beginning from now, its value is doubled
(or halved) towards where the chance grows until it is high enough, the lever's range ends, or the
chance falls again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log

import numpy as np

from forecast.analysis.goal_curve import Chance, Curves, NoLongerExact
from forecast.analysis.goal_split import Span
from forecast.analysis.lever_paths import BY
from forecast.scenario.errors import Fault, ScenarioError

DOUBT = 2.3263478740408408  # standard errors: an interval of 98%
STEPS = 10  # doublings or halvings from now, at most
FINE = 0.11  # of the logarithm of the values between which the smooth is taken
SMALLEST, LARGEST, NO_EFFECT = "smallest", "largest", "no effect"
FLAT = 1e-12  # chances that differ by no more do not depend on the lever
FALLING = 0.02  # a chance that has fallen by so much beyond its best will not come back
TURNS = 12  # values tried for the best chance between two others, by the golden section
BEYOND, MOST_SURE = 1.5, 0.9999  # how far beyond an interval's chances values are tried
GOLDEN = 0.6180339887498949
NEAREST = 1e-10  # relative, of an exact answer that is no count


@dataclass(frozen=True)
class Answer:
    """What reaches a confidence: the value, an interval of it, and the chance there.

    ``value`` is None where no value does; then ``best`` is the best chance there is.
    ``chance`` is known where it is exact.
    """

    value: float | None
    low: float | None
    high: float | None
    exact: bool
    best: float | None
    chance: float | None
    which: str  # "smallest", "largest" (the lever hurts), or "no effect"


def answers(curves: Curves, span: Span, confidences: Sequence[float]) -> list[Answer]:
    """Find what each confidence takes; raises ``ScenarioError`` where the lever cannot be moved."""
    try:
        return _Search(curves, span, confidences).answers()
    except NoLongerExact:
        curves.give_up_exact(span)
        return _Search(curves, span, confidences).answers()


class _Search:
    """The values of a lever that were tried for one goal, from harmful to helpful."""

    def __init__(self, curves: Curves, span: Span, confidences: Sequence[float]) -> None:
        self.curves, self.span, self.confidences = curves, span, list(confidences)
        self.lever, self.exact = curves.lever, span in curves.exact
        self.tried: dict[float, Chance] = {}
        self.sign = self._direction()
        if self.sign:
            self._walk()

    def answers(self) -> list[Answer]:
        """One for each confidence."""
        if not self.sign:
            return [self._as_now(c) for c in self.confidences]
        if not self.exact:
            for target in self._aims():
                self._narrow(target)
        find = self._exactly if self.exact else self._smoothly
        return [find(c) for c in self.confidences]

    def _targets(self, confidence: float) -> tuple[float, float, float]:
        """A confidence, and what bounds the interval of its answer, which may be no chance."""
        doubt = self._doubt(confidence)
        return confidence, confidence - doubt, confidence + doubt

    def _doubt(self, confidence: float) -> float:
        """By how much a chance that seems to be a confidence may be off."""
        if self.exact:
            return 0.0
        near = min(self.tried.values(), key=lambda c: abs(c.probability - confidence))
        return DOUBT * self.curves.error(self.span, near, confidence)

    def _aims(self) -> list[float]:
        """All chances to be found."""
        return [t for c in self.confidences for t in self._targets(c) if 0.0 < t < 1.0]

    @property
    def _which(self) -> str:
        return SMALLEST if self.sign > 0 else LARGEST

    # --- trying values

    def _chance(self, value: float) -> float:
        if value not in self.tried:
            self.tried[value] = self.curves.at(self.span, value)
        return self.tried[value].probability

    def _value(self, steps: float) -> float:
        """The value so many doublings from now, within the lever's range."""
        value = self.lever.rounded(self.lever.unit * 2.0**steps)
        if self.lever.kind == "share":
            value = min(value, 1.0)
        if self.lever.allows(value):
            return value
        return self.lever.highest if steps > 0 else self.lever.lowest

    def _direction(self) -> int:
        """1 where more helps, -1 where less does, 0 where the lever has no effect."""
        for steps in (1, STEPS):
            below, above = self._value(-steps), self._value(steps)
            if below == above:
                self._refuse()
            change = self._chance(above) - self._chance(below)
            if abs(change) > FLAT:
                return 1 if change > 0 else -1
        now = self._chance(self.lever.now)
        still = all(abs(tried.probability - now) <= FLAT for tried in self.tried.values())
        return 0 if still else 1  # neither side helps: now is about the best

    def _refuse(self) -> None:
        """Tell why the lever cannot be moved at all."""
        try:
            self.lever.at(self.lever.unit * 1.01)
        except ScenarioError as error:
            fault = error.faults[0]
            mend = "Move another assumption, or several at once by a path with *."
            told = Fault(BY, 1, self.lever.path, fault.got, fault.must, mend)
            raise ScenarioError([told]) from None

    def _walk(self) -> None:
        """Try values from now until they span the confidences, or the range ends."""
        self._chance(self.lever.now)
        beyond = [BEYOND * self._doubt(c) for c in self.confidences]
        pairs = list(zip(self.confidences, beyond, strict=True))
        least = min(c - more for c, more in pairs)
        most = max(max(c, min(c + more, MOST_SURE)) for c, more in pairs)
        best = 0.0
        for step in range(1, STEPS + 1):
            chance = self._chance(self._value(self.sign * step))
            best = max(best, chance)
            if chance >= most or (chance < best - FALLING and step > 2):
                break
        for step in range(1, STEPS + 1):
            if self._chance(self._value(-self.sign * step)) < least:
                return
        self._chance(self.lever.lowest if self.sign > 0 else self.lever.highest)

    def _points(self) -> list[tuple[float, float]]:
        """Values with their chances, from harmful to helpful, up to the best chance."""
        order = sorted(self.tried, key=lambda value: self.sign * value)
        chances = [self.tried[value].probability for value in order]
        top = int(np.argmax(chances))
        return list(zip(order[: top + 1], chances[: top + 1], strict=True))

    def _bracket(self, target: float) -> tuple[float, float] | None:
        """The values between which the chance first reaches a target; None where none does."""
        points = self._points()
        for i, (value, chance) in enumerate(points):
            if chance >= target:
                return (points[i - 1][0] if i else value), value
        return None

    def _climb(self, target: float) -> None:
        """Look for a better chance beside the best one, where the chance rises and falls again."""
        order = sorted(self.tried)
        at = max(range(len(order)), key=lambda i: self.tried[order[i]].probability)
        if at in (0, len(order) - 1):
            return
        low, high = order[at - 1], order[at + 1]
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        for _ in range(TURNS):
            a, b = (self._chance(self.lever.rounded(x)) for x in (left, right))
            if max(a, b) >= target:
                return
            if b > a:
                low, left, right = left, right, left + GOLDEN * (high - left)
            else:
                high, right, left = right, left, right - GOLDEN * (right - low)

    # --- answers

    def _exactly(self, confidence: float) -> Answer:
        between = self._reached(confidence)
        if between is None:
            return self._unreachable()
        bad, good = between
        if bad != good:
            good = self._bisect(bad, good, confidence) if self.lever.whole else self._root(
                lambda value: self._chance(value) - confidence, bad, good
            )  # fmt: skip
        return Answer(good, good, good, True, None, self._chance(good), self._which)

    def _as_now(self, confidence: float) -> Answer:
        """The answer of a lever without effect: what it is now, or nothing."""
        now, chance = self.lever.now, self._chance(self.lever.now)
        if chance < confidence:
            return Answer(None, None, None, self.exact, chance, None, NO_EFFECT)
        return Answer(now, now, now, self.exact, None, chance, NO_EFFECT)

    def _reached(self, target: float) -> tuple[float, float] | None:
        found = self._bracket(target)
        if found is None:
            self._climb(target)
            found = self._bracket(target)
        return found

    def _unreachable(self) -> Answer:
        best = max(chance.probability for chance in self.tried.values())
        return Answer(None, None, None, self.exact, best, None, self._which)

    def _bisect(self, bad: float, good: float, confidence: float) -> float:
        while abs(good - bad) > 1:
            middle = float((int(bad) + int(good)) // 2)
            if self._chance(middle) >= confidence:
                good = middle
            else:
                bad = middle
        return good

    def _root(self, excess: Callable[[float], float], bad: float, good: float) -> float:
        """Where an excess becomes 0 between two values, on the side where it is not negative."""
        from scipy.optimize import brentq

        if excess(good) <= 0.0:
            return good
        low, high = sorted((bad, good))
        root = float(brentq(excess, low, high, xtol=NEAREST * high, rtol=NEAREST))
        for nudge in (0.0, 2.0, 8.0):
            value = root + self.sign * nudge * NEAREST * high
            if excess(value) >= 0.0:
                return value
        return root

    def _narrow(self, target: float) -> None:
        """Try values between the two where the chance reaches a target until these are close."""
        while (between := self._bracket(target)) is not None:
            low, high = sorted(between)
            floor_ = max(low, self.lever.unit * 2.0**-STEPS)
            middle = self.lever.rounded((floor_ * high) ** 0.5)
            if low == high or middle in self.tried or log(high / floor_) <= FINE:
                return
            self._chance(middle)

    def _smoothly(self, confidence: float) -> Answer:
        if self._reached(confidence) is None:
            return self._unreachable()
        value, harmful, helpful = (self._on_smooth(t) for t in self._targets(confidence))
        if value is None:
            return self._unreachable()
        low, high = (harmful, helpful) if self.sign > 0 else (helpful, harmful)
        if self.lever.whole:
            up = ceil if self.sign > 0 else floor
            value, low, high = (
                None if x is None else float(up(x - 1e-9 * self.sign)) for x in (value, low, high)
            )
        return Answer(value, low, high, False, None, None, self._which)

    def _on_smooth(self, target: float) -> float | None:
        """Where the monotone smooth of the chances reaches a target."""
        from scipy.interpolate import PchipInterpolator
        from scipy.optimize import isotonic_regression
        from scipy.special import ndtri

        if not 0.0 < target < 1.0 or self._bracket(target) is None:
            return None
        points = [point for point in self._points() if point[0] > 0]
        least = 0.5 / (self.curves.runs + 1.0)
        x = self.sign * np.log([value for value, _ in points])
        z = ndtri(np.clip([chance for _, chance in points], least, 1.0 - least))
        if len(points) < 2 or z[0] >= ndtri(target):
            return points[0][0]
        smooth = PchipInterpolator(x, isotonic_regression(z).x)
        wanted = float(np.clip(ndtri(target), z[0], float(smooth(x[-1]))))
        root = self._root_of(lambda at: float(smooth(at)) - wanted, float(x[0]), float(x[-1]))
        return float(np.exp(self.sign * root))

    @staticmethod
    def _root_of(excess: Callable[[float], float], low: float, high: float) -> float:
        from scipy.optimize import brentq

        if excess(high) <= 0.0:
            return high
        return float(brentq(excess, low, high, xtol=1e-10))
