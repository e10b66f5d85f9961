"""Every family and every way to give it, against scipy.stats and numerical integration."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from itertools import pairwise
from math import isfinite, log, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

import forecast.scenario.families
from forecast.scenario.families import (
    FAMILIES,
    OPTIONAL,
    PARAMETER_SETS,
    Beta,
    Code,
    Empirical,
    Family,
    FamilyFault,
    Fixed,
    Gamma,
    Lognormal,
    Normal,
    Periods,
    Pert,
    Triangular,
    Uniform,
    Values,
    Weibull,
    build,
    build_empirical,
    build_periods,
    build_values,
    dimension,
)
from forecast.scenario.families.beta import pert
from forecast.scenario.families.solve import root
from forecast.scenario.families.table import (
    beta_logit_quantile,
    beta_table,
    gamma_log_quantile,
    gamma_table,
)

TWO_VALUES = build_values([(20.0, 0.65), (10.0, 0.35)])
DATA = build_empirical([3.0, 1.0, 2.0, 2.0, 8.0])

# A family of each kind beside its counterpart in scipy.stats.
CONTINUOUS = [
    (Lognormal(2.0, 0.7), stats.lognorm(0.7, scale=np.exp(2.0))),
    (Lognormal(3.0, 0.02), stats.lognorm(0.02, scale=np.exp(3.0))),
    (Lognormal(-1.0, 2.5), stats.lognorm(2.5, scale=np.exp(-1.0))),
    (Gamma(4.0, 22.5), stats.gamma(4.0, scale=22.5)),
    (Gamma(0.3, 5.0), stats.gamma(0.3, scale=5.0)),
    (Gamma(900.0, 0.1), stats.gamma(900.0, scale=0.1)),
    (Weibull(1.4, 30.0), stats.weibull_min(1.4, scale=30.0)),
    (Weibull(0.5, 2.0), stats.weibull_min(0.5, scale=2.0)),
    (Weibull(40.0, 10.0), stats.weibull_min(40.0, scale=10.0)),
    (Normal(-3.0, 5.0), stats.norm(-3.0, 5.0)),
    (Beta(6.0, 14.0), stats.beta(6.0, 14.0)),
    (Beta(0.4, 0.3), stats.beta(0.4, 0.3)),
    (Beta(300.0, 2.0, 5.0, 9.0), stats.beta(300.0, 2.0, 5.0, 4.0)),
    (pert(10.0, 15.0, 40.0), stats.beta(1 + 4 / 6, 1 + 4 * 25 / 30, 10.0, 30.0)),
    (pert(-2.0, -2.0, 1.0, weight=9.0), stats.beta(1.0, 10.0, -2.0, 3.0)),
    (Uniform(-1.0, 4.0), stats.uniform(-1.0, 5.0)),
    (Triangular(2.0, 3.0, 10.0), stats.triang(1 / 8, 2.0, 8.0)),
    (Triangular(0.0, 0.0, 4.0), stats.triang(0.0, 0.0, 4.0)),
    (Triangular(0.0, 4.0, 4.0), stats.triang(1.0, 0.0, 4.0)),
]
CONTINUOUS_IDS = [repr(family) for family, _ in CONTINUOUS]
ALL = [family for family, _ in CONTINUOUS] + [Fixed(7.0), TWO_VALUES, DATA]
ALL_IDS = [repr(family) for family in ALL]

U = np.array([1e-12, 1e-6, 0.001, 0.1, 0.25, 0.5, 0.77, 0.9, 0.999, 1 - 1e-6])


def quantiles(family: Family, *u: float) -> list[float]:
    return family.ppf(np.array(u)).tolist()


@pytest.mark.parametrize(("family", "known"), CONTINUOUS, ids=CONTINUOUS_IDS)
def test_functions_and_moments_are_those_of_scipy(family: Family, known: stats.rv_frozen) -> None:
    x = known.ppf(U)
    np.testing.assert_allclose(family.ppf(U), x, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(family.cdf(x), known.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(family.cdf(x)[2:-1], U[2:-1], rtol=1e-9)
    np.testing.assert_allclose([family.mean, family.sd], [known.mean(), known.std()], rtol=1e-11)
    assert (family.low, family.high) == pytest.approx(known.support())


@pytest.mark.parametrize("family", ALL, ids=ALL_IDS)
def test_outside_the_support_and_outside_probability(family: Family) -> None:
    low, high = max(family.low, -1e9), min(family.high, 1e9)
    np.testing.assert_array_equal(family.cdf(np.array([low - 1.0, high + 1.0])), [0.0, 1.0])
    assert np.isnan(family.ppf(np.array([-0.1, 1.1, np.nan]))).all()
    np.testing.assert_allclose(family.ppf(np.array([0.0, 1.0])), [family.low, family.high])


@pytest.mark.parametrize(("family", "known"), CONTINUOUS, ids=CONTINUOUS_IDS)
def test_from_normal_in_both_tails(family: Family, known: stats.rv_frozen) -> None:
    z = np.linspace(-6.0, 6.0, 1201)
    wanted = np.where(z < 0, known.ppf(special.ndtr(z)), known.isf(special.ndtr(-z)))
    np.testing.assert_allclose(family.from_normal(z), wanted, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(family.exact_from_normal(z), wanted, rtol=1e-9, atol=1e-14)
    assert (np.diff(family.from_normal(z)) >= 0.0).all()


SHAPES = [1e-6, 0.01, 0.05, 0.2, 1.0, 3.7, 15.99, 16.01, 200.0, 1e4, 1e5, 1e6]


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_table(shape: float) -> None:
    z = np.random.default_rng(1).uniform(-6.0, 6.0, 3000)
    t = gamma_table(shape)(z)
    # Beyond a shape of 1e5 scipy's incomplete gamma itself loses digits in the left tail.
    atol = 1e-10 if shape <= 1e5 else 3e-9
    np.testing.assert_allclose(t, gamma_log_quantile(shape, z), rtol=1e-12, atol=atol)
    u, v = special.ndtr(z), special.ndtr(-z)
    known = np.where(z < 0, special.gammaincinv(shape, u), special.gammainccinv(shape, v))
    normal = known > 1e-290
    np.testing.assert_allclose(
        np.exp(t)[normal], known[normal], rtol=1e-9 if shape <= 1e5 else 3e-9
    )


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0, 6.0, 700.0, 1e5])
@pytest.mark.parametrize("beta", [0.05, 0.4, 2.0, 50.0, 1e5])
def test_beta_table(alpha: float, beta: float) -> None:
    z = np.random.default_rng(2).uniform(-6.0, 6.0, 1000)
    t = beta_table(alpha, beta)(z)
    np.testing.assert_allclose(t, beta_logit_quantile(alpha, beta, z), rtol=0, atol=1e-9)
    u, v = special.ndtr(z), special.ndtr(-z)
    x = np.where(z < 0, special.betaincinv(alpha, beta, u), special.betainccinv(alpha, beta, v))
    y = np.where(z < 0, special.betainccinv(beta, alpha, u), special.betaincinv(beta, alpha, v))
    for got, known in ((special.expit(t), x), (special.expit(-t), y)):
        normal = known > 1e-290
        np.testing.assert_allclose(got[normal], known[normal], rtol=1e-9)


@pytest.mark.parametrize(
    ("alpha", "beta"), [(52144547.0, 1000.0), (54.0325, 0.0267966), (4.9628, 0.0170791)]
)
def test_beta_quantiles_where_the_library_misses(alpha: float, beta: float) -> None:
    z = np.linspace(-8.5, 8.5, 301)
    t = beta_logit_quantile(alpha, beta, z)
    assert (np.diff(t) > 0.0).all()
    x, y = special.expit(t), special.expit(-t)
    below = np.where(x > 0.5, special.betaincc(beta, alpha, y), special.betainc(alpha, beta, x))
    above = np.where(x > 0.5, special.betainc(beta, alpha, y), special.betaincc(alpha, beta, x))
    plain = (x > 1e-250) & (y > 1e-250)
    short = np.where(z < 0.0, below / special.ndtr(z), above / special.ndtr(-z))
    np.testing.assert_allclose(short[plain], 1.0, rtol=1e-8)


def test_beyond_the_table_values_are_exact() -> None:
    z = np.array([-12.0, 0.0, 9.0, -np.inf, np.inf])
    got = Gamma(2.0, 3.0).from_normal(z)
    np.testing.assert_allclose(got[0], 3.0 * special.gammaincinv(2.0, special.ndtr(-12.0)))
    np.testing.assert_allclose(got[2], 3.0 * special.gammainccinv(2.0, special.ndtr(-9.0)))
    np.testing.assert_array_equal(got[3:], [0.0, np.inf])
    edges = Beta(2.0, 3.0, 1.0, 5.0).from_normal(np.array([-np.inf, 8.5, np.inf]))
    assert (edges[0], edges[2]) == (1.0, 5.0)
    assert 1.0 < edges[1] < 5.0


@pytest.mark.parametrize("family", ALL, ids=ALL_IDS)
def test_a_value_depends_on_itself_alone(family: Family) -> None:
    z = np.random.default_rng(3).standard_normal(1031)
    whole = family.from_normal(z)
    for length in (*range(1, 36), 63, 64, 65, 127, 513, 1030):
        assert family.from_normal(z[:length]).tobytes() == whole[:length].tobytes()
        assert family.from_normal(z[-length:]).tobytes() == whole[-length:].tobytes()
    for step in (2, 3, 7, -1):
        np.testing.assert_array_equal(family.from_normal(z[::step]), whole[::step])
    with_far = np.append(z, 11.0)
    np.testing.assert_array_equal(family.from_normal(with_far)[:-1], whole)


def area(family: Family, a: float, b: float) -> float:
    """∫ F from a to b, with no kink or jump of F between them."""
    if b - a < 1e-9 * abs(b):
        return (b - a) * float(family.cdf(np.array([a]))[0])
    return integrate.quad(lambda y: family.cdf(np.array([y]))[0], a, b, epsabs=0, epsrel=1e-12)[0]


@pytest.mark.parametrize("family", ALL, ids=ALL_IDS)
def test_integrated_cdf_against_quadrature(family: Family) -> None:
    u = [0.0005, 0.02, 0.3, 0.5, 0.8, 0.99, 0.9999]
    x = np.unique(np.append(family.ppf(np.array(u)), family.mean + 3.0 * family.sd + 1.0))
    got = family.integrated_cdf(x)
    bottom = max(family.low, float(family.ppf(np.array([1e-16]))[0]))
    total = family.integrated_cdf(np.array([bottom]))[0]
    for top, value in zip(x, got, strict=True):
        inside = [p for p in (*getattr(family, "values", ()), *x, family.high) if bottom < p < top]
        edges = [bottom, *sorted(set(inside)), top]
        parts = [area(family, a, b) for a, b in pairwise(edges)]
        assert value == pytest.approx(total + sum(parts), rel=2e-9, abs=1e-15)


@pytest.mark.parametrize(("family", "known"), CONTINUOUS, ids=CONTINUOUS_IDS)
def test_integrated_cdf_is_smooth_positive_and_ends_in_a_line(
    family: Family, known: stats.rv_frozen
) -> None:
    x = np.unique(known.ppf(special.ndtr(np.linspace(-12.0, 6.0, 4001))))
    total = family.integrated_cdf(x)
    slopes = np.diff(total) / np.diff(x)
    apart = np.diff(x) > 1e-9 * np.abs(x[1:])
    assert (total >= 0.0).all()
    assert (np.diff(total) >= 0.0).all()
    # The slope between two places is F somewhere between: that pins every digit of the tail.
    room = 1e-9 + 1e-13 * total[1:] / np.diff(x)
    assert (slopes >= family.cdf(x)[:-1] * (1 - 1e-6) - room)[apart].all()
    assert (slopes <= family.cdf(x)[1:] * (1 + 1e-6) + room)[apart].all()
    far = np.array([family.mean + 1e6 * family.sd])
    if not isinstance(family, Lognormal | Weibull):
        np.testing.assert_allclose(family.integrated_cdf(far), far - family.mean, rtol=1e-12)


def test_integrated_cdf_far_in_the_left_tail() -> None:
    """Reference values to 16 digits, from 60-digit arithmetic."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    mpf = mpmath.mpf

    def reference(family: Family, x: float) -> float:
        x = mpf(x)
        if isinstance(family, Gamma):
            a = mpf(family.shape)
            lower = [mpmath.gammainc(s, 0, x, regularized=True) for s in (a, a + 1)]
            return float(x * lower[0] - a * lower[1])
        if isinstance(family, Beta):
            a, b = mpf(family.alpha), mpf(family.beta)
            lower = [mpmath.betainc(s, b, 0, x, regularized=True) for s in (a, a + 1)]
            return float(x * lower[0] - a / (a + b) * lower[1])
        if isinstance(family, Weibull):
            k = mpf(family.shape)
            part = mpmath.gammainc(1 / k, 0, x**k, regularized=True)
            return float(x - mpmath.gamma(1 + 1 / k) * part)
        assert isinstance(family, Lognormal)
        s = mpf(family.sigma)
        d = (mpmath.log(x) - family.mu) / s
        return float(x * mpmath.ncdf(d) - mpmath.exp(family.mu + s * s / 2) * mpmath.ncdf(d - s))

    families = (
        *(Gamma(shape, 1.0) for shape in (0.05, 1.0, 40.0, 1e4)),
        *(Beta(a, b) for a, b in ((0.5, 0.5), (6.0, 14.0), (80.0, 0.3), (0.05, 1e3))),
        *(Weibull(k, 1.0) for k in (0.2, 1.0, 3.0, 900.0)),
        *(Lognormal(1.0, sigma) for sigma in (0.001, 0.3, 0.6, 3.0)),
    )
    for family in families:
        x = family.exact_from_normal(np.array([-7.0, -4.0, -2.0, -0.6, -0.1, 0.0, 0.4, 3.0]))
        x = np.unique(x[(x > 1e-250) & (x < 1.0 if isinstance(family, Beta) else x > 0)])
        wanted = [reference(family, float(value)) for value in x]
        np.testing.assert_allclose(
            family.integrated_cdf(x), wanted, rtol=1e-11, err_msg=repr(family)
        )


