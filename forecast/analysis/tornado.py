"""The tornado: what one assumption does to a measure when it alone is moved.

An uncertain assumption is put at its P10 and at its P90, a certain one at 90% and 110% of what it
is. All others stay as they are: the uncertain ones vary as in the forecast, the same in both places
(correlated ones too: one is moved, not those that go with it), and so does luck where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np

from forecast.analysis.given import Given
from forecast.analysis.measures import Floats, Measure, goals_of, shared_measures
from forecast.analysis.movable import Movable, Moved, movables
from forecast.engine.limits import unknown_means
from forecast.engine.request import RequestError
from forecast.engine.run import Progress
from forecast.scenario.errors import did_you_mean, listed
from forecast.scenario.model import Scenario

ROWS = 512  # draws of the uncertain assumptions over which a closed form is averaged
PERCENT = (10, 90)  # of an uncertain assumption
FACTORS = (0.9, 1.1)  # of a certain one
MOST = 20  # assumptions, the largest swings
NOTHING = 1e-12  # of the measure: a smaller swing is rounding


@dataclass(frozen=True)
class Bar:
    """A measure with one assumption at a low and at a high value."""

    path: str
    uncertain: bool
    at: tuple[float, float]
    values: tuple[float, float]
    errors: tuple[float, float]
    swing: float  # the second less the first
    standard_error: float  # of the swing, whose two values share all that varies


@dataclass(frozen=True)
class Tornado:
    """The bars, the largest swing first, and the measure as it is."""

    base: float
    standard_error: float
    bars: tuple[Bar, ...]
    left_out: int  # certain assumptions that move the measure, but less than those shown
    exact: bool


class Mover:
    """A measure's runs or conditional means, for scenarios and pinned assumptions alike."""

    def __init__(self, scenario: Scenario, measure: Measure, runs: int, seed: int) -> None:
        self.scenario, self.measure, self.seed = scenario, measure, seed
        self.given = Given(scenario, measure, seed)
        self.exact = self.given.is_exact
        alone = len(self.given.draws.names) == 0
        self.rows = (1 if alone else min(runs, ROWS)) if self.exact else runs

    def base(self) -> Floats:
        """Give the measure as it is, shape (row,)."""
        return self._column(self.given)

    def pinned(self, name: str, value: float) -> Floats:
        """Give the measure with an uncertain assumption at a value."""
        return self._column(self.given, {name: value})

    def of(self, scenario: Scenario) -> Floats:
        """Give the measure of another scenario, with the same random numbers."""
        return self._column(Given(scenario, self.measure, self.seed))

    def _column(self, given: Given, pins: dict[str, float] | None = None) -> Floats:
        if self.exact and given.is_exact:
            return given.exact(given.own(pins), self.rows)
        return given.simulated(given.own(pins), self.rows)


