"""Random bits from counters, and the two elementary functions the samplers build on.

Generator: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
doi:10.1145/2063384.2063405): a block of four 32-bit words is a keyed bijection of a four-word counter.
There is no state to carry, so a variate is addressed by what it is: the key of its stream, the run, the step
(period) and its index; run, step, index and attempt are each below 2**32.

Counters are (index, step, run, attempt). Words drawn by the samplers have attempt < 2**31; blocks of the
bit stream of ``fill_bits`` have attempt = 2**31, so the two never share a block.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit

# numba turns uint64 + int literal into float64, so every constant is typed.
ONE = np.uint64(1)
WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
STREAM = np.uint64(0x80000000)

DROPPED = np.uint64(12)
ULP = 2.0**-52

LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
LN2 = 0.6931471805599453
EXPONENT_BITS = 52
EXPONENT_BIAS = 1023
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@jit(inline=True)
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """One Philox4x32-10 block; words are 32 bits each, held in uint64 (the products need all 64)."""
    w0, w1, w2, w3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    key0, key1 = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        product0, product1 = MULTIPLIER_0 * w0, MULTIPLIER_1 * w2
        w0, w1 = (product1 >> HALF) ^ w1 ^ key0, product1 & WORD
        w2, w3 = (product0 >> HALF) ^ w3 ^ key1, product0 & WORD
        key0, key1 = (key0 + WEYL_0) & WORD, (key1 + WEYL_1) & WORD
    return w0, w1, w2, w3


@jit(inline=True)
def to_unit(bits: int) -> float:
    """A uniform strictly inside (0, 1): (top 52 bits + 1/2) / 2**52; u and 1 - u are both exact."""
    return (np.float64(np.int64(np.uint64(bits) >> DROPPED)) + 0.5) * ULP


@jit(inline=True)
def draw(key: int, run: int, step: int, index: int, attempt: int) -> tuple[float, float]:
    """Two independent uniforms strictly inside (0, 1), 52 bits each; attempt < 2**31."""
    k = np.uint64(key)
    w0, w1, w2, w3 = philox(index, step, run, attempt, k & WORD, k >> HALF)
    return to_unit((w0 << HALF) | w1), to_unit((w2 << HALF) | w3)


@jit(inline=True)
def bit_pair(key: int, run: int, step: int, block: int) -> tuple[int, int]:
    """The 64 bits of item 2*block and of item 2*block + 1 of a bit stream."""
    k = np.uint64(key)
    w0, w1, w2, w3 = philox(block, step, run, STREAM, k & WORD, k >> HALF)
    return (w0 << HALF) | w1, (w2 << HALF) | w3


@jit(inline=True)
def item_bits(key: int, run: int, step: int, item: int) -> int:
    """The 64 bits of one item of the bit stream (key, run, step)."""
    number = np.uint64(item)
    even, odd = bit_pair(key, run, step, number >> ONE)
    return odd if number & ONE else even


@jit()
def fill_bits(key: int, run: int, step: int, first: int, n: int, out: NDArray[np.uint64]) -> None:
    """out[0:n] = the bits of items first .. first + n - 1 of the bit stream (key, run, step).

    An item's bits are half a block numbered item // 2: they depend on neither ``first`` nor ``n``.
    """
    first, n = np.int64(first), np.int64(n)
    start = first & 1
    if start and n > 0:
        out[0] = item_bits(key, run, step, first)
    block = (first + start) >> 1
    pairs = (n - start) >> 1
    for i in range(pairs):
        even, odd = bit_pair(key, run, step, block + i)
        out[start + 2 * i] = even
        out[start + 2 * i + 1] = odd
    if start + 2 * pairs < n:
        out[n - 1] = item_bits(key, run, step, first + n - 1)


@jit()
def fill_draws(key: int, run: int, step: int, first: int, n: int, out: NDArray[np.float64]) -> None:
    """out[2*i], out[2*i + 1] = draw(key, run, step, first + i, 0) for i < n, several times faster than one by one."""
    for i in range(n):
        u, v = draw(key, run, step, first + i, 0)
        out[2 * i] = u
        out[2 * i + 1] = v


@jit()
def fill_steps(key: int, run: int, first: int, n: int, index: int, out: NDArray[np.float64]) -> None:
    """out[2*i], out[2*i + 1] = draw(key, run, first + i, index, 0) for i < n."""
    for i in range(n):
        u, v = draw(key, run, first + i, index, 0)
        out[2 * i] = u
        out[2 * i + 1] = v


@jit(inline=True)
def exp(x: float) -> float:
    """e**x within 2 units in the last place; x is clamped to [-708, 709], where e**x is a normal double.

    Cody & Waite reduction to |r| <= ln(2)/2, then the Taylor polynomial of degree 13, summed by halves
    (Estrin) to shorten the chain of dependent operations. Branch-free, so that loops over it vectorise, and the same on every machine, which the C library's is not.
    """
    x = min(max(x, -708.0), 709.0)
    k = np.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    s = r * r
    q = s * s
    low = ((1.0 + r) + s * (1 / 2 + r * (1 / 6))) + q * (1 / 24 + r * (1 / 120) + s * (1 / 720 + r * (1 / 5040)))
    top = (1 / 40320 + r * (1 / 362880)) + s * (1 / 3628800 + r * (1 / 39916800))
    p = low + (q * q) * (top + q * (1 / 479001600 + r * (1 / 6227020800)))
    return p * np.int64((np.int64(k) + EXPONENT_BIAS) << EXPONENT_BITS).view(np.float64)


@jit(inline=True)
def log(x: float) -> float:
    """The natural logarithm of a positive, normal double, within 2 units in the last place.

    x = 2**e * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(f), f = (m - 1) / (m + 1).
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - SQRT_HALF_BITS) >> EXPONENT_BITS
    m = np.int64(bits - (e << EXPONENT_BITS)).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    return e * LN2_HIGH + (2.0 * f + (2.0 * f * atanh_rest(f) + e * LN2_LOW))


@jit(inline=True)
def atanh_rest(f: float) -> float:
    """atanh(f) / f - 1 for |f| <= 0.172, by its series to f**20."""
    g = f * f
    s = g * g
    q = s * s
    low = (1 / 3 + g * (1 / 5)) + s * (1 / 7 + g * (1 / 9))
    top = (1 / 11 + g * (1 / 13)) + s * (1 / 15 + g * (1 / 17))
    return g * (low + q * (top + q * (1 / 19 + g * (1 / 21))))
