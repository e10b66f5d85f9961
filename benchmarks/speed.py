"""Microseconds per run of R1, R2 and R3: this engine on one thread and on two, and the peer."""

from __future__ import annotations

from collections.abc import Iterator

from tables import Table, figure, ratio
from timing import Clocked, in_turn, middle
from workloads import R1, REFERENCES, Reference, run_ours, run_peer

R1_BOUND = 0.6  # of the peer's time per core
HEAD = (
    "workload",
    "ours ÷ peer, per core",
    "two threads ÷ one",
    "two threads ÷ peer",
    "runs",
    "ours, µs of CPU a run",
    "two threads, µs of wall",
    "peer, µs of CPU",
)


def tables(rounds: int) -> Iterator[Table]:
    """Measure all workloads, everything kept: stages, channels, quarters, every run."""
    yield Table(HEAD, [_row(reference, measure(reference, rounds)) for reference in REFERENCES])


def measure(reference: Reference, rounds: int) -> dict[str, Clocked]:
    """Time this engine and the peer in turn."""
    scenario, runs = reference.scenario(), reference.runs
    contenders = {
        "ours": lambda seed: run_ours(scenario, runs, seed, threads=1),
        "two": lambda seed: run_ours(scenario, runs, seed, threads=2),
        "peer": lambda seed: run_peer(reference, runs, seed),
    }
    return in_turn(contenders, rounds)


def _row(reference: Reference, seconds: dict[str, Clocked]) -> tuple[str, ...]:
    ours, two, peer = (seconds[name] for name in ("ours", "two", "peer"))
    micro = 1e6 / reference.runs
    return (
        f"{reference.name}: {reference.what}",
        ratio(ours.cpu / peer.cpu, R1_BOUND if reference is R1 else None),
        ratio(two.wall / ours.wall),
        ratio(two.wall / peer.wall),
        f"{reference.runs:,}",
        figure(middle(ours.cpu) * micro),
        figure(middle(two.wall) * micro),
        figure(middle(peer.cpu) * micro),
    )
