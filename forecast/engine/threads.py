"""Work on threads: in order for whoever takes the results one by one, or side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

T = TypeVar("T")
Cut = tuple[int, int]  # first and count

SHARES = 2  # slices a thread has at least: one that is late then does not keep all waiting


def cuts(runs: int, size: int) -> list[Cut]:
    """Cut runs into (first, count) slices of at most ``size``."""
    return [(first, min(size, runs - first)) for first in range(0, runs, size)]


def even_cuts(runs: int, size: int, step: int, threads: int) -> list[Cut]:
    """Cut runs into slices of one size, as many for every thread; multiples of ``step`` if large.

    ``size``: the most runs of a slice.
    """
    count = threads * max(SHARES, -(-runs // (size * threads)))
    whole_steps = -(-runs // (count * step)) * step
    return cuts(runs, min(whole_steps, size))


def in_order(
    work: Callable[[int, int], T], slices: list[Cut], threads: int | None = None
) -> Generator[T, None, None]:
    """Do the slices on threads and give their results in order, few of them waiting at a time."""
    count = threads or usable_threads()
    if count == 1:  # a pool would cost a short simulation a good part of its time
        for cut in slices:
            yield work(*cut)
        return
    pool = ThreadPoolExecutor(count)
    try:
        ahead = 2 * count
        waiting = [pool.submit(work, *cut) for cut in slices[:ahead]]
        for i in range(len(slices)):
            result = waiting.pop(0).result()
            if i + ahead < len(slices):
                waiting.append(pool.submit(work, *slices[i + ahead]))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def side_by_side(
    work: Callable[..., object], tasks: Iterable[tuple[int, ...]], threads: int | None = None
) -> None:
    """Do ``work(*task)`` of all tasks on threads, of which this is one; each takes the next.

    When one fails, those that nobody has begun are not done, and its error is raised.
    """
    left = deque(tasks)

    def take_part() -> None:
        while task := _next(left):
            try:
                work(*task)
            except BaseException:
                left.clear()
                raise

    others = min(threads or usable_threads(), len(left)) - 1
    helping = [_helpers(others).submit(take_part) for _ in range(others)]
    try:
        take_part()
    finally:
        running = [helper for helper in helping if not helper.cancel()]
        wait(running)
    for helper in running:
        helper.result()


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Threads that stay: to begin and to end them takes as long as a small forecast's slice."""
    return ThreadPoolExecutor(count, thread_name_prefix="forecast")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def _next(left: deque[tuple[int, ...]]) -> tuple[int, ...] | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def usable_threads() -> int:
    """Threads that what is simulated here may use at once."""
    return _allowed.get() or usable_cores()


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads_at_most(count: int) -> Iterator[None]:
    """Let what is simulated inside use so many threads, whatever the cores."""
    token = _allowed.set(count)
    try:
        yield
    finally:
        _allowed.reset(token)


_allowed: ContextVar[int] = ContextVar("threads", default=0)
