"""Recurring products in the horizon: who is still there after so long, and what it pays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.engine.assumptions import Floats, Values
from forecast.engine.kernel.shapes import Tables
from forecast.engine.kernel.spread import Spread, new_spread
from forecast.engine.kernel.stays import Brought
from forecast.engine.lags import chance_rows
from forecast.engine.layout import Layout
from forecast.engine.lifetimes import Lifetime, lifetime
from forecast.scenario.calendar import DAYS_IN, Calendar
from forecast.scenario.model import Recurring

Counts = NDArray[np.int64]
ROUNDING = 1e-9  # of a term: weeks and days are no exact parts of a month
ONE_TIME = -1
CELLS_AT_ONCE = 32_768  # classes x runs, that stay near the processor
CLASS_SHIFT = 12  # a step is period | class << 12: at most 4,095 periods


class Kinds(NamedTuple):
    """The distinct recurring products of a layout, and their time: certain."""

    kinds: tuple[Recurring, ...]
    of: Counts  # (g, v) which kind, -1 for what is paid once
    terms: Counts  # (kind, n) whole terms that are over when the n-th period after a win begins
    payments: Counts  # (kind, n) the same of payments
    share: Floats  # (kind,) of a payment that is recognised in a period
    begin: tuple[Counts, ...]  # by kind: (period + 1,) the first class of each period's deals
    steps: tuple[Counts, ...]  # by kind: (class,) the step of its sizes


class Stays(NamedTuple):
    """What the assumptions give: one row a run, or one where nothing is uncertain."""

    leaving: Tables  # its lags are the terms after which customers leave, one for each kind
    paid: Floats  # (r, kind, n) of a size, in the n-th period after a win, by who is there
    booked: Floats  # (r, kind) of a size, in the first term


def kinds_of(layout: Layout) -> Kinds:
    """Number the recurring products of a layout that differ."""
    scenario = layout.scenario
    known: dict[Recurring, int] = {}
    of = np.full((len(scenario.groups), len(layout.variants)), ONE_TIME)
    for g, group in enumerate(scenario.groups):
        for v, variant in enumerate(layout.variants):
            recurring = variant.recurring.get(group)
            if recurring is not None:
                of[g, v] = known.setdefault(recurring, len(known))
    calendar = scenario.calendar
    every = [DAYS_IN[kind.every] for kind in known]
    terms = [_over(calendar, kind.term) for kind in known]
    payments = [_over(calendar, days) for days in every]
    shape = len(known), calendar.periods
    return Kinds(
        tuple(known),
        of,
        np.array(terms, dtype=np.int64).reshape(shape),
        np.array(payments, dtype=np.int64).reshape(shape),
        np.array([calendar.period_days / days for days in every]),
        *_classes([each[::-1] + 1 for each in terms]),
    )


def _classes(counts: list[Counts]) -> tuple[tuple[Counts, ...], tuple[Counts, ...]]:
    """Number the classes of each kind's periods, given how many each has; and their steps."""
    begins = tuple(np.concatenate([[0], np.cumsum(count)]) for count in counts)
    steps = []
    for count, begin in zip(counts, begins, strict=True):
        period = np.repeat(np.arange(len(count)), count)
        steps.append(period + ((np.arange(begin[-1]) - begin[period]) << CLASS_SHIFT))
    return begins, tuple(steps)


def _over(calendar: Calendar, days: float) -> Counts:
    """How many whole spans of so many days are over when the n-th period begins."""
    begins = np.arange(calendar.periods) * calendar.period_days
    return np.asarray(np.floor(begins / days + ROUNDING), dtype=np.int64)


def kept_of(kinds: Kinds, values: Values) -> Floats:
    """Revenue to expect of a size of 1 in the n-th period after a win: (row, kind, n)."""
    parts = []
    for i, kind in enumerate(kinds.kinds):
        life = lifetime(kind, values)
        survival = life.survival(np.arange(kinds.terms[i, -1] + 1))
        parts.append(survival[:, kinds.terms[i]] * _paid(kinds, i, life))
    return _stacked(parts, kinds)


def booked_of(kinds: Kinds, values: Values) -> Floats:
    """Bookings of a size of 1, its payments in the first term: (row, kind)."""
    parts = []
    for kind in kinds.kinds:
        life = lifetime(kind, values)
        grown = np.exp(life.growth[:, None] * np.arange(life.payments))
        parts.append(np.sum(grown, axis=1, keepdims=True))
    rows = max((len(part) for part in parts), default=1)
    return np.concatenate([np.zeros((rows, 0)), *(_rows(p, rows) for p in parts)], axis=1)


def stays_of(kinds: Kinds, tables: Tables, values: Values) -> Stays:
    """What the simulation needs of recurring products, for rows of assumption values."""
    lives = [lifetime(kind, values) for kind in kinds.kinds]
    chances = [_leaving(life, int(kinds.terms[i, -1])) for i, life in enumerate(lives)]
    width = max(part.shape[1] for part in chances)
    rows = chance_rows([np.pad(p, ((0, 0), (0, width - p.shape[1]))) for p in chances])
    paid = _stacked([_paid(kinds, i, life) for i, life in enumerate(lives)], kinds)
    return Stays(tables._replace(**rows), paid, tables.booked)


def _leaving(life: Lifetime, last: int) -> Floats:
    """Chances to leave after 1, 2, ... terms, the last one to stay longer: (row, term)."""
    survival = life.survival(np.arange(last + 1))
    return np.concatenate([-np.diff(survival, axis=1), survival[:, -1:]], axis=1)


def _paid(kinds: Kinds, i: int, life: Lifetime) -> Floats:
    """Of a size, by customers that are there, in the n-th period after a win: (row, n)."""
    grown = np.exp(life.growth[:, None] * np.arange(kinds.payments[i, -1] + 1))
    return np.asarray(kinds.share[i] * grown[:, kinds.payments[i]])


def _rows(part: Floats, rows: int) -> Floats:
    return np.broadcast_to(part, (rows, *part.shape[1:]))


def _stacked(parts: list[Floats], kinds: Kinds) -> Floats:
    """Stack kinds' rows: (row, kind, n)."""
    rows = max((len(part) for part in parts), default=1)
    out = np.zeros((rows, *kinds.terms.shape))
    for i, part in enumerate(parts):
        out[:, i] = part
    return out


class StayWork(NamedTuple):
    """Working space for the customers of some runs."""

    classes: Counts  # (class, run)
    brought: Brought
    spread: Spread
    numbers: Counts  # 0, 1, ...


def new_stay_work(kinds: Kinds, quarters: int, runs: int) -> StayWork:
    """Allocate working space for so many runs."""
    most = int(kinds.terms.max()) + 1
    rows = max(most, min(CELLS_AT_ONCE // runs, max(len(steps) for steps in kinds.steps)))
    return StayWork(
        np.empty((rows, runs), np.int64),
        Brought(np.empty((quarters, runs)), np.empty((quarters, runs)), np.empty(runs)),
        new_spread(),
        np.arange(most + 1),
    )
