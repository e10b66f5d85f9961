"""Draw what is uncertain: one value a run of each uncertain assumption.

The points are quasi-random, and each depends only on (seed, name, run): the van der Corput
sequence with its index shuffled and its digits scrambled by hashes keyed by name.

Source: B. Burley, "Practical hash-based Owen scrambling", JCGT 9(4), 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.engine.keys import stream_key
from forecast.scenario.model import Number, Scenario, Uncertain
from forecast.scenario.uncertain import correlation_matrix, uncertain_numbers

Floats = NDArray[np.float64]
Words = NDArray[np.uint32]


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


class Draws:
    """The uncertain assumptions of a scenario by name, ready to be drawn for any runs."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.numbers = uncertain_numbers(scenario)
        self.names = tuple(self.numbers)
        self._matrix, self.together = correlation_matrix(scenario.correlations)
        self._root = np.linalg.cholesky(self._matrix)
        drawn = dict.fromkeys((*self.names, *self.together))
        self.drawn = tuple(drawn)
        self._keys = {name: stream_key(seed, "assumption", name) for name in drawn}

    def draw(self, first: int, runs: int) -> Values:
        """Draw the assumptions of runs ``first`` to ``first + runs - 1``."""
        return self.at_normals({name: self._normals(name, first, runs) for name in self._keys})

    def at_normals(self, normals: Mapping[str, Floats]) -> Values:
        """Give the values at independent standard normal points, shape (row,) by name."""
        points = dict(normals)
        for i, name in enumerate(self.together):
            weights = self._root[i, : i + 1]
            parts = [w * normals[n] for w, n in zip(weights, self.together, strict=False)]
            points[name] = np.ascontiguousarray(sum(parts[1:], parts[0]))
        values = {
            self.numbers[n]: self.numbers[n].family.from_normal(points[n]) for n in self.names
        }
        return Values(values)

    def means(self) -> Values:
        """Give every assumption's mean, one row."""
        return Values({u: np.array([u.family.mean]) for u in self.numbers.values()})

    def correlations(self, names: Sequence[str]) -> Floats:
        """Give the normal correlations between some of the correlated assumptions."""
        at = [self.together.index(name) for name in names]
        return self._matrix[np.ix_(at, at)]

    def correlated(self, name: str) -> bool:
        """Tell whether an assumption is correlated with another one."""
        return name in self.together

    def matrix(self, values: Values, runs: int) -> Floats:
        """Lay out values as (run, assumption)."""
        columns = [np.broadcast_to(values(u), (runs,)) for u in self.numbers.values()]
        return np.stack(columns, axis=1) if columns else np.zeros((runs, 0))

    def _normals(self, name: str, first: int, runs: int) -> Floats:
        from scipy.special import ndtri

        return np.asarray(ndtri(quasi_uniforms(self._keys[name], first, runs)))


def quasi_uniforms(key: int, first: int, runs: int) -> Floats:
    """Give the scrambled points of runs ``first`` on, inside (0, 1), for one key."""
    index = np.arange(first, first + runs, dtype=np.uint64).astype(np.uint32)
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    shuffled = _scramble(index, low)
    digits = _hash(shuffled, high)  # the index is the sequence's digits in reverse
    return (_reverse(digits).astype(np.float64) + 0.5) * 2.0**-32


def _scramble(x: Words, seed: np.uint32) -> Words:
    return _reverse(_hash(_reverse(x), seed))


def _hash(x: Words, seed: np.uint32) -> Words:
    """Permute from the lowest bit up: a bit changes with those below it only (Laine, Karras)."""
    x = x ^ (x * np.uint32(0x3D20ADEA))
    x = x + seed
    x = x * ((seed >> np.uint32(16)) | np.uint32(1))
    x = x ^ (x * np.uint32(0x05526C56))
    return x ^ (x * np.uint32(0x53A22864))


def _reverse(x: Words) -> Words:
    """Reverse the order of the 32 bits."""
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        s, m = np.uint32(shift), np.uint32(mask)
        x = ((x >> s) & m) | ((x & m) << s)
    return (x >> np.uint32(16)) | (x << np.uint32(16))