@pytest.mark.parametrize("family", ALL, ids=ALL_IDS)
def test_quadrature_gives_the_moments(family: Family) -> None:
    points, weights = family.quadrature(100)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    mean = weights @ points
    # Only a kink or a steep end in the quantile function costs digits.
    rel = 1e-9 if isinstance(family, Lognormal | Normal | Fixed | Values | Empirical) else 2e-3
    assert mean == pytest.approx(family.mean, rel=rel)
    assert sqrt(weights @ (points - mean) ** 2) == pytest.approx(family.sd, rel=5 * rel)


KERNELS = [
    (Fixed(3.0), Code.FIXED, (3.0,)),
    (Lognormal(1.0, 2.0), Code.LOGNORMAL, (1.0, 2.0)),
    (Gamma(1.0, 2.0), Code.GAMMA, (1.0, 2.0)),
    (Weibull(1.0, 2.0), Code.WEIBULL, (1.0, 2.0)),
    (Beta(1.0, 2.0), Code.BETA, (1.0, 2.0, 0.0, 1.0)),
    (pert(0.0, 1.0, 4.0), Code.BETA, (2.0, 4.0, 0.0, 4.0)),
    (Uniform(1.0, 2.0), Code.UNIFORM, (1.0, 2.0)),
    (Triangular(1.0, 2.0, 4.0), Code.TRIANGULAR, (1.0, 2.0, 4.0)),
    (TWO_VALUES, Code.DISCRETE, ()),
    (DATA, Code.DISCRETE, ()),
    (Normal(1.0, 2.0), Code.NORMAL, (1.0, 2.0)),
]


