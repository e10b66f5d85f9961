"""The size of a deal: one draw, and the sum of many, for every family of sizes.

A family is a code and a row of parameters. Sizes by inversion use the bits of item ``index`` of the
bit stream (key, run, step); gamma and beta use the attempts of ``gamma`` at that index. So size j
of a sum is ``size`` at index first + j, and the sum is theirs from left to right, however it is cut
into chunks; for FIXED it is the product.
"""

import math

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import (
    Word,
    exp,
    fill_bits,
    item_bits,
    log,
    normal_quantile,
    to_unit,
)
from forecast.engine.kernel.samplers import SECOND, Bits, Counts, Floats, alias_pick, gamma

FIXED = 0  # value
LOGNORMAL = 1  # mu, sigma of the logarithm
GAMMA = 2  # shape, scale
WEIBULL = 3  # shape, scale
BETA = 4  # a, b, low, high
UNIFORM = 5  # low, high
TRIANGULAR = 6  # low, mode, high
DISCRETE = 7  # an alias table and the value of each cell
NORMAL = 8  # mean, standard deviation

PARAMETERS = 4  # the longest row


@jit()
def size(
    code: int,
    params: Floats,
    values: Floats,
    threshold: Bits,
    other: Counts,
    key: Word,
    run: int,
    step: int,
    index: int,
) -> float:
    """One size of family *code*; values, threshold and other are read for DISCRETE only."""
    if code == FIXED:
        return float(params[0])
    if code in (GAMMA, BETA):
        return _from_gammas(code, params, key, run, step, index)
    bits = item_bits(key, run, step, index)
    if code == DISCRETE:
        return float(values[alias_pick(bits, threshold, other)])
    return _quantile(code, params, to_unit(bits))


@jit()
def size_sum(
    n: int,
    code: int,
    params: Floats,
    values: Floats,
    threshold: Bits,
    other: Counts,
    key: Word,
    run: int,
    step: int,
    first: int,
    scratch: Bits,
) -> float:
    """The sum of the sizes of items first .. first + n - 1; 0 where n <= 0.

    *scratch* is working space of any length >= 1; the result does not depend on its length.
    """
    total = 0.0
    if code == FIXED:
        return float(params[0]) * max(n, 0)
    if code in (GAMMA, BETA):
        for j in range(n):
            total += _from_gammas(code, params, key, run, step, first + j)
        return total
    done = 0
    while done < n:
        chunk = min(len(scratch), n - done)
        fill_bits(key, run, step, first + done, chunk, scratch)
        if code == DISCRETE:
            for j in range(chunk):
                total += values[alias_pick(scratch[j], threshold, other)]
        else:
            total = _add_quantiles(total, code, params, chunk, scratch)
        done += chunk
    return total


@jit(inline=True)
def _add_quantiles(total: float, code: int, params: Floats, n: int, scratch: Bits) -> float:
    """total + the sizes of the bits in scratch[0:n], from left to right; the bits are replaced."""
    if code == LOGNORMAL:
        # Sizes first, sums after, so that the first loop vectorises. A size takes the place of the
        # bits it came from.
        for j in range(n):
            x = _lognormal(params[0], params[1], to_unit(scratch[j]))
            scratch[j] = np.float64(x).view(np.uint64)
        for j in range(n):
            total += np.uint64(scratch[j]).view(np.float64)
    else:
        for j in range(n):
            total += _quantile(code, params, to_unit(scratch[j]))
    return total


@jit(inline=True)
def _lognormal(mu: float, sigma: float, u: float) -> float:
    return exp(mu + sigma * normal_quantile(u))


@jit()
def _quantile(code: int, params: Floats, u: float) -> float:
    """The quantile at u of the families drawn by inversion."""
    if code == LOGNORMAL:
        return _lognormal(params[0], params[1], u)
    if code == NORMAL:
        return float(params[0] + params[1] * normal_quantile(u))
    if code == WEIBULL:
        # 1 - u is as uniform as u: scale * (-log u)**(1 / shape)
        return float(params[1] * exp(log(-log(u)) / params[0]))
    if code == UNIFORM:
        return float(params[0] + (params[1] - params[0]) * u)
    return _triangular(params[0], params[1], params[2], u)


@jit(inline=True)
def _triangular(low: float, mode: float, high: float, u: float) -> float:
    width = high - low
    if u * width < mode - low:
        return low + math.sqrt(u * width * (mode - low))
    return high - math.sqrt((1.0 - u) * width * (high - mode))


@jit()
def _from_gammas(code: int, params: Floats, key: Word, run: int, step: int, index: int) -> float:
    """Gamma, or beta as x / (x + y) of two gammas (Devroye 1986, IX.3), put on [low, high]."""
    x = gamma(params[0], key, run, step, index)
    if code == GAMMA:
        return float(x * params[1])
    y = gamma(params[1], key, run, step, index, SECOND)
    share = x / (x + y) if x + y > 0.0 else 0.5
    return float(params[2] + (params[3] - params[2]) * share)
