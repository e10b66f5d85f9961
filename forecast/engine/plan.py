"""Scenario -> plan: the flat arrays and the random-number keys of a kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.arrivals import fixed_counts
from forecast.engine.kernel.samplers import alias_build
from forecast.engine.kernel.shapes import Keys, Plan
from forecast.engine.kernel.sizes import PARAMETERS
from forecast.engine.keys import stream_keys
from forecast.engine.layout import Layout, Variant, Way, lay_out
from forecast.engine.tables import TableMaker
from forecast.scenario.families import Family, Listed
from forecast.scenario.model import Scenario


@dataclass(frozen=True)
class Blueprint:
    """A scenario laid out for the kernel; independent of seed and runs."""

    layout: Layout
    maker: TableMaker
    plan: Plan

    @property
    def scenario(self) -> Scenario:
        """The scenario that was laid out."""
        return self.layout.scenario


def make_blueprint(scenario: Scenario) -> Blueprint:
    """Lay out a scenario for the kernel."""
    layout = lay_out(scenario)
    maker = TableMaker(layout)
    channels = scenario.channels
    entry = [scenario.stages.index(scenario.first_stage(c)) for c in channels]
    plan = Plan(
        np.array(scenario.calendar.quarter_of, dtype=np.int64),
        layout.phase_of,
        _twins(scenario),
        np.array(entry, dtype=np.int64),
        np.stack([fixed_counts(layout, c) for c in channels]),
        layout.first_way,
        np.array([w.source for w in layout.ways], dtype=np.int64),
        np.array([w.target for w in layout.ways], dtype=np.int64),
        np.array([v.product for v in layout.variants], dtype=np.int64),
        maker.lag_of,
        **_sizes(layout),
    )
    return Blueprint(layout, maker, plan)


def _twins(scenario: Scenario) -> NDArray[np.int64]:
    """Give each group's first group with the same journey in all versions."""
    first: dict[tuple[int, ...], int] = {}  # the reader gives equal journeys as one object
    twins = [
        first.setdefault(tuple(id(v.journeys[group]) for v in scenario.versions), i)
        for i, group in enumerate(scenario.groups)
    ]
    return np.array(twins, dtype=np.int64)


def _sizes(layout: Layout) -> dict[str, NDArray[Any]]:
    """Family codes, parameters and listed values of the sizes, by group and variant."""
    groups, variants = layout.scenario.groups, layout.variants
    shape = len(groups), len(variants)
    code, first, count = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    parameters = np.zeros((*shape, PARAMETERS))
    values, thresholds, others = (
        [np.zeros(1)],
        [np.zeros(1, np.uint64)],
        [np.zeros((1, 2), np.int64)],
    )
    placed: dict[Family, int] = {}
    for g, group in enumerate(groups):
        for v, variant in enumerate(variants):
            if group not in variant.sizes:
                continue
            family = variant.sizes[group].family
            code[g, v], given = family.kernel()
            parameters[g, v, : len(given)] = given
            if isinstance(family, Listed):
                if family not in placed:
                    placed[family] = sum(len(part) for part in values)
                    threshold = np.zeros(len(family.values), np.uint64)
                    other = np.zeros((len(family.values), 2), np.int64)
                    alias_build(np.array(family.chances), threshold, other)
                    values.append(np.array(family.values))
                    thresholds.append(threshold)
                    others.append(other)
                first[g, v], count[g, v] = placed[family], len(family.values)
    return {
        "size_code": code,
        "size_parameters": parameters,
        "size_first": first,
        "size_count": count,
        "size_values": np.concatenate(values),
        "size_threshold": np.concatenate(thresholds),
        "size_other": np.concatenate(others),
    }


def make_keys(layout: Layout, seed: int) -> Keys:
    """The keys of a layout's variables, each from the name of what it is for."""
    scenario = layout.scenario
    channels, segments, groups = scenario.channels, scenario.segments, scenario.groups

    def grid(names: Iterable[tuple[str, ...]], *shape: int) -> NDArray[np.uint64]:
        return stream_keys(seed, names).reshape(shape)

    def by_way(what: str) -> NDArray[np.uint64]:
        names = [(what, *g, *_way_name(layout, w)) for g in groups for w in layout.ways]
        return grid(names, len(groups), len(layout.ways))

    def by_variant(what: str) -> NDArray[np.uint64]:
        names = [(what, *g, *_variant_name(layout, v)) for g in groups for v in layout.variants]
        return grid(names, len(groups), len(layout.variants))

    return Keys(
        grid([("arrivals", c) for c in channels], len(channels)),
        grid([("dispersion", c) for c in channels], len(channels)),
        grid([("segment", c, s) for c, s in groups], len(channels), len(segments)),
        by_way("conversion"),
        by_way("lag"),
        by_variant("product"),
        by_variant("size"),
    )


def _way_name(layout: Layout, way: Way) -> tuple[str, ...]:
    return layout.targets[way.source], layout.targets[way.target], str(way.version)


def _variant_name(layout: Layout, variant: Variant) -> tuple[str, ...]:
    return layout.scenario.products[variant.product], str(variant.version)
