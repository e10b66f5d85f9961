"""Assumptions -> the tables a kernel runs on: leads, conditional shares, lags, costs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.arrivals import by_version, market_factor, mean_leads, spend_rate, stack_rows
from forecast.engine.assumptions import Floats, Values
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.spread import GUIDE_CELLS, build_rows
from forecast.engine.lags import lag_chances, within_chance
from forecast.engine.layout import Layout
from forecast.scenario.model import LOST, Group, Lag, Stage

NO_MASS = 1e-300


class TableMaker:
    """Makes the tables of a layout for any values of its uncertain assumptions."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.lags, self.lag_of = _distinct_lags(layout)

    def tables(self, values: Values) -> Tables:
        """Fill the tables for rows of assumption values (one row where all is certain)."""
        scenario, layout = self.layout.scenario, self.layout
        channels = scenario.channels
        means = [mean_leads(layout, c, values) for c in channels]
        shapes = [self._shape(c, values) for c in channels]
        leads = [self._lead_cost(c, values) for c in channels]
        return Tables(
            _stack(means),
            market_factor(scenario, values),
            _stack(shapes),
            conditional(self._shares(values)),
            conditional(self._ways(values), self.layout.first_way),
            conditional(self._mix(values)),
            self._scale(values),
            _stack([spend_rate(layout, c, values) for c in channels]),
            _stack(leads),
            **self._lag_tables(values),
        )

    def _lead_cost(self, channel: str, values: Values) -> Floats:
        versions = self.layout.scenario.versions
        return by_version(
            self.layout, lambda v: versions[v].channels[channel].cost.per_lead, values
        )

    def _shape(self, channel: str, values: Values) -> Floats:
        versions = self.layout.scenario.versions
        dispersion = by_version(
            self.layout, lambda v: versions[v].channels[channel].dispersion, values
        )
        return np.divide(1.0, dispersion, out=np.zeros_like(dispersion), where=dispersion > 0)

    def _shares(self, values: Values) -> Floats:
        """Segments' shares, shape (row, phase, segment)."""
        columns = []
        for version in self.layout.scenario.versions:
            shares = stack_rows([values(s) for s in version.shares.values()])
            columns.append(shares / shares.sum(axis=1, keepdims=True))
        return _by_phase(columns, self.layout.weights)

    def _ways(self, values: Values) -> Floats:
        """Chances of the ways, shape (row, phase, group, way)."""
        layout = self.layout
        groups = layout.scenario.groups
        eventual = {
            (g, v): _eventual(version.journeys[group], values)
            for v, version in enumerate(layout.scenario.versions)
            for g, group in enumerate(groups)
        }
        columns = []
        for v in range(len(layout.scenario.versions)):
            for g, group in enumerate(groups):
                for way in layout.ways:
                    pair = layout.targets[way.source], layout.targets[way.target]
                    held = v in way.versions.get(group, ())
                    columns.append(eventual[g, v][pair] if held else np.zeros(1))
        return self._phased(columns, len(groups), len(layout.ways))

    def _mix(self, values: Values) -> Floats:
        """Shares of the variants, shape (row, phase, group, variant)."""
        layout = self.layout
        groups, names = layout.scenario.groups, layout.scenario.products
        columns = []
        for v, version in enumerate(layout.scenario.versions):
            for group in groups:
                mixes = [values(version.products[group][name].mix) for name in names]
                total = sum(mixes[1:], mixes[0])
                for variant in layout.variants:
                    held = v in variant.versions.get(group, ())
                    columns.append(mixes[variant.product] / total if held else np.zeros(1))
        return self._phased(columns, len(groups), len(layout.variants))

    def _phased(self, columns: list[Floats], groups: int, items: int) -> Floats:
        versions = len(self.layout.scenario.versions)
        stacked = stack_rows(columns)
        by_version = stacked.reshape(len(stacked), versions, groups, items)
        weights = self.layout.weights
        parts = [by_version[:, v, None] * weights[None, :, v, None, None] for v in range(versions)]
        return np.asarray(sum(parts[1:], parts[0]))

    def _scale(self, values: Values) -> Floats:
        layout = self.layout
        columns = []
        for group in layout.scenario.groups:
            for variant in layout.variants:
                size = variant.sizes.get(group)
                factor = values.factor(size.about) if size else None
                columns.append(np.ones(1) if factor is None else factor)
        stacked = stack_rows(columns)
        return stacked.reshape(len(stacked), len(layout.scenario.groups), -1)

    def _lag_tables(self, values: Values) -> dict[str, NDArray[Any]]:
        calendar = self.layout.scenario.calendar
        parts = [
            lag_chances(lag, values, calendar.periods, calendar.period_days, offset)
            for lag, offset in self.lags
        ]
        counts = np.array([len(p) for p in parts], dtype=np.int64)
        first = np.cumsum(counts) - counts
        chances = np.concatenate(parts)
        cells = chances.shape[1] - np.argmax(chances[:, ::-1] > NO_MASS, axis=1)
        width = int(cells.max())
        chances = np.ascontiguousarray(chances[:, :width])
        cumulative = np.zeros(chances.shape, dtype=np.uint64)
        guide = np.zeros((len(chances), GUIDE_CELLS), dtype=np.int16)
        crossover = np.zeros(len(chances), dtype=np.int64)
        build_rows(chances, cells.astype(np.int64), cumulative, guide, crossover)
        return {
            "lag_first": first,
            "lag_step": (counts > 1).astype(np.int64),
            "lag_cells": cells.astype(np.int64),
            "lag_chance": chances,
            "lag_conditional": conditional(chances),
            "lag_cumulative": cumulative,
            "lag_guide": guide,
            "lag_crossover": crossover,
        }


