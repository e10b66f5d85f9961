"""Measure the memory of this very process (Linux); ``memory.py`` starts it afresh each time.

    python benchmarks/footprint.py simulate RUNS        R1 into a dataset
    python benchmarks/footprint.py forecast ARGUMENTS   the command itself

The last line printed is a JSON object of bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path


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
    from workloads import R1

    from forecast import simulate

    scenario = R1.scenario()
    imported = status("VmRSS")
    simulate(scenario, runs=1)
    forget_peak()
    ready = status("VmRSS")
    futures = simulate(scenario, runs=runs)
    shared = futures.revenue.nbytes if futures.revenue.values is futures.bookings.values else 0
    return {
        "imported": imported,
        "ready": ready,
        "peak": status("VmHWM"),
        "dataset": futures.nbytes,
        "shared": shared,
    }


def of_command(arguments: list[str]) -> dict[str, int]:
    """The command with everything it imports; what it prints is dropped."""
    from forecast.cli import cli

    printed = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(printed):
        cli.main(arguments)
    if not printed.getvalue():
        raise RuntimeError("the command printed nothing")
    return {"peak": status("VmHWM")}


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    print(json.dumps(of_simulate(int(rest[0])) if what == "simulate" else of_command(rest)))
