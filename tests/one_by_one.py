"""Sums of sizes the plain way: every size drawn from an item of its own, from left to right.

Sizes by inversion use the bits of item j of the bit stream (key, run, step); gamma and beta use the
attempts of ``gamma`` at index j.
"""

import numpy as np
from drawn import STEP, key_of

from forecast.engine.kernel import jit
from forecast.engine.kernel import sizes as kinds
from forecast.engine.kernel.bits import exp, fill_bits, log, normal_quantile, to_unit
from forecast.engine.kernel.samplers import alias_pick, gamma


@jit(entry=True)
def fill_slowly(n, sizes, v, key, first, bits, out):
    code = sizes.code[0, v]
    for i in range(len(n)):
        out[i] = 0.0
        if code == kinds.GAMMA or code == kinds.BETA:
            for j in range(n[i]):
                out[i] += gamma_size(code, sizes.parameters[0, v], key, first + i, j)
        else:
            for begin in range(0, n[i], len(bits)):
                m = min(len(bits), n[i] - begin)
                fill_bits(key, first + i, STEP, begin, m, bits)
                for j in range(m):
                    out[i] += size(sizes, v, bits[j])


@jit()
def gamma_size(code, given, key, run, j):
    if code == kinds.GAMMA:
        return given[1] * gamma(given[0], key, run, STEP, j)
    return kinds.beta(given, key, run, STEP, j)


@jit()
def size(sizes, v, bits):
    code, given = sizes.code[0, v], sizes.parameters[0, v]
    a, b, c = given[0], given[1], given[2]
    if code == kinds.FIXED:
        return a
    if code == kinds.DISCRETE:
        begin, end = sizes.first[0, v], sizes.first[0, v] + sizes.cells[0, v]
        threshold, other = sizes.alias.threshold[begin:end], sizes.alias.other[begin:end]
        return sizes.alias.values[begin + alias_pick(bits, threshold, other)]
    u = to_unit(bits)
    if code == kinds.LOGNORMAL:
        return exp(a + b * normal_quantile(u))
    if code == kinds.NORMAL:
        return a + b * normal_quantile(u)
    if code == kinds.WEIBULL:
        return b * exp(log(-log(u)) / a)
    if code == kinds.UNIFORM:
        return a + (b - a) * u
    return kinds.triangular(a, b, c, u)


def direct_sums(n, sizes, v=0, name="direct", first=0):
    n = np.asarray(n, dtype=np.int64)
    out = np.empty(len(n))
    fill_slowly(n, sizes, v, key_of(name), first, np.zeros(64, np.uint64), out)
    return out
