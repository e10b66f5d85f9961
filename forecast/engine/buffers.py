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


class _Held:
    """Memory that an array stands on; when the last such array is gone it is free again."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.__array_interface__ = memory.__array_interface__
        weakref.finalize(self, _give_back, memory).atexit = False


_free: list[NDArray[np.uint8]] = []  # the oldest first
_lock = threading.RLock()  # what is given back may be so at any time, also while another is taken


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate an array that is not filled, from memory used before where there is some."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size < LEAST_BYTES:
        return np.empty(shape, dtype)
    memory = _take(size)
    if memory is None:
        memory = np.empty(size, np.uint8)
    return np.asarray(_Held(memory))[:size].view(dtype).reshape(shape)


def _take(size: int) -> NDArray[np.uint8] | None:
    with _lock:
        fits = [i for i, memory in enumerate(_free) if size <= len(memory) <= SPARE * size]
        return _free.pop(min(fits, key=lambda i: len(_free[i]))) if fits else None


def _give_back(memory: NDArray[np.uint8]) -> None:
    with _lock:
        _free.append(memory)
        while sum(map(len, _free)) > MOST_BYTES:
            _free.pop(0)
