"""Exact samplers: Poisson, binomial, gamma, categorical, multinomial.

Each is a function of its parameters and of the address (key, run, step, index) of the variate, and
each is exact up to the 52 bits of a uniform: no normal approximation anywhere. Sources:

- transformed rejection: Hörmann 1993, "The transformed rejection method for generating Poisson
  random variables" (PTRS), doi:10.1016/0167-6687(93)90997-4, and "The generation of binomial random
  variates" (BTRS), doi:10.1080/00949659308811496;
- probabilities: Loader 2000, "Fast and accurate computation of binomial probabilities";
- gamma: Marsaglia & Tsang 2000, "A simple method for generating gamma variables",
  doi:10.1145/358407.358414;
- alias tables: Walker 1977, doi:10.1145/355744.355749; Vose 1991, doi:10.1109/32.92917.
"""

import math

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import (
    HALF,
    ONE,
    WORD,
    Word,
    atanh_rest,
    draw,
    exp,
    log,
    normal_quantile,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bits = NDArray[np.uint64]

# Below this mean a sequential search is as fast as a rejection; PTRS and BTRS need at least 10.
REJECTION_MEAN = 10.0
# A search stops when the next probability is too small to hold one of the 2**52 uniforms.
NEGLIGIBLE = 2.0**-60
RECIPROCAL = np.concatenate(([0.0], 1.0 / np.arange(1.0, 128.0)))

ATANH_RANGE = 0.17
STIRLING_TABLE = 16
STIRLING = np.array(
    [0.0]
    + [
        math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - math.log(2.0 * math.pi) / 2
        for k in range(1, STIRLING_TABLE)
    ]
)

# Attempt numbers of the boost of a gamma, and of a second gamma at the same address.
BOOST = 1 << 30
SECOND = 1 << 29

CERTAIN = np.uint64(1 << 63)
SIGN = np.uint64(63)


@jit(inline=True)
def stirling_error(k: float) -> float:
    """log k! - log(sqrt(2 pi k) (k / e)**k) for whole k > 0, and 0 for k = 0; Loader 2000."""
    if k < STIRLING_TABLE:
        return float(STIRLING[int(k)])
    r = 1.0 / k
    s = r * r
    return r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188))))


@jit(inline=True)
def deviance(x: float, difference: float) -> float:
    """x log(x / m) + m - x, where m = x - difference, without cancellation; Loader 2000.

    log(x / m) = 2 atanh(v) with v = (x - m) / (x + m); the first term of its series cancels the
    m - x.
    """
    if x == 0.0:
        return -difference
    v = difference / (2.0 * x - difference)
    if abs(v) > ATANH_RANGE:
        return x * log(x / (x - difference)) - difference
    return difference * v + 2.0 * x * v * atanh_rest(v)


@jit(inline=True)
def poisson(mean: float, key: Word, run: int, step: int, index: int) -> int:
    """A Poisson count; 0 where mean <= 0. Means up to 1e12."""
    u, v = draw(key, run, step, index, 0)
    return poisson_given(u, v, mean, key, run, step, index)


@jit()
def poisson_given(
    u: float, v: float, mean: float, key: Word, run: int, step: int, index: int
) -> int:
    """``poisson`` from its first two uniforms, (u, v) = draw(key, run, step, index, 0).

    ``fill_draws`` and ``fill_steps`` make those of many variates at once, for a third of the time.
    """
    if mean < REJECTION_MEAN:
        return _poisson_search(u, mean) if mean > 0.0 else 0
    return _poisson_rejection(u, v, mean, key, run, step, index)


@jit(inline=True)
def _poisson_search(u: float, mean: float) -> int:
    """Inversion: walk up from 0, taking each probability off the uniform."""
    p = exp(-mean)
    k = 0
    while u > p and p > NEGLIGIBLE:
        u -= p
        k += 1
        p *= mean * RECIPROCAL[k]
    return k


