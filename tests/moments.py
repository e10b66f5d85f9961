"""Exact moments of the reference workload, and how far those of a sample are from them.

Means, variances and all covariances: an engine that gets every output right by itself but loses
what ties them together (the leads of a quarter are the MQLs of the next) passes every test of one
output, and gets every rate between two of them wrong.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from helpers import bound

Floats = np.ndarray

DATA = Path(__file__).parent / "data"
STAGES = {"leads": "lead", "mqls": "mql", "sqls": "sql"}
SHARED_MARKET = np.expm1(0.01)  # the squared cv of what all channels share, exp(0.1 Z)
# Products of outputs are skewed, so that their means over their own standard errors are not quite
# normal. At the chance of the bound (6 standard errors) that adds up to 0.6 for 20,000 runs of the
# totals and 1.4 for 100,000 of single channels, by Edgeworth's term with measured skews.
SKEW = 1.5


@dataclass(frozen=True)
class Exact:
    """Moments of some outputs: mean and fourth central moment (k,), covariance (k, k)."""

    names: tuple[str, ...]
    mean: Floats
    fourth: Floats
    covariance: Floats

    def only(self, *outputs: str) -> Exact:
        """Keep some outputs, of all quarters."""
        kept = [i for i, name in enumerate(self.names) if name.split()[-2] in outputs]
        names = tuple(self.names[i] for i in kept)
        square = self.covariance[np.ix_(kept, kept)]
        return Exact(names, self.mean[kept], self.fourth[kept], square)


def totals() -> Exact:
    """Moments of all outputs, summed over channels."""
    head, *rows = _rows("r1-moments.csv")
    figures = np.array([row[1:] for row in rows], dtype=float)
    return Exact(tuple(head[1:]), figures[0], figures[1], figures[2:])


def by_channel() -> Exact:
    """Moments of the deals and bookings of every channel."""
    head, *rows = _rows("r1-moments-by-channel.csv")
    channels = tuple(dict.fromkeys(row[0] for row in rows))
    blocks = np.array([row[2:] for row in rows], dtype=float).reshape(len(channels), -1, 16)
    mean = blocks[:, 0].ravel()
    covariance = SHARED_MARKET * np.outer(mean, mean)
    for i, block in enumerate(blocks):
        own = slice(16 * i, 16 * (i + 1))
        covariance[own, own] = block[2:]
    names = tuple(f"{channel} {name}" for channel in channels for name in head[2:])
    return Exact(names, mean, blocks[:, 1].ravel(), covariance)


def _rows(name: str) -> Iterator[list[str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return csv.reader(line for line in lines if not line.startswith("#"))


def outputs_of(futures, names: tuple[str, ...]) -> Floats:
    """A dataset's outputs by name, as ``deals 2027Q1`` or ``web deals 2027Q1``: (run, output)."""
    by_name = {}
    for name in {name.split()[-2] for name in names}:
        if name in STAGES:
            array = futures.entered.sel(stage=STAGES[name]).sum("segment")
        else:
            array = futures[name].sum(["segment", "product"])
        by_name[name] = array.transpose("run", "quarter", "channel").values
    channels, quarters = (list(futures[dim].values) for dim in ("channel", "quarter"))
    columns = []
    for each in names:
        *channel, name, quarter = each.split()
        rows = by_name[name][:, quarters.index(quarter)]
        columns.append(rows[:, channels.index(channel[0])] if channel else rows.sum(axis=1))
    return np.stack(columns, axis=1).astype(float)


class Compared:
    """Sample moments about the exact means, gathered part by part."""

    def __init__(self, exact: Exact) -> None:
        k = len(exact.names)
        self.exact = exact
        self._runs = 0
        self._first, self._second, self._squares = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))

    def add(self, sample: Floats) -> None:
        """Take some runs in, (run, output)."""
        away = sample - self.exact.mean
        self._runs += len(sample)
        self._first += away.sum(axis=0)
        self._second += away.T @ away
        self._squares += (away * away).T @ (away * away)

    def z_scores(self) -> dict[str, Floats]:
        """Give the z-scores of means (k,), variances (k,) and covariances (k (k - 1) / 2,).

        A covariance is measured by its own error, from the fourth moments of the sample. For a
        variance that would miss what rare large deals add, so the exact error is its least.
        """
        exact, runs = self.exact, self._runs
        product, squares = self._second / runs, self._squares / runs
        variance = np.diag(exact.covariance)
        error = np.sqrt(np.maximum(squares - product**2, 0.0) / runs)
        least = np.sqrt((exact.fourth - variance**2) / runs)
        pairs = np.triu_indices(len(variance), 1)
        return {
            "means": self._first / runs / np.sqrt(variance / runs),
            "variances": (np.diag(product) - variance) / np.maximum(np.diag(error), least),
            "covariances": ((product - exact.covariance) / error)[pairs],
        }

    def wrong(self) -> dict[str, float]:
        """Give the largest z-score of each kind that is beyond the bound, all kinds a family."""
        scores = self.z_scores()
        most = bound(sum(map(len, scores.values()))) + SKEW
        largest = {kind: float(np.abs(z).max()) for kind, z in scores.items()}
        return {kind: z for kind, z in largest.items() if not z <= most}
