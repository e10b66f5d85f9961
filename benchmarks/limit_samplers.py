"""The cheapest samplers known, as a yardstick: no draw of theirs has an address.

Exact up to the bits of a uniform, one thread, honestly tuned: a generator that counts (wyrand, or
SplitMix64 where a loop vectorises), floating point that the compiler may reorder, all inlined.
Counts are drawn one by one: small ones by inversion, all that goes before the search in vectors;
large ones by transformed rejection (PTRS, BTRS: Hörmann 1993). Normals are Box & Muller's and
gammas Marsaglia & Tsang's, in vectors; categories go by alias.

``state`` is an array of one word; every function fills ``out``, one variate for each parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, types
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bits = NDArray[np.uint64]
Word = Any  # an unsigned 64-bit integer

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
STEP, WY = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
S27, S30, S31, S12 = (np.uint64(s) for s in (27, 30, 31, 12))
ULP = 2.0**-52

LEAST_REJECTED = 10.0  # mean: below it inversion is the cheaper
MOST_SEARCHED = 110  # counts: none of these means reaches it
RECIPROCAL = np.concatenate(([0.0], 1.0 / np.arange(1.0, 128.0)))
LOG_FACTORIAL = np.array([math.lgamma(k + 1.0) for k in range(1024)])


def fast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with everything that makes it faster."""
    compiled: Callable[..., Any] = njit(fastmath=True, error_model="numpy")(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile into its callers."""
    compiled: Callable[..., Any] = njit(fastmath=True, error_model="numpy", inline="always")(
        function
    )
    return compiled


def repeated(fill: Any) -> Callable[..., None]:
    """Compile a loop over blocks: (times, what ``fill`` takes ...)."""

    @njit(fastmath=True, error_model="numpy")
    def loop(times: int, *given: Any) -> None:
        for _ in range(times):
            fill(*given)

    return loop


def _upper_product(_context: Any, _x: Any, _y: Any) -> Any:
    """The upper 64 bits of the product of two words."""

    def code(_target: Any, builder: Any, _signature: Any, given: Sequence[Any]) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(each, wide) for each in given))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), code


def _as_double(_context: Any, _bits: Any) -> Any:
    """The double of these bits."""

    def code(_target: Any, builder: Any, _signature: Any, given: Sequence[Any]) -> Any:
        return builder.bitcast(given[0], ir.DoubleType())

    return types.float64(types.int64), code


def _as_bits(_context: Any, _value: Any) -> Any:
    """The bits of a double."""

    def code(_target: Any, builder: Any, _signature: Any, given: Sequence[Any]) -> Any:
        return builder.bitcast(given[0], ir.IntType(64))

    return types.int64(types.float64), code


upper_product: Any = extending.intrinsic(_upper_product)
as_double: Any = extending.intrinsic(_as_double)
as_bits: Any = extending.intrinsic(_as_bits)


@inlined
def hashed(counter: Word) -> Word:
    """64 random bits (wyrand) of a counter that goes in steps of STEP."""
    other = counter ^ WY
    return (counter * other) ^ upper_product(counter, other)


@inlined
def unit(bits: Word) -> float:
    """A uniform inside (0, 1)."""
    return (np.float64(np.int64(bits >> S12)) + 0.5) * ULP


@inlined
def mixed(bits: Word) -> Word:
    """64 random bits of a counter (SplitMix64), for loops that vectorise."""
    x = (bits ^ (bits >> S30)) * MIX_1
    x = (x ^ (x >> S27)) * MIX_2
    return x ^ (x >> S31)


@inlined
def exp(x: float) -> float:
    """e**x by a polynomial, which vectorises."""
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    s = r * r
    low = (1.0 + r) + s * (1 / 2 + r * (1 / 6)) + s * s * (1 / 24 + r * (1 / 120))
    top = (1 / 720 + r * (1 / 5040)) + s * (1 / 40320 + r * (1 / 362880))
    p = low + s * s * s * (top + s * s * (1 / 3628800 + r * (1 / 39916800)))
    return float(p * as_double((np.int64(k) + 1023) << 52))


@inlined
def log(x: float) -> float:
    """The logarithm of a normal double by a series, which vectorises."""
    bits = as_bits(x)
    e = (bits - 0x3FE6A09E667F3BCD) >> 52
    m = as_double(bits - (e << 52))
    f = (m - 1.0) / (m + 1.0)
    g = f * f
    s = g * g
    low = (1.0 + g * (1 / 3)) + s * (1 / 5 + g * (1 / 7))
    top = (1 / 9 + g * (1 / 11)) + s * (1 / 13 + g * (1 / 15) + s * (1 / 17 + g * (1 / 19)))
    return float(2.0 * f * (low + s * s * top) + e * 0.6931471805599453)


@fast
def uniforms(state: Bits, out: Floats) -> None:
    """Uniforms; vectorised."""
    first = state[0]
    for i in range(len(out)):
        out[i] = unit(mixed(first + np.uint64(i + 1) * GOLDEN))
    state[0] = first + np.uint64(len(out)) * GOLDEN


@fast
def normals(state: Bits, out: Floats, work: Floats) -> None:
    """Standard normals, an even number of them (Box & Muller 1958); vectorised."""
    half = len(out) // 2
    uniforms(state, work[: 2 * half])
    for i in range(half):
        radius = math.sqrt(-2.0 * log(work[i]))
        turn = 4.0 * work[half + i]
        quadrant = np.floor(turn)
        x = (turn - quadrant - 0.5) * (math.pi / 2.0)
        s = x * x
        sine = x * (
            1 - s * (1 / 6 - s * (1 / 120 - s * (1 / 5040 - s * (1 / 362880 - s / 39916800))))
        )
        cosine = 1 - s * (1 / 2 - s * (1 / 24 - s * (1 / 720 - s * (1 / 40320 - s / 3628800))))
        odd = (quadrant == 1.0) | (quadrant == 3.0)
        signed = radius if quadrant >= 2.0 else -radius
        out[i] = signed * (cosine if odd else sine)
        out[half + i] = signed * (sine if odd else cosine)


@fast
def lognormals(state: Bits, sigma: float, out: Floats, work: Floats) -> None:
    """Lognormals of median 1; vectorised."""
    normals(state, out, work)
    for i in range(len(out)):
        out[i] = exp(sigma * out[i])


@fast
def gammas(state: Bits, shape: Floats, out: Floats, work: Floats) -> None:
    """Gammas of shape 1 or more and scale 1 (Marsaglia & Tsang 2000); few are tried again."""
    n = len(out)
    x, u = work[:n], work[n : 2 * n]
    normals(state, x, out)
    uniforms(state, u)
    for i in range(n):
        d = shape[i] - 1 / 3
        v = 1.0 + x[i] / math.sqrt(9.0 * d)
        v = v * v * v
        safe = max(v, 1e-300)
        taken = (v > 0.0) & (log(u[i]) < 0.5 * x[i] * x[i] + d * (1.0 - v + log(safe)))
        out[i] = d * v if taken else -1.0
    counter = state[0]
    for i in range(n):
        while out[i] < 0.0:
            out[i] = one_gamma(counter, shape[i])
            counter += STEP + STEP + STEP
    state[0] = counter


@fast
def one_gamma(counter: Word, shape: float) -> float:
    """A gamma of three words, or -1 if it was rejected."""
    d = shape - 1 / 3
    radius = math.sqrt(-2.0 * math.log(unit(hashed(counter))))
    x = radius * math.cos(2.0 * math.pi * unit(hashed(counter + STEP)))
    v = 1.0 + x / math.sqrt(9.0 * d)
    if v <= 0.0:
        return -1.0
    v = v * v * v
    u = unit(hashed(counter + STEP + STEP))
    return d * v if math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)) else -1.0


@inlined
def log_factorial(k: float) -> float:
    """log k! by a table, then by Stirling's series."""
    if k < 1024.0:
        return float(LOG_FACTORIAL[np.uint64(k)])
    x = k + 1.0
    r = 1.0 / x
    return float((x - 0.5) * log(x) - x + 0.9189385332046727 + r * (1 / 12 - r * r * (1 / 360)))


@fast
def small_poissons(state: Bits, mean: Floats, out: Counts, work: Floats) -> None:
    """Poisson counts, by a search that all of them begin with exp(-mean)."""
    n = len(out)
    u, first = work[:n], work[n : 2 * n]
    uniforms(state, u)
    for i in range(n):
        first[i] = exp(-mean[i])
    for i in range(n):
        out[i] = searched(u[i], first[i], 0.0, mean[i])


@inlined
def searched(u: float, p: float, a: float, b: float) -> int:
    """Inversion by sequential search, p[k] = p[k - 1] (a + b / k)."""
    k = 0
    while u > p:
        u -= p
        k += 1
        p *= a + b * RECIPROCAL[np.uint64(k)]
        if k > MOST_SEARCHED:
            break
    return k


@fast
def large_poissons(state: Bits, mean: Floats, out: Counts) -> None:
    """Poisson counts of means of 10 and more."""
    counter = state[0]
    for i in range(len(out)):
        out[i], counter = rejected_poisson(counter, mean[i])
    state[0] = counter


@inlined
def rejected_poisson(counter: Word, mean: float) -> tuple[int, Word]:
    """PTRS; gives the counter, too."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    k = 0.0
    while True:
        u = unit(hashed(counter)) - 0.5
        v = unit(hashed(counter + STEP))
        counter += STEP + STEP
        edge = 0.5 - abs(u)
        k = np.floor((2.0 * a / edge + b) * u + mean + 0.43)
        if edge >= 0.07 and v <= squeeze:
            break
        if k < 0.0 or (edge < 0.013 and v > edge):
            continue
        height = v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (edge * edge) + b)
        if log(height) <= k * log(mean) - mean - log_factorial(k):
            break
    return int(k), counter


@fast
def small_binomials(state: Bits, trials: Counts, chance: Floats, out: Counts, work: Floats) -> None:
    """Binomial counts, chances up to 1/2, by a search that all begin with (1 - p)**n."""
    n = len(out)
    u, first, odds = work[:n], work[n : 2 * n], work[2 * n : 3 * n]
    uniforms(state, u)
    for i in range(n):
        first[i] = exp(trials[i] * log(1.0 - chance[i]))
        odds[i] = chance[i] / (1.0 - chance[i])
    for i in range(n):
        out[i] = min(searched(u[i], first[i], -odds[i], (trials[i] + 1) * odds[i]), trials[i])


@fast
def large_binomials(state: Bits, trials: Counts, chance: Floats, out: Counts) -> None:
    """Binomial counts of means of 10 and more, chances up to 1/2."""
    counter = state[0]
    for i in range(len(out)):
        out[i], counter = rejected_binomial(counter, trials[i], chance[i])
    state[0] = counter


@inlined
def rejected_binomial(counter: Word, n: int, p: float) -> tuple[int, Word]:
    """BTRS; gives the counter, too."""
    deviation = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    squeeze = 0.92 - 4.2 / b
    k = 0.0
    while True:
        u = unit(hashed(counter)) - 0.5
        v = unit(hashed(counter + STEP))
        counter += STEP + STEP
        edge = 0.5 - abs(u)
        k = np.floor((2.0 * a / edge + b) * u + n * p + 0.5)
        if edge >= 0.07 and v <= squeeze:
            break
        if k < 0.0 or k > n:
            continue
        height = v * (2.83 + 5.1 / b) * deviation / (a / (edge * edge) + b)
        mode = np.floor((n + 1) * p)
        top = log_factorial(mode) + log_factorial(n - mode)
        here = log_factorial(k) + log_factorial(n - k)
        if log(height) <= top - here + (k - mode) * log(p / (1.0 - p)):
            break
    return int(k), counter


def alias_table(chances: Floats) -> tuple[Counts, Counts]:
    """Walker's table, its length a power of two: thresholds out of 2**52, and the other cells."""
    cells = 1 << (len(chances) - 1).bit_length()
    share = np.zeros(cells)
    share[: len(chances)] = chances / np.sum(chances) * cells
    threshold, other = np.full(cells, 2.0**52), np.arange(cells)
    poor = [i for i in range(cells) if share[i] < 1.0]
    rich = [i for i in range(cells) if share[i] >= 1.0]
    while poor and rich:
        i, j = poor.pop(), rich[-1]
        threshold[i], other[i] = share[i] * 2.0**52, j
        share[j] -= 1.0 - share[i]
        if share[j] < 1.0:
            poor.append(rich.pop())
    return threshold.astype(np.int64), other.astype(np.int64)


@fast
def categories(state: Bits, items: int, threshold: Counts, other: Counts, counts: Counts) -> None:
    """Add items, each in a cell, to the counts; one word an item."""
    mask = np.uint64(len(threshold) - 1)
    first = state[0]
    for i in range(items):
        bits = hashed(first + np.uint64(i) * STEP)
        cell = bits & mask
        moved = other[cell]
        here = np.int64(bits >> S12) < threshold[cell]
        counts[np.uint64(np.int64(cell) if here else moved)] += 1
    state[0] = first + np.uint64(items) * STEP
