"""Sums of many sizes by tables: every quantile against other ways to the same distribution."""

import os
from math import inf

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaincinv, ndtr, ndtri
from sum_truth import (
    EXTREME,
    LISTS,
    NARROW,
    PLAIN,
    PROBABILITIES,
    chance_of_sum,
    lattice_quantiles,
    relative_error,
    row_quantiles,
    sizes_of,
    uniform_sum,
)

from forecast.engine import ladders, parts
from forecast.engine.kernel.ladder import DIGITS
from forecast.engine.units import rough_unit, single_law, unit_of
from forecast.scenario.families import Lognormal, Uniform, Values, Weibull
from forecast.scenario.families.table import gamma_log_quantile

BOUND = 1e-4
Z = ndtri(PROBABILITIES)
MANY = (112, 240, 1024, 4096, 16 * 1280)  # d * 16**k


def quantiles(family, n, table=None):
    """What the ladder of a family gives for n = d * 16**k units; None where n is no such number."""
    unit = unit_of(family)
    level, d = 0, n // unit.size
    while d > DIGITS and d % 16 == 0:
        level, d = level + 1, d // 16
    if n < unit.least or n % unit.size or d > DIGITS:
        return None
    if table is None:
        table = ladders.build_table(ladders.Order(unit, n // unit.size))
    return n * unit.low + unit.factor * row_quantiles(table[DIGITS * level + d - 1], Z)


def check_against_grid(family, counts, grid):
    checked = 0
    for n in counts:
        x = quantiles(family, n)
        if x is not None:
            error = relative_error(lambda y, n=n: chance_of_sum(family, n, y, grid), x)
            assert error.max() < BOUND, (n, error)
            checked += 1
    assert checked > 0


@pytest.mark.parametrize("family", PLAIN, ids=repr)
def test_quantiles_against_a_finer_grid(family):
    check_against_grid(family, (2, 3, 7, 15, 16, 240), 1 << 14)


@pytest.mark.parametrize("family", [*EXTREME, *NARROW], ids=repr)
def test_extreme_quantiles_against_a_finer_grid(family):
    check_against_grid(family, (3, 15, 256), 1 << 15)


@pytest.mark.long
@pytest.mark.parametrize("family", [*PLAIN, *EXTREME, *NARROW], ids=repr)
def test_quantiles_of_all_counts_against_a_finer_grid(family):
    check_against_grid(family, range(2, 17), 1 << 16)
    if family not in NARROW:
        check_against_grid(family, (32, *MANY), 1 << 18)


@pytest.mark.parametrize("family", [*PLAIN, *NARROW], ids=repr)
def test_sums_of_very_many_are_normal_but_for_their_skewness(family):
    n = 5 * 4096
    points, weights = family.quadrature(64)
    skewness = float((weights * ((points - family.mean) / family.sd) ** 3).sum())
    score = Z + skewness * (Z * Z - 1.0) / (6.0 * np.sqrt(n))  # Cornish & Fisher 1938
    exact = n * family.mean + np.sqrt(n) * family.sd * score
    assert np.abs(quantiles(family, n) / exact - 1.0).max() < 2e-5


@pytest.mark.parametrize("n", [2, 3, 7, 15, 16, 112])
def test_uniform_sums_are_irwin_halls(n):
    x = row_quantiles(ladders.build_table(ladders.Order(unit_of(Uniform(0, 1)), n))[row_of(n)], Z)
    assert relative_error(lambda y: np.array([uniform_sum(n, one) for one in y]), x).max() < 1e-5


def row_of(n):
    level = 0
    while n > DIGITS:
        level, n = level + 1, n // 16
    return DIGITS * level + n - 1


@pytest.mark.parametrize("n", [2, 3, 7, 15, 16, 256, 4096, 61_440])
def test_exponential_sums_are_gammas(n):
    x = quantiles(Weibull(1.0, 2.0), n)
    assert np.abs(x / (2.0 * gammaincinv(n, PROBABILITIES)) - 1.0).max() < 1e-6


@pytest.mark.parametrize("shape", [0.3, 1.0, 37.0, 1e4])
def test_gammas_through_the_ladder_stay_gammas(shape):
    law = single_law(lambda z: gamma_log_quantile(shape, z))
    n = 1
    for _ in range(3):
        laws = ladders.sums_of_units(law, inf, 16)
        middle = np.linspace(0, laws[1].shape[1] - 1, 137).astype(int)
        z = np.linspace(-8.5, 8.5, 137)
        inside = np.abs(z) < 5.0
        for d in (2, 3, 7, 16):
            wrong = laws[d - 1][0][middle] - gamma_log_quantile(d * n * shape, z)
            assert np.abs(wrong[inside]).max() < 2e-5
        law, n = laws[-1], 16 * n


@pytest.mark.parametrize("sigma", [0.3, 1.2, 2.7, 3.7])
def test_two_lognormals_by_quadrature(sigma):
    def chance(s):
        def below(z):
            return ndtr(np.log(s - np.exp(sigma * z)) / sigma) * stats.norm.pdf(z)

        edge = np.log(s) / sigma
        points = [edge - 0.01, edge - 0.1, edge - 1.0, -edge]
        inside = [z for z in points if -12.0 < z < edge]
        options = {"points": inside, "limit": 500, "epsabs": 1e-13, "epsrel": 1e-11}
        return integrate.quad(below, -12.0, edge, **options)[0]

    x = quantiles(Lognormal(0.0, sigma), 2)
    assert relative_error(lambda y: np.array([chance(s) for s in y]), x).max() < 5e-5


@pytest.mark.parametrize("family", [*PLAIN, *NARROW, *EXTREME], ids=repr)
def test_means_and_spreads_are_kept(family):
    unit = unit_of(family)
    table = ladders.build_table(ladders.Order(unit, 300))
    z = np.linspace(-8.2, 8.2, 20_001)
    weights = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    for d, row in ((2, 1), (15, 14), (16, 15), (32, 16)):
        n = d * unit.size
        x = n * unit.low + unit.factor * row_quantiles(table[row], z)
        assert (np.diff(x) >= -1e-12 * x[1:]).all()
        mean = float((weights * x).sum())
        assert mean == pytest.approx(n * family.mean, rel=3e-5)
        if family.sd < 20.0 * family.mean:  # with more, it is in a tail beyond 2**-53
            sd = np.sqrt(float((weights * (x - mean) ** 2).sum()))
            assert sd == pytest.approx(np.sqrt(n) * family.sd, rel=1e-3)


@pytest.mark.parametrize("name", [name for name in LISTS if name not in ("three", "an atom")])
def test_sets_of_many_values(name):
    sets = [part for part in parts.cut(LISTS[name]) if len(part.values) > 1]
    assert sets or name == "decay"
    for part in sets:
        unit = part.unit()
        table = ladders.build_table(ladders.Order(unit, 3))
        for d in (1, 2, 3):
            scale = 1000.0 if name == "lattice" else 1.0
            exact = lattice_quantiles(part.values / scale, part.chances, d * unit.size)
            assert np.abs(row_quantiles(table[d - 1], Z) / (exact * scale) - 1.0).max() < BOUND


def test_parts_make_up_the_list():
    for family in LISTS.values():
        pieces = parts.cut(family)
        assert sum(part.chance for part in pieces) == pytest.approx(1.0)
        values = np.concatenate([part.values for part in pieces])
        chances = np.concatenate([part.chance * part.chances for part in pieces])
        order = np.argsort(values)
        assert (values[order] == family.values).all()
        assert np.allclose(chances[order], family.chances, rtol=1e-12)
        left = 1.0
        for part in pieces[:-1]:
            assert part.share == pytest.approx(part.chance / left, rel=1e-9)
            left -= part.chance
        assert pieces[-1].share == 1.0


def test_clusters_are_drawn_one_by_one_for_longer():
    far = Values.of([*range(33), *range(10_000, 10_033)], [1 / 66] * 66)
    near = Values.of([*range(66)], [1 / 66] * 66)
    assert rough_unit(far, 1.0, 64).size > 4 * rough_unit(near, 1.0, 64).size


class _Nothing(dict):
    """A memory that forgets at once, so that tables come from the disk."""

    def __contains__(self, name):
        return False

    def __len__(self):
        return 0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(ladders, "_folder", lambda: tmp_path / "ladders")
    monkeypatch.setattr(ladders, "_kept", _Nothing())
    return tmp_path / "ladders"


def order(most=300, sigma=0.77):
    return ladders.Order(unit_of(Lognormal(0.0, sigma)), most)


def test_laws_are_kept_on_disk(folder, monkeypatch):
    built = ladders.build_table(order())
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(ladders, "sum_law", None)
    assert (ladders.build_table(order()) == built).all()
    assert (ladders.build_table(order(40)) == built[:17]).all()
    with pytest.raises(TypeError):
        ladders.build_table(order(5_000))
    with pytest.raises(TypeError):
        ladders.build_table(order(300, 0.78))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "longer", "folder"])
