"""The deal sizes of a scenario as the kernel takes them: parameters, lists, ladders of sums."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.samplers import alias_build
from forecast.engine.kernel.sizes import DISCRETE, GAMMA, NORMAL, PARAMETERS
from forecast.engine.kernel.sums import Alias, Parts, Sizes
from forecast.engine.ladders import Order, build_ladders
from forecast.engine.layout import Layout
from forecast.engine.parts import Part, cut, least_to_cut
from forecast.engine.units import Unit, unit_of
from forecast.scenario.families import Family, Listed

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

NO_LADDER = -1


def make_sizes(layout: Layout, most_deals: Counts) -> Sizes:
    """The families of sizes by group and variant, ready for sums of up to ``most_deals``.

    ``most_deals`` (g, v): the most deals of one period whose sizes are summed. Sums of more are
    right too, but take longer.
    """
    groups, variants = layout.scenario.groups, layout.variants
    shape = len(groups), len(variants)
    most: dict[Family, int] = {}
    where: dict[Family, list[tuple[int, int]]] = {}
    for g, group in enumerate(groups):
        for v, variant in enumerate(variants):
            if group in variant.sizes:
                family = variant.sizes[group].family
                where.setdefault(family, []).append((g, v))
                most[family] = max(most.get(family, 0), int(most_deals[g, v]))
    maker = SizeMaker(shape)
    for family, cells in where.items():
        maker.add(family, most[family], tuple(np.array(cells).T))
    return maker.sizes()


def sums_of_sizes(sizes: Sizes) -> str:
    """How sums of sizes were made, for the attributes of a dataset."""
    ladders = sizes.ladder >= 0
    listed = (sizes.part_count > 0) & (sizes.code == DISCRETE)
    said = []
    if ladders.any():
        least = sorted({int(n) for n in sizes.least[ladders]})
        said.append(f"tables of sums for {_or_more(least)} (relative error of quantiles <= 1e-4)")
    if listed.any():
        least = sorted({int(n) for n in sizes.least[listed]})
        tables = " and tables of sums" if (sizes.parts.ladder >= 0).any() else ""
        said.append(f"lists by counts of values{tables} for {_or_more(least)}")
    if np.isin(sizes.code, (GAMMA, NORMAL)).any():
        said.append("exact sums")
    return "; ".join(said) if said else "each size drawn"


def _or_more(least: list[int]) -> str:
    numbers = f"{least[0]:,}" if len(least) == 1 else f"{least[0]:,} to {least[-1]:,}"
    return f"{numbers} deals or more"


@dataclass
class SizeMaker:
    """Collects families one after another."""

    shape: tuple[int, int]
    orders: dict[bytes, int] = field(default_factory=dict)
    ladders: list[Order] = field(default_factory=list)
    alias: list[tuple[Array, NDArray[np.uint64], Counts]] = field(default_factory=list)
    values: int = 0
    parts: list[tuple[float, float, float, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ints = np.zeros((7, *self.shape), np.int64)
        self.code, self.least, self.ladder, self.first, self.cells, *parts = ints
        self.part_first, self.part_count = parts
        self.ladder[:] = NO_LADDER
        self.parameters = np.zeros((*self.shape, PARAMETERS))
        self.low, self.factor = np.zeros((2, *self.shape))

    def add(self, family: Family, most: int, cells: tuple[Counts, ...]) -> None:
        """Add a family that is that of these (g, v)."""
        at = cells[0], cells[1]
        code, given = family.kernel()
        self.code[at] = code
        self.parameters[at[0], at[1], : len(given)] = given
        if isinstance(family, Listed):
            self._add_listed(family, most, at)
            return
        unit = unit_of(family)
        if unit is not None:
            self.least[at], self.low[at], self.factor[at] = unit.least, unit.low, unit.factor
            if most >= unit.least:
                self.ladder[at] = self._add_ladder(unit, most)

    def _add_ladder(self, unit: Unit, most: int) -> int:
        order = Order(unit, most // unit.size)
        i = self.orders.setdefault(order.key, len(self.ladders))
        if i == len(self.ladders):
            self.ladders.append(order)
        elif self.ladders[i].units < order.units:
            self.ladders[i] = order
        return i

    def _add_listed(self, family: Listed, most: int, at: tuple[Counts, Counts]) -> None:
        self.first[at], self.cells[at] = self.values, len(family.values)
        self._add_alias(family.values, family.chances)
        least = least_to_cut(family)
        self.least[at], self.part_first[at] = least, len(self.parts)
        if most < least:
            return
        parts = cut(family)
        self.part_count[at] = len(parts)
        for part in parts:
            self._add_part(part, most)

    def _add_part(self, part: Part, most: int) -> None:
        if len(part.values) == 1:
            self.parts.append((part.share, part.values[0], 0.0, NO_LADDER, 0, 1))
            return
        expected = most * part.chance
        reach = int(min(expected + 9.0 * np.sqrt(expected) + 20.0, most))
        unit, which, factor = part.unit(), NO_LADDER, 0.0
        if reach >= unit.size:
            which, factor = self._add_ladder(unit, reach), unit.factor
        self.parts.append((part.share, 0.0, factor, which, self.values, len(part.values)))
        self._add_alias(part.values, part.chances)

    def _add_alias(self, values: Array, chances: Array) -> None:
        threshold = np.zeros(len(values), np.uint64)
        other = np.zeros((len(values), 2), np.int64)
        alias_build(np.array(chances), threshold, other)
        self.alias.append((np.array(values), threshold, other))
        self.values += len(values)

    def sizes(self) -> Sizes:
        """Everything collected."""
        none = np.zeros(1), np.zeros(1, np.uint64), np.zeros((1, 2), np.int64)
        values, thresholds, others = zip(*(self.alias or [none]), strict=True)
        parts = self.parts or [(1.0, 0.0, 0.0, NO_LADDER, 0, 1)]
        share, low, factor = np.array([part[:3] for part in parts]).T.copy()
        ladder, first, cells = np.array([part[3:] for part in parts], dtype=np.int64).T.copy()
        return Sizes(
            self.code,
            self.parameters,
            self.least,
            self.ladder,
            self.low,
            self.factor,
            self.first,
            self.cells,
            self.part_first,
            self.part_count,
            Alias(np.concatenate(values), np.concatenate(thresholds), np.concatenate(others)),
            Parts(share, low, factor, ladder, first, cells),
            build_ladders(self.ladders),
        )
