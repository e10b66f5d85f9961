"""A stage-event log of a million events, read and fitted as a user would: seconds and memory.

    python benchmarks/history.py [--events 1_000_000] [--keep FOLDER]

Wanted: under 2 minutes on 2 cores and under 4 GiB.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 1
DAYS = 1_095
AS_OF = np.datetime64("2025-12-31")
STAGES = ("lead", "qualified", "opportunity")
SHARES = (0.45, 0.6, 0.3)  # that go on; the others are lost
LAGS_DAYS = (15.0, 25.0, 60.0)
CHANNELS = ("web", "events", "partner", "referral", "outbound")
MAPPING = """currency: USD
as_of: 2025-12-31
stages: [lead, qualified, opportunity]
dates: year-month-day
events:
  file: events.csv
  columns: {id: id, stage: stage, at: at, channel: channel, amount: amount}
  status: {Lead: lead, Qualified: qualified, Opportunity: opportunity, Won: won, Lost: lost}
"""


def write_log(folder: Path, events: int) -> int:
    """Write a log of about so many events, in the order of time; gives how many there are."""
    rng = np.random.default_rng(SEED)
    items = int(events / 2.64)  # events of an item, on average
    moment = rng.random(items) * DAYS
    channel = rng.choice(len(CHANNELS), items, p=(0.4, 0.25, 0.15, 0.12, 0.08))
    alive, found = np.ones(items, dtype=bool), []
    found.append((np.arange(items), np.full(items, 0), moment.copy()))
    for stage in range(len(STAGES)):
        onward = rng.random(items) < SHARES[stage] * (1.0 + 0.1 * (channel - 2) / 2)
        lag = rng.gamma(2.0, LAGS_DAYS[stage] / 2.0, items)
        moment = moment + lag
        seen = alive & (moment < DAYS)
        code = np.where(onward, stage + 1, len(STAGES) + 1)
        found.append((np.flatnonzero(seen), code[seen], moment[seen]))
        alive = seen & onward
    item, code, when = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(when, kind="stable")
    item, code, when = item[order], code[order], when[order]
    names = np.array(["Lead", "Qualified", "Opportunity", "Won", "Lost"])
    begin = (AS_OF - np.timedelta64(DAYS - 1, "D")).astype("datetime64[s]")
    at = begin + (when * 86_400).astype("timedelta64[s]")
    won = code == len(STAGES)
    amount = np.where(won, np.round(rng.lognormal(10.0, 0.9, len(item)), 2).astype(str), "")
    frame = {"id": [f"L-{i}" for i in item], "stage": names[code], "at": at}
    frame |= {"channel": np.array(CHANNELS)[channel[item]], "amount": amount}
    pd.DataFrame(frame).to_csv(folder / "events.csv", index=False)
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    return len(item)


def main() -> None:
    """Make the log, fit it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=lambda text: int(text.replace("_", "")), default=1_000_000)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        events = write_log(folder, asked.events)
        size = os.path.getsize(folder / "events.csv")
        print(f"{events:,} events, {size / 1e6:,.0f} MB; {os.cpu_count()} cores")
        code = "from forecast.cli import main; main()"
        args = ["fit", str(folder / "mapping.yaml"), "--output", str(folder / "scenario.yaml")]
        started = time.perf_counter()
        run = subprocess.run([sys.executable, "-c", code, *args, "--force"])
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"forecast fit: {seconds:.1f} s, {peak:.2f} GiB at most, exit code {run.returncode}")
        sys.exit(run.returncode)


if __name__ == "__main__":
    main()
