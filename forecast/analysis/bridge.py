"""The bridge: the change from one scenario to another, explained assumption by assumption.

An effect is a Shapley value: what the change of a group of assumptions does on average over all
orders in which the groups can change one after the other,

    effect(g) = sum over S without g of |S|! (n - |S| - 1)! / n! * (v(S + g) - v(S)),

where v(S) is the scenario in which the groups of S have changed. The effects add up to the whole
change, and a group that changes nothing has none. Source: Shapley (1953),
doi:10.1515/9781400881970-018. With many groups orders are sampled, each with its reverse.

All scenarios are simulated with common random numbers, so an effect is known run by run. The bridge
is always built in one direction, and its signs turned for the other: they are opposite exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import factorial, sqrt

import numpy as np

from forecast.analysis.changed import Group, changed_paths, groups_of, mixture
from forecast.analysis.levers import document_of
from forecast.analysis.measures import Floats, Futures, Measure, futures_of
from forecast.engine.request import check_memory
from forecast.engine.run import Progress
from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Table
from forecast.scenario.reader import build_scenario

MOST_EXACT = 6  # groups: 64 scenarios
MIXTURES = 64  # about so many are simulated where orders are sampled
FEWEST_PAIRS = 2
ROUNDING = 1e-12  # of a measure's size: a smaller effect is no effect

Members = frozenset[int]


@dataclass(frozen=True)
class Bridge:
    """Effects of the causes on measures, shape (cause, measure) each.

    ``expected`` is the same from closed forms, not a number where one of them is missing; its error
    is not 0 for chances that are averaged over uncertain assumptions.
    """

    causes: tuple[str, ...]
    measures: tuple[Measure, ...]
    effect: Floats
    standard_error: Floats
    expected: Floats
    expected_standard_error: Floats
    how: str


@dataclass(frozen=True)
class _Value:
    """What a scenario gives: simulated columns (measure, run), and what is known, (row,) each."""

    columns: Floats
    known: list[Floats]


def make_bridge(
    base: Futures,
    changed: Futures,
    measures: Sequence[Measure],
    *,
    seed: int = 0,
    by_path: bool = False,
    progress: Progress | None = None,
) -> Bridge:
    """Explain the change of measures from one simulated scenario to another.

    Raises ``RequestError`` where the machine cannot hold so many runs.
    """
    turned = changed.scenario.text < base.scenario.text
    one, other = (changed, base) if turned else (base, changed)
    mixes = _Mixes(one, other, measures, seed, by_path)
    if progress is not None:
        mixes.watch(progress)
    found = mixes.bridge()
    if not turned:
        return found
    opposite = (0.0 - found.effect, found.standard_error, 0.0 - found.expected)
    return Bridge(found.causes, found.measures, *opposite, found.expected_standard_error, found.how)


class _Effects:
    """Weighted sums of the values of mixtures, for every cause."""

    def __init__(self, causes: int, measures: int, runs: int) -> None:
        self.columns = np.zeros((causes, measures, runs))
        self.known: list[list[Floats]] = [[np.zeros(1)] * measures for _ in range(causes)]
        self.size = np.zeros(measures)

    def add(self, cause: int, weight: float, value: _Value) -> None:
        """Add a value, so many times."""
        self.columns[cause] += weight * value.columns
        self.known[cause] = [
            total + weight * known
            for total, known in zip(self.known[cause], value.known, strict=True)
        ]
        np.maximum(self.size, np.abs(value.columns).mean(axis=1), out=self.size)

    def means(self) -> tuple[Floats, Floats]:
        """Give the effects and their standard errors over runs, shape (cause, measure)."""
        mean, error = _mean_and_error(self.columns)
        if self.columns.shape[-1] == 1:
            error = np.full_like(mean, np.nan)  # one run does not tell
        return _without_rounding(mean, error, self.size)

    def exact(self) -> tuple[Floats, Floats]:
        """Give the known effects and their standard errors."""
        pairs = [[_mean_and_error(row) for row in rows] for rows in self.known]
        shape = self.columns.shape[:2]
        means = np.array([mean for rows in pairs for mean, _ in rows], np.float64).reshape(shape)
        errors = np.array([error for rows in pairs for _, error in rows]).reshape(shape)
        return _without_rounding(means, errors, self.size)


def _mean_and_error(columns: Floats) -> tuple[Floats, Floats]:
    """Means over the last axis and their standard errors; 0 of what is known in one row."""
    runs = columns.shape[-1]
    mean = columns.mean(axis=-1)
    if runs == 1:
        return mean, np.zeros_like(mean)
    return mean, columns.std(axis=-1, ddof=1) / sqrt(runs)


def _without_rounding(means: Floats, errors: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Put 0 for effects that are nothing but rounding."""
    nothing = (np.abs(means) <= ROUNDING * size) & ~(errors > ROUNDING * size)
    return np.where(nothing, 0.0, means), np.where(nothing, 0.0 * errors, errors)


