"""Whole commands from start to end, each a fresh process, beside ``import numpy``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from tables import Table, kept, ratio
from workloads import SCENARIOS

Seconds = tuple[float, float]  # wall, CPU

FORECAST = (sys.executable, "-c", "from forecast.cli import main; main()")
SAAS = ("run", str(SCENARIOS / "saas-funnel.yaml"))
NUMPY = '`python -c "import numpy"`'
HELP = "`forecast --help`"
FIRST = "`forecast run scenarios/saas-funnel.yaml`, nothing compiled"
SECOND = "`forecast run scenarios/saas-funnel.yaml`, second time"
BOUNDS = {HELP: 0.2, SECOND: 2.0}  # seconds of wall time


def tables(rounds: int) -> Iterator[Table]:
    """Time the commands in turn, in every round with a new and empty cache."""
    seconds: dict[str, list[Seconds]] = {}
    for number in range(rounds + 1):
        for name, spent in _round().items():
            if number:  # the first round warms the disk
                seconds.setdefault(name, []).append(spent)
    found = {name: np.array(rows) for name, rows in seconds.items()}
    head = ("command", "wall ÷ import numpy", "wall, s", "", "CPU, s")
    yield Table(head, [_row(name, found) for name in found])


def _round() -> dict[str, Seconds]:
    with tempfile.TemporaryDirectory() as empty:
        return {
            NUMPY: clocked((sys.executable, "-c", "import numpy"), {}),
            HELP: clocked((*forecast_command(), "--help"), {}),
            FIRST: clocked((*forecast_command(), *SAAS), {"FORECAST_CACHE_DIR": empty}),
            SECOND: clocked((*forecast_command(), *SAAS), {"FORECAST_CACHE_DIR": empty}),
        }


def forecast_command() -> Sequence[str]:
    """The installed command beside this Python, or the same by its function."""
    script = Path(sys.executable).with_name("forecast")
    return (str(script),) if script.exists() else FORECAST


def clocked(command: Sequence[str], more: Mapping[str, str]) -> Seconds:
    """Run a command to its end, its output dropped."""
    cpu, wall = _cpu_of_children(), perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | dict(more))
    return perf_counter() - wall, _cpu_of_children() - cpu


def _cpu_of_children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(name: str, found: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
    wall, cpu = np.median(found[name], axis=0)
    return (
        name,
        ratio(found[name][:, 0] / found[NUMPY][:, 0]),
        f"{wall:.3f}",
        kept(float(wall), BOUNDS[name], " s") if name in BOUNDS else "",
        f"{cpu:.3f}",
    )