@jit()
def _poisson_rejection(
    u: float, v: float, mean: float, key: Word, run: int, step: int, index: int
) -> int:
    """PTRS (Hörmann 1993); k is counted from floor(mean), to lose no digit at large means."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    whole = np.floor(mean)
    part = mean - whole
    attempt = 0
    while True:
        u -= 0.5
        edge = 0.5 - abs(u)
        offset = np.floor((2.0 * a / edge + b) * u + part + 0.43)
        k = whole + offset
        if edge >= 0.07 and v <= squeeze:
            return int(k)
        if k >= 0.0 and (edge >= 0.013 or v <= edge):
            scale = 1.1239 + 1.1328 / (b - 3.4)
            height = v * scale / (a / (edge * edge) + b)
            # log(height) <= log P(k), with the root of Stirling's formula moved to the left
            root = 2.0 * math.pi * k if k > 0.0 else 1.0
            distance = stirling_error(k) + deviance(k, offset - part)
            if -0.5 * log(height * height * root) >= distance:
                return int(k)
        attempt += 1
        u, v = draw(key, run, step, index, attempt)


@jit(inline=True)
def binomial(n: int, p: float, key: Word, run: int, step: int, index: int) -> int:
    """A binomial count of n trials; 0 where n <= 0 or p <= 0, n where p >= 1. Trials up to 1e12."""
    u, v = draw(key, run, step, index, 0)
    return binomial_given(u, v, n, p, key, run, step, index)


@jit()
def binomial_given(
    u: float, v: float, n: int, p: float, key: Word, run: int, step: int, index: int
) -> int:
    """``binomial`` from its first two uniforms, (u, v) = draw(key, run, step, index, 0)."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    less = min(p, 1.0 - p)
    if n * less < REJECTION_MEAN:
        k = _binomial_search(u, n, less)
    else:
        k = _binomial_rejection(u, v, n, less, key, run, step, index)
    return n - k if p > 0.5 else k


@jit(inline=True)
def _binomial_search(u: float, n: int, p: float) -> int:
    """Inversion: walk up from 0, taking each probability off the uniform."""
    odds = p / (1.0 - p)
    f = _power_of_complement(p, n)
    k = 0
    while u > f and f > NEGLIGIBLE:
        u -= f
        k += 1
        f *= odds * ((n + 1 - k) * RECIPROCAL[k])
    return min(k, n)


@jit(inline=True)
def _power_of_complement(p: float, n: int) -> float:
    """(1 - p)**n; by squaring while that loses at most two digits, it is the faster."""
    q = 1.0 - p
    if n < 256:
        power = 1.0
        for bit in range(8):
            power *= q if (n >> bit) & 1 else 1.0
            q *= q
        return power
    # log(1 - p), the rounding of 1 - p divided out: Goldberg 1991, th. 4, doi:10.1145/103162.103163
    return exp(n * (-p if q == 1.0 else log(q) * (p / (1.0 - q))))


