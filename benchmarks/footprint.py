"""Measure the memory of this very process (Linux); ``memory.py`` starts it afresh each time.

    python benchmarks/footprint.py simulate RUNS        R1 into a dataset
    python benchmarks/footprint.py stream RUNS          R1's outcome into a file
    python benchmarks/footprint.py forecast ARGUMENTS   the command itself

The last line printed is a JSON object of bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xarray import Dataset


def status(key: str) -> int:
    """Give a memory figure of this process in bytes: VmRSS is now, VmHWM the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return 1024 * int(line.split()[1])
    raise ValueError(f"no {key} in /proc/self/status")


def forget_peak() -> None:
    """Begin a new peak (VmHWM) at what is used now."""
    Path("/proc/self/clear_refs").write_text("5")


def of_simulate(runs: int) -> dict[str, int]:
    """R1 of so many runs, after all imports and one future that loads the compiled code."""
    import scipy.special  # noqa: F401 (imported by what is measured when it is first needed)
    import xarray  # noqa: F401
    from workloads import R1

    from forecast import simulate

    scenario = R1.scenario()
    imported = status("VmRSS")
    simulate(scenario, runs=1)
    forget_peak()
    ready = status("VmRSS")
    futures = simulate(scenario, runs=runs)
    return {
        "imported": imported,
        "ready": ready,
        "peak": status("VmHWM"),
        "dataset": _bytes_of(futures),
    }


def _bytes_of(futures: Dataset) -> int:
    """Bytes of a dataset; revenue that shares its memory with bookings counts once."""
    shared = np.may_share_memory(futures.revenue.values, futures.bookings.values)
    return int(futures.nbytes - futures.revenue.nbytes * shared)


def of_stream(runs: int) -> dict[str, int]:
    """R1's deals, bookings and spend of so many runs, written slice by slice as they are made."""
    from workloads import R1

    from forecast.engine.plan import make_blueprint
    from forecast.engine.run import simulate_totals
    from forecast.engine.simulate import Simulator
    from forecast.engine.store import open_sink

    simulator = Simulator(make_blueprint(R1.scenario()), 0, "outcome")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcome.nc"
        simulate_totals(simulator, runs, None, open_sink(path, simulator, runs, 0), None)
        return {"peak": status("VmHWM"), "file": path.stat().st_size}


def of_command(arguments: list[str]) -> dict[str, int]:
    """The command with everything it imports; what it prints is dropped."""
    from forecast.cli import cli

    with contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.main(arguments)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"the command failed with exit {end.code}") from None
    return {"peak": status("VmHWM")}


def main() -> None:
    """Measure what is asked for."""
    what, *rest = sys.argv[1:]
    if what == "forecast":
        found = of_command(rest)
    else:
        found = {"simulate": of_simulate, "stream": of_stream}[what](int(rest[0]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
