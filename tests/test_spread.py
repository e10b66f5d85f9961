"""A cohort over the cells of a lag: a multinomial, whichever way it is drawn."""

import numpy as np
import pytest
from law import Point, check
from scipy import stats

from forecast.engine.kernel import jit
from forecast.engine.kernel import spread as sp
from forecast.engine.kernel.bits import item_bits
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.shapes import Tables
from forecast.engine.keys import stream_key

LAGS = {
    "one cell": [1.0],
    "two": [0.5, 0.5],
    "gaps": [0.0, 0.0, 0.3, 0.0, 0.7],
    "lag": [0.45, 0.47, 0.06, 0.011, 0.0028, 8e-4, 3e-4, 1e-4],
    "decay": 0.75 ** np.arange(13),
    "flat": [1.0] * 60,
    "tail": 0.9 ** np.arange(150),
    "early": [0.9, 0.04, 0.03, 0.03],
    "mostly early": [0.9, *[0.1 / 59] * 59],
    "tiny": [1e-15, 1.0, 1e-15],
}
NAMES = tuple(LAGS)
DRAWS, LONG_DRAWS = 100_000, 4_000_000
RUNS = 2_000  # at a time


def chances_of(name):
    weights = np.asarray(LAGS[name], dtype=float)
    return weights / weights.sum()


def tables_of(names, is_uncertain=False):
    """Tables of lags only: one lag a name, or one lag that has a row a name."""
    width = max(len(LAGS[name]) for name in names)
    chances = np.array([np.pad(chances_of(name), (0, width - len(LAGS[name]))) for name in names])
    rows = len(names)
    cells = np.array([len(LAGS[name]) for name in names])
    beyond, last = np.zeros((rows, width + 1)), np.zeros(rows, np.int64)
    cumulative = np.zeros((rows, width), np.uint64)
    guides = np.zeros((rows, sp.GUIDE_CELLS), np.int16)
    sp.build_rows(chances, cells, beyond, last, cumulative, guides)
    first = np.zeros(1, np.int64) if is_uncertain else np.arange(rows)
    none = {name: np.zeros(0) for name in Tables._fields if not name.startswith("lag_")}
    return Tables(
        **none,
        lag_first=first,
        lag_step=np.full(len(first), int(is_uncertain)),
        lag_cells=cells,
        lag_chance=chances,
        lag_beyond=beyond,
        lag_last=last,
        lag_cumulative=cumulative,
        lag_guide=guides,
        lag_factor=np.ones((1, 0)),
    )


def steps_of(start, periods, period=0):
    """The steps of a horizon that begin at these periods."""
    start = np.array([*start, periods])
    return sp.To(start, np.repeat(np.arange(len(start) - 1), np.diff(start)), period)


def every(periods, period=0):
    return steps_of(range(periods), periods, period)


@jit(entry=True)
def spreads(items, tables, given, key, at, to, out):
    """Spread items[i] of run first + i; ``given`` is (lag, first row, first, lanes of a block)."""
    lag, first_row, first, block = given
    for i in range(0, len(items), block):
        end = min(i + block, len(items))
        for j in range(i, end):
            at.left[j - i] = items[j]
        sp.spread(tables, lag, first_row + i, (key, first + i, 3), at, to, out[:, i:end])


def spread_of(items, tables, to, name="spread", lag=0, row=0, first=0, block=LANES):
    out = np.zeros((to.of[-1] + 1 - to.of[to.period], len(items)), np.int64)
    key = np.uint64(stream_key(7, name))
    spreads(np.asarray(items), tables, (lag, row, first, block), key, sp.new_spread(), to, out)
    return out


def shares_of(name, to):
    """The chance of each step from that of the period on; a last one of what lies beyond."""
    chances, share = chances_of(name), np.zeros(to.of[-1] + 2 - to.of[to.period])
    for cell, chance in enumerate(chances):
        period = to.period + cell
        share[to.of[period] - to.of[to.period] if period < len(to.of) else -1] += chance
    return share


# --- the law: a multinomial is known by its cells and by the sums of two cells, all binomial ---