@pytest.mark.parametrize(("family", "code", "parameters"), KERNELS)
def test_kernel(family: Family, code: Code, parameters: tuple[float, ...]) -> None:
    assert family.kernel() == (int(code), parameters)
    assert [int(code) for code in Code] == list(range(9))


@pytest.mark.parametrize("family", ALL, ids=ALL_IDS)
def test_families_are_values(family: Family) -> None:
    again = pickle.loads(pickle.dumps(family))
    assert again == family
    assert hash(again) == hash(family)
    assert [other for other in ALL if other == family] == [family]
    with pytest.raises((AttributeError, TypeError)):
        family.mean = 3.0  # type: ignore[misc]


# ways to say it ---------------------------------------------------------------------------

POINTS = {"p10": 0.1, "median": 0.5, "p90": 0.9}
GIVEN: dict[str, list[dict[str, float]]] = {
    "fixed": [{"value": 20.0}],
    "lognormal": [
        {"mean": 20.0, "cv": 0.5},
        {"median": 20.0, "p90": 60.0},
        {"p10": 4e4, "p90": 2.5e5},
        {"median": 20.0, "cv": 3.0},
        {"mean": 20.0, "sd": 0.05},
        {"mu": 2.0, "sigma": 0.4},
    ],
    "gamma": [
        {"mean": 3.0, "cv": 0.5},
        {"mean": 3.0, "sd": 9.0},
        {"shape": 2.0, "scale": 5.0},
        {"p10": 5.0, "p90": 40.0},
        {"p10": 5.0, "p90": 5.05},
        {"median": 20.0, "p90": 60.0},
        {"median": 1e-3, "p90": 1e6},
    ],
    "weibull": [
        {"mean": 3.0, "cv": 0.5},
        {"mean": 3.0, "cv": 0.001},
        {"mean": 3.0, "cv": 1000.0},
        {"shape": 2.0, "scale": 5.0},
        {"median": 20.0, "p90": 60.0},
        {"p10": 5.0, "p90": 40.0},
    ],
    "normal": [
        {"mean": -3.0, "sd": 4.0},
        {"mean": 3.0, "cv": 0.5},
        {"median": -1.0, "p90": 2.0},
        {"p10": -1.0, "p90": 2.0},
    ],
    "beta": [
        {"won": 6.0, "lost": 14.0},
        {"alpha": 0.5, "beta": 2.0},
        {"mean": 0.3, "cv": 0.4},
        {"mean": 0.3, "sd": 0.1},
        {"mean": 0.3, "n": 20.0},
        {"p10": 0.1, "p90": 0.5},
        {"p10": 0.001, "p90": 0.999},
        {"p10": 0.4, "p90": 0.401},
        {"p10": 1e-9, "p90": 0.01},
    ],
    "uniform": [{"low": -1.0, "high": 3.0}, {"mean": 6.0, "cv": 0.25}],
    "triangular": [{"low": 1.0, "mode": 2.0, "high": 7.0}],
    "pert": [
        {"low": 1.0, "mode": 2.0, "high": 7.0},
        {"low": 1.0, "mode": 2.0, "high": 7.0, "weight": 8.0},
    ],
}
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


