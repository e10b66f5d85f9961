"""Fit histories whose truth is known, and tell bias and coverage of conversions and mean lags.

    python benchmarks/recovery.py [--histories 200]

Some 2,000 items enter a stage within 24 weeks. `half`: 20% are won after gamma lags (mean 70 days,
cv 0.8) and the rest lost (mean 90 days, cv 0.9), half of them still open. `weeks`: 20% are won,
each week with a chance of 10%, and nobody is ever seen to be lost. Bias is in standard errors (the
standard deviation of estimates over histories).
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from known_ways import CASES, known_history

from forecast.history.fitting.ways import fit_ways

DAYS = 168


def fitted(case: str, seed: int) -> list[float]:
    """Give naive and fitted conversion and mean lag of `won`, with their intervals."""
    records, _, _ = known_history(case, seed)
    won = fit_ways(records)[0]
    lag = won.lag.mean_days
    naive = float((records.stays["to"] == "won").mean())
    here = float((records.stays["to"] == "").mean())
    share = won.conversion
    return [naive, here, share.value, share.low, share.high, lag.value, lag.low, lag.high]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=200)
    count = parser.parse_args().histories
    for case in CASES:
        began = time.perf_counter()
        with ProcessPoolExecutor(2) as pool:
            rows = np.array(list(pool.map(fitted, [case] * count, range(count))))
        _, conversion, mean = known_history(case, 0)
        print(f"{case}: {count} histories in {time.perf_counter() - began:.0f} s")
        print(f"  still open {rows[:, 1].mean():.3f}; won of all {rows[:, 0].mean():.4f}")
        for name, truth, at in (("conversion", conversion, 2), ("mean lag", mean, 5)):
            value, low, high = rows[:, at : at + 3].T
            error = value.std(ddof=1)
            held = ((low <= truth) & (truth <= high)).mean()
            print(
                f"  {name}: true {truth:g}, mean {value.mean():.4f}, standard error {error:.4f}, "
                f"bias {(value.mean() - truth) / error:+.2f} of it, 90% intervals hold {held:.1%}"
            )


if __name__ == "__main__":
    main()
