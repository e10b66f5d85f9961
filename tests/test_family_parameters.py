"""Every way to give a family, and lists of values."""

from __future__ import annotations

import ast
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from family_cases import DATA, GIVEN, POINTS, TWO_VALUES, quantiles
from scipy import special

import forecast.scenario.families
from forecast.scenario.families import (
    FAMILIES,
    OPTIONAL,
    PARAMETER_SETS,
    Beta,
    Fixed,
    Periods,
    Pert,
    Weibull,
    build,
    build_empirical,
    build_periods,
    build_values,
    dimension,
)

# ways to say it ---------------------------------------------------------------------------

CASES = [(name, parameters) for name, ways in GIVEN.items() for parameters in ways]


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_what_is_given_is_what_comes_out(name: str, parameters: dict[str, float]) -> None:
    family = build(name, parameters)
    assert family.name == name
    for key, value in parameters.items():
        if key in POINTS:
            assert quantiles(family, POINTS[key])[0] == pytest.approx(value, rel=1e-9)
        elif key in ("mean", "sd", "low", "high"):
            assert getattr(family, key) == pytest.approx(value, rel=1e-9)
        elif key == "cv":
            assert family.sd / family.mean == pytest.approx(value, rel=1e-9)
        elif key in ("shape", "scale", "mu", "sigma", "value", "alpha", "beta"):
            assert getattr(family, key) == value


def test_every_set_is_tried_above() -> None:
    assert tuple(PARAMETER_SETS) == tuple(OPTIONAL) == FAMILIES == (*GIVEN, "values", "empirical")
    for name, sets in PARAMETER_SETS.items():
        tried = {frozenset(way) - OPTIONAL[name] for way in GIVEN.get(name, [])}
        assert tried == set(map(frozenset, sets))


def test_counts_and_pert() -> None:
    beta = build("beta", {"won": 6.0, "lost": 14.0})
    assert beta == Beta(6.0, 14.0)
    # 34 opportunities: Beta-binomial variance n·m·(1-m)·(a+b+n)/(a+b+1) = 18.36
    assert 34**2 * beta.sd**2 + 34 * (0.21 - beta.sd**2) == pytest.approx(18.36)
    assert build("beta", {"mean": 0.3, "n": 20.0}) == beta
    weighted = build("pert", {"low": 1.0, "mode": 2.0, "high": 7.0, "weight": 8.0})
    assert isinstance(weighted, Pert)
    assert weighted.mean == pytest.approx((1.0 + 8.0 * 2.0 + 7.0) / 10.0)
    assert build("pert", {"low": 1.0, "mode": 2.0, "high": 7.0}).mean == pytest.approx(16 / 6)


def test_weibull_of_hardly_any_spread() -> None:
    """The shape from 40-digit arithmetic: the difference of gammas must not cancel."""
    family = build("weibull", {"mean": 3.0, "cv": 0.001})
    assert isinstance(family, Weibull)
    assert family.shape == pytest.approx(1281.8196610080399, rel=1e-12)


def test_dimensions() -> None:
    assert dimension("lognormal", "median") == "value"
    assert dimension("normal", "sd") == "value"
    assert dimension("weibull", "scale") == "value"
    assert dimension("pert", "mode") == "value"
    assert dimension("gamma", "cv") == "share"
    assert {dimension("lognormal", p) for p in ("mu", "sigma")} == {"plain"}
    assert {dimension("beta", p) for p in ("won", "lost", "alpha", "beta", "n")} == {"plain"}
    assert dimension("pert", "weight") == "plain"
    assert dimension("gamma", "shape") == "plain"
    with pytest.raises(KeyError, match="gamma has no parameter weight"):
        dimension("gamma", "weight")


# lists ------------------------------------------------------------------------------------


