"""Poisson and binomial counts for lanes: the same variate of many runs at once.

A lane is a run of a block that is simulated in lockstep; lane i is run first_run + i. A count is
the quantile of its law at one uniform: exact up to the 52 bits of the uniform, a function of its
parameters and its address (key, run, step, index) only, whatever block it is drawn in, and it grows
with each of its parameters, so that scenarios with common random numbers differ little by chance.

Small means are searched for from 0. Others start at the Cornish-Fisher expansion of the quantile,
whose error is bounded, in a loop that the compiler turns into vector instructions. Where a whole
number is nearer than the bound, some 1 in 200 at the least variance, the probabilities decide.
Sources:

- Giles 2016, "Algorithm 955: approximation of the inverse Poisson cumulative distribution
  function", doi:10.1145/2699466, for the method; its expansions are the Poisson limit of ours;
- Kolassa & McCullagh 1990, "Edgeworth series for lattice distributions",
  doi:10.1214/aos/1176347637, for the terms of a lattice: Sheppard's corrections;
- Loader 2000, "Fast and accurate computation of binomial probabilities", for the probabilities.
"""

import math
from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import (
    CENTRE,
    Word,
    atanh_rest,
    centre_quantile,
    draw,
    exp,
    log,
    tail_quantile,
)
from forecast.engine.kernel.samplers import Counts, Floats

LANES = 128  # the most runs of a block

# Below this variance a search is as fast (measured).
LEAST_VARIANCE = 7.0
# |expansion - quantile| <= (CLOSE + FAR z**6) / sd**3 + ROUNDING sd, for variances from 6 on.
CLOSE, FAR, ROUNDING = 0.03, 0.0013, 1e-14
# A search stops when the next probability is too small to hold one of the 2**52 uniforms. The first
# probability is never below 2**-30, and the 60th always is below this.
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

Address = tuple[Word, int, int, int]  # key, first run, step, index

# Working space is one array of rows of LANES numbers: within one array, at distances known when it
# is compiled, the compiler sees that rows do not overlap, and vectorises.
U, Z, TRIALS, CHANCE, LESS, MEAN, VARIANCE, A, B, FIRST, COUNT, SURE = range(0, 12 * LANES, LANES)


class Work(NamedTuple):
    """Working space of the samplers."""

    rows: Floats  # (12 * LANES,) the quantities above
    few: Counts  # (lane,) lanes of small mean
    many: Counts  # (lane,) lanes of large mean


def new_work() -> Work:
    """Allocate working space."""
    return Work(np.empty(12 * LANES), np.empty(LANES, np.int64), np.empty(LANES, np.int64))


@jit()
def poissons(mean: Floats, address: Address, work: Work, out: Counts) -> None:
    """out[i] = a Poisson count of mean[i]; 0 where it is <= 0. Means up to 1e12."""
    few, many = 0, 0
    for i in range(len(out)):
        out[i] = 0
        if mean[i] >= LEAST_VARIANCE:
            work.many[np.uint64(many)] = i
            many += 1
        elif mean[i] > 0.0:
            work.few[np.uint64(few)] = i
            few += 1
    if few > 0:
        poissons_of(work.few[:few], True, mean, address, work.rows, out)
    if many > 0:
        poissons_of(work.many[:many], False, mean, address, work.rows, out)


@jit()
def binomials(n: Counts, p: Floats, address: Address, work: Work, out: Counts) -> None:
    """out[i] = a binomial count of n[i] trials of chance p[i]; trials up to 1e12.

    0 where n <= 0 or p <= 0, n where p >= 1.
    """
    few, many = 0, 0
    for i in range(len(out)):
        many += 1 if (n[i] * (p[i] * (1.0 - p[i])) >= LEAST_VARIANCE) & (n[i] > 0) else 0
    if many == len(out):  # the usual case of large cohorts, found by vector instructions
        for i in range(many):
            work.many[i] = i
    else:
        many = 0
        for i in range(len(out)):
            if n[i] <= 0 or p[i] <= 0.0:
                out[i] = 0
            elif p[i] >= 1.0:
                out[i] = n[i]
            elif n[i] * (p[i] * (1.0 - p[i])) < LEAST_VARIANCE:
                work.few[np.uint64(few)] = i
                few += 1
            else:
                work.many[np.uint64(many)] = i
                many += 1
    if few > 0:
        binomials_of(work.few[:few], True, n, p, address, work.rows, out)
    if many > 0:
        binomials_of(work.many[:many], False, n, p, address, work.rows, out)


@jit(inline=True)
def uniforms(lanes: Counts, address: Address, rows: Floats) -> None:
    """The uniform of each of some lanes; vectorised."""
    key, first_run, step, index = address
    for j in range(len(lanes)):
        u, _ = draw(key, first_run + lanes[j], step, index, 0)
        rows[U + j] = u