# refusals ---------------------------------------------------------------------------------

REFUSED = [
    (
        "lognormal",
        {"mean": 1.0, "p95": 2.0},
        "got mean and p95; must be one of: mean and cv; median and p90; .*for example {lognormal",
    ),
    ("gamma", {}, "got nothing; must be one of: mean and cv"),
    ("gamma", {"mean": 1.0, "cv": 1.0, "p90": 3.0}, "got mean, cv and p90; must be one of"),
    ("pert", {"low": 1.0}, "got low; must be low, mode and high, and weight if you like"),
    ("triangular", {"low": 1.0, "mode": 1.0, "high": 2.0, "weight": 4.0}, "must be low, mode and"),
    ("lognormal", {"mean": float("nan"), "cv": 1.0}, "^mean: got nan; must be a finite number"),
    ("fixed", {"value": float("inf")}, "^value: got inf; must be a finite number.*larger units"),
    ("fixed", {"value": 2e15}, r"got 2e\+15; must be a finite number between -1e\+15 and 1e\+15"),
    ("fixed", {"value": 10**400}, "got a huge number"),
    ("fixed", {"value": "7"}, "got '7'; must be a number"),
    ("fixed", {"value": True}, "got True; must be a number"),
    ("lognormal", {"mean": 1.0, "cv": 0.0}, "^cv: got 0; must be positive, 0.001 at least.*50%"),
    ("gamma", {"mean": 1.0, "cv": 1001.0}, "^cv: got 1,001; must be between 0.001 and 1,000"),
    ("weibull", {"mean": -2.0, "cv": 1.0}, "^mean: got -2; must be positive. A weibull takes pos"),
    ("lognormal", {"p10": 0.0, "p90": 1.0}, "^p10: got 0; must be positive"),
    ("normal", {"mean": 0.0, "sd": 0.0}, "^sd: got 0; must be positive. With no spread"),
    ("normal", {"mean": -1.0, "cv": 0.5}, "^mean: got -1; must be positive where the cv.*the sd"),
    ("uniform", {"mean": 5e-324, "cv": 0.25}, "^mean: got .*; must be positive where the cv"),
    ("normal", {"mean": 5e-324, "cv": 0.25}, "^mean: got .*; must be positive where the cv"),
    ("uniform", {"mean": 0.0, "cv": 0.5}, "^mean: got 0; must be positive where the cv"),
    ("gamma", {"shape": 0.0, "scale": 1.0}, "^shape: got 0; must be positive, 1e-06 at least"),
    ("gamma", {"shape": 1e7, "scale": 1.0}, "^shape: got 10,000,000; must be between 1e-06 and"),
    ("lognormal", {"mu": 50.0, "sigma": 1.0}, "^mu: got 50; must be between -34.5 and 34.5"),
    ("lognormal", {"mu": 1.0, "sigma": 4.0}, "^sigma: got 4; must be between 0.001 and 3.7169"),
    (
        "lognormal",
        {"median": 60.0, "p90": 20.0},
        "^p90: got 20; must be greater than median, 60. S",
    ),
    ("gamma", {"p10": 5.0, "p90": 5.0}, "^p90: got 5; must be greater than p10, 5. Raise p90"),
    ("normal", {"p10": 5.0, "p90": 4.0}, "^p90: got 4; must be greater than p10, 5. Swap"),
    ("lognormal", {"p10": 1.0, "p90": 1e9}, "p10 and p90 with a cv above 1,000.*closer together"),
    ("lognormal", {"mean": 1.0, "sd": 1e4}, "mean and sd with a cv above 1,000"),
    ("gamma", {"median": 10.0, "p90": 10.001}, "with a cv below 0.001.*the number itself"),
    ("weibull", {"p10": 0.001, "p90": 1e15}, "with a cv above 1,000"),
    ("weibull", {"shape": 1e5, "scale": 1.0}, "shape and scale with a cv below 0.001"),
    ("beta", {"mean": 1.0, "cv": 0.1}, "^mean: got 1; must be between 0 and 1, and neither"),
    ("beta", {"p10": -0.1, "p90": 0.1}, "^p10: got -0.1; must be between 0 and 1"),
    ("beta", {"mean": 0.5, "cv": 2.0}, "^cv: got 2; must be at most 0.9534 for a mean of 0.5"),
    ("beta", {"mean": 0.2, "sd": 0.5}, "^sd: got 0.5; must be at most 0.3813 for a mean of 0.2"),
    ("beta", {"mean": 0.3, "sd": 1e-9}, "^sd: got 1e-09; must be at least 4.583e-05 for a mean"),
    ("beta", {"won": 0.0, "lost": 3.0}, "^won: got 0; must be positive.*write 0.5 or 1"),
    ("beta", {"won": 3.0, "lost": -1.0}, "^lost: got -1; must be positive"),
    ("beta", {"mean": 0.5, "n": 0.01}, "^n: got 0.01; must be between 0.1 and 100,000,000"),
    ("beta", {"mean": 1e-9, "n": 1.0}, "alpha 1e-09 and beta 0.999999999; must be 0.0001 or more"),
    ("beta", {"p10": 1e-15, "p90": 1 - 1e-15}, "must be closer together, or not so near to 0"),
    ("beta", {"p10": 0.5, "p90": 0.50001}, "got p10 0.5 and p90 0.50001; must be further apart"),
    ("uniform", {"low": 3.0, "high": 3.0}, "^high: got 3; must be greater than low, 3. Raise"),
    ("uniform", {"low": 4.0, "high": 3.0}, "^high: got 3; must be greater than low, 4. Swap"),
    ("triangular", {"low": 1.0, "mode": 9.0, "high": 3.0}, "^mode: got 9; must be between low and"),
    ("pert", {"low": 1.0, "mode": 0.0, "high": 3.0}, "^mode: got 0; must be between low and high"),
    ("pert", {"low": 1.0, "mode": 2.0, "high": 3.0, "weight": 0.0}, "^weight: got 0; must be pos"),
]


