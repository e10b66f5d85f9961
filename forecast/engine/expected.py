"""Closed-form means: expected counts and money per quarter, over the uncertain assumptions.

Given the assumptions, means are exact (convolution over lags, loops followed to their end). Over
uncertain assumptions they are:

- the mean at the assumptions' means, in those that every expected count is linear in;
- Gauss-Hermite quadrature, or the exact sum, over the others, one channel at a time: each over
  what its own means are curved in (which for a channel whose leads customers bring may be
  assumptions of any channel);
- where a channel has too many of those, the average over the runs' own draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from forecast.engine.assumptions import Draws, Floats, Values
from forecast.engine.branching import with_brought
from forecast.engine.flows import expect_rows
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.shapes import Tables
from forecast.engine.limits import known_means
from forecast.engine.pipeline import add_deal_means
from forecast.engine.plan import Blueprint
from forecast.scenario.families import Listed
from forecast.scenario.families.base import normal_nodes
from forecast.scenario.model import Uncertain

# Quadrature points a dimension, by the number of dimensions: a coarse and a fine grid that must
# agree, then larger ones where they do not.
SIZES = (((1, 24, 10, 6), (1, 48, 16, 10)), ((1, 96, 32, 16), (1, 192, 64, 24)))
AGREED = 1e-9
MOST_POINTS = 50_000  # of a grid
NODES_BESIDE_LISTS = 16
ROWS_AT_ONCE = 512
MOST_MEAN_RUNS = 20_000
STRAIGHT = 1e-9  # a relative second difference below this is no curvature


@dataclass(frozen=True)
class Expectation:
    """Closed-form means, one row, and how they were found."""

    means: Means
    how: str
    runs: int | None = None  # the first so many runs whose assumptions were averaged over


def expectation(blueprint: Blueprint, draws: Draws, runs: int) -> Expectation:
    """Find the closed-form means of a blueprint; ``runs`` are averaged where nothing else can.

    Where no closed form is known they are nan.
    """
    found = _without_limits(blueprint, draws, runs)
    return replace(found, means=known_means(blueprint.scenario, found.means))


def _without_limits(blueprint: Blueprint, draws: Draws, runs: int) -> Expectation:
    """Find the means as they are if every item is taken up at once."""
    if not draws.names:
        return Expectation(flow_at(blueprint, draws.means(), 1), "closed form")
    curved = _curved_by_channel(blueprint, draws)
    if not any(curved):
        return Expectation(flow_at(blueprint, draws.means(), 1), "closed form")
    if all(_can_integrate(draws, names) for names in curved):
        how = "closed form, by quadrature over uncertain assumptions"
        for coarse, fine in SIZES:
            means = _by_channel(blueprint, draws, curved, fine)
            if _agree(means, _by_channel(blueprint, draws, curved, coarse)):
                return Expectation(means, how)
    count = min(runs, MOST_MEAN_RUNS)
    how = f"average of {count:,} runs' closed-form means"
    return Expectation(average_over_runs(blueprint, draws, count), how, count)


def _by_channel(
    blueprint: Blueprint, draws: Draws, curved: Sequence[Sequence[str]], nodes: Sequence[int]
) -> Means:
    """Integrate each channel's means over the assumptions that they are curved in."""
    known: dict[tuple[str, ...], Means] = {}
    for names in curved:
        if tuple(names) not in known:
            known[tuple(names)] = _over(blueprint, draws, names, nodes[len(names)])
    parts = [known[tuple(names)] for names in curved]
    return Means(
        *(
            np.concatenate([part[i][:, :, c : c + 1] for c, part in enumerate(parts)], axis=2)
            for i in range(len(Means._fields))
        )
    )


def _agree(one: Means, other: Means) -> bool:
    """Tell whether two quadratures differ by no more than ``AGREED`` of a variable's largest."""
    return all(
        np.all(np.abs(a - b) <= AGREED * (np.abs(a) + 1e-6 * np.abs(a).max()))
        for a, b in zip(one, other, strict=True)
    )


def flow_at(blueprint: Blueprint, values: Values, rows: int) -> Means:
    """Expected counts for rows of assumption values."""
    return means_of(blueprint, blueprint.maker.tables(values), rows)


def means_of(blueprint: Blueprint, tables: Tables, rows: int) -> Means:
    """Expected counts for rows of tables."""
    means = expect_rows(blueprint, with_brought(blueprint, tables, rows), rows)
    if blueprint.opened is not None:
        add_deal_means(blueprint.opened, blueprint.plan, tables, means)
    return means


def average_over_runs(blueprint: Blueprint, draws: Draws, runs: int) -> Means:
    """Average the closed-form means over the assumptions drawn for the first runs."""
    slices = [(n, min(ROWS_AT_ONCE, runs - n)) for n in range(0, runs, ROWS_AT_ONCE)]
    return _integrate(blueprint, ((draws.draw(*s), np.full(s[1], 1.0 / runs)) for s in slices))


