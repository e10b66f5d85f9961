"""Whole commands, each a fresh process, beside ``import numpy``; and what their parts take."""

from __future__ import annotations

import json
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
MOST_PARTS = 3  # repeats of the breakdown
ORDER = ("Python itself", "import", "kernel", "read", "plan", "simulate", "closed", "summarise")
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
    yield _table_of_parts([_parts_of_two() for _ in range(min(rounds, MOST_PARTS))])


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


def _parts_of_two() -> list[dict[str, float]]:
    """Give the seconds by part of a first run, with nothing compiled, and of the next."""
    with tempfile.TemporaryDirectory() as empty:
        return [parts_of(SAAS, {"FORECAST_CACHE_DIR": empty}) for _ in range(2)]


def parts_of(arguments: Sequence[str], more: Mapping[str, str]) -> dict[str, float]:
    """Run the command in a process that says what its parts took."""
    script = str(Path(__file__).with_name("parts.py"))
    begun = perf_counter()
    command = (sys.executable, script, str(begun), *arguments)
    done = subprocess.run(command, check=True, capture_output=True, env=os.environ | dict(more))
    whole = perf_counter() - begun
    parts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return parts | {"sum of the parts": sum(parts.values()), "whole process": whole}


def _table_of_parts(rounds: Sequence[Sequence[Mapping[str, float]]]) -> Table:
    """Give the medians over rounds, in the order of a run."""
    runs = [{part: [r[i].get(part, 0.0) for r in rounds] for part in rounds[0][i]} for i in (0, 1)]
    names = sorted({part: None for run in runs for part in run}, key=_place)
    columns = [[f"{np.median(run.get(part, 0.0)):.3f}" for part in names] for run in runs]
    head = ("part of `forecast run`, on one core", "nothing compiled, s", "second time, s")
    return Table(head, list(zip(names, *columns, strict=True)))


def _place(part: str) -> int:
    """Where a part stands in the table; what is not named in the order comes last."""
    places = [i for i, begin in enumerate(ORDER) if part.startswith(begin)]
    return places[0] if places else len(ORDER) + part.startswith(("sum", "whole"))
