"""Random bits from counters, and the elementary functions the samplers build on.

Generator: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3", doi:10.1145/2063384.2063405): a block of four 32-bit words is a keyed bijection of a
counter of four words. There is no state to carry, so a variate is addressed by what it is: the key
of its stream, the run, the step (period) and its index. Each but the key is below 2**32.

Counters are (index, step, run, attempt). The samplers draw with attempt < 2**31; the blocks of the
bit stream of ``fill_bits`` have attempt = 2**31, so the two never share a block.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import jit

Word: TypeAlias = Any  # an unsigned 64-bit integer to the compiler, any integer to Python

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
EXPONENT_BITS = 52
EXPONENT_BIAS = 1023
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
CENTRE = 0.425  # of AS 241: where it changes from one rational function to others


@jit(inline=True)
def philox(
    c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word
) -> tuple[Word, Word, Word, Word]:
    """One Philox4x32-10 block of four 32-bit words, held in uint64 as the products need all 64."""
    # Masked, so that the compiler knows that one multiplication of 32 bits does.
    w0, w1 = np.uint64(c0) & WORD, np.uint64(c1) & WORD
    w2, w3 = np.uint64(c2) & WORD, np.uint64(c3) & WORD
    key0, key1 = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        product0, product1 = MULTIPLIER_0 * w0, MULTIPLIER_1 * w2
        w0, w1 = (product1 >> HALF) ^ w1 ^ key0, product1 & WORD
        w2, w3 = (product0 >> HALF) ^ w3 ^ key1, product0 & WORD
        key0, key1 = (key0 + WEYL_0) & WORD, (key1 + WEYL_1) & WORD
    return w0, w1, w2, w3


@jit(inline=True)
def to_unit(bits: Word) -> float:
    """A uniform strictly inside (0, 1): (top 52 bits + 1/2) / 2**52; u and 1 - u are both exact."""
    return (np.float64(np.int64(np.uint64(bits) >> DROPPED)) + 0.5) * ULP


@jit(inline=True)
def draw(key: Word, run: int, step: int, index: int, attempt: int) -> tuple[float, float]:
    """Two independent uniforms strictly inside (0, 1), 52 bits each; attempt < 2**31."""
    k = np.uint64(key)
    w0, w1, w2, w3 = philox(index, step, run, attempt, k & WORD, k >> HALF)
    return to_unit((w0 << HALF) | w1), to_unit((w2 << HALF) | w3)


@jit(inline=True)
def bit_pair(key: Word, run: int, step: int, block: Word) -> tuple[Word, Word]:
    """The 64 bits of item 2*block and of item 2*block + 1 of a bit stream."""
    k = np.uint64(key)
    w0, w1, w2, w3 = philox(block, step, run, STREAM, k & WORD, k >> HALF)
    return (w0 << HALF) | w1, (w2 << HALF) | w3


@jit(inline=True)
def item_bits(key: Word, run: int, step: int, item: Word) -> Word:
    """The 64 bits of one item of the bit stream (key, run, step)."""
    number = np.uint64(item)
    even, odd = bit_pair(key, run, step, number >> ONE)
    return odd if number & ONE else even


@jit(entry=True)
def fill_bits(key: Word, run: int, step: int, first: int, n: int, out: NDArray[np.uint64]) -> None:
    """out[0:n] = the bits of items first .. first + n - 1 of the bit stream (key, run, step).

    An item's bits are half a block numbered item // 2: they depend on neither ``first`` nor ``n``.
    """
    if n <= 0:
        return
    first, n = int(first), int(n)
    start = first & 1
    if start:
        out[0] = item_bits(key, run, step, first)
    block = (first + start) >> 1
    pairs = (n - start) >> 1
    for i in range(pairs):
        even, odd = bit_pair(key, run, step, block + i)
        out[start + 2 * i] = even
        out[start + 2 * i + 1] = odd
    if start + 2 * pairs < n:
        out[n - 1] = item_bits(key, run, step, first + n - 1)


@jit(inline=True)
def exp(x: float) -> float:
    """e**x within 2 units in the last place, for x clamped to [-708, 709].

    Cody & Waite reduction to |r| <= ln(2)/2, then the Taylor polynomial of degree 13, by Estrin's
    scheme: a short chain of dependent operations. Branch-free, so that loops over it vectorise, and
    the same on every machine, which the C library's is not.
    """
    x = min(max(x, -708.0), 709.0)
    k = np.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    s = r * r
    q = s * s
    low = ((1.0 + r) + s * (1 / 2 + r * (1 / 6))) + q * (
        (1 / 24 + r * (1 / 120)) + s * (1 / 720 + r * (1 / 5040))
    )
    top = (1 / 40320 + r * (1 / 362880)) + s * (1 / 3628800 + r * (1 / 39916800))
    p = low + (q * q) * (top + q * (1 / 479001600 + r * (1 / 6227020800)))
    power = np.int64((np.int64(k) + EXPONENT_BIAS) << EXPONENT_BITS).view(np.float64)
    return float(p * power)


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


@jit(inline=True)
def normal_quantile(u: float) -> float:
    """The standard normal quantile, relative error about 1e-15 for 1e-307 < u <= 1 - 2**-53.

    Algorithm AS 241, PPND16 (Wichura 1988, doi:10.2307/2347330). Both tails are as accurate as u
    itself, for 1 - u is exact where u >= 1/2. Of the three rational functions one is selected
    without a branch, so that loops over it vectorise.
    """
    return centre_quantile(u) if abs(u - 0.5) <= CENTRE else tail_quantile(u)


@jit(inline=True)
def centre_quantile(u: float) -> float:
    """The normal quantile where |u - 1/2| <= CENTRE."""
    q = u - 0.5
    return q * _quantile_centre(0.180625 - q * q)


@jit(inline=True)
def tail_quantile(u: float) -> float:
    """The normal quantile where |u - 1/2| >= CENTRE."""
    t = math.sqrt(-log(min(u, 1.0 - u)))
    return math.copysign(_quantile_tail(t - 1.6) if t <= 5.0 else _quantile_far(t - 5.0), u - 0.5)


@jit(inline=True)
def turn(x: float) -> tuple[float, float]:
    """cos and sin of 2 pi x for 0 <= x <= 1, within 1e-15: Taylor series in the nearest quarter."""
    quarter = np.floor(4.0 * x + 0.5)
    t = 2.0 * math.pi * (x - 0.25 * quarter)
    s = t * t
    sine = 1 / 362880 + s * (-1 / 39916800 + s * (1 / 6227020800 - s * (1 / 1307674368000)))
    sine = t * (1.0 + s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s * sine))))
    cosine = -1 / 3628800 + s * (1 / 479001600 + s * (-1 / 87178291200 + s * (1 / 20922789888000)))
    cosine = 1.0 + s * (-1 / 2 + s * (1 / 24 + s * (-1 / 720 + s * (1 / 40320 + s * cosine))))
    odd = (quarter == 1.0) | (quarter == 3.0)
    across = -1.0 if (quarter == 1.0) | (quarter == 2.0) else 1.0
    up = -1.0 if (quarter == 2.0) | (quarter == 3.0) else 1.0
    return across * (sine if odd else cosine), up * (cosine if odd else sine)


@jit(inline=True)
def _quantile_centre(r: float) -> float:
    a = 2509.0809287301226727 * r + 33430.575583588128105
    a = (a * r + 67265.770927008700853) * r + 45921.953931549871457
    a = (a * r + 13731.693765509461125) * r + 1971.5909503065514427
    a = (a * r + 133.14166789178437745) * r + 3.387132872796366608
    b = 5226.495278852545925 * r + 28729.085735721942674
    b = (b * r + 39307.89580009271061) * r + 21213.794301586595867
    b = (b * r + 5394.1960214247511077) * r + 687.1870074920579083
    return a / ((b * r + 42.313330701600911252) * r + 1.0)


@jit(inline=True)
def _quantile_tail(t: float) -> float:
    a = 7.7454501427834140764e-4 * t + 0.0227238449892691845833
    a = (a * t + 0.24178072517745061177) * t + 1.27045825245236838258
    a = (a * t + 3.64784832476320460504) * t + 5.7694972214606914055
    a = (a * t + 4.6303378461565452959) * t + 1.42343711074968357734
    b = 1.05075007164441684324e-9 * t + 5.475938084995344946e-4
    b = (b * t + 0.0151986665636164571966) * t + 0.14810397642748007459
    b = (b * t + 0.68976733498510000455) * t + 1.6763848301838038494
    return a / ((b * t + 2.05319162663775882187) * t + 1.0)


@jit(inline=True)
def _quantile_far(t: float) -> float:
    a = 2.01033439929228813265e-7 * t + 2.71155556874348757815e-5
    a = (a * t + 0.0012426609473880784386) * t + 0.026532189526576123093
    a = (a * t + 0.29656057182850489123) * t + 1.7848265399172913358
    a = (a * t + 5.4637849111641143699) * t + 6.6579046435011037772
    b = 2.04426310338993978564e-15 * t + 1.4215117583164458887e-7
    b = (b * t + 1.8463183175100546818e-5) * t + 7.868691311456132591e-4
    b = (b * t + 0.0148753612908506148525) * t + 0.13692988092273580531
    return a / ((b * t + 0.59983220655588793769) * t + 1.0)
