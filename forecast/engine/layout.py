"""Which ways, sizes and phases a scenario has: its names laid out flat, versions side by side.

A *way* is a transition with one lag; a *variant* is a product with one deal size. A change of the
scenario adds ways and variants of its own, that have no share before its day; a *phase* is a set
of periods in which the versions have the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.families import build
from forecast.scenario.model import LOST, WON, Group, Lag, Recurring, Scenario, Variable

AT_ONCE = Variable(build("fixed", {"value": 0.0}))


@dataclass(frozen=True)
class Way:
    """A transition with one lag for each group that has it.

    The first way out of a stage may be that of the items that are not followed up.
    """

    source: int
    target: int
    version: int  # the first version in which a group takes it with this lag
    lags: Mapping[Group, Lag]
    versions: Mapping[Group, tuple[int, ...]]  # in which a group takes it with this lag
    unworked: bool = False


@dataclass(frozen=True)
class Variant:
    """A product with one deal size, paid in one way, for each group that sells it."""

    product: int
    version: int
    sizes: Mapping[Group, Variable]
    recurring: Mapping[Group, Recurring | None]
    versions: Mapping[Group, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """The flat order of everything a plan indexes."""

    scenario: Scenario
    targets: tuple[str, ...]  # stages, then won and lost
    ways: tuple[Way, ...]  # sorted by source; first_way[j] is the first out of stage j
    first_way: NDArray[np.int64]
    variants: tuple[Variant, ...]
    weights: NDArray[np.float64]  # (phase, version)
    phase_of: NDArray[np.int64]  # (period,)
    offsets: NDArray[np.float64]  # (phase,) part of the period that is over when it begins

    @property
    def won(self) -> int:
        """The index of won among the targets."""
        return len(self.scenario.stages)


def lay_out(scenario: Scenario) -> Layout:
    """Lay out a scenario's ways, variants and phases."""
    targets = (*scenario.stages, WON, LOST)
    ways = _ways(scenario, targets)
    sources = np.array([way.source for way in ways], dtype=np.int64)
    first_way = np.searchsorted(sources, np.arange(len(scenario.stages) + 1))
    weights, phase_of, offsets = _phases(scenario)
    return Layout(
        scenario,
        targets,
        tuple(ways),
        first_way.astype(np.int64),
        tuple(_variants(scenario)),
        weights,
        phase_of,
        offsets,
    )


def _ways(scenario: Scenario, targets: tuple[str, ...]) -> list[Way]:
    """Number the distinct lags of each transition and group in order of their versions."""
    lags: dict[tuple[int, int, int], dict[Group, Lag]] = {}
    versions: dict[tuple[int, int, int], dict[Group, tuple[int, ...]]] = {}
    order: dict[tuple[int, int], dict[Group, list[Lag]]] = {}
    for v, version in enumerate(scenario.versions):
        for group, journey in version.journeys.items():
            for stage, body in journey.items():
                for target, transition in body.transitions.items():
                    pair = targets.index(stage), targets.index(target)
                    known = order.setdefault(pair, {}).setdefault(group, [])
                    if transition.lag not in known:
                        known.append(transition.lag)
                    key = (*pair, known.index(transition.lag))
                    lags.setdefault(key, {})[group] = transition.lag
                    held = versions.setdefault(key, {})
                    held[group] = (*held.get(group, ()), v)
    place = {pair: i for i, pair in enumerate(order)}
    keys = sorted(lags, key=lambda k: (k[0], place[k[0], k[1]], k[2]))
    ways = [Way(k[0], k[1], k[2], lags[k], versions[k]) for k in keys]
    aside = [_unworked(scenario, j) for j in partly_followed(scenario)]
    return sorted([*aside, *ways], key=lambda way: way.source)


def partly_followed(scenario: Scenario) -> list[int]:
    """Give the stages of which not every item is followed up."""
    stages = [
        name
        for version in scenario.versions
        for name, capacity in version.capacity.items()
        if capacity.follow_up != 1.0
    ]
    return sorted({scenario.stages.index(name) for name in stages})


def _unworked(scenario: Scenario, stage: int) -> Way:
    """The way of the items of a stage that are not followed up: all groups take it, at once."""
    groups = scenario.groups
    every = tuple(range(len(scenario.versions)))
    lost = len(scenario.stages) + 1
    lags = dict.fromkeys(groups, AT_ONCE)
    return Way(stage, lost, 0, lags, dict.fromkeys(groups, every), unworked=True)


def _variants(scenario: Scenario) -> list[Variant]:
    sizes: dict[tuple[int, int], dict[Group, Variable]] = {}
    versions: dict[tuple[int, int], dict[Group, tuple[int, ...]]] = {}
    recurring: dict[tuple[int, int], dict[Group, Recurring | None]] = {}
    order: dict[int, dict[Group, list[tuple[Variable, Recurring | None]]]] = {}
    for v, version in enumerate(scenario.versions):
        for group, products in version.products.items():
            for name, product in products.items():
                p = scenario.products.index(name)
                known = order.setdefault(p, {}).setdefault(group, [])
                worth = product.size, product.recurring
                if worth not in known:
                    known.append(worth)
                key = p, known.index(worth)
                sizes.setdefault(key, {})[group] = product.size
                recurring.setdefault(key, {})[group] = product.recurring
                held = versions.setdefault(key, {})
                held[group] = (*held.get(group, ()), v)
    return [Variant(*key, sizes[key], recurring[key], versions[key]) for key in sorted(sizes)]


def _phases(
    scenario: Scenario,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    calendar = scenario.calendar
    weights = version_weights(scenario)
    offsets = np.zeros(calendar.periods)
    offsets[0] = calendar.first_offset
    rows = np.column_stack([weights, offsets])
    distinct: dict[bytes, int] = {}
    phase_of = np.array([distinct.setdefault(row.tobytes(), len(distinct)) for row in rows])
    firsts = np.array([int(np.argmax(phase_of == i)) for i in range(len(distinct))])
    return weights[firsts], phase_of.astype(np.int64), offsets[firsts]


def version_weights(scenario: Scenario) -> NDArray[np.float64]:
    """The share of each period's days that lie under each version, shape (period, version)."""
    since = tuple(version.since.toordinal() for version in scenario.versions)
    return _weights(scenario.calendar.edges, since)


@lru_cache(maxsize=64)
def _weights(edges: tuple[int, ...], since: tuple[int, ...]) -> NDArray[np.float64]:
    ends = np.array(edges, dtype=np.float64)
    bounds = np.array([*since, np.inf])
    overlap = np.minimum(ends[1:, None], bounds[None, 1:]) - np.maximum(
        ends[:-1, None], bounds[None, :-1]
    )
    weights = np.asarray(np.maximum(overlap, 0.0) / np.diff(ends)[:, None])
    weights.flags.writeable = False  # it is given to all who ask
    return weights