@jit()
def poissons_of(
    lanes: Counts, few: bool, mean: Floats, address: Address, rows: Floats, out: Counts
) -> None:
    """Poisson counts of some lanes, by search or by expansion."""
    size = len(lanes)
    uniforms(lanes, address, rows)
    for j in range(size):
        rows[MEAN + j] = mean[np.uint64(lanes[j])]
    poisson_quantiles(size, few, rows)
    for j in range(size):
        out[np.uint64(lanes[j])] = int(rows[COUNT + j])


@jit()
def binomials_of(
    lanes: Counts,
    few: bool,
    n: Counts,
    p: Floats,
    address: Address,
    rows: Floats,
    out: Counts,
) -> None:
    """Binomial counts of some lanes, by search or by expansion."""
    size = len(lanes)
    uniforms(lanes, address, rows)
    if size == len(out):  # all lanes, in order: the loops vectorise
        for j in range(size):
            rows[TRIALS + j] = n[j]
            rows[CHANCE + j] = p[j]
        binomial_quantiles(size, few, rows)
        for j in range(size):
            out[j] = int(rows[COUNT + j])
        return
    for j in range(size):
        i = np.uint64(lanes[j])
        rows[TRIALS + j] = n[i]
        rows[CHANCE + j] = p[i]
    binomial_quantiles(size, few, rows)
    for j in range(size):
        out[np.uint64(lanes[j])] = int(rows[COUNT + j])


@jit()
def poisson_quantiles(size: int, few: bool, rows: Floats) -> None:
    """COUNT from U and MEAN."""
    for j in range(size):
        m = rows[MEAN + j]
        rows[VARIANCE + j] = m
        rows[LESS + j] = 0.0
        rows[TRIALS + j] = math.inf
    if few:
        for j in range(size):
            m = rows[MEAN + j]
            rows[FIRST + j] = exp(-m)
            rows[A + j] = 0.0
            rows[B + j] = m
        search(size, rows)
    else:
        invert(size, rows)


@jit()
def binomial_quantiles(size: int, few: bool, rows: Floats) -> None:
    """COUNT from U, TRIALS and CHANCE. Where CHANCE > 1/2 the failures are counted, at 1 - u."""
    for j in range(size):
        trials, chance, u = rows[TRIALS + j], rows[CHANCE + j], rows[U + j]
        less = min(chance, 1.0 - chance)
        rows[U + j] = u if chance <= 0.5 else 1.0 - u
        rows[LESS + j] = less
        rows[MEAN + j] = trials * less
        rows[VARIANCE + j] = trials * (less * (1.0 - less))
    if few:
        for j in range(size):
            trials, less = rows[TRIALS + j], rows[LESS + j]
            q = 1.0 - less
            odds = less / q
            # log(1 - p), the rounding of 1 - p divided out: Goldberg 1991, theorem 4,
            # doi:10.1145/103162.103163
            log_q = -less if q == 1.0 else log(q) * (less / (1.0 - q))
            rows[FIRST + j] = exp(trials * log_q)
            rows[A + j] = -odds
            rows[B + j] = (trials + 1.0) * odds
        search(size, rows)
    else:
        invert(size, rows)
    for j in range(size):
        trials, k = rows[TRIALS + j], rows[COUNT + j]
        rows[COUNT + j] = k if rows[CHANCE + j] <= 0.5 else trials - k


@jit()
def search(n: int, rows: Floats) -> None:
    """Walk up from 0, taking each probability off the uniform: p[k] = p[k - 1] (a + b / k)."""
    for j in range(n):
        rows[COUNT + j] = 0.0
    k, moving = 0, n
    while moving > 0:
        k += 1
        moving = 0
        reciprocal = RECIPROCAL[k]
        for j in range(n):
            u, f = rows[U + j], rows[FIRST + j]
            on = (u > f) & (f > NEGLIGIBLE)
            rows[U + j] = u - f if on else u
            rows[FIRST + j] = f * (rows[A + j] + rows[B + j] * reciprocal) if on else f
            rows[COUNT + j] += 1.0 if on else 0.0
            moving += 1 if on else 0
    for j in range(n):
        rows[COUNT + j] = min(rows[COUNT + j], rows[TRIALS + j])


@jit()
def invert(n: int, rows: Floats) -> None:
    """The quantile at the uniform: the whole part of its expansion, or decided by probabilities."""
    scores(n, rows)
    for j in range(n):
        k, sure = expand(rows[Z + j], rows[MEAN + j], rows[VARIANCE + j], rows[LESS + j])
        rows[COUNT + j] = k
        rows[SURE + j] = 1.0 if sure & (k >= 0.0) & (k <= rows[TRIALS + j]) else 0.0
    for j in range(n):
        if rows[SURE + j] == 0.0:
            k = min(max(rows[COUNT + j], 0.0), rows[TRIALS + j])
            rows[COUNT + j] = decide(k, j, rows)


