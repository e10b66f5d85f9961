"""How fast a batch is: all cores against as many times one core, and two Dask workers.

``python benchmarks/batch.py [SCENARIOS] [ROUNDS]`` prints, of 10,000 runs of lean-consulting each,
the rate on one core and what share of it every core reaches: by the clock, which other work on the
machine spoils, and by the CPU time that all processes took, which it hardly does.
"""

from __future__ import annotations

import multiprocessing.forkserver
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from forecast.engine.threads import threads_at_most, usable_cores
from forecast.operate.batch import Result, run_batch
from forecast.operate.cluster import local_workers, run_on
from forecast.operate.jobs import Job, read_jobs
from forecast.operate.worker import Plan

LEAN = Path(__file__).parent.parent / "scenarios" / "lean-consulting.yaml"
TICKS = os.sysconf("SC_CLK_TCK")
WHOLE = Plan(whole=True)


def jobs_of(count: int) -> list[Job]:
    """So many scenarios that differ in a win rate."""
    rates = ", ".join(f"{20 + 40 * i / count:.4f}%" for i in range(count))
    text = f"base: {LEAN}\ngrid: {{journey.opportunity.won.conversion: [{rates}]}}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.yaml"
        path.write_text(text, encoding="utf-8")
        return read_jobs([path])


def cpu_here() -> float:
    """CPU seconds of this process, and of the processes that its server forked."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    forked = 0.0
    if server:
        fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        forked = sum(map(int, fields[11:15])) / TICKS
    return time.process_time() + forked


def timed(work: Callable[[], Result], cpu: Callable[[], float]) -> tuple[float, float]:
    """Wall and CPU seconds of some work in which nothing fails."""
    wall, used = time.perf_counter(), cpu()
    assert not work().failed
    wall = time.perf_counter() - wall
    time.sleep(1.0)  # until the processes have ended and are counted
    return wall, cpu() - used


def main(count: int, rounds: int) -> None:
    """Measure in turn and print the middle of the rounds."""
    jobs, cores = jobs_of(count), usable_cores()
    run_batch(jobs[:2], WHOLE)
    found: dict[str, list[tuple[float, float]]] = {"one": [], "all": [], "dask": []}
    with local_workers(2) as client:
        run_on(client, jobs[:8], WHOLE)  # until each has its kernels

        def workers_too() -> float:
            return time.process_time() + sum(client.run(time.process_time).values())

        for _ in range(rounds):
            with threads_at_most(1):
                one = timed(lambda: run_batch(jobs, WHOLE, processes=1), cpu_here)
            found["one"].append(one)
            found["all"].append(timed(lambda: run_batch(jobs, WHOLE), cpu_here))
            found["dask"].append(timed(lambda: run_on(client, jobs, WHOLE), workers_too))
    rate = count / median(wall for wall, _ in found["one"])
    print(f"{count:,} scenarios: one core {rate:.1f} a second")
    for name, who, many in (("all", f"{cores} cores", cores), ("dask", "2 Dask workers", 2)):
        pairs = list(zip(found["one"], found[name], strict=True))
        clock = median(one[0] / (many * each[0]) for one, each in pairs)
        cpu = median(one[1] / each[1] for one, each in pairs)
        print(f"{who}: {clock:.2f} of {many} x one core by the clock, {cpu:.2f} by CPU time")


if __name__ == "__main__":
    main(*(int(arg) for arg in [*sys.argv[1:], *("1000", "3")[len(sys.argv) - 1 :]]))
