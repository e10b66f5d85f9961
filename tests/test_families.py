"""Every family against scipy.stats and numerical integration."""

from __future__ import annotations

import pickle
from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from family_cases import DATA, TWO_VALUES
from scipy import integrate, special, stats

from forecast.scenario.families import (
    Beta,
    Code,
    Empirical,
    Family,
    Fixed,
    Gamma,
    Lognormal,
    Normal,
    Triangular,
    Uniform,
    Values,
    Weibull,
)
from forecast.scenario.families.beta import pert
from forecast.scenario.families.table import (
    beta_logit_quantile,
    beta_table,
    gamma_log_quantile,
    gamma_table,
)

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
