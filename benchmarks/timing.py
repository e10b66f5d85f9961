"""Time several contenders in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
Work = Callable[[int, int], object]  # (runs, seed)


@dataclass(frozen=True)
class Clocked:
    """Seconds of each round, shape (round,)."""

    cpu: Floats
    wall: Floats


@dataclass(frozen=True)
class PerRun:
    """Microseconds a run of each round, shape (round,)."""

    runs: int
    cpu: Floats
    wall: Floats


def in_turn(contenders: Mapping[Key, Callable[[int], object]], rounds: int) -> dict[Key, Clocked]:
    """Time ``contender(round)`` for each, A B C A B C ..., after a round that does not count."""
    seconds: dict[Key, list[tuple[float, float]]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work(number)
            spent = time.process_time() - cpu, time.perf_counter() - wall
            if number:
                seconds[name].append(spent)
    return {name: Clocked(*np.array(rows).T) for name, rows in seconds.items()}


def per_run(works: Mapping[Key, tuple[Work, int]], rounds: int) -> dict[Key, PerRun]:
    """Time ``work(runs, round)`` of each in turn, and divide by its runs."""

    def at(work: Work, runs: int) -> Callable[[int], object]:
        return lambda seed: work(runs, seed)

    found = in_turn({name: at(*given) for name, given in works.items()}, rounds)
    each = {name: 1e6 / runs for name, (_, runs) in works.items()}
    return {
        name: PerRun(works[name][1], clocked.cpu * each[name], clocked.wall * each[name])
        for name, clocked in found.items()
    }


def enough_runs(work: Work, seconds: float, most: int) -> int:
    """Find the fewest of 1, 2, 5, 10, 20, 50, ... runs that last so long; at most ``most``."""
    work(1, 0)  # loads or compiles
    for runs in _steps():
        begin = time.perf_counter()
        work(min(runs, most), 0)
        if time.perf_counter() - begin >= seconds or runs >= most:
            break
    return min(runs, most)


def _steps() -> Iterator[int]:
    for power in count():
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def middle(values: Floats) -> float:
    """Give the median."""
    return float(np.median(values))
