"""Time several contenders in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clocked:
    """Seconds of each round, shape (round,)."""

    cpu: Floats
    wall: Floats


def in_turn(contenders: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, Clocked]:
    """Time ``contender(round)`` for each, A B C A B C ..., after a round that does not count."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work(number)
            spent = time.process_time() - cpu, time.perf_counter() - wall
            if number:
                seconds[name].append(spent)
    return {name: Clocked(*np.array(rows).T) for name, rows in seconds.items()}


def middle(values: Floats) -> float:
    """Give the median."""
    return float(np.median(values))
