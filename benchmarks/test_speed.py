"""R1, R2 and R3 under pytest-benchmark: ``pytest benchmarks --benchmark-only``."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import REFERENCES, Reference, run_ours, run_peer

ROUNDS = 3


def _measure(benchmark: BenchmarkFixture, reference: Reference, work: Callable[[], object]) -> None:
    benchmark.group = f"{reference.name}: {reference.what}, {reference.runs:,} runs"
    benchmark.pedantic(work, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats is not None:
        each = benchmark.stats.stats.median / reference.runs
        benchmark.extra_info["microseconds_per_run"] = 1e6 * each


each = pytest.mark.parametrize("reference", REFERENCES, ids=[r.name for r in REFERENCES])


@each
@pytest.mark.benchmark(timer=time.process_time)
def test_ours_per_core(benchmark: BenchmarkFixture, reference: Reference) -> None:
    scenario = reference.scenario()
    _measure(benchmark, reference, lambda: run_ours(scenario, reference.runs, 0, threads=1))


@each
def test_ours_on_two_threads(benchmark: BenchmarkFixture, reference: Reference) -> None:
    scenario = reference.scenario()
    _measure(benchmark, reference, lambda: run_ours(scenario, reference.runs, 0, threads=2))


@each
@pytest.mark.benchmark(timer=time.process_time)
def test_numpy_peer_per_core(benchmark: BenchmarkFixture, reference: Reference) -> None:
    _measure(benchmark, reference, lambda: run_peer(reference, reference.runs, 0))
