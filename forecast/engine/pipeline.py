"""The open pipeline, laid out for the kernel: simulated, expected, and told about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats
from forecast.engine.blank_amounts import known_or_usual
from forecast.engine.kernel.ages import BOTH, CLOSE, MODEL, SHARE, Movers, OpenTables
from forecast.engine.kernel.dealmeans import Lines, expect_deals
from forecast.engine.kernel.deals import run_deals
from forecast.engine.kernel.flow import new_flow
from forecast.engine.kernel.hope import fill_hope
from forecast.engine.kernel.means import Means
from forecast.engine.kernel.odds import draw_odds, new_tally
from forecast.engine.kernel.opened import Batches, Closes, Deals, Marks, Open, new_space
from forecast.engine.kernel.shapes import Earlier, Futures, Keys, Plan, Tables
from forecast.engine.kernel.wins import Results
from forecast.engine.kernel.wins import Stays as DealStays
from forecast.engine.laws import make_laws
from forecast.engine.layout import Layout
from forecast.engine.odds import Part, closed_by, parts_of
from forecast.engine.stays import Kinds, Stays
from forecast.engine.tables import TableMaker
from forecast.scenario.families import Fixed, build
from forecast.scenario.model import Uncertain, Variable
from forecast.scenario.pipeline_model import OpenDeals

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OpenPlan:
    """The open deals of a scenario, sorted into batches of which the same is known."""

    op: Open
    order: Counts  # (deal,) its place in the file
    hoped: Counts  # (g,) 1 where it is asked how likely items of a group are won
    shares: bool  # whether deals have a chance of their own and the model's time
    kinds: Kinds  # of recurring products
    known: int  # batches of deals whose amount is known; those behind them have none
    closed: Floats  # (time, q) chance that a deal is closed by the end of a quarter
    segments: int
    weighed: Lines | None = None  # in the place of ``lines``, where deals count otherwise

    @cached_property
    def lines(self) -> Lines:
        """The deals added up, for what is expected of them."""
        return self.weighed or _lines(self.op)

    @cached_property
    def followed(self) -> tuple[Part, ...]:
        """All deals, to be followed."""
        return tuple(parts_of(self.op, self.known, None, self.segments))

    @cached_property
    def by_odds(self) -> tuple[Part, ...]:
        """The same, those with a chance and a time of their own left to their odds."""
        return tuple(parts_of(self.op, self.known, self.closed, self.segments))


def lay_out_deals(layout: Layout, maker: TableMaker) -> OpenPlan | None:
    """Lay out the open deals; None where there are none."""
    pipeline = layout.scenario.pipeline
    if pipeline is None:
        return None
    deals = pipeline.deals
    scenario = layout.scenario
    group = deals.channel * len(scenario.segments) + deals.segment
    own, timed = ~np.isnan(deals.probability), deals.close_period >= 0
    kind = np.where(own, np.where(timed, BOTH, SHARE), np.where(timed, CLOSE, MODEL))
    mover, classes = _classes(deals, group, kind)
    close, times = _times(deals, timed)
    blank = np.isnan(deals.amount)
    order = np.lexsort([close, mover, deals.stage, group, kind, blank]).astype(np.int64)
    columns = np.stack([kind, mover, close, group, deals.stage, blank], axis=1)[order]
    fresh = np.flatnonzero(np.any(np.diff(columns, axis=0) != 0, axis=1)) + 1
    first = np.concatenate([[0], fresh, [len(order)]]) if len(order) else np.zeros(1)
    heads = columns[first[:-1].astype(np.int64)].T.astype(np.int64)
    batches = Batches(heads[0], heads[1], heads[2], heads[3], heads[4], first.astype(np.int64))
    spreads, closes = _closes(times, len(maker.lags))
    op = Open(
        _movers(layout, maker, classes, spreads),
        closes,
        batches,
        Deals(
            known_or_usual(scenario)[order],
            deals.product[order].astype(np.int64),
            np.nan_to_num(deals.probability[order]),
        ),
        _variants(layout),
    )
    hoped = np.zeros(len(scenario.groups), dtype=np.int64)
    hoped[group[(kind == SHARE) | (kind == CLOSE)]] = 1
    shares = bool(np.any(kind == SHARE))
    known = int(np.sum(heads[5] == 0))
    closed, segments = closed_by(times, scenario.calendar), len(scenario.segments)
    return OpenPlan(op, order, hoped, shares, maker.kinds, known, closed, segments)


def _variants(layout: Layout) -> Counts:
    """The first variant of a product that is sold in a phase, or ever; -1: none. (f, g, p)."""
    scenario = layout.scenario
    products = max(len(scenario.products), 1)
    out = np.full((len(layout.weights), len(scenario.groups), products), -1, dtype=np.int64)
    for f, g in np.ndindex(out.shape[:2]):
        for ever in (False, True):
            for v, variant in enumerate(layout.variants):
                held = variant.versions.get(scenario.groups[g], ())
                sold = any(ever or layout.weights[f, version] > 0.0 for version in held)
                if sold and out[f, g, variant.product] < 0:
                    out[f, g, variant.product] = v
    return out


def _classes(deals: OpenDeals, group: Counts, kind: Counts) -> tuple[Counts, Floats]:
    """Number the distinct (group, stage, age): each deal's number (or -1), and these."""
    age = np.where(np.isnan(deals.age_days), -1.0, deals.age_days)
    rows = np.stack([group, deals.stage, age, deals.age_periods], axis=1).astype(np.float64)
    asked = kind != BOTH
    known, of = _distinct(rows[asked])
    out = np.full(len(rows), -1, dtype=np.int64)
    out[asked] = of
    return out, known