@pytest.mark.parametrize(("name", "parameters", "message"), REFUSED)
def test_refusals(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(FamilyFault, match=message) as caught:
        build(name, parameters)
    fault = caught.value
    assert fault.got
    assert fault.must
    assert fault.mend.endswith((".", "?", "}"))
    assert fault.parameter is None or fault.parameter in parameters


def test_the_limit_a_refusal_names_is_accepted() -> None:
    assert build("beta", {"mean": 0.5, "cv": 0.9534}).mean == 0.5
    assert build("beta", {"mean": 0.2, "sd": 0.3813}).mean == pytest.approx(0.2)
    assert build("beta", {"mean": 0.3, "sd": 4.583e-05}).mean == pytest.approx(0.3)
    for name in ("lognormal", "gamma", "weibull"):
        for cv in (0.001, 1000.0):
            assert build(name, {"mean": 1.0, "cv": cv}).mean == pytest.approx(1.0)


REFUSED_LISTS = [
    ([], "got 0 values; must be between 1 and 10,000 of them. Give each value its chance"),
    ([(float(k), 1e-4) for k in range(10_001)], "got 10,001 values; .*as empirical"),
    ([(1.0, 0.3), (2.0, 0.6)], r"chances that sum to 0.9; must be 1 \(100%\).*Raise them by 0.1"),
    ([(1.0, 0.5), (2.0, 0.500001)], "chances that sum to 1.000001; .*Lower them by 1e-06"),
    ([(1.0, 0.5), (1.0, 0.5)], "1: got the value twice; must be given once"),
    ([(1.0, 1.5), (2.0, -0.5)], "2: got a chance of -0.5; must be 0 or more"),
    ([(1.0, float("nan"))], "1: got a chance of nan"),
    ([(float("inf"), 1.0)], "got the value inf; must be a finite number"),
    ([(-2e15, 1.0)], r"got the value -2e\+15; must be a finite number"),
]


@pytest.mark.parametrize(("pairs", "message"), REFUSED_LISTS)
def test_refused_values(pairs: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(FamilyFault, match=message):
        build_values(pairs)


def test_refused_data_and_periods() -> None:
    with pytest.raises(FamilyFault, match="got 0 numbers; must be between 1 and 1,000,000"):
        build_empirical([])
    with pytest.raises(FamilyFault, match=r"got 1,000,001 numbers; .*sample"):
        build_empirical(np.zeros(1_000_001))
    with pytest.raises(FamilyFault, match="got nan as number 2; must be a finite number"):
        build_empirical([1.0, float("nan")])
    for k in (-1, 1.5, 10_001, float("nan"), float("inf")):
        with pytest.raises(FamilyFault, match="must be a whole number of periods, 0 to 10,000"):
            build_periods([(k, 1.0)])
    with pytest.raises(FamilyFault, match=r"chances that sum to 0\.5"):
        build_periods([(1, 0.5)])
    assert build_values([(1.0, 1 / 3), (2.0, 2 / 3 + 5e-10)]).chances.sum() == pytest.approx(1.0)


# whatever is written ----------------------------------------------------------------------

ANY = st.one_of(
    st.floats(),
    st.floats(-5.0, 5.0),
    st.floats(0.0, 1.0),
    st.floats(-40.0, 36.0).map(lambda e: float(np.exp(e))),
    st.sampled_from([0.0, 0.001, 1e-15, 1e15, 1e3, 1e6, 1e8]),
)


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_build_gives_a_sound_family_or_a_fault(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(GIVEN)))
    way = data.draw(st.sampled_from([sorted(way) for way in PARAMETER_SETS[name]]))
    parameters = {key: data.draw(ANY, key) for key in way}
    try:
        family = build(name, parameters)
    except FamilyFault:
        return
    assert isfinite(family.mean)
    assert 0.0 <= family.sd < float("inf")
    slack = 1e-12 * max(abs(family.mean), 1e-300)
    assert family.low - slack <= family.mean <= family.high + slack
    x = family.exact_from_normal(np.array([-8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0]))
    assert not np.isnan(x).any()
    assert (np.diff(x) >= -1e-12 * np.abs(x[1:])).all()
    assert (family.integrated_cdf(x) >= 0.0).all()
    chance = family.cdf(x)
    assert ((chance >= 0.0) & (chance <= 1.0)).all()
    for key in parameters.keys() & POINTS.keys():
        u = float(family.cdf(np.array([parameters[key]]))[0])
        assert u == pytest.approx(POINTS[key], abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.floats(allow_nan=False), st.floats(0.0, 1.0), max_size=8), st.booleans())
def test_values_are_sound_or_refused(chances: dict[float, float], whole: bool) -> None:
    total = sum(chances.values())
    pairs = [(v, p / total if whole and total > 1e-300 else p) for v, p in chances.items()]
    try:
        family = build_values(pairs)
    except FamilyFault:
        return
    assert family.chances.sum() == pytest.approx(1.0)
    assert family.low <= family.mean * (1 + 1e-12 * np.sign(family.mean)) + 1e-300
    assert set(quantiles(family, 0.0, 0.2, 0.5, 1.0)) <= set(family.values.tolist())


@settings(max_examples=200, deadline=None)
@given(st.floats(-50.0, 50.0), st.floats(0.1, 3.0))
def test_root_finds_what_there_is(zero: float, power: float) -> None:
    def f(x: float) -> float:
        return float(np.sign(x - zero) * abs(x - zero) ** power)

    found = root(f, -60.0, 60.0)
    assert found == pytest.approx(zero, abs=1e-9)
    assert root(f, zero + 1.0, zero + 2.0) is None
    assert root(lambda x: log(x), 1.0, 5.0) == 1.0


def test_importing_costs_no_scipy() -> None:
    code = "import sys, forecast.scenario.families; print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
