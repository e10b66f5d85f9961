"""Memory of results that nobody holds any more, kept for the next ones.

The system clears every page that it hands out for the first time, which takes a tenth of the time
of a forecast; memory that is used again is at hand.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LEAST_BYTES = 1 << 17  # smaller arrays are left to the allocator
MOST_BYTES = 1 << 27  # all that is kept
SPARE = 2  # how many times as large as asked for memory may be, to be used again


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate an array that is not filled, from memory used before where there is some."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size < LEAST_BYTES:
        return np.empty(shape, dtype)
    memory = _take(size)
    if memory is None:
        memory = np.empty(size, np.uint8)
    return np.asarray(_Held(memory))[:size].view(dtype).reshape(shape)


class _Held:
    """Memory that arrays stand on; when the last of them is gone it is kept."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.__array_interface__ = memory.__array_interface__
        weakref.finalize(self, _keep, memory).atexit = False


_kept: list[NDArray[np.uint8]] = []  # the oldest first
_lock = threading.Lock()  # never waited for: arrays may go at any time, even while it is held


def _take(size: int) -> NDArray[np.uint8] | None:
    if not _lock.acquire(blocking=False):
        return None
    try:
        fit = [i for i, memory in enumerate(_kept) if size <= len(memory) <= SPARE * size]
        return _kept.pop(min(fit, key=lambda i: len(_kept[i]))) if fit else None
    finally:
        _lock.release()


def _keep(memory: NDArray[np.uint8]) -> None:
    if not _lock.acquire(blocking=False):
        return
    try:
        _kept.append(memory)
        while sum(map(len, _kept)) > MOST_BYTES:
            _kept.pop(0)
    finally:
        _lock.release()