@dataclass
class _Mixes:
    """The scenarios between two scenarios, and what they give."""

    one: Futures
    other: Futures
    measures: Sequence[Measure]
    seed: int
    by_path: bool
    groups: list[Group] = field(init=False)
    _built: dict[frozenset[tuple[str, ...]], Scenario | None] = field(default_factory=dict)
    _documents: tuple[Table, Table] = field(init=False)
    _tell: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        self._documents = document_of(self.one.scenario), document_of(self.other.scenario)
        self.groups = groups_of(changed_paths(*self._documents), self.by_path)
        self.runs = len(next(iter(self.one.totals.values())))
        self._ends = self._value(self.one), self._value(self.other)

    def watch(self, progress: Progress) -> None:
        """Tell how many of the mixtures' runs are done."""
        self._tell = lambda done, of: progress(done * self.runs, of * self.runs)

    def bridge(self) -> Bridge:
        """Build the bridge over groups that can change one without the other."""
        self._settle()
        n, count = len(self.groups), len(self.measures)
        check_memory(self.runs, 8 * count * (n + 4))
        effects = _Effects(n, count, self.runs)
        beyond = np.zeros((n, count))  # variance that comes of sampling orders
        if n <= MOST_EXACT:
            how = "exact Shapley values"
            self._all_orders(effects)
        else:
            pairs = len(self._orders()) // 2
            how = f"Shapley values sampled by {2 * pairs} orders of {n} changes"
            beyond = self._sampled_orders(effects)
        mean, error = effects.means()
        expected, doubt = effects.exact()
        return Bridge(
            tuple(group.name for group in self.groups),
            tuple(self.measures),
            mean,
            np.sqrt(error**2 + beyond),
            expected,
            np.sqrt(doubt**2 + np.where(np.isnan(expected), 0.0, beyond)),
            how,
        )

    # --- values of mixtures

    def _value(self, futures: Futures) -> _Value:
        known = [futures.known(measure) for measure in self.measures]
        return _Value(futures.columns(self.measures), known)

    def value(self, members: Members) -> _Value:
        """Simulate the scenario in which some groups have changed."""
        if len(members) in (0, len(self.groups)):
            return self._ends[0 if not members else 1]
        scenario = self._scenario(members)
        assert scenario is not None
        return self._value(futures_of(scenario, runs=self.runs, seed=self.seed, rows=self.one.rows))

    def _scenario(self, members: Members) -> Scenario | None:
        """Build the scenario in which some groups have changed; None where it cannot be."""
        if not members:
            return self.one.scenario
        if len(members) == len(self.groups):
            return self.other.scenario
        taken = frozenset(path for i in members for path in self.groups[i].paths)
        if taken not in self._built:
            document = mixture(*self._documents, taken)
            assert isinstance(document, Table)
            try:
                self._built[taken] = build_scenario(document)
            except ScenarioError:
                self._built[taken] = None
        return self._built[taken]

    # --- groups that cannot change one without the other

    def _settle(self) -> None:
        """Join groups until every mixture that is needed is a scenario."""
        while True:
            bad = next((m for m in self._needed() if self._scenario(m) is None), None)
            if bad is None:
                return
            self._join(*self._inseparable(bad))

    def _needed(self) -> Iterator[Members]:
        n = len(self.groups)
        if n <= MOST_EXACT:
            for mask in range(1 << n):
                yield frozenset(i for i in range(n) if mask >> i & 1)
            return
        for order in self._orders():
            for length in range(n):
                yield frozenset(order[:length])

    def _inseparable(self, bad: Members) -> tuple[int, int]:
        """Find a group of an impossible mixture, and one outside of it, to be joined."""
        outside = [j for j in range(len(self.groups)) if j not in bad]
        inside = sorted(bad)
        partners = [j for j in outside if self._scenario(bad | {j}) is not None] or outside
        culprits = [i for i in inside if self._scenario(bad - {i}) is not None] or inside
        pairs = [(i, j) for i in culprits for j in partners]
        return max(pairs, key=lambda pair: self._nearness(*pair))

    def _nearness(self, i: int, j: int) -> int:
        """How many keys the paths of two groups share at their beginning."""
        one, other = self.groups[i].paths[0], self.groups[j].paths[0]
        return sum(one[:k] == other[:k] for k in range(1, min(len(one), len(other)) + 1))

    def _join(self, i: int, j: int) -> None:
        one, other = self.groups[min(i, j)], self.groups[max(i, j)]
        names = [*one.name.split(" + "), *other.name.split(" + ")]
        joined = Group(" + ".join(names), one.paths + other.paths)
        self.groups = [
            joined if k == min(i, j) else group
            for k, group in enumerate(self.groups)
            if k != max(i, j)
        ]

    # --- Shapley values

    def _all_orders(self, effects: _Effects) -> None:
        """Add up the effects over all orders."""
        n = len(self.groups)
        weights = [factorial(s) * factorial(n - 1 - s) / factorial(n) for s in range(n)]
        needed = list(self._needed())
        for done, members in enumerate(needed, start=1):
            value = self.value(members)
            for g in range(n):
                size = len(members)
                weight = weights[size - 1] if g in members else -weights[size]
                effects.add(g, weight, value)
            self._report(done, len(needed))

    def _orders(self) -> list[list[int]]:
        """Draw orders of the groups, each followed by its reverse."""
        n = len(self.groups)
        pairs = max(FEWEST_PAIRS, MIXTURES // (2 * (n - 1)))
        rng = np.random.default_rng(20_270_103 + n)
        found = []
        for _ in range(pairs):
            order = [int(i) for i in rng.permutation(n)]
            found += [order, order[::-1]]
        return found

    def _sampled_orders(self, effects: _Effects) -> Floats:
        """Add up the effects over some orders; gives the variance that comes of sampling them."""
        orders, n = self._orders(), len(self.groups)
        weight = 1.0 / len(orders)
        by_order = np.zeros((len(orders), n, len(self.measures)))
        for k, order in enumerate(orders):
            before = self.value(frozenset())
            for step, g in enumerate(order, start=1):
                after = self.value(frozenset(order[:step]))
                effects.add(g, weight, after)
                effects.add(g, -weight, before)
                by_order[k, g] = after.columns.mean(axis=1) - before.columns.mean(axis=1)
                before = after
                self._report(k * n + step, len(orders) * n)
        pairs = by_order.reshape(len(orders) // 2, 2, n, -1).mean(axis=1)
        variance: Floats = pairs.var(axis=0, ddof=1) / len(pairs)
        return variance

    def _report(self, done: int, of: int) -> None:
        if self._tell is not None:
            self._tell(done, of)