@jit(inline=True)
def scores(n: int, rows: Floats) -> None:
    """The normal quantiles of the uniforms: those of the tails by themselves, as they cost more."""
    for j in range(n):
        rows[Z + j] = centre_quantile(rows[U + j])
    tails = 0
    for j in range(n):
        rows[np.uint64(SURE + tails)] = j
        tails += 1 if abs(rows[U + j] - 0.5) > CENTRE else 0
    for i in range(tails):
        rows[COUNT + i] = rows[np.uint64(U + int(rows[SURE + i]))]
    for i in range(tails):
        rows[COUNT + i] = tail_quantile(rows[COUNT + i])
    for i in range(tails):
        rows[np.uint64(Z + int(rows[SURE + i]))] = rows[COUNT + i]


@jit(inline=True)
def expand(z: float, mean: float, variance: float, p: float) -> tuple[float, bool]:
    """The Cornish-Fisher expansion's whole part, and whether it surely is the quantile.

    With s the standard deviation, v = p (1 - p) and g = 1 - 2 p, up to the order s**-2:

        mean + s z + g (z**2 - 1) / 6 + 1 / 2
        + (z**3 - 3 z) (1 - 6 v) / (24 s) - (2 z**3 - 5 z) (1 - 4 v) / (36 s) - z / (24 s)
        + g / s**2 ((z**4 - 6 z**2 + 3) (1 - 12 v) / 120 - (z**4 - 5 z**2 + 2) (1 - 6 v) / 24
                    + (12 z**4 - 53 z**2 + 17) (1 - 4 v) / 324 + (z**2 - 1) / 72).
    """
    s = math.sqrt(variance)
    r = 1.0 / s
    v, g = p * (1.0 - p), 1.0 - 2.0 * p
    z2 = z * z
    one, two, three = 1.0 - 4.0 * v, 1.0 - 6.0 * v, 1.0 - 12.0 * v
    first = z * ((z2 - 3.0) * two * (1 / 24) - (2.0 * z2 - 5.0) * one * (1 / 36) - 1 / 24)
    second = ((z2 - 6.0) * z2 + 3.0) * three * (1 / 120)
    second -= ((z2 - 5.0) * z2 + 2.0) * two * (1 / 24)
    second += ((12.0 * z2 - 53.0) * z2 + 17.0) * one * (1 / 324)
    second += (z2 - 1.0) * (1 / 72)
    whole = np.floor(mean)  # kept apart, to lose no digit at large means
    rest = (mean - whole) + 0.5 + s * z
    x = rest + (g * ((z2 - 1.0) * (1 / 6) + second * (r * r)) + first * r)
    k = np.floor(x)
    error = (CLOSE + FAR * z2 * z2 * z2) * (r * r * r) + ROUNDING * s
    return whole + k, (x - k > error) & (k + 1.0 - x > error)


@jit()
def decide(k: float, j: int, rows: Floats) -> float:
    """The smallest count whose distribution function reaches the uniform, from near it."""
    u, n, less = rows[U + j], rows[TRIALS + j], rows[LESS + j]
    odds = less / (1.0 - less)
    a, b = (0.0, rows[MEAN + j]) if n == math.inf else (-odds, (n + 1.0) * odds)
    p = probability(k, n, rows[MEAN + j])
    if u < 0.5:
        below = below_or_at(k, p, a, b)
        while below < u:
            k += 1.0
            p *= a + b / k
            below += p
        while k > 0.0 and below - p >= u:
            below -= p
            p /= a + b / k
            k -= 1.0
        return k
    above = 1.0 - u  # exact
    over = beyond(k, p, a, b)
    while over > above:
        k += 1.0
        p *= a + b / k
        over -= p
    while k > 0.0 and over + p <= above:
        over += p
        p /= a + b / k
        k -= 1.0
    return k


@jit(inline=True)
def below_or_at(k: float, p: float, a: float, b: float) -> float:
    """P(count <= k), given p = P(count = k): terms from k down until they do not count."""
    total, term = p, p
    while k > 0.0 and term > NEGLIGIBLE * total:
        term /= a + b / k
        k -= 1.0
        total += term
    return total


@jit(inline=True)
def beyond(k: float, p: float, a: float, b: float) -> float:
    """P(count > k), given p = P(count = k): terms from k + 1 up until they do not count."""
    total, term = 0.0, p
    while term > NEGLIGIBLE * total:
        k += 1.0
        term *= max(a + b / k, 0.0)
        total += term
    return total


@jit()
def probability(k: float, n: float, mean: float) -> float:
    """P(count = k) of a binomial of n trials, or of a Poisson where n is infinite; Loader 2000."""
    distance = stirling_error(k) + deviance(k, k - mean)
    if n == math.inf:
        return exp(-distance) / math.sqrt(2.0 * math.pi * k) if k > 0.0 else exp(-mean)
    distance += stirling_error(n - k) + deviance(n - k, mean - k) - stirling_error(n)
    root = 2.0 * math.pi * k * ((n - k) / n) if 0.0 < k < n else 1.0
    return exp(-distance) / math.sqrt(root)


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