def conditional(chances: Floats, starts: NDArray[np.int64] | None = None) -> Floats:
    """Chance of each cell given that those before it (of its own block) were not taken.

    ``starts`` gives the blocks' first cells along the last axis, and its end; one block if None.
    """
    bounds = starts if starts is not None else np.array([0, chances.shape[-1]])
    out = np.zeros_like(chances)
    for begin, end in pairwise(bounds):
        block = chances[..., begin:end]
        whole = block.sum(axis=-1, keepdims=True)
        # what is left counts from the block's own end where its cells are a whole, which keeps
        # the last cell with mass at exactly 1
        rest = np.where(np.abs(whole - 1.0) < 1e-12, 0.0, 1.0 - whole)
        tail = np.cumsum(block[..., ::-1], axis=-1)[..., ::-1] + rest
        np.divide(block, tail, out=out[..., begin:end], where=block > 0)
    return np.clip(out, 0.0, 1.0, out=out)


def _eventual(journey: Mapping[str, Stage], values: Values) -> dict[tuple[str, str], Floats]:
    """Chances of every transition of a journey, by (stage, target)."""
    found: dict[tuple[str, str], Floats] = {}
    for stage, body in journey.items():
        shares: dict[str, Floats] = {}
        left = np.ones(1)
        for target, beta in body.dirichlet.items():
            shares[target] = left * values(beta)
            left = left - shares[target]
        for target, way in body.transitions.items():
            if way.conversion is not None:
                chance = within_chance(way.lag, values, way.within)
                shares[target] = np.minimum(values(way.conversion) / chance, 1.0)
        total = sum(shares.values(), np.zeros(1))
        over = np.maximum(total, 1.0)  # rarer than RARE: see scenario.facts
        shares = {target: share / over for target, share in shares.items()}
        rest = np.maximum(1.0 - total, 0.0)
        taken = np.zeros(1)
        for target, way in body.transitions.items():
            if way.share_of_rest is not None:
                shares[target] = rest * values(way.share_of_rest)
                taken = taken + shares[target]
        for target in body.transitions:
            if target == LOST and LOST not in shares:
                shares[target] = np.maximum(rest - taken, 0.0)
        found.update({(stage, target): share for target, share in shares.items()})
    return found


def _distinct_lags(
    layout: Layout,
) -> tuple[list[tuple[Lag, float]], NDArray[np.int64]]:
    """Number the distinct (lag, offset) pairs; gives them and (phase, group, way) -> number."""
    groups = layout.scenario.groups
    known: dict[tuple[Lag, float], int] = {}
    lag_of = np.zeros((len(layout.offsets), len(groups), len(layout.ways)), dtype=np.int64)
    for phase, offset in enumerate(layout.offsets):
        for g, group in enumerate(groups):
            for e, way in enumerate(layout.ways):
                lag = _lag_at(way.lags, group)
                lag_of[phase, g, e] = known.setdefault((lag, float(offset)), len(known))
    return list(known), lag_of


def _lag_at(lags: Mapping[Group, Lag], group: Group) -> Lag:
    """A group's lag of a way, or any where the group does not take the way."""
    return lags[group] if group in lags else next(iter(lags.values()))


def _by_phase(columns: list[Floats], weights: Floats) -> Floats:
    """Weight versions' (row, item) by phase: (row, phase, item)."""
    rows = max(len(c) for c in columns)
    stacked = np.stack([np.broadcast_to(c, (rows, c.shape[1])) for c in columns])
    parts = [part[:, None, :] * weights[None, :, v, None] for v, part in enumerate(stacked)]
    return np.asarray(sum(parts[1:], parts[0]))


def _stack(parts: list[Floats]) -> Floats:
    """Stack channels' (row, period) into (row, channel, period)."""
    rows = max(len(p) for p in parts)
    return np.stack([np.broadcast_to(p, (rows, p.shape[1])) for p in parts], axis=1)
