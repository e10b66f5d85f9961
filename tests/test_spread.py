"""A cohort over the cells of a lag: the guide table settles exactly what the lower bits would."""

import numpy as np
import pytest

from forecast.engine.kernel import jit
from forecast.engine.kernel import spread as sp
from forecast.engine.keys import stream_key

LAGS = {
    "one cell": [1.0],
    "two": [0.5, 0.5],
    "gaps": [0.0, 0.0, 0.3, 0.0, 0.7],
    "lag": [0.45, 0.47, 0.06, 0.011, 0.0028, 8e-4, 3e-4, 1e-4],
    "flat": [1.0] * 60,
    "tail": [0.9**k for k in range(150)],
    "tiny": [1e-15, 1.0, 1e-15],
}


def table(weights):
    chances = np.asarray(weights, dtype=float)[None]
    cumulative = np.zeros(chances.shape, np.uint64)
    guide = np.zeros((1, sp.GUIDE_CELLS), np.int16)
    crossover = np.zeros(1, np.int64)
    chances = chances / chances.sum()
    sp.build_rows(chances, np.array([chances.size]), cumulative, guide, crossover)
    return chances[0], cumulative[0], guide[0], int(crossover[0])


@jit(entry=True)
def spreads(m, cumulative, guide, key, scratch, counts):
    for run in range(len(counts)):
        sp.spread_few(m, cumulative, guide, (key, run, 3), scratch, counts[run])


@pytest.mark.parametrize("name", LAGS)
def test_a_guide_gives_what_the_lower_bits_would(name):
    _, cumulative, guide, _ = table(LAGS[name])
    key = np.uint64(stream_key(1, "guide", name))
    counts, slow = np.zeros((200, len(cumulative)), np.int64), np.zeros((200, len(cumulative)), int)
    spreads(77, cumulative, guide, key, np.zeros(9, np.uint64), counts)
    spreads(77, cumulative, np.full_like(guide, -1), key, np.zeros(64, np.uint64), slow)
    assert (counts == slow).all()
    assert (counts.sum(axis=1) == 77).all()


@pytest.mark.parametrize("name", LAGS)
def test_a_guide_knows_the_cells_of_every_bucket(name):
    chances, cumulative, guide, _ = table(LAGS[name])
    width = 1 << (64 - sp.GUIDE_BITS)
    edges = [int(c) for c in cumulative[:-1]] + [1 << 64]
    for bucket, entry in enumerate(guide):
        ends = bucket * width, (bucket + 1) * width - 1
        cells = [next(k for k, edge in enumerate(edges) if u < edge) for u in ends]
        assert entry == (cells[0] if cells[0] == cells[1] else -1 - cells[0])
    shares = np.diff(np.array([0, *edges], dtype=object)) / (1 << 64)
    assert np.allclose(shares.astype(float), chances, rtol=0, atol=5e-15)


def test_cells_without_mass_get_nothing():
    _, cumulative, guide, _ = table(LAGS["gaps"])
    counts = np.zeros((500, 5), np.int64)
    spreads(1_000, cumulative, guide, np.uint64(5), np.zeros(16, np.uint64), counts)
    assert counts[:, [0, 1, 3]].sum() == 0
    assert counts.sum() == 500_000


def test_one_cell_needs_no_draw():
    assert table(LAGS["one cell"])[3] == 0
    assert table(LAGS["flat"])[3] == 60 * sp.ITEMS_PER_CELL