HORIZONS = {
    "every": every(160),
    "short": every(9, 3),
    "spans": steps_of([0, 1, 4, 9, 30], 160, 2),
    "cut spans": steps_of([0, 2, 5, 7], 11, 1),
}
CERTAIN = [
    *[("decay", "every", m) for m in (7, 103, 104, 250, 5_000)],
    *[("decay", "short", m) for m in (5, 47, 48, 1_000, 10**9)],
    *[("decay", "spans", m) for m in (3, 31, 32, 70, 10_000)],
    *[("decay", "cut spans", m) for m in (23, 24, 500)],
    *[("gaps", "every", m) for m in (39, 40, 300)],
    *[("lag", "every", m) for m in (30, 39, 40, 48, 400)],
    *[("mostly early", "every", m) for m in (480, 580)],
    *[("tail", "spans", m) for m in (20, 60, 400)],
    *[("tail", "cut spans", m) for m in (20, 400)],
    *[("flat", "every", m) for m in (90, 479, 480, 2_000)],
]
UNCERTAIN = [
    *[("decay", "every", items) for items in (50, 103, 104, 1_000)],
    *[("decay", "cut spans", items) for items in (23, 24, 1_000)],
]
CASES = [*((*case, False) for case in CERTAIN), *((*case, True) for case in UNCERTAIN)]


def subsets(share):
    """Which cells are counted together: the first, the likeliest, two neighbours, the last two."""
    likely = int(np.argmax(share))
    beside = likely + 1 if likely + 1 < len(share) else likely - 1
    found = {(0,), (likely,), (likely, beside), (len(share) - 2, len(share) - 1), (0, beside)}
    return [cells for cells in sorted(found) if 0.0 < share[list(cells)].sum() < 1.0 - 1e-9]


POINTS = sum(len(subsets(shares_of(lag, HORIZONS[horizon]))) for lag, horizon, *_ in CASES)