def test_values() -> None:
    assert TWO_VALUES.values.tolist() == [10.0, 20.0]
    assert TWO_VALUES.chances.tolist() == [0.35, 0.65]
    assert (TWO_VALUES.mean, TWO_VALUES.sd) == pytest.approx((16.5, 10.0 * sqrt(0.35 * 0.65)))
    assert TWO_VALUES.cdf(np.array([9.9, 10.0, 19.9, 20.0])).tolist() == [0.0, 0.35, 0.35, 1.0]
    assert quantiles(TWO_VALUES, 0.0, 0.35, 0.3501, 1.0) == [10.0, 10.0, 20.0, 20.0]
    x = np.array([9.0, 10.0, 14.0, 20.0, 30.0])
    np.testing.assert_allclose(TWO_VALUES.integrated_cdf(x), [0.0, 0.0, 1.4, 3.5, 13.5])
    assert build_values([(20.0, 0.65), (10.0, 0.35), (99.0, 0.0)]) == TWO_VALUES
    assert build_values([(0.0, 1.0)]) == build_values([(-0.0, 1.0)])
    assert not TWO_VALUES.values.flags.writeable


def test_values_from_normal_have_their_chances() -> None:
    family = build_values([(float(k), 1 / 7) for k in range(7)])
    u = (np.arange(70_000) + 0.5) / 70_000
    drawn = family.from_normal(special.ndtri(u))
    assert np.bincount(drawn.astype(int)).tolist() == [10_000] * 7
    rare = build_values([(0.0, 1.0), (1.0, 1e-18)])
    cut = -special.ndtri(1e-18)
    assert rare.from_normal(np.array([cut - 1e-3, cut + 1e-3])).tolist() == [0.0, 1.0]


def test_empirical() -> None:
    assert DATA.values.tolist() == [1.0, 2.0, 3.0, 8.0]
    assert DATA.chances.tolist() == [0.2, 0.4, 0.2, 0.2]
    assert (DATA.mean, DATA.sd) == pytest.approx((3.2, np.std([1, 2, 2, 3, 8])))
    assert quantiles(DATA, 0.0, 0.2, 0.21, 0.6, 0.61, 1.0) == [1.0, 1.0, 2.0, 2.0, 3.0, 8.0]
    u = (np.arange(50_000) + 0.5) / 50_000
    drawn, counts = np.unique(DATA.from_normal(special.ndtri(u)), return_counts=True)
    assert dict(zip(drawn, counts, strict=True)) == {
        1.0: 10_000,
        2.0: 20_000,
        3.0: 10_000,
        8.0: 10_000,
    }
    assert build_empirical(np.array([8.0, 2.0, 1.0, 2.0, 3.0])) == DATA
    assert build_empirical([0.0]) == build_empirical([-0.0])
    assert build_empirical([0.1] * 7).mean == 0.1


def test_list_quadrature_is_the_list() -> None:
    points, weights = DATA.quadrature(3)
    assert (points.tolist(), weights.tolist()) == ([1.0, 2.0, 3.0, 8.0], [0.2, 0.4, 0.2, 0.2])
    assert [a.tolist() for a in Fixed(4.0).quadrature(9)] == [[4.0], [1.0]]


def test_periods() -> None:
    lag = build_periods([(2, 0.5), (0, 0.125), (7, 0.375), (3, 0.0)])
    assert lag == Periods(((0, 0.125), (2, 0.5), (7, 0.375)))
    assert lag.mean == 3.625
    assert lag.pmf(2).tolist() == [0.125, 0.0, 0.5, 0.375]
    assert lag.pmf(7).tolist() == [0.125, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.375, 0.0]
    assert lag.pmf(0).tolist() == [0.125, 0.875]
    assert build_periods([(1, 1.0)]).pmf(3).tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_no_sum_depends_on_the_number_of_threads() -> None:
    folder = Path(forecast.scenario.families.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.MatMult), path.name
            name = node.attr if isinstance(node, ast.Attribute) else ""
            assert name not in ("dot", "vdot", "inner", "matmul", "einsum", "tensordot"), path.name