@jit()
def _binomial_rejection(
    u: float, v: float, n: int, p: float, key: Word, run: int, step: int, index: int
) -> int:
    """BTRS (Hörmann 1993), p <= 1/2; k is counted from floor(n p), to lose no digit at large n."""
    mean = n * p
    deviation = math.sqrt(mean * (1.0 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    squeeze = 0.92 - 4.2 / b
    whole = np.floor(mean)
    part = mean - whole
    attempt = 0
    while True:
        u -= 0.5
        edge = 0.5 - abs(u)
        offset = np.floor((2.0 * a / edge + b) * u + part + 0.5)
        k = whole + offset
        if edge >= 0.07 and v <= squeeze:
            return int(k)
        if 0.0 <= k <= n:
            mode = np.floor((n + 1) * p)
            height = v * (2.83 + 5.1 / b) * deviation / (a / (edge * edge) + b)
            # log(height) <= log P(k) - log P(mode), with the square roots moved to the left
            root = _binomial_root(n, k) / _binomial_root(n, mode)
            top = _binomial_exponent(n, mode, mode - whole - part)
            if 0.5 * log(height * height * root) <= top - _binomial_exponent(n, k, offset - part):
                return int(k)
        attempt += 1
        u, v = draw(key, run, step, index, attempt)


@jit(inline=True)
def _binomial_root(n: float, k: float) -> float:
    return k * ((n - k) / n) if 0.0 < k < n else 0.5 / math.pi


@jit(inline=True)
def _binomial_exponent(n: float, k: float, difference: float) -> float:
    """-log(P(k) sqrt(root)), but for a constant of n; the mean is k - difference."""
    errors = stirling_error(k) + stirling_error(n - k)
    return errors + deviance(k, difference) + deviance(n - k, -difference)


@jit()
def gamma(shape: float, key: Word, run: int, step: int, index: int, first: int = 0) -> float:
    """A gamma variate of scale 1, shape > 0 (Marsaglia & Tsang 2000).

    Below shape 1 a variate of shape + 1 is multiplied by U**(1 / shape). ``first`` numbers the
    first attempt: 0, or SECOND for a second, independent variate at the same address.
    """
    boosted = shape < 1.0
    d = (shape + 1.0 if boosted else shape) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = first
    while True:
        u, w = draw(key, run, step, index, attempt)
        attempt += 1
        x = normal_quantile(w)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        square = x * x
        if u < 1.0 - 0.0331 * square * square or log(u) < 0.5 * square + d * (1.0 - v + log(v)):
            break
    if boosted:
        u, _ = draw(key, run, step, index, first + BOOST)
        return d * v * exp(log(u) / shape)
    return d * v


@jit(entry=True)
def alias_build(p: Floats, threshold: Bits, other: Counts) -> None:
    """Fill the alias table of the n weights *p* (finite, >= 0, not all 0), for any n (Vose 1991).

    Cell i keeps the share threshold[i] / 2**63 of its 1/n and gives the rest to cell other[i, 0].
    other[i, 1] is i itself, so that the choice between the two is a look-up; other is n by 2.
    """
    n = len(p)
    scale = n / p.sum()
    # Until a cell is settled, its share is kept as bits in threshold; other[:, 1] holds the cells
    # that wait: those short of 1/n from the left, the others from the right.
    short, long = 0, n
    for i in range(n):
        share = p[i] * scale
        threshold[i] = np.float64(share).view(np.uint64)
        if share < 1.0:
            other[short, 1] = i
            short += 1
        else:
            long -= 1
            other[long, 1] = i
    while short > 0 and long < n:
        poor, rich = other[short - 1, 1], other[long, 1]
        share = np.uint64(threshold[poor]).view(np.float64)
        threshold[poor], other[poor, 0] = np.uint64(share * 2.0**63), rich
        rest = np.uint64(threshold[rich]).view(np.float64) - (1.0 - share)
        threshold[rich] = np.float64(rest).view(np.uint64)
        short -= 1
        if rest < 1.0:
            other[short, 1] = rich
            short += 1
            long += 1
    for k in range(n):  # what still waits has a share of 1, but for rounding
        if k < short or k >= long:
            i = other[k, 1]
            threshold[i], other[i, 0] = CERTAIN, i
    for i in range(n):
        other[i, 1] = i


@jit(inline=True)
def alias_pick(bits: Word, threshold: Bits, other: Counts) -> int:
    """The cell of an alias table that 64 random bits fall in.

    bits * n is a 128-bit number: its high half is the cell, its low half the place inside the cell.
    A cell's probability is off by less than 2**-60. No branch, for nobody could predict it.
    """
    b, n = np.uint64(bits), np.uint64(len(threshold))
    carry = ((b & WORD) * n) >> HALF
    cell = ((b >> HALF) * n + carry) >> HALF
    kept = (((b * n) >> ONE) - threshold[cell]) >> SIGN  # 1 where place < threshold
    return int(other[cell, kept])