def check_law(lag, horizon, items, is_uncertain, runs):
    """The lag is the second of two; or an uncertain one's, in every second run."""
    to = HORIZONS[horizon]
    share = shares_of(lag, to)
    found = {cells: [] for cells in subsets(share)}
    tables = tables_of([lag, "two"] * (RUNS // 2) if is_uncertain else ["two", lag], is_uncertain)
    name, which, step = f"{lag} {horizon} {items}", 1 - is_uncertain, 1 + is_uncertain
    for first in range(0, runs, RUNS):
        counts = spread_of(np.full(RUNS, items), tables, to, name, which, first=first)[:, ::step]
        counts = np.vstack((counts, items - counts.sum(axis=0)))
        assert np.all(counts >= 0)
        assert np.all(counts[share == 0.0] == 0)
        for cells, parts in found.items():
            parts.append(counts[list(cells)].sum(axis=0))
    for cells, parts in found.items():
        law = stats.binom(items, share[list(cells)].sum())
        x = np.concatenate(parts)
        check(Point(f"{cells}", lambda _, x=x: x, law), len(x), POINTS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cells_are_binomial(case):
    check_law(*case, DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cells_are_binomial_in_many_draws(case):
    check_law(*case, LONG_DRAWS)


# --- what a lane's items may and may not depend on ---


def mixed(size=600):
    choice = [0, 1, 2, 7, 15, 16, 39, 40, 64, 65, 103, 104, 200, 479, 480, 481, 5_000, 10**6]
    return np.random.default_rng(2).choice(choice, size)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("is_uncertain", [False, True])
def test_a_lane_depends_on_itself_only(horizon, is_uncertain):
    to, items = HORIZONS[horizon], mixed()
    names = [NAMES[i % len(NAMES)] for i in range(len(items))] if is_uncertain else ["decay"]
    tables = tables_of(names, is_uncertain)
    whole = spread_of(items, tables, to)
    for block in (1, 7, 64, 100):
        assert np.array_equal(spread_of(items, tables, to, block=block), whole)
    part = spread_of(items[41:400], tables, to, row=41, first=41)
    assert np.array_equal(part, whole[:, 41:400])
    other = np.where(np.arange(len(items)) % 3 == 0, items, items[::-1])
    assert np.array_equal(spread_of(other, tables, to)[:, ::3], whole[:, ::3])


def test_an_uncertain_lag_is_spread_like_a_certain_one():
    items = mixed()
    names = [NAMES[i % len(NAMES)] for i in range(len(items))]
    for to in HORIZONS.values():
        found = spread_of(items, tables_of(names, is_uncertain=True), to)
        for i, name in enumerate(NAMES):
            alone = spread_of(items, tables_of([name]), to)
            assert np.array_equal(found[:, i :: len(NAMES)], alone[:, i :: len(NAMES)])


@pytest.mark.parametrize("name", LAGS)
def test_every_item_gets_a_cell_with_mass(name):
    items, share = mixed(2_000), shares_of(name, every(160))
    counts = spread_of(items, tables_of([name]), every(160))
    assert np.array_equal(counts.sum(axis=0), items)
    assert np.all(counts[share[:-1] == 0.0] == 0)
    before = np.arange(len(counts) * len(items)).reshape(counts.shape)
    after = before.copy()
    key = np.uint64(stream_key(7, "spread"))
    given = 0, 0, 0, LANES
    spreads(items, tables_of([name]), given, key, sp.new_spread(), every(160), after)
    assert np.array_equal(after - before, counts)  # they are added to what is there


def test_items_beyond_the_horizon_are_dropped():
    counts = spread_of([5, 500, 10**6] * 50, tables_of(["gaps"]), every(7, 5))
    assert counts.shape == (2, 150)
    assert not counts.any()
    counts = spread_of([5, 500, 10**6] * 50, tables_of(["gaps"]), every(7, 2))
    assert np.array_equal(counts.sum(axis=0), [5, 500, 10**6] * 50)


# --- items one by one ---


@jit(entry=True)
def bits_of(key, run, first, out):
    for j in range(len(out)):
        out[j] = item_bits(key, run, 3, first + j)


def words(key, run, first, n):
    out = np.zeros(n, np.uint64)
    bits_of(key, run, first, out)
    return out


def cells_of(places, cumulative, size):
    cells = np.minimum(np.searchsorted(cumulative, places, side="right"), len(cumulative) - 1)
    return np.bincount(cells, minlength=size)


@pytest.mark.parametrize(
    ("name", "items"), [*((n, m) for n in ("gaps", "tiny") for m in (1, 4, 7)), ("flat", 479)]
)
def test_few_items_are_found_by_all_64_bits(name, items):
    """16 bits of a pick and 48 drawn for it; the guide only saves looking them up."""
    tables, key = tables_of([name]), np.uint64(stream_key(7, "spread"))
    counts = spread_of(np.full(1_000, items), tables, every(160))
    shift, mask = np.array([48, 32, 16, 0], np.uint64), np.uint64(0xFFFF)
    for run in range(1_000):
        picks = (words(key, run, 0, (items + 3) // 4)[:, None] >> shift & mask).ravel()[:items]
        rest = words(key, run, sp.TIE_BREAKS, items) >> np.uint64(16)
        found = cells_of(picks << np.uint64(48) | rest, tables.lag_cumulative[0], 160)
        assert np.array_equal(counts[:, run], found)


def test_a_guide_saves_nothing_but_time():
    items, tables = np.full(1_000, 47), tables_of(["flat"])
    slow = tables._replace(lag_guide=np.full_like(tables.lag_guide, -1))
    assert np.array_equal(spread_of(items, tables, every(60)), spread_of(items, slow, every(60)))


@pytest.mark.parametrize("name", LAGS)
def test_a_guide_knows_the_cells_of_every_bucket(name):
    tables = tables_of([name])
    width = 1 << (64 - sp.GUIDE_BITS)
    edges = [int(c) for c in tables.lag_cumulative[0, :-1]] + [1 << 64]
    for bucket, entry in enumerate(tables.lag_guide[0]):
        ends = bucket * width, (bucket + 1) * width - 1
        cells = [next(k for k, edge in enumerate(edges) if u < edge) for u in ends]
        assert entry == (cells[0] if cells[0] == cells[1] else -1 - cells[0])
    shares = np.diff(np.array([0, *edges], dtype=object)) / (1 << 64)
    assert np.allclose(shares.astype(float), chances_of(name), rtol=0, atol=5e-15)


@pytest.mark.parametrize(("name", "items", "steps"), [("early", 40, 3), ("mostly early", 480, 59)])
def test_late_items_take_their_share_of_what_is_left(name, items, steps):
    """After the first step, an item's 64 bits are its place between what is left and all."""
    tables, key = tables_of([name]), np.uint64(stream_key(7, "spread"))
    cumulative = tables.lag_cumulative[0]
    before, whole = int(cumulative[0]), int(cumulative[-1])
    counts = spread_of(np.full(600, items), tables, every(160))
    left = items - counts[0]
    late = np.flatnonzero((left > 0) & (left < steps * sp.LATE_ITEMS_PER_STEP))
    assert len(late) > 100
    for run in late:
        bits = words(key, run, 0, left[run]).astype(object)
        places = (before + (bits * (whole - before) >> 64)).astype(np.uint64)
        assert np.array_equal(counts[1:, run], cells_of(places, cumulative, 160)[1:])
