"""Nanoseconds per variate: the kernel's samplers beside the cheapest there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import limit_samplers as limit
import numpy as np
import our_samplers as ours
from numpy.typing import NDArray
from numpy_peer import LAGS, SIZE_SIGMA
from tables import Table, figure, ratio
from timing import in_turn, middle
from workloads import R1

from forecast.engine.assumptions import Draws
from forecast.engine.kernel.lanes import LANES, new_work
from forecast.engine.plan import make_blueprint

VARIATES = 2_000_000  # a timing
BLOCK = 1_024  # variates at a time: their arrays stay in the processor's first cache
BOUND = 1.5  # of the cheapest
ITEMS = 40  # of a cohort, in each lane
GAMMA_SHAPE = 4.0
POISSON_MEANS = (0.5, 3.0, 8.0, 12.0, 50.0, 500.0)
BINOMIALS = ((5, 0.2), (20, 0.3), (100, 0.25), (400, 0.25), (400_000, 0.25))

OURS, CHEAPEST = "ours", "cheapest"

Time = Callable[[int], None]  # draws about so many variates


@dataclass(frozen=True)
class Case:
    """A variate: how the kernel draws it, the cheapest way, and the bound, if there is one."""

    name: str
    mine: Time
    cheapest: Time
    bound: float | None = None


def tables(rounds: int) -> Iterator[Table]:
    """Time all cases in turn."""
    given = cases()
    works = {}
    for case in given:
        works[case.name, OURS] = _timed(case.mine)
        works[case.name, CHEAPEST] = _timed(case.cheapest)
    nano = {key: each.cpu / VARIATES * 1e9 for key, each in in_turn(works, rounds).items()}
    rows = [_row(case, nano[case.name, OURS], nano[case.name, CHEAPEST]) for case in given]
    yield Table(("variate", "ours ÷ cheapest", "ours, ns", "cheapest, ns"), rows)


def _row(case: Case, mine: NDArray[np.float64], cheapest: NDArray[np.float64]) -> tuple[str, ...]:
    times = figure(middle(mine)), figure(middle(cheapest))
    return case.name, ratio(mine / cheapest, case.bound), *times


def _timed(work: Time) -> Callable[[int], None]:
    return lambda _: work(VARIATES)


def cases() -> list[Case]:
    """Give all cases, every array of theirs in place."""
    return [*_continuous(), *_poissons(), *_binomials(), _categories()]


def _state() -> Any:
    return np.array([20261122], np.uint64)


def blocks(fill: Any, *given: Any, size: int = BLOCK) -> Time:
    """Let the kernel fill blocks of runs."""
    loop = ours.repeated(fill)
    return lambda variates: loop(variates // size, BLOCK, *given)


def cheap(fill: Any, *given: Any, size: int = BLOCK) -> Time:
    """Let the cheapest sampler fill blocks."""
    loop = limit.repeated(fill)
    return lambda variates: loop(variates // size, _state(), *given)


def _continuous() -> list[Case]:
    out, words, work = np.empty(BLOCK), np.empty(BLOCK, np.uint64), np.empty(2 * BLOCK)
    shape = np.full(BLOCK, GAMMA_SHAPE)
    uniform = cheap(limit.uniforms, out)
    return [
        Case("uniform, 64 bits of a stream", blocks(ours.bits, words), uniform),
        Case("uniform, pairs by address", blocks(ours.draws, out), uniform),
        Case("normal", blocks(ours.normals, words, out), cheap(limit.normals, out, work)),
        Case(
            "lognormal size",
            blocks(ours.lognormals, SIZE_SIGMA, words, out),
            cheap(limit.lognormals, SIZE_SIGMA, out, work),
        ),
        Case(
            f"gamma of shape {GAMMA_SHAPE:g}",
            blocks(ours.gammas, shape, out),
            cheap(limit.gammas, shape, out, work),
        ),
    ]


def _poissons() -> Iterator[Case]:
    out, work = np.empty(BLOCK, np.int64), new_work()
    for value in POISSON_MEANS:
        mean = np.full(BLOCK, value)
        mine = blocks(ours.lane_poissons, mean, work, out)
        if value < limit.LEAST_REJECTED:
            cheapest = cheap(limit.small_poissons, mean, out, np.empty(2 * BLOCK))
        else:
            cheapest = cheap(limit.large_poissons, mean, out)
        yield Case(f"Poisson {value:g}", mine, cheapest, BOUND)


def _binomials() -> Iterator[Case]:
    out, work = np.empty(BLOCK, np.int64), new_work()
    for n, p in BINOMIALS:
        trials, chance = np.full(BLOCK, n), np.full(BLOCK, p)
        mine = blocks(ours.lane_binomials, trials, chance, work, out)
        if n * p < limit.LEAST_REJECTED:
            cheapest = cheap(limit.small_binomials, trials, chance, out, np.empty(3 * BLOCK))
        else:
            cheapest = cheap(limit.large_binomials, trials, chance, out)
        yield Case(f"binomial ({n:,}, {p:g})", mine, cheapest, BOUND)


def _categories() -> Case:
    """R1's last lag, 13 months of which some are rare."""
    blueprint = make_blueprint(R1.scenario())
    tables = blueprint.maker.tables(Draws(blueprint.scenario, 0).means())
    lag = int(blueprint.plan.lag_of[0, 0, -1])
    given = ours.new_spreading(len(LAGS[2]))
    mine = blocks(ours.cells, ITEMS, tables, lag, given, size=ITEMS * LANES)
    threshold, other = limit.alias_table(LAGS[2])
    counts = np.zeros(len(threshold), np.int64)
    name = f"categorical of {len(LAGS[2])}, {ITEMS} at a time"
    cheapest = cheap(limit.categories, ITEMS, threshold, other, counts, size=ITEMS)
    return Case(name, mine, cheapest)