def _times(deals: OpenDeals, timed: NDArray[np.bool_]) -> tuple[Counts, Floats]:
    """Number the distinct expected closes: each deal's number (or -1), and these."""
    spread = deals.close_cv > 0.0
    days = np.where(spread, deals.close_days, 0.0)
    period = np.where(spread, -1, deals.close_period)
    rows = np.stack([period, days, np.where(spread, deals.close_cv, 0.0)], axis=1)
    known, of = _distinct(rows[timed].astype(np.float64))
    out = np.full(len(rows), -1, dtype=np.int64)
    out[timed] = of
    return out, known


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[Any], Counts]:
    """The distinct rows in order, and the number of each row among them; as np.unique, faster."""
    order = np.lexsort(rows.T[::-1])
    fresh = np.ones(len(rows), dtype=np.bool_)
    fresh[1:] = np.diff(rows[order], axis=0).any(axis=1)
    of = np.empty(len(rows), dtype=np.int64)
    of[order] = np.cumsum(fresh) - 1
    return rows[order[fresh]], of


def _closes(times: Floats, lags: int) -> tuple[list[Any], Closes]:
    """The laws of the times that are spread, which stand behind those of the lags."""
    cvs = np.unique(times[times[:, 2] > 0.0, 2])
    law = np.where(times[:, 2] > 0.0, lags + np.searchsorted(cvs, times[:, 2]), -1)
    spreads = [build("lognormal", {"mean": 1.0, "cv": float(cv)}) for cv in cvs]
    return spreads, Closes(
        times[:, 0].astype(np.int64), law.astype(np.int64), np.ascontiguousarray(times[:, 1])
    )


