"""Many scenarios with common random numbers: on this machine's cores, or on Dask."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from forecast.engine.request import memory_room
from forecast.engine.run import bytes_of_totals
from forecast.engine.threads import threads_at_most, usable_cores
from forecast.operate.jobs import Job
from forecast.operate.worker import Done, Plan, begin, do_job, do_jobs
from forecast.scenario.errors import ScenarioError
from forecast.scenario.reader import build_scenario

Progress = Callable[[int, int], None]
WORTH_PROCESSES_SECONDS = 3.0  # of work: a process begins in one or two
SLICES_EACH = 8  # that a core has at least, so that all end at about the same time
MOST_IN_SLICE = 16
DOCUMENTS_ONLY = Plan()
WORK_SPACE = 4  # times its totals that a scenario takes, about
AHEAD = 2  # slices that wait for each process


@dataclass(frozen=True)
class Result:
    """What became of a batch's scenarios, in their order."""

    jobs: tuple[Job, ...]
    done: tuple[Done, ...]

    @property
    def failed(self) -> tuple[Done, ...]:
        """The scenarios that failed."""
        return tuple(each for each in self.done if each.document is None)

    def document(self) -> dict[str, Any]:
        """Give the document of ``forecast batch --json``."""
        return {
            "scenarios": [each.document for each in self.done if each.document is not None],
            "failed": [{"scenario": each.name, "error": each.error} for each in self.failed],
        }


def run_batch(
    jobs: Sequence[Job],
    plan: Plan = DOCUMENTS_ONLY,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Forecast scenarios on the cores of this machine.

    All have the random numbers of their seed by name, so that they differ by what they assume only;
    the bits do not depend on ``processes`` (as many as cores where it is None). Short work is done
    in this process. A process that dies changes nothing but the time.
    """
    todo = _Todo(jobs, plan, progress)
    cores = min(processes or usable_cores(), _fitting(jobs))
    if not _is_long(todo, cores):
        while todo.waiting:
            todo.do(todo.waiting.popleft())
        return todo.result()
    method = "spawn" if sys.platform in ("win32", "darwin") else "forkserver"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["forecast.operate.worker"])
    pool = ProcessPoolExecutor(cores - 1, mp_context=context, initializer=begin)
    try:
        with threads_at_most(1):
            _share(todo, pool, cores)
    except BaseException:
        _kill(pool)  # or leaving would wait for what they do
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return todo.result()


def _kill(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool at once; from Python 3.14 on pools can do that."""
    for process in list((pool._processes or {}).values()):
        process.kill()


class _Todo:
    """The scenarios that wait, and what became of the others."""

    def __init__(self, jobs: Sequence[Job], plan: Plan, progress: Progress | None) -> None:
        self.jobs, self.plan = tuple(jobs), plan
        self.waiting = deque(range(len(jobs)))
        self._found: dict[int, Done] = {}
        self._progress = progress

    def do(self, at: int) -> None:
        """Do one scenario here."""
        self.found([at], [do_job(self.jobs[at], self.plan)])

    def found(self, slice_: Sequence[int], done: Sequence[Done]) -> None:
        """Take what became of some scenarios."""
        self._found.update(zip(slice_, done, strict=True))
        if self._progress is not None:
            self._progress(len(self._found), len(self.jobs))

    def result(self) -> Result:
        """Give the whole batch."""
        return Result(self.jobs, tuple(self._found[i] for i in range(len(self.jobs))))


def _fitting(jobs: Sequence[Job]) -> int:
    """How many scenarios the memory holds at once, by the first that can be read."""
    for job in jobs:
        with suppress(ScenarioError):
            if job.document is not None:
                each = bytes_of_totals(build_scenario(job.document)) * max(j.runs for j in jobs)
                return max(1, int(memory_room() // (WORK_SPACE * each)))
    return 1


def _is_long(todo: _Todo, cores: int) -> bool:
    """Do the first scenarios here, which compiles what is missing, and judge by the last."""
    seconds = 0.0
    for _ in range(min(2, len(todo.waiting))):
        begun = time.perf_counter()
        todo.do(todo.waiting.popleft())
        seconds = time.perf_counter() - begun
    left = len(todo.waiting)
    return cores > 1 and left >= 2 * cores and seconds * left > WORTH_PROCESSES_SECONDS


def _share(todo: _Todo, pool: ProcessPoolExecutor, cores: int) -> None:
    """Give slices to the processes, and do scenarios here while they work."""
    pending: dict[Future[list[Done]], list[int]] = {}
    size = min(MOST_IN_SLICE, max(1, len(todo.waiting) // (SLICES_EACH * cores)))
    sound = True
    while todo.waiting or pending:
        while sound and len(pending) < AHEAD * (cores - 1) and len(todo.waiting) > size:
            taken = [todo.waiting.pop() for _ in range(size)]
            try:
                future = pool.submit(do_jobs, [todo.jobs[i] for i in taken], todo.plan)
            except BrokenProcessPool:
                sound = False
                todo.waiting.extend(reversed(taken))
            else:
                pending[future] = taken
        if todo.waiting:
            todo.do(todo.waiting.popleft())
        else:
            wait(pending, return_when=FIRST_COMPLETED)
        for future in [each for each in pending if each.done()]:
            taken = pending.pop(future)
            try:
                todo.found(taken, future.result())
            except BrokenProcessPool:  # one was killed: the rest is done here
                sound = False
                todo.waiting.extend(reversed(taken))
