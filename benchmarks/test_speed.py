"""R1 to R4 under pytest-benchmark: ``pytest benchmarks --benchmark-only``."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import DETAILS, PEERS, REFERENCES, Reference, run_ours

ROUNDS = 3


def _measure(benchmark: BenchmarkFixture, reference: Reference, work: Callable[[], object]) -> None:
    runs = reference.check_runs
    benchmark.group = f"{reference.name}: {reference.what}, {runs:,} runs"
    pedantic: Callable[..., object] = benchmark.pedantic
    pedantic(work, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info["microseconds_per_run"] = 1e6 * benchmark.stats.stats.median / runs


each = pytest.mark.parametrize("reference", REFERENCES, ids=[r.name for r in REFERENCES])
detailed = pytest.mark.parametrize("detail", DETAILS)


@each
@detailed
@pytest.mark.benchmark(timer=time.process_time)
def test_ours_per_core(benchmark: BenchmarkFixture, reference: Reference, detail: str) -> None:
    scenario, runs = reference.scenario(), reference.check_runs
    _measure(benchmark, reference, lambda: run_ours(scenario, runs, 0, 1, detail))


@each
@detailed
def test_ours_on_two_threads(
    benchmark: BenchmarkFixture, reference: Reference, detail: str
) -> None:
    scenario, runs = reference.scenario(), reference.check_runs
    _measure(benchmark, reference, lambda: run_ours(scenario, runs, 0, 2, detail))


@each
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.benchmark(timer=time.process_time)
def test_peers_per_core(benchmark: BenchmarkFixture, reference: Reference, peer: str) -> None:
    runs = reference.check_runs
    _measure(benchmark, reference, lambda: PEERS[peer](reference.peer, runs, 0))