def _movers(layout: Layout, maker: TableMaker, classes: Floats, spreads: list[Any]) -> Movers:
    calendar = layout.scenario.calendar
    law_of = maker.lag_of[maker.clock.of[0]]
    used = set(law_of.ravel().tolist()) if len(classes) else set()
    lags = [lag if i in used else None for i, (lag, *_) in enumerate(maker.lags)]
    lost = len(layout.targets) - 1
    at_once = [
        [_at_once(maker.lags[law_of[g, e]][0], way.target == lost) for e, way in
         enumerate(layout.ways)]
        for g in range(len(layout.scenario.groups))
    ]  # fmt: skip
    closing = maker.clock.closing
    uneven = np.array([phase is not None for *_, phase in maker.lags], dtype=np.int64)
    return Movers(
        make_laws([*lags, *spreads]),
        np.ascontiguousarray(law_of),
        np.array(at_once, dtype=np.int64).reshape(law_of.shape),
        uneven[law_of],
        closing is None or not any(isinstance(n, Uncertain) for n in closing.month_of_quarter),
        classes[:, 0].astype(np.int64),
        classes[:, 1].astype(np.int64),
        np.ascontiguousarray(classes[:, 2]),
        classes[:, 3].astype(np.int64),
        calendar.periods,
        calendar.first_offset,
        calendar.period_days,
    )


def _at_once(lag: Any, is_lost: bool) -> bool:
    """Tell whether a way loses deals without a lag."""
    return is_lost and isinstance(lag, Variable) and lag.family == Fixed(0.0)


def batch_of(op: Open) -> Counts:
    """Give the batch of each deal."""
    return np.repeat(np.arange(len(op.batches.kind)), np.diff(op.batches.first))


def line_of(op: Open) -> tuple[Counts, Counts]:
    """Give what lines have in common, (4, line) kind, group, product, batch; each deal's line."""
    of = batch_of(op)
    columns = [op.batches.kind[of], op.batches.group[of], op.deals.product, of]
    keys, line = _distinct(np.stack(columns, axis=1))
    return keys.T, line


def _lines(op: Open) -> Lines:
    """Add up the deals of each batch and product, and put together what flows together."""
    deals, kind = op.deals, op.batches.kind[batch_of(op)]
    keys, line = line_of(op)
    n = keys.shape[1]
    own = (kind == SHARE) | (kind == BOTH)
    number = np.where(own, deals.chance, 1.0)

    def added(what: Floats) -> Floats:
        return np.bincount(line, what, n).astype(np.float64)

    fresh = np.flatnonzero(np.any(np.diff(keys[:3], axis=1) != 0, axis=0)) + 1
    first = np.concatenate([[0], fresh, [n]]).astype(np.int64) if n else np.zeros(1, np.int64)
    return Lines(
        np.ascontiguousarray(keys[3]),
        added(number),
        added(number * deals.amount),
        added(1.0 - number),
        first,
        np.ascontiguousarray(keys[2][first[:-1]]),
    )


def open_tables(opened: OpenPlan, plan: Plan, tables: Tables) -> OpenTables:
    """Find what tables say of open deals."""
    rows, phases, groups, ways = tables.take.shape
    stages = len(plan.first_way) - 1
    if not opened.hoped.any():
        nothing = np.zeros((0, 0, 0, 0))
        return OpenTables(tables.lag_factor, nothing, nothing.copy(), tables.ahead)
    hope = np.zeros((rows, phases, groups, stages + 2))
    take = np.zeros((rows, phases, groups, ways))
    fill_hope(plan, tables, opened.hoped, np.zeros((stages, stages + 1)), hope, take)
    return OpenTables(tables.lag_factor, hope, take, tables.ahead)


class Followed(NamedTuple):
    """What became of open deals that is still to be added up."""

    earlier: Earlier
    change: Counts  # (run, q, j) of those inside
    held: Counts  # (run, q, j) of those that wait; no runs where none can
    blank: Counts  # (run, q, c, s, p) deals won whose amount is not known; no runs where all are


