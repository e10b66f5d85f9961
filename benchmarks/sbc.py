"""Simulation-based calibration of fits and forecasts: 1,000 histories whose truth is known.

    python benchmarks/sbc.py [HISTORIES]

Parameters are drawn, a history of 18 months is made of them, all is fitted to it, and the truth's
rank is found in what the fit says; and so for what came in the quarter after. Uniform ranks are
right: counts by tenth with chi-square, and the largest distance of their distribution from the
diagonal with that which 95% of uniform ones stay below (Kolmogorov).
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from sbc_maker import ranks_of

HISTORIES = 1_000
BINS = 10


def main(histories: int) -> None:
    """Print the ranks of all truths."""
    rows = []
    with ProcessPoolExecutor() as pool:
        for done, row in enumerate(pool.map(ranks_of, range(histories), chunksize=4)):
            rows.append(row)
            if sys.stderr.isatty():
                print(f"\r{done + 1} of {histories}", end="", file=sys.stderr)
    bound = stats.kstwo(histories).ppf(0.95)
    print(f"{histories} histories; 95% of uniform ranks stay within {bound:.3f}")
    print(f"{'truth':28} {'by tenth':50} {'chi2 p':>7} {'distance':>9} {'in 90%':>7}")
    for name in rows[0]:
        ranks = np.array([row[name] for row in rows])
        counts = np.histogram(ranks, BINS, (0.0, 1.0))[0]
        inside = np.mean((ranks >= 0.05) & (ranks <= 0.95))
        print(
            f"{name:28} {' '.join(f'{c:4}' for c in counts):50} "
            f"{stats.chisquare(counts).pvalue:7.3f} "
            f"{stats.kstest(ranks, 'uniform').statistic:9.3f} {inside:7.1%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else HISTORIES)
