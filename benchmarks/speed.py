"""Microseconds per run of R1, R2, R3 and R4: this engine, both details, and the two peers."""

from __future__ import annotations

from collections.abc import Iterator

from numpy_peer import BLOCK_RUNS
from tables import Table, figure, ratio
from timing import PerRun, Work, enough_runs, middle, per_run
from workloads import DETAILS, PEERS, R1, R2, R3, R4, REFERENCES, Reference, run_ours, run_ready

# Memory that a process touches for the first time is slow on virtual machines, so that a forecast
# is small enough to take the place of the one before; and all of a timing are as large.
QUARTERS_AT_ONCE = 400_000  # of all its runs
LEAST_SECONDS = 1.2  # of a timing
MOST_RUNS = 1_000_000
FEWEST = {"NumPy": BLOCK_RUNS}  # runs: what it is tuned for
TWO = " on two threads"

TO_NUMPY = {(R1, "outcome"): 1 / 50, (R1, "journey"): 1 / 3}  # most time, the peer's being 1
TO_R1 = {
    (R2, "outcome"): 1.3,
    (R2, "journey"): 1.5,
    (R3, "outcome"): 8.0,
    (R3, "journey"): 8.0,
    (R4, "outcome"): 1.5,
    (R4, "journey"): 1.5,
}
TWO_THREADS = 1.85  # times as fast as one, at least
WHO = (*DETAILS, *PEERS)

Found = dict[tuple[Reference, str], PerRun]


def tables(rounds: int) -> Iterator[Table]:
    """Measure all workloads in turn, then compare."""
    found = per_run(contenders(), rounds)
    rows = [_row(found, reference, detail) for reference in REFERENCES for detail in DETAILS]
    head = (
        "workload, detail",
        "÷ NumPy peer, per core",
        "÷ numba peer, per core",
        "÷ R1, per core",
        "two threads: times as fast",
    )
    yield Table(head, rows)
    walls = [f"{detail}{TWO}, wall" for detail in DETAILS]
    names = (*DETAILS, *(f"{name} peer" for name in PEERS))
    yield Table(
        ("CPU, µs a run", *names, *walls, "numba ÷ NumPy peer"),
        [_times(found, reference) for reference in REFERENCES],
    )
    runs = [(r.name, *(f"{found[r, who].runs:,}" for who in WHO)) for r in REFERENCES]
    yield Table(("runs of a timing", *names), runs)


def contenders() -> dict[tuple[Reference, str], tuple[Work, int]]:
    """Give every contender with as many runs as make its timing long enough."""
    works: dict[tuple[Reference, str], tuple[Work, int]] = {}
    for reference in REFERENCES:
        for detail in DETAILS:
            ready = run_ready(reference.scenario(), 1, detail)
            runs = enough_runs(ready, LEAST_SECONDS, MOST_RUNS)
            one, two = (ours(reference, detail, threads) for threads in (1, 2))
            works[reference, detail] = one, runs
            works[reference, detail + TWO] = two, runs
        for name in PEERS:
            work = peer(reference, name)
            runs = enough_runs(work, LEAST_SECONDS, MOST_RUNS)
            works[reference, name] = work, max(runs, FEWEST.get(name, 1))
    return works


def ours(reference: Reference, detail: str, threads: int) -> Work:
    """Let this engine do a workload, as forecasts that fit in memory used before."""
    scenario = reference.scenario()
    most = QUARTERS_AT_ONCE // len(scenario.calendar.quarters)

    def work(runs: int, seed: int) -> None:
        for first in range(0, runs, most):
            run_ours(scenario, min(most, runs - first), seed, threads, detail)

    return work


def peer(reference: Reference, name: str) -> Work:
    """Let a peer do a workload."""
    return lambda runs, seed: PEERS[name](reference.peer, runs, seed)


def _row(found: Found, reference: Reference, detail: str) -> tuple[str, ...]:
    one, two = found[reference, detail], found[reference, detail + TWO]
    key = reference, detail
    return (
        f"{reference.name}, {detail}",
        ratio(one.cpu / found[reference, "NumPy"].cpu, TO_NUMPY.get(key)),
        ratio(one.cpu / found[reference, "numba"].cpu),
        ratio(one.cpu / found[R1, detail].cpu, TO_R1.get(key)),
        ratio(one.wall / two.wall, at_least=TWO_THREADS),
    )


def _times(found: Found, reference: Reference) -> tuple[str, ...]:
    cores = [found[reference, who].cpu for who in WHO]
    walls = [found[reference, detail + TWO].wall for detail in DETAILS]
    return (
        f"{reference.name}: {reference.what}",
        *(figure(middle(each)) for each in (*cores, *walls)),
        ratio(found[reference, "numba"].cpu / found[reference, "NumPy"].cpu),
    )