def follow_deals(
    opened: OpenPlan,
    plan: Plan,
    keys: Keys,
    tables: tuple[Tables, Stays | None],
    first: int,
    rows: Any,
) -> Followed:
    """Add to zeroed rows what becomes of the open deals in the runs from ``first`` on.

    Their deals and bookings are still those of the pipeline only: see ``add_deals``.
    """
    counts, stays = tables
    out = _results(plan, rows)
    if stays is None:
        no_stays = np.zeros((0, 0), dtype=np.int64), np.zeros((1, 0, 0))
        held = DealStays(keys.deal_stay, counts, *no_stays)
    else:
        own = keys.deal_stay[opened.order]
        held = DealStays(own, stays.leaving, opened.kinds.terms, stays.paid)
    brings = len(out.revenue) > 0 or len(out.customers) > 0
    works = isinstance(rows, Futures) and (plan.desk.kept == 1 or counts.worked_cost.shape[3] > 0)
    marks = Marks(keys.deal[opened.order], held, brings, works)
    given = open_tables(opened, plan, counts)
    blank = np.zeros((0, *out.deals.shape[1:]), dtype=np.int64)
    counted_only = not (brings or isinstance(rows, Futures))
    for part in opened.by_odds if counted_only else opened.followed:
        into = out
        if part.blank:
            blank = np.zeros_like(out.deals)
            into = out._replace(
                deals=blank,
                bookings=np.zeros_like(out.bookings),
                revenue=np.zeros_like(out.revenue),
            )
        if len(part.op.batches.kind):
            run_deals(plan, counts, given, (part.op, marks), first, (new_space(plan), into))
        if len(part.deal):
            tally, mine = new_tally(out.deals.shape[1]), marks.keys[part.deal]
            draw_odds(part.odds, mine, first, tally, into.deals, into.bookings)
    return Followed(Earlier(out.customers, out.used), out.change, out.held, blank)


def _results(plan: Plan, rows: Any) -> Results:
    """The rows that open deals are counted in, and arrays of their own for what is not there."""
    has_stages = isinstance(rows, Futures)
    runs, quarters = rows.deals.shape[:2]
    stages, limited, periods = len(plan.first_way) - 1, len(plan.desk.stages), len(plan.quarter_of)

    def zeros(wanted: bool, *shape: int) -> Counts:
        return np.zeros((runs if wanted else 0, *shape), dtype=np.int64)

    kept = has_stages and plan.desk.kept == 1
    nothing, no_money = np.zeros((0, 0, 0), dtype=np.int64), np.zeros((0, 0, 0, 0, 0))
    desk = nothing, nothing, nothing, nothing
    if kept:
        desk = rows.worked, rows.waited, rows.given_up, rows.unworked
    return Results(
        rows.pipeline_deals,
        rows.pipeline_bookings,
        rows.revenue if rows.revenue.size else no_money,
        rows.entered if has_stages else np.zeros((0, 0, 0, 0, 0), dtype=np.int64),
        zeros(has_stages, quarters, stages),
        zeros(plan.referral.channel >= 0, int(plan.referral.class_of.max()) + 1, periods),
        zeros(has_stages and limited > 0, limited, periods),
        rows.spend,
        *desk,
        zeros(has_stages and limited > 0, quarters, stages),
    )


def add_deals(opened: OpenPlan, followed: Followed, rows: Any) -> None:
    """Add what became of the open deals to what became of all leads."""
    rows.deals[:] += rows.pipeline_deals
    rows.bookings[:] += rows.pipeline_bookings
    if len(followed.change):
        change, batches = followed.change, opened.op.batches
        for stage, count in zip(batches.stage, np.diff(batches.first), strict=True):
            change[:, 0, stage] += count
        rows.open[:, :, : change.shape[2]] += np.cumsum(change, axis=1)
    if len(followed.held):
        rows.backlog[:, :, : followed.held.shape[2]] += np.cumsum(followed.held, axis=1)


def add_deal_means(opened: OpenPlan, plan: Plan, tables: Tables, means: Means) -> None:
    """Add what is expected of the open deals to closed-form means."""
    given = open_tables(opened, plan, tables)
    own = tables._replace(take=given.take) if opened.shares else tables
    work = new_space(plan), new_flow(plan, True), new_flow(plan, True)
    expect_deals(plan, (tables, own, given), opened.op, opened.lines, work, means)
