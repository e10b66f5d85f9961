"""Peak memory of R1 beside the dataset it gives, and of a million runs, printed or written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tables import Table, figure, kept, ratio
from workloads import SCENARIOS

DATASET_BOUND = 1.5  # peak beyond the imports / the dataset
GIB = 2**30
MIB = 2**20
LEAN = "scenarios/lean-consulting.yaml"
MOST_TIMES = 3  # memory hardly varies


def tables(rounds: int) -> Iterator[Table]:
    """Measure fresh processes; the first one fills the cache of compiled code."""
    times = min(rounds, MOST_TIMES)
    footprint("simulate", "1")
    head = (
        "R1",
        "peak beyond imports ÷ dataset",
        "beyond imports and compiled code ÷ dataset",
        "dataset, MiB",
    )
    yield Table(head, [_simulate_row(runs, times) for runs in (10_000, 100_000)])
    lean = ("run", str(SCENARIOS.parent / LEAN), "--runs", "1M", "--json")
    rows = [
        _million(f"`forecast run {LEAN} --runs 1M --json`", times, ("forecast", *lean)),
        _million("R1, outcome, 1,000,000 runs written to a file", times, ("stream", "1000000")),
    ]
    yield Table(("a million runs", "peak ÷ 1 GiB", "peak, MiB"), rows)


def footprint(*arguments: str) -> dict[str, int]:
    """Measure one fresh process."""
    command = [sys.executable, str(Path(__file__).with_name("footprint.py")), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _simulate_row(runs: int, times: int) -> tuple[str, ...]:
    found = [footprint("simulate", str(runs)) for _ in range(times)]
    beyond = {
        since: np.array([(f["peak"] - f[since]) / f["dataset"] for f in found])
        for since in ("imported", "ready")
    }
    return (
        f"{runs:,} runs",
        ratio(beyond["imported"], DATASET_BOUND),
        ratio(beyond["ready"], DATASET_BOUND),
        figure(found[0]["dataset"] / MIB),
    )


def _million(name: str, times: int, arguments: Sequence[str]) -> tuple[str, ...]:
    peak = float(np.median([footprint(*arguments)["peak"] for _ in range(times)]))
    return (name, f"**{figure(peak / GIB)}**, {kept(peak / GIB, 1.0)}", figure(peak / MIB))