def _over(blueprint: Blueprint, draws: Draws, names: Sequence[str], nodes: int) -> Means:
    """Integrate the means over some assumptions, the others at their means."""
    if not names:
        return flow_at(blueprint, draws.means(), 1)
    return _integrate(blueprint, _grid(draws, names, nodes))


def _integrate(blueprint: Blueprint, points: Iterable[tuple[Values, Floats]]) -> Means:
    """Sum the means at rows of assumption values, each by its weight."""
    total: list[Floats] = []
    for values, weights in points:
        part = flow_at(blueprint, values, len(weights))
        sums = [np.tensordot(weights, array, axes=1)[None] for array in part]
        total = [a + b for a, b in zip(total, sums, strict=True)] if total else sums
    return Means(*total)


def _grid(draws: Draws, names: Sequence[str], nodes: int) -> Iterator[tuple[Values, Floats]]:
    """Give the points of a product quadrature over some assumptions, with their weights."""
    tied = _tied(draws, names)
    families = [draws.numbers[name].family for name in names]
    axes = [
        normal_nodes(nodes) if name in tied else family.quadrature(nodes)
        for name, family in zip(names, families, strict=True)
    ]
    points = dict(zip(names, np.meshgrid(*(a[0] for a in axes), indexing="ij"), strict=True))
    weights = np.ones(1)
    for axis in axes:
        weights = np.multiply.outer(weights, axis[1])
    if tied:
        root = np.linalg.cholesky(draws.correlations(tied))
        normals = np.einsum("ij,j...->i...", root, np.stack([points[name] for name in tied]))
        for name, normal in zip(tied, normals, strict=True):
            points[name] = draws.numbers[name].family.exact_from_normal(normal.ravel())
    flat = weights.ravel()
    for first in range(0, len(flat), ROWS_AT_ONCE):
        cut = slice(first, first + ROWS_AT_ONCE)
        values = dict(draws.means().of)
        for name, point in points.items():
            values[draws.numbers[name]] = np.ascontiguousarray(point.ravel()[cut])
        yield Values(values), flat[cut]


def _tied(draws: Draws, names: Sequence[str]) -> list[str]:
    """The names that are correlated with another of them; none if there is only one."""
    tied = [name for name in names if draws.correlated(name)]
    return tied if len(tied) > 1 else []


def _can_integrate(draws: Draws, names: Sequence[str]) -> bool:
    """Tell whether quadrature serves: few dimensions, no tied ones with jumps, no long lists."""
    families = {name: draws.numbers[name].family for name in names}
    lists = {name: f for name, f in families.items() if isinstance(f, Listed)}
    return (
        len(names) < len(SIZES[0][0])
        and not any(name in lists for name in _tied(draws, names))
        and prod(len(f.values) for f in lists.values()) * NODES_BESIDE_LISTS <= MOST_POINTS
    )


def _curved_by_channel(blueprint: Blueprint, draws: Draws) -> list[list[str]]:
    """The assumptions that a channel's means are not linear in, for each channel.

    Found by second differences at random points of the others. Correlated ones that move the same
    channel count as curved, since a product of them has not the product of their means.
    """
    channels = len(blueprint.scenario.channels)
    curved: list[set[str]] = [set() for _ in range(channels)]
    moving: list[set[str]] = [set() for _ in range(channels)]
    rng = np.random.default_rng(20_270_101)
    for _ in range(2):
        others = {n: np.atleast_1d(rng.uniform(-1.3, 1.3)) for n in draws.drawn}
        for name in draws.names:
            for c, (bends, moves) in enumerate(_bends(blueprint, draws, name, others)):
                if bends:
                    curved[c].add(name)
                if moves:
                    moving[c].add(name)
    for names, movers in zip(curved, moving, strict=True):
        names.update(_tied(draws, sorted(movers)))
    return [[n for n in draws.names if n in names] for names in curved]


def _bends(
    blueprint: Blueprint, draws: Draws, name: str, others: dict[str, Floats]
) -> list[tuple[bool, bool]]:
    """For each channel: (are its means curved in an assumption, do they move with it)."""
    number: Uncertain = draws.numbers[name]
    low, high = number.family.ppf(np.array([0.1, 0.9]))
    if low == high:
        low, high = number.family.low, number.family.high
    values = {u: np.repeat(v, 3) for u, v in draws.at_normals(others).of.items()}
    values[number] = np.array([low, 0.5 * (low + high), high])
    means = flow_at(blueprint, Values(values), 3)
    found = []
    for c in range(len(blueprint.scenario.channels)):
        bends = moves = False
        for array in means:
            cells = array[:, :, c].reshape(3, -1)
            size = np.abs(cells).max(axis=0)
            bend = np.abs(cells[0] - 2.0 * cells[1] + cells[2])
            bends |= bool(np.any(bend > STRAIGHT * size))
            moves |= bool(np.any(np.abs(cells[2] - cells[0]) > STRAIGHT * size))
        found.append((bends, moves))
    return found
