"""Scenario -> plan: the flat arrays and the random-number keys of a kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from forecast.engine.arrivals import fixed_counts
from forecast.engine.desks import limited_stages, make_desk
from forecast.engine.identity import KEPT, Same
from forecast.engine.kernel.shapes import Keys, Plan, Steps
from forecast.engine.kernel.sums import Sizes
from forecast.engine.keys import stream_keys
from forecast.engine.layout import Layout, Variant, Way, lay_out
from forecast.engine.pipeline import OpenPlan, lay_out_deals
from forecast.engine.sizes import make_sizes
from forecast.engine.tables import TableMaker
from forecast.engine.uses import RECURRING, REFERRAL, uses
from forecast.scenario.model import Group, Scenario


@dataclass(frozen=True, eq=False)  # one is the same as itself only
class Blueprint:
    """A scenario laid out for the kernel; independent of seed and runs."""

    layout: Layout
    maker: TableMaker
    plan: Plan
    opened: OpenPlan | None = None  # the deals that are open at as_of
    most_deals: NDArray[np.int64] | None = None  # (g, v) of one quarter, as sums are prepared for

    @property
    def scenario(self) -> Scenario:
        """The scenario that was laid out."""
        return self.layout.scenario

    @cached_property
    def sizes(self) -> Sizes:
        """The families of sizes, ready for sums of so many deals."""
        most = self.most_deals
        if most is None:
            most = np.zeros((len(self.scenario.groups), len(self.layout.variants)), np.int64)
        return make_sizes(self.layout, most)


def make_blueprint(scenario: Scenario) -> Blueprint:
    """Lay out a scenario for the kernel; the last few stay laid out."""
    return _laid_out(Same(scenario))


@lru_cache(KEPT)
def _laid_out(of: Same[Scenario]) -> Blueprint:
    scenario = of.it
    layout = lay_out(scenario)
    maker = TableMaker(layout)
    channels = scenario.channels
    entry = [scenario.stages.index(scenario.first_stage(c)) for c in channels]
    plan = Plan(
        np.array(scenario.calendar.quarter_of, dtype=np.int64),
        layout.phase_of,
        *_steps(scenario, layout),
        np.array(entry, dtype=np.int64),
        np.stack([fixed_counts(layout, c) for c in channels]),
        layout.first_way,
        np.array([w.source for w in layout.ways], dtype=np.int64),
        np.array([w.target for w in layout.ways], dtype=np.int64),
        np.array([v.product for v in layout.variants], dtype=np.int64),
        maker.clock.of,
        maker.lag_of,
        make_desk(layout),
        maker.customers.plan(),
        maker.kinds.of,
    )
    return Blueprint(layout, maker, plan, lay_out_deals(layout, maker))


def _steps(scenario: Scenario, layout: Layout) -> tuple[Steps, Steps]:
    """Divide the horizon into periods, and into spans of one quarter and phase.

    Where customers bring leads, or pay again, it matters in which period they are won: every period
    is a span of its own then.
    """
    periods = np.arange(scenario.calendar.periods + 1)
    parts = np.stack([np.array(scenario.calendar.quarter_of), layout.phase_of])
    fresh = np.any(np.diff(parts, axis=1) != 0, axis=0)
    if uses(scenario) & {RECURRING, REFERRAL}:
        fresh[:] = True
    starts = np.concatenate([[0], np.flatnonzero(fresh) + 1, periods[-1:]])
    of = np.concatenate([[0], np.cumsum(fresh)])
    return Steps(periods, periods[:-1].copy()), Steps(starts.astype(np.int64), of.astype(np.int64))


def make_keys(layout: Layout, seed: int) -> Keys:
    """The keys of a layout's variables, each from the name of what it is for."""
    scenario = layout.scenario
    channels, segments, groups = scenario.channels, scenario.segments, scenario.groups
    limited = [scenario.stages[j] for j in limited_stages(scenario)]
    ids = scenario.pipeline.deals.ids if scenario.pipeline else ()
    recurs = RECURRING in uses(scenario)

    def grid(names: Iterable[tuple[str, ...]], *shape: int) -> NDArray[np.uint64]:
        return stream_keys(seed, names).reshape(shape)

    def by_way(what: str) -> NDArray[np.uint64]:
        names = [_way_key(layout, what, g, w) for g in groups for w in layout.ways]
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
        by_variant("outcome"),
        grid([("ending", *g) for g in groups], len(groups)),
        grid([("giving up", *g, j) for g in groups for j in limited], len(groups), len(limited)),
        grid([("turn", j) for j in limited], len(limited)),
        grid([("referral", c) for c in channels], len(channels)),
        stream_keys(seed, (("deal", name) for name in ids)),
        by_variant("stays"),
        by_variant("size of stays"),
        stream_keys(seed, (("deal stays", name) for name in ids if recurs)),
    )


def _way_key(layout: Layout, what: str, group: Group, way: Way) -> tuple[str, ...]:
    source = layout.targets[way.source]
    if way.unworked:
        return "unworked" if what == "conversion" else f"unworked {what}", *group, source
    return what, *group, source, layout.targets[way.target], str(way.version)


def _variant_name(layout: Layout, variant: Variant) -> tuple[str, ...]:
    return layout.scenario.products[variant.product], str(variant.version)
