"""Draw what is uncertain: one value a run of each uncertain assumption.

The points are quasi-random, and each depends only on (seed, name, run): the van der Corput
sequence with its index shuffled and its digits scrambled by hashes keyed by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from forecast.engine.identity import KEPT, Same
from forecast.engine.kernel.quantiles import (
    ELSEWHERE,
    EXP,
    LOGISTIC,
    NO_TABLE,
    PIECES,
    PLAIN,
    Forms,
    Ties,
    fill_normals,
    fill_points,
    fill_values,
)
from forecast.engine.keys import stream_key
from forecast.scenario.families import Beta, Family, Gamma, Lognormal, Normal
from forecast.scenario.families.table import EDGE, QuantileTable
from forecast.scenario.model import Number, Scenario, Uncertain
from forecast.scenario.uncertain import correlation_matrix, uncertain_numbers

Floats = NDArray[np.float64]


class Rows(Mapping[Uncertain, Floats]):
    """The rows of one array (assumption, run) by assumption."""

    def __init__(self, at: Mapping[Uncertain, int], block: Floats) -> None:
        self.at = at
        self.block = block

    def __getitem__(self, number: Uncertain) -> Floats:
        row: Floats = self.block[self.at[number]]
        return row

    def __iter__(self) -> Iterator[Uncertain]:
        return iter(self.at)

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Values:
    """The values of uncertain assumptions in some runs (rows); certain numbers have one row."""

    of: Mapping[Uncertain, Floats]

    def __call__(self, number: Number) -> Floats:
        """Give a number's values, shape (row,) or (1,)."""
        if isinstance(number, Uncertain):
            return self.of[number]
        return np.array([number])

    def factor(self, about: Uncertain | None) -> Floats | None:
        """Give an uncertain centre's values over its mean, shape (row,)."""
        return None if about is None else self.of[about] / about.family.mean


@dataclass(frozen=True, eq=False)
class _Uncertain:
    """The uncertain assumptions of a scenario, before any seed."""

    numbers: Mapping[str, Uncertain]  # by name
    matrix: Floats  # the normal correlations of those drawn together
    together: tuple[str, ...]

    @cached_property
    def drawn(self) -> tuple[str, ...]:
        """Everything that a normal is drawn for."""
        return tuple(dict.fromkeys((*self.numbers, *self.together)))

    @cached_property
    def at(self) -> dict[Uncertain, int]:
        """The row of each number."""
        return {number: i for i, number in enumerate(self.numbers.values())}

    @cached_property
    def ties(self) -> Ties:
        """How the normals of those drawn together are correlated."""
        places = np.array([self.drawn.index(name) for name in self.together], dtype=np.int64)
        return Ties(places, np.asarray(np.linalg.cholesky(self.matrix), dtype=np.float64))

    @cached_property
    def forms(self) -> tuple[Forms, list[tuple[int, Family]]]:
        """How the kernel makes the values; and those that it does not make, with their rows."""
        families = [number.family for number in self.numbers.values()]
        shapes = [_shape(family) for family in families]
        tables = dict.fromkeys(table for _, _, table in shapes if table is not None)
        cells = np.cumsum([0, *(len(table.pieces) for table in tables)])
        begin = dict(zip(tables, cells[:-1].tolist(), strict=True))
        forms = Forms(
            np.array([finish for finish, _, _ in shapes]),
            np.array([NO_TABLE if table is None else begin[table] for _, _, table in shapes]),
            np.array([0.0 if table is None else float(table.per_unit) for _, _, table in shapes]),
            np.array([parameters for _, parameters, _ in shapes]),
            np.concatenate([np.empty((0, PIECES)), *(table.pieces for table in tables)]),
            EDGE,
        )
        return forms, [(i, f) for i, f in enumerate(families) if forms.finish[i] == ELSEWHERE]


@lru_cache(KEPT)
def _uncertain(of: Same[Scenario]) -> _Uncertain:
    return _Uncertain(uncertain_numbers(of.it), *correlation_matrix(of.it.correlations))


