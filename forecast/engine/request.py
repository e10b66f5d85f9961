"""What is asked of a simulation, checked before any work begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

MOST_RUNS = 100_000_000
JOURNEY, OUTCOME = "journey", "outcome"
DETAILS = (JOURNEY, OUTCOME)
OUTCOMES = ("deals", "bookings", "revenue", "spend")  # the metrics that "outcome" keeps
MEMORY_SHARE = 0.8
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class RequestError(ValueError):
    """A request that cannot be met: what was asked, what it must be, how to mend it."""

    exit_code = 2


def check_request(runs: int, seed: int, detail: str = "journey") -> None:
    """Check the runs, the seed and the detail; raises ``RequestError``."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise RequestError(f"seed: got {seed!r}; must be a whole number. Give 0.")
    if isinstance(runs, bool) or not isinstance(runs, int | np.integer):
        raise RequestError(f"runs: got {runs!r}; must be a whole number. Give 10_000.")
    if not 1 <= runs <= MOST_RUNS:
        must = f"between 1 and {MOST_RUNS:,}"
        raise RequestError(f"runs: got {runs:,}; must be {must}. 10,000 do for most questions.")
    if detail not in DETAILS:
        must = f"one of {', '.join(DETAILS)}"
        raise RequestError(f"detail: got {detail!r}; must be {must}. Leave it out.")


def check_memory(runs: int, bytes_per_run: int, in_flight: int = 0) -> None:
    """Check that the machine can hold so many runs; raises ``RequestError``.

    ``in_flight`` bytes are needed beside them while slices are simulated.
    """
    room = memory_room() - in_flight
    if runs * bytes_per_run > room:
        fit = max(1, int(room // bytes_per_run))
        need = runs * bytes_per_run / 1e9
        must = f"at most {fit:,} on this machine"
        raise RequestError(
            f"runs: {runs:,} would take {need:,.0f} GB; must be {must}. Ask for less."
        )


def detail_for(metrics: Iterable[str]) -> str:
    """Give the least detail that answers a question on some metrics.

    >>> detail_for(["deals", "bookings"]), detail_for(["deals", "opportunity"])
    ('outcome', 'journey')
    """
    return OUTCOME if all(metric in OUTCOMES for metric in metrics) else JOURNEY


def memory_room() -> float:
    """Bytes that a forecast may take."""
    return MEMORY_SHARE * _memory_bytes()


def _memory_bytes() -> float:
    """What this process may hold: the machine's memory, or less in a container."""
    room = float("inf")
    with suppress(AttributeError, ValueError, OSError):
        room = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        room = min(room, float(int(CONTAINER_LIMIT.read_text())))
    return room