def make_tornado(
    scenario: Scenario,
    measure: Measure,
    *,
    paths: Sequence[str] = (),
    runs: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tornado:
    """Move every assumption of a scenario by itself, or those whose paths are given.

    Without ``paths`` these are all uncertain ones and the certain ones that move the measure, the
    ``MOST`` largest swings. Raises ``RequestError`` for a path that is no assumption.
    """
    mover = Mover(scenario, measure, runs, seed)
    uncertain = mover.given.draws.names
    certain = movables(scenario, uncertain)
    _check_paths(paths, (*uncertain, *(movable.path for movable in certain)))
    names = [name for name in uncertain if _asked(name, paths)]
    chosen = [movable for movable in certain if _asked(movable.path, paths)]
    left_out = 0
    if not paths:
        chosen, left_out = _largest(mover, chosen, max(MOST - len(names), 1))
    jobs: list[Callable[[], Bar | None]] = [
        *(partial(_pinned, mover, name) for name in names),
        *(partial(_moved, mover, movable) for movable in chosen),
    ]
    bars = []
    for done, job in enumerate(jobs, start=1):
        bar = job()
        if bar is not None and (paths or bar.uncertain or bar.swing):
            bars.append(bar)
        if progress is not None:
            progress(done, len(jobs))
    bars.sort(key=lambda bar: -abs(bar.swing))
    certain_bars = [bar for bar in bars if not bar.uncertain]
    small = [] if paths else certain_bars[max(MOST - len(names), 1) :]
    shown = tuple(bar for bar in bars if bar not in small)
    return Tornado(*_mean(mover.base()), shown, left_out + len(small), mover.exact)


def _asked(path: str, paths: Sequence[str]) -> bool:
    """Tell whether a path is asked for, or lies below one that is."""
    return not paths or any(path == p or path.startswith(f"{p}.") for p in paths)


def _check_paths(paths: Sequence[str], known: Sequence[str]) -> None:
    for path in paths:
        if not any(_asked(each, [path]) for each in known):
            mend = did_you_mean(path, known)
            if not mend:
                mend = f"There are {listed(list(known)[:6])}" + (
                    " and more." * (len(known) > 6) or "."
                )
            raise RequestError(f"--by: got {path}; must be the path of an assumption. {mend}")


def _largest(mover: Mover, every: Sequence[Movable], most: int) -> tuple[list[Movable], int]:
    """Choose the certain assumptions that move a measure most, roughly: at the others' means.

    Where the measure itself has no closed form its metric's mean stands for it.
    """
    measure = mover.measure
    if not mover.exact and measure.of in unknown_means(mover.scenario):
        return list(every), 0
    if not mover.exact:
        measure = Measure(measure.of, _quarter_within(mover.scenario, measure))
    swings = []
    for movable in every:
        ends = [_roughly(movable.moved(f), measure, mover.seed) for f in FACTORS]
        known = [end for end in ends if end is not None]
        swings.append(max(known) - min(known) if len(known) > 1 else 0.0)
    size = max([abs(s) for s in swings], default=0.0)
    order = sorted(range(len(swings)), key=lambda i: -swings[i])
    moving = [i for i in order if swings[i] > NOTHING * size]
    return [every[i] for i in moving[:most]], len(moving[most:])


def _quarter_within(scenario: Scenario, measure: Measure) -> str:
    """A label over which a goal's metric can be taken: its own, or its last quarter."""
    labels = scenario.calendar.quarters
    whole = [label for label, q in scenario.calendar.years.items() if len(q) == 4]
    if not measure.is_chance or measure.quarter in (*labels, *whole):
        return measure.quarter
    return labels[goals_of(scenario)[measure][1][-1]]


def _roughly(moved: Moved | None, measure: Measure, seed: int) -> float | None:
    if moved is None:
        return None
    given = Given(moved.scenario, measure, seed)
    return float(given.exact(given.at_means(), 1)[0])


def _pinned(mover: Mover, name: str) -> Bar:
    family = mover.given.draws.numbers[name].family
    low, high = (float(v) for v in family.ppf(np.array(PERCENT) / 100.0))
    columns = [mover.pinned(name, value) for value in (low, high)]
    return _bar(name, True, (low, high), columns)


def _moved(mover: Mover, movable: Movable) -> Bar | None:
    ends = [movable.moved(factor) for factor in FACTORS]
    if all(end is None for end in ends):
        return None
    at = [movable.now if end is None else end.value for end in ends]
    columns = [mover.base() if end is None else mover.of(end.scenario) for end in ends]
    return _bar(movable.path, False, (at[0], at[1]), columns)


def _bar(path: str, uncertain: bool, at: tuple[float, float], columns: Sequence[Floats]) -> Bar:
    (low, low_error), (high, high_error) = map(_mean, columns)
    swing, error = _mean(columns[1] - columns[0])
    if abs(swing) <= NOTHING * max(abs(low), abs(high)):
        swing = 0.0
    return Bar(path, uncertain, at, (low, high), (low_error, high_error), swing, error)


def _mean(column: Floats) -> tuple[float, float]:
    """A mean and its standard error; of one row, which stands for all, none."""
    n = len(column)
    return float(column.mean()), float(column.std(ddof=1)) / sqrt(n) if n > 1 else 0.0


def measure_named(scenario: Scenario, metric: str, quarter: str, goal: int) -> Measure:
    """Give the measure that is asked about: a metric over a quarter or year, or the n-th goal.

    Without a quarter it is the last whole year, or the last quarter; without a metric deals.
    Raises ``RequestError`` for names that are not there.
    """
    if goal:
        goals = list(goals_of(scenario))
        if not 1 <= goal <= len(goals):
            must = f"the number of a goal, 1 to {len(goals)}" if goals else "left out"
            mend = "Count the rows of `forecast run`." if goals else "The scenario has no goals."
            raise RequestError(f"--goal: got {goal}; must be {must}. {mend}")
        return goals[goal - 1]
    found = shared_measures([scenario], (metric,), (quarter,) if quarter else ())
    plain = [m for m in found if not m.is_chance]
    return next((m for m in reversed(plain) if len(m.quarter) == 4), plain[-1])