class Draws:
    """The uncertain assumptions of a scenario by name, ready to be drawn for any runs."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._of = _uncertain(Same(scenario))
        self.numbers = self._of.numbers
        self.names = tuple(self.numbers)
        self.together, self.drawn = self._of.together, self._of.drawn
        keys = [stream_key(seed, "assumption", name) for name in self.drawn]
        self._keys = np.array(keys, dtype=np.uint64)

    def draw(self, first: int, runs: int) -> Values:
        """Draw the assumptions of runs ``first`` to ``first + runs - 1``."""
        return self._values(self.normals(first, runs))

    def normals(self, first: int, runs: int) -> Floats:
        """Give the independent standard normals of some runs, shape (drawn, run)."""
        return quasi_normals(self._keys, first, runs)

    def at_normals(self, normals: Mapping[str, Floats]) -> Values:
        """Give the values at independent standard normal points, shape (row,) by name."""
        rows = [np.asarray(normals[name], dtype=np.float64) for name in self.drawn]
        return self._values(np.stack(rows) if rows else np.empty((0, 1)))

    def means(self) -> Values:
        """Give every assumption's mean, one row."""
        return Values({u: np.array([u.family.mean]) for u in self.numbers.values()})

    def correlations(self, names: Sequence[str]) -> Floats:
        """Give the normal correlations between some of the correlated assumptions."""
        at = [self.together.index(name) for name in names]
        return self._of.matrix[np.ix_(at, at)]

    def correlated(self, name: str) -> bool:
        """Tell whether an assumption is correlated with another one."""
        return name in self.together

    def matrix(self, values: Values, runs: int) -> Floats:
        """Lay out values as (run, assumption)."""
        if isinstance(values.of, Rows) and values.of.at is self._of.at:
            return np.ascontiguousarray(values.of.block.T)
        out = np.empty((runs, len(self.numbers)))
        for i, number in enumerate(self.numbers.values()):
            out[:, i] = values(number)
        return out

    def _values(self, normals: Floats) -> Values:
        """Give the values at independent normals (drawn, row), which are overwritten."""
        block = np.empty((len(self.names), normals.shape[1]))
        if not len(block):
            return Values(Rows(self._of.at, block))
        forms, elsewhere = self._of.forms
        outside = fill_values(normals, self._of.ties, forms, block)
        for i, family in elsewhere:
            block[i] = family.from_normal(normals[i])
        if outside:
            for number, i in self._of.at.items():
                far = ~(np.abs(normals[i]) <= EDGE)
                block[i, far] = number.family.from_normal(normals[i, far])
        return Values(Rows(self._of.at, block))


def _shape(family: Family) -> tuple[int, tuple[float, float, float, float], QuantileTable | None]:
    """How a family's value is made of a normal: ``Forms.finish``, parameters and table."""
    if isinstance(family, Beta):
        return LOGISTIC, (0.0, 1.0, family.low, family.high), family.table()
    if isinstance(family, Gamma):
        return EXP, (0.0, 1.0, family.scale, 0.0), family.table()
    if isinstance(family, Lognormal):
        return EXP, (family.mu, family.sigma, 1.0, 0.0), None
    if isinstance(family, Normal):
        return PLAIN, (family.mu, family.sigma, 1.0, 0.0), None
    return ELSEWHERE, (0.0, 1.0, 0.0, 0.0), None


def quasi_normals(keys: NDArray[np.uint64], first: int, runs: int) -> Floats:
    """Give the normals of the scrambled points of runs ``first`` on, shape (key, run)."""
    normals = np.empty((len(keys), runs))
    if len(keys):
        fill_normals(keys, first, normals)
    return normals


def quasi_uniforms(key: int, first: int, runs: int) -> Floats:
    """Give the scrambled points of runs ``first`` on, inside (0, 1), for one key."""
    points = np.empty((1, runs))
    fill_points(np.array([key], dtype=np.uint64), first, points)
    return np.ravel(points)
