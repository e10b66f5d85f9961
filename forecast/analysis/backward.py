"""What an item that enters a stage in a period is worth for a goal, by what may come of it.

Backward over the periods: an item goes on by each way after k periods and is then worth what one is
that enters there; with what is entered at once (k = 0) a linear system remains. A stage that takes
up only so many adds the time until an item is worked, and who gives up before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.engine.flows import size_means
from forecast.engine.kernel.shapes import Tables
from forecast.engine.plan import Blueprint
from forecast.scenario.model import MONEY_METRICS

Floats = NDArray[np.float64]


def _nothing() -> Floats:
    return np.zeros((0, 0, 0))


@dataclass(frozen=True, eq=False)
class Wait:
    """When items that enter a stage are worked: shares of those of a period, by the period.

    Of one item more it matters what else it changes: it takes the place of another item, which
    takes that of a later one, and so on, until in the end one more is worked.
    """

    worked: Floats  # (r, g, t entered, t worked); what is missing to 1 gives up, or waits on
    more: Floats = field(default_factory=_nothing)  # (r, t entered, t worked) when one more is
    others: Floats = field(default_factory=_nothing)  # (r, t, g) whose place is taken


@dataclass(frozen=True, eq=False)
class Backward:
    """A blueprint with tables of ``rows`` rows, to be followed backward from a goal."""

    blueprint: Blueprint
    tables: Tables
    rows: int = 1
    waits: Mapping[int, Wait] = field(default_factory=dict)  # by stage

    def worth(
        self, metric: str, inside: Floats, *, barred: int = -1, brings: bool = True
    ) -> Floats:
        """What one item is worth in a goal's units: shape (row, stage it enters, group, period).

        ``inside`` is 1 in the goal's periods. Ways into a ``barred`` stage are worth nothing;
        ``brings`` counts what the leads of its customers are worth too.
        """
        plan, stages = self.blueprint.plan, len(self.blueprint.plan.first_way) - 1
        groups, periods = plan.lag_of.shape[1], len(inside)
        own = np.zeros((stages, periods))
        if metric in self.blueprint.scenario.stages:
            own[self.blueprint.scenario.stages.index(metric)] = inside
        won = self.win_worth(metric, inside)
        found = np.zeros((self.rows, stages + 2, groups, periods))
        work = np.zeros((self.rows, stages, groups, periods))
        brings = brings and plan.referral.channel >= 0
        for t in range(periods - 1, -1, -1):
            found[:, stages, :, t] = won[:, :, t]
            if brings:
                found[:, stages, :, t] += self._brought(found, t, metric, inside)
            known, at_once = self._step(found, own, t, barred)
            for _ in range(2 if any(wait.more.size for wait in self.waits.values()) else 1):
                first, later = self._taken(work, t)
                matrix = np.eye(stages) - first[..., None] * at_once
                right = (first * known + later)[..., None]
                entered = np.linalg.solve(matrix, right)[..., 0]  # (r, g, j)
                work[..., t] = np.moveaxis(known + (at_once @ entered[..., None])[..., 0], 2, 1)
            found[:, :stages, :, t] = np.moveaxis(entered, 2, 1)
            found[:, :stages, :, t] += own[:, None, t]
        return found[:, :stages]

    def lead_worth(self, metric: str, inside: Floats, found: Floats) -> Floats:
        """What a lead of each group is worth: shape (row, group, period)."""
        if metric == "leads":
            found = found + inside
        entry = np.repeat(self.blueprint.plan.entry, len(self.blueprint.scenario.segments))
        return np.asarray(found[:, entry, np.arange(len(entry))])

    def win_worth(self, metric: str, inside: Floats) -> Floats:
        """What a win is worth by itself, shape (row, group, period)."""
        plan, tables = self.blueprint.plan, self.tables
        groups, periods = plan.lag_of.shape[1], len(inside)
        if metric == "deals":
            return np.broadcast_to(inside, (self.rows, groups, periods))
        out = np.zeros((self.rows, groups, periods))
        if metric not in MONEY_METRICS:
            return out
        sizes = size_means(self.blueprint)
        for v, shares in enumerate(self._variants):
            for g in range(groups):
                size = tables.scale[:, g, v] * sizes[g, v]
                value = self._recognised(metric, int(plan.kind[g, v]), inside)
                out[:, g] += shares[:, g] * size[:, None] * value
        return out

    @cached_property
    def _variants(self) -> Floats:
        """The share of deals of each variant: (variant, row, group, period)."""
        plan, mix = self.blueprint.plan, self.tables.mix
        left = np.ones((len(mix), *mix.shape[1:3]))
        shares = np.zeros((mix.shape[3], self.rows, mix.shape[2], len(plan.phase_of)))
        for v in range(mix.shape[3]):
            mine = left * mix[..., v]
            left = left - mine
            shares[v] = np.moveaxis(mine[:, plan.phase_of], 1, 2)
        return shares

    def _recognised(self, metric: str, kind: int, inside: Floats) -> Floats:
        """What of a win's size counts in the goal's periods, by the period of the win."""
        if kind < 0:
            return inside[None]
        if metric == "bookings":
            return self.tables.booked[:, kind, None] * inside
        kept, periods = self.tables.kept[:, kind], len(inside)
        return np.stack([kept[:, : periods - t] @ inside[t:] for t in range(periods)], axis=1)

    def _brought(self, found: Floats, t: int, metric: str, inside: Floats) -> Floats:
        """What the leads are worth that a customer won in a period brings: (row, group)."""
        plan, tables = self.blueprint.plan, self.tables
        worth = self.referred_worth(found, metric, inside)
        ahead = min(tables.brought.shape[2], len(inside) - 1 - t)
        by_class = tables.brought[:, :, :ahead] @ worth[:, t + 1 : t + 1 + ahead, None]
        class_of = plan.referral.class_of[plan.phase_of[t]]  # (g, v)
        each = np.broadcast_to(by_class[..., 0], (self.rows, by_class.shape[1]))[:, class_of]
        shares = self._variants[..., t]  # (v, r, g)
        return np.asarray((np.moveaxis(shares, 0, 2) * each).sum(axis=2))

    def referred_worth(self, found: Floats, metric: str, inside: Floats) -> Floats:
        """What a lead of the channel of customers' leads is worth: (row, period)."""
        plan, segments = self.blueprint.plan, len(self.blueprint.scenario.segments)
        c = plan.referral.channel
        mine = found[:, plan.entry[c], c * segments : (c + 1) * segments]
        if metric == "leads":
            mine = mine + inside
        return np.asarray((np.moveaxis(self.segment_shares(), 2, 1) * mine).sum(axis=1))

    def segment_shares(self) -> Floats:
        """The share of a channel's leads that each segment has: (row, period, segment)."""
        share, plan = self.tables.share, self.blueprint.plan
        left, out = np.ones(share.shape[:2]), np.zeros_like(share)
        for s in range(share.shape[2]):
            out[..., s] = left * share[..., s]
            left = left - out[..., s]
        return np.asarray(out[:, plan.phase_of])

    def _step(self, found: Floats, own: Floats, t: int, barred: int) -> tuple[Floats, Floats]:
        """What an item that is worked in a period is worth by what it enters later; and at once.

        Shapes (row, group, stage), (row, group, stage, stage).
        """
        plan, stages = self.blueprint.plan, len(own)
        groups, periods = plan.lag_of.shape[1], own.shape[1]
        shares = self._shares(t)
        known = np.zeros((self.rows, groups, stages))
        at_once = np.zeros((self.rows, groups, stages, stages))
        for e, (source, target) in enumerate(zip(plan.source, plan.target, strict=True)):
            if target == barred or target == stages + 1:
                continue
            chance = self._lag(t, e, periods - t)
            later = (chance * found[:, target, :, t : t + chance.shape[2]]).sum(axis=2)
            known[:, :, source] += shares[:, :, e] * later
            if target < stages:  # what was found in t itself is nothing yet
                first = shares[:, :, e] * chance[:, :, 0]
                at_once[:, :, source, target] += first
                known[:, :, source] += first * own[target, t]
        return known, at_once

    def _lag(self, t: int, e: int, most: int) -> Floats:
        """The chances of a way to take k periods: (row, group, k)."""
        tables, plan = self.tables, self.blueprint.plan
        lag = plan.lag_of[plan.lag_phase_of[t], :, e]
        each = np.arange(self.rows)[:, None]
        return np.asarray(tables.lag_chance[tables.lag_first[lag] + tables.lag_step[lag] * each][
            ..., :most
        ])  # fmt: skip

    def _shares(self, t: int) -> Floats:
        """The share of what is worked at a stage that takes each way: (row, group, way).

        Where a stage takes up only so many, of those that are followed up.
        """
        plan = self.blueprint.plan
        take = self.tables.take[:, plan.phase_of[t]]
        shares: Floats = np.zeros((self.rows, *take.shape[1:]))
        for stage in range(len(plan.first_way) - 1):
            left = np.ones(take.shape[:2])
            for e in range(plan.first_way[stage], plan.first_way[stage + 1]):
                if stage in self.waits and e < plan.first_way[stage] + plan.desk.unworked[stage]:
                    continue
                shares[..., e] = left * take[..., e]
                left = left - left * take[..., e]
        return shares

    def _taken(self, work: Floats, t: int) -> tuple[Floats, Floats]:
        """Of what enters in a period: the share worked in it, and what the others are worth.

        Shapes (row, group, stage).
        """
        plan, stages, groups = self.blueprint.plan, work.shape[1], work.shape[2]
        first, later = np.ones((self.rows, groups, stages)), np.zeros((self.rows, groups, stages))
        for j, wait in self.waits.items():
            followed = np.ones((self.rows, groups))
            if plan.desk.unworked[j]:
                followed = followed - self.tables.take[:, plan.phase_of[t], :, plan.first_way[j]]
            mine = (wait.worked[:, :, t, t + 1 :] * work[:, j, :, t + 1 :]).sum(axis=2)
            if wait.more.size:
                theirs = np.einsum("rtg,rgt->rt", wait.others[:, t:], work[:, j, :, t:])
                moved = wait.more[:, None, t, t:] - wait.worked[:, :, t, t:]
                mine += (moved * theirs[:, None]).sum(axis=2)
            first[:, :, j] = followed * wait.worked[:, :, t, t]
            later[:, :, j] = followed * mine
        return first, later


def inside_of(blueprint: Blueprint, quarters: tuple[int, ...]) -> Floats:
    """1 in the periods of some quarters, else 0."""
    return np.isin(blueprint.plan.quarter_of, quarters).astype(np.float64)