def test_a_damaged_file_is_built_again(folder, damage):
    built = ladders.build_table(order())
    path = sorted(folder.iterdir())[0]
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        flipped = content[:5000] + bytes([content[5000] ^ 4]) + content[5001:]
        new = {"flip": flipped, "cut": content[:-7], "empty": b"", "longer": content + content}
        path.write_bytes(new[damage])
    assert (ladders.build_table(order()) == built).all()
    assert damage == "folder" or path.read_bytes() == content
    assert len(list(folder.iterdir())) == 2


def test_without_a_folder_it_goes_on(folder):
    folder.write_text("in the way")
    built = ladders.build_table(order())
    folder.unlink()
    assert (ladders.build_table(order()) == built).all()


def test_with_a_full_disk_it_goes_on(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        built = ladders.build_table(order())
        assert list(folder.iterdir()) == []
    assert (ladders.build_table(order()) == built).all()


def test_a_level_depends_neither_on_later_ones_nor_on_what_is_kept(folder):
    tables = [ladders.build_table(order(most)) for most in (5, 15, 16, 100, 255, 70_000)]
    for path in folder.iterdir():
        path.unlink()
    whole = ladders.build_table(order(70_000))
    for table in tables:
        assert (table == whole[: len(table)]).all()
    assert [len(table) for table in tables] == [5, 15, 16, 21, 30, 61]


def test_families_that_differ_in_scale_share_a_ladder():
    sigma = np.log(3.0) / 1.2815515655446004
    same = [
        Lognormal(np.log(m), (np.log(3.0 * m) - np.log(m)) / 1.2815515655446004) for m in (7, 9)
    ]
    sizes = sizes_of(*same, Lognormal(0, sigma), Uniform(0, 1), Uniform(3, 11), Weibull(2, 1))
    assert sizes.ladder.tolist() == [[0, 0, 0, 1, 1, 2]]
    assert len(sizes.ladders.row) == 3
