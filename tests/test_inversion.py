"""Poisson and binomial counts are exact quantiles: at uniforms of every size, by other formulas."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import special, stats

from forecast.engine.kernel import jit, lanes

LANES = lanes.LANES
ULP = 2.0**-52  # between uniforms
INF = math.inf


@jit(entry=True)
def quantiles(u, n, p, few, rows, out):
    """Binomial counts of n trials of chance p, or Poisson counts of mean p where n is infinite."""
    for begin in range(0, len(u), LANES):
        size = min(LANES, len(u) - begin)
        for j in range(size):
            rows[lanes.U + j] = u[begin + j]
            rows[lanes.MEAN + j] = p
            rows[lanes.TRIALS + j] = n
            rows[lanes.CHANCE + j] = p
        if n == INF:
            lanes.poisson_quantiles(size, few, rows)
        else:
            lanes.binomial_quantiles(size, few, rows)
        for j in range(size):
            out[begin + j] = rows[lanes.COUNT + j]


@jit(entry=True)
def decided(starts, u, n, p, rows, out):
    rows[lanes.U], rows[lanes.TRIALS], rows[lanes.LESS] = u, n, 0.0 if n == INF else p
    rows[lanes.MEAN] = p if n == INF else n * p
    for i in range(len(starts)):
        out[i] = lanes.decide(starts[i], 0, rows)


def counts_at(u, n, p, few):
    out = np.empty(len(u))
    quantiles(u, float(n), p, few, lanes.new_work().rows, out)
    return out


def variance(n, p):
    return p if n == INF else n * p * (1.0 - p)


def below(k, n, p):
    """P(count <= k), made continuous in k by the incomplete beta and gamma functions."""
    found = special.gammaincc(*gamma_of(k, p)) if n == INF else special.betaincc(*beta_of(k, n, p))
    return np.where(k <= -1.0, 0.0, np.where(k >= n, 1.0, found))


def above(k, n, p):
    """P(count > k)."""
    found = special.gammainc(*gamma_of(k, p)) if n == INF else special.betainc(*beta_of(k, n, p))
    return np.where(k <= -1.0, 1.0, np.where(k >= n, 0.0, found))


def gamma_of(k, mean):
    return np.maximum(k + 1.0, 1e-300), mean


def beta_of(k, n, p):
    return np.maximum(k + 1.0, 1e-300), np.maximum(n - k, 1e-300), p


def chosen_uniforms(n, p):
    """Uniforms as the kernel has them: at random, next to steps of the law, and extreme ones."""
    rng = np.random.default_rng(3)
    # where the incomplete gamma function of scipy has all its digits
    reach = 8.0 if n < INF or p < 1e6 else 4.0
    z = rng.uniform(-reach, reach, 3_000)
    mean, sd = p if n == INF else n * p, math.sqrt(variance(n, p))
    k = np.unique(
        np.clip(np.floor(mean + sd * rng.uniform(-0.9, 0.9, 700) * reach), 0, min(n, 1e18))
    )
    steps = below(k, n, p)
    off = max(3e-11, 1e-15 * mean)
    beside = [steps * (1.0 - off), steps * (1.0 + off), 1.0 - above(k, n, p) * (1.0 + off)]
    far = 10.0 ** rng.uniform(-16.0, -1.0, 500)
    ends = np.array([0.0, 1.5 * ULP, 0.5 - ULP, 0.5, 1.0])
    u = np.concatenate((rng.random(3_000), special.ndtr(z), *beside, far, 1.0 - far, ends))
    u = (np.floor(np.clip(u, 0.0, 1.0 - ULP) / ULP) + 0.5) * ULP
    return u[np.abs(special.ndtri(u)) < reach + 0.3]


def check_quantiles(found, u, n, p, rounding):
    """found = min {k: P(count <= k) >= u}, but for the rounding of u, in both tails."""
    off = max(1e-11, 3e-16 * (p if n == INF else n * p))
    assert np.all((found >= 0) & (found <= n) & (found == np.floor(found)))
    low = u < 0.5
    at, before = np.where(low, below(found, n, p), 0.0), np.where(low, below(found - 1, n, p), 0.0)
    assert np.all(at[low] >= u[low] * (1.0 - off) - rounding)
    assert np.all(before[low] <= u[low] * (1.0 + off) + rounding)
    high, rest = ~low, 1.0 - u
    assert np.all(above(found[high], n, p) <= rest[high] * (1.0 + off) + rounding)
    assert np.all(above(found[high] - 1, n, p) >= rest[high] * (1.0 - off) - rounding)


POISSONS = [1e-12, 1e-3, 0.7, 3.0, 6.5, 7.0, 7.5, 9.0, 20.0, 123.4, 1e3, 54321.0, 1e6, 1e9]
BINOMIALS = [
    *[(1, 0.3), (1, 1e-12), (2, 0.7), (9, 0.5), (27, 0.5), (28, 0.5), (30, 0.4), (60, 0.9)],
    *[(40, 0.226), (40, 0.2262), (40, 0.7739), (255, 0.03), (300, 0.97), (1_000, 0.5)],
    *[(10**5, 1e-9), (10**5, 7e-5), (10**5, 7.1e-5), (10**6, 0.123), (10**6, 0.99)],
    *[(10**9, 1e-9), (10**9, 1e-7), (10**9, 0.3), (10**12, 1e-14), (10**12, 6e-12)],
    *[(10**12, 8e-12), (10**12, 1e-9), (10**12, 1.0 - 2.0**-40)],
]
SETTINGS = [*((INF, mean) for mean in POISSONS), *BINOMIALS]


@pytest.mark.parametrize(("n", "p"), SETTINGS)
def test_counts_are_exact_quantiles(n, p):
    u = chosen_uniforms(n, p)
    few = variance(n, p) < lanes.LEAST_VARIANCE
    check_quantiles(counts_at(u, n, p, few), u, n, p, 8.0 * ULP if few else 0.0)


@pytest.mark.parametrize(
    ("n", "p"),
    [
        *[(INF, 6.0), (INF, 6.999), (INF, 7.0), (INF, 8.0), (28, 0.5), (32, 0.5), (33, 0.3)],
        *[(40, 0.774), (100, 0.07), (100, 0.0757), (10**6, 7e-6), (10**12, 7e-12)],
    ],
)
def test_search_and_expansion_agree(n, p):
    u = np.random.default_rng(5).random(200_000)
    u = (np.floor(u / ULP) + 0.5) * ULP
    assert np.array_equal(counts_at(u, n, p, True), counts_at(u, n, p, False))


@pytest.mark.parametrize(
    ("n", "p"), [(INF, 7.0), (INF, 300.0), (28, 0.5), (100, 0.1), (10**12, 1e-10), (10**6, 0.4)]
)
def test_decisions_do_not_depend_on_where_they_start(n, p):
    rows, found = lanes.new_work().rows, np.empty(7)
    mean, sd = p if n == INF else n * p, math.sqrt(variance(n, p))
    for z in np.linspace(-6.0, 6.0, 97):
        u = special.ndtr(z)
        right = counts_at(np.array([u]), n, p, False)[0]
        starts = np.unique(np.clip(np.floor(mean + sd * z) + np.arange(-3.0, 4.0), 0, n))
        decided(starts, u, float(n), p, rows, found)
        assert np.all(found[: len(starts)] == right)


# --- the expansion ---


@jit(entry=True)
def expansions(z, mean, variance, p, whole, sure):
    for i in range(len(z)):
        whole[i], sure[i] = lanes.expand(z[i], mean, variance, p)


def expansion(z, mean, variance, p):
    """The formula as it is documented."""
    s, v, g = math.sqrt(variance), p * (1.0 - p), 1.0 - 2.0 * p
    first = (z**3 - 3 * z) * (1 - 6 * v) / 24 - (2 * z**3 - 5 * z) * (1 - 4 * v) / 36 - z / 24
    second = (z**4 - 6 * z**2 + 3) * (1 - 12 * v) / 120
    second -= (z**4 - 5 * z**2 + 2) * (1 - 6 * v) / 24
    second += (12 * z**4 - 53 * z**2 + 17) * (1 - 4 * v) / 324 + (z**2 - 1) / 72
    return mean + s * z + g * (z**2 - 1) / 6 + 0.5 + first / s + g / s**2 * second


def bound(z, variance):
    return (lanes.CLOSE + lanes.FAR * z**6) / variance**1.5 + lanes.ROUNDING * math.sqrt(variance)


def setting(variance, p):
    """Trials and mean of about this variance."""
    if p == 0.0:
        return INF, variance
    n = math.ceil(variance / (p * (1.0 - p)))
    return n, n * p


VARIANCES = [6.0, 6.5, 7.0, 7.5, 8.0, 10.0, 13.0, 20.0, 50.0, 200.0, 1e3, 1e4, 1e5]
CHANCES = [0.0, 1e-6, 1e-3, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]


@pytest.mark.parametrize("about", VARIANCES)
def test_the_expansion_keeps_its_bound(about):
    """The quantile of the law made continuous, P(count < x) = Phi(z), is within the bound of it."""
    z = np.linspace(-8.0, 8.0, 321)
    upper, tail = z > 0.0, special.ndtr(-np.abs(z))
    for p in CHANCES:
        n, mean = setting(about, p)
        spread = mean * (1.0 - p)
        x, off = expansion(z, mean, spread, p), bound(z, spread)
        for at, sign in ((x - off, 1.0), (x + off, -1.0)):
            law = INF if n == INF else float(n), p if p > 0.0 else mean
            chance = np.where(upper, above(at - 1.0, *law), below(at - 1.0, *law))
            spare = np.where(upper, chance - tail, tail - chance) * sign
            assert np.all(spare >= 0.0), (p, z[spare < 0.0])


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.2, 0.5])
@pytest.mark.parametrize("about", [7.0, 30.0, 1e3, 1e6])
def test_the_expansion_is_the_documented_one(about, p):
    z = np.random.default_rng(7).uniform(-8.0, 8.0, 20_000)
    _, mean = setting(about, p)
    spread = mean * (1.0 - p)
    whole, sure = np.empty(len(z)), np.empty(len(z), bool)
    expansions(z, mean, spread, p, whole, sure)
    x, off = expansion(z, mean, spread, p), bound(z, spread)
    margin = np.minimum(x - np.floor(x), np.floor(x) + 1.0 - x)
    clear = margin > 1e-8
    assert np.array_equal(whole[clear], np.floor(x[clear]))
    clear = np.abs(margin - off) > 1e-8
    assert np.array_equal(sure[clear], (margin > off)[clear])
    assert clear.mean() > 0.999


# --- probabilities ---


@jit(entry=True)
def deviance(x, difference):
    return lanes.deviance(x, difference)


@jit(entry=True)
def stirling_error(k):
    return lanes.stirling_error(k)


@jit(entry=True)
def probability(k, n, mean):
    return lanes.probability(k, n, mean)


def test_only_entries_can_be_called_from_python():
    assert deviance(2.0, 0.0) == 0.0  # and so the other is compiled
    with pytest.raises(TypeError, match="entry=True"):
        lanes.deviance(2.0, 0.0)


def exact(formula, *numbers):
    """A formula of decimals, in 60 digits, as a float."""
    with localcontext(prec=60):
        return float(formula(*(Decimal(float(x)) for x in numbers)))


@pytest.mark.parametrize("x", [1.0, 9.0, 15.0, 16.0, 17.0, 500.0, 1e6, 1e12])
@pytest.mark.parametrize("share", [-0.9, -0.3, -0.1, -1e-4, -1e-9, 1e-12, 1e-5, 0.2, 0.4, 0.9])
def test_deviances_lose_no_digits(x, share):
    difference = x * share
    found = deviance(x, difference)
    m = Decimal(x) - Decimal(difference)
    assert found == pytest.approx(
        exact(lambda k: k * (k / m).ln() + m - k, x), rel=3e-15, abs=1e-300
    )


def test_stirling_errors_lose_no_digits():
    half_log_two_pi = Decimal("0.918938533204672741780329736405617639861397473637783")
    log_factorial = Decimal(0)
    with localcontext(prec=60):
        for k in range(1, 1001):
            log = Decimal(k).ln()
            log_factorial += log
            error = log_factorial - (k + Decimal("0.5")) * log + k - half_log_two_pi
            assert stirling_error(float(k)) == pytest.approx(float(error), rel=1e-12)
    assert stirling_error(0.0) == 0.0


@pytest.mark.parametrize(
    ("n", "p"), [(20, 0.5), (40, 0.25), (400, 0.3), (10**6, 1.1e-5), (INF, 9.0)]
)
def test_probabilities_lose_no_digits(n, p):
    k = np.arange(0, min(n, 60) + 1.0)
    law = stats.poisson(p) if n == INF else stats.binom(n, p)
    found = [probability(i, float(n), p if n == INF else n * p) for i in k]
    assert found == pytest.approx(law.pmf(k), rel=1e-12)
