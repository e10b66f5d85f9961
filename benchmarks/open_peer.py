"""The 500 open deals of R4: for the peers, for this engine, and their exact means.

The peers follow the workload's words: won with its chance, in a month by a lognormal that is
rounded to months and cut at 12. This engine's own lognormal is neither rounded nor cut, so that its
deals come half a month earlier or so; each is held against the exact means of its own law.
"""

from __future__ import annotations

import csv
import dataclasses
from functools import cache
from math import erfc, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.calendar import DAYS_PER_MONTH
from forecast.scenario.model import Scenario
from forecast.scenario.pipeline_model import OpenDeals, Pipeline

Floats = NDArray[np.float64]

FILE = Path(__file__).with_name("r4_open.csv")
CV = 0.8
LONGEST = 12
SIGMA = sqrt(log(1.0 + CV * CV))


@cache
def columns() -> tuple[Floats, Floats, Floats]:
    """Read chance, amount and mean lag in months, shape (deal,) each."""
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = "win_probability", "amount", "expected_lag"
    chance, amount, lag = (np.array([float(row[name]) for row in rows]) for name in names)
    return chance, amount, lag


def below(mean: float, x: float) -> float:
    """P(lag <= x) of a lognormal."""
    if x <= 0.0:
        return 0.0
    return 0.5 * erfc((log(mean) - SIGMA**2 / 2.0 - log(x)) / (SIGMA * sqrt(2.0)))


@cache
def month_chances(rounded: bool, months: int) -> Floats:
    """Chances to close in each month, shape (deal, month)."""
    cells = min(LONGEST + 1, months) if rounded else months
    half = 0.5 if rounded else 1.0
    edges = np.array([[below(m, k + half) for k in range(cells)] for m in columns()[2]])
    whole = [[below(m, LONGEST + 0.5)] for m in columns()[2]] if rounded else 1.0
    chances = np.zeros((len(edges), months))
    chances[:, :cells] = np.diff(edges, axis=1, prepend=0.0) / whole
    return chances


def exact_means(rounded: bool, quarters: int) -> Floats:
    """Expected deals and bookings of the open deals, shape (quarter, 2)."""
    chance, amount, _ = columns()
    by_quarter = month_chances(rounded, 3 * quarters).reshape(-1, quarters, 3).sum(axis=2)
    won = chance[:, None] * by_quarter
    return np.stack([won.sum(axis=0), (won * amount[:, None]).sum(axis=0)], axis=1)


def add_open_deals(rng: np.random.Generator, out: Floats, first: int = 0) -> None:
    """Add the open deals to the first channel of a peer's outputs, a block of runs at a time."""
    chance, amount, _ = columns()
    months = 3 * out.shape[1]
    upto = np.cumsum(month_chances(True, months), axis=1)
    for begin in range(first, len(out), 1_000):
        block = out[begin : begin + 1_000]
        runs, deals = np.nonzero(rng.random((len(block), len(chance))) < chance)
        month = (rng.random(len(runs))[:, None] >= upto[deals]).sum(axis=1)
        inside = month < months
        cell = runs[inside] * block.shape[1] + month[inside] // 3
        shape, cells = block.shape[:2], block.shape[0] * block.shape[1]
        block[:, :, 0, 3] += np.bincount(cell, minlength=cells).reshape(shape)
        worth = amount[deals[inside]]
        block[:, :, 0, 4] += np.bincount(cell, worth, minlength=cells).reshape(shape)


def with_open_deals(scenario: Scenario) -> Scenario:
    """Give R1 the open deals, each with a chance and an expected close of its own."""
    chance, amount, lag = columns()
    n = len(chance)
    nothing, first = np.full(n, np.nan), np.zeros(n, np.int64)
    deals = OpenDeals(
        ids=tuple(str(i) for i in range(n)),
        stage=np.full(n, len(scenario.stages) - 1),
        channel=first,
        segment=first,
        product=first,
        amount=amount,
        age_days=nothing,
        age_periods=np.full(n, -1),
        probability=chance,
        close_period=np.minimum(lag.astype(np.int64), scenario.calendar.periods),
        close_days=lag * DAYS_PER_MONTH,
        close_cv=np.full(n, CV),
    )
    return dataclasses.replace(scenario, pipeline=Pipeline(deals, ()))
