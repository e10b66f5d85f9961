"""The families of deal sizes, a code and a row of parameters each; ``sums`` draws sums of them."""

import math

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import Word
from forecast.engine.kernel.samplers import SECOND, Floats, gamma

FIXED = 0  # value
LOGNORMAL = 1  # mu, sigma of the logarithm
GAMMA = 2  # shape, scale
WEIBULL = 3  # shape, scale
BETA = 4  # a, b, low, high
UNIFORM = 5  # low, high
TRIANGULAR = 6  # low, mode, high
DISCRETE = 7  # alias tables and the value of each cell
NORMAL = 8  # mean, standard deviation

PARAMETERS = 4  # the longest row


@jit(inline=True)
def triangular(low: float, mode: float, high: float, u: float) -> float:
    """The quantile at u."""
    width = high - low
    if u * width < mode - low:
        return low + math.sqrt(u * width * (mode - low))
    return high - math.sqrt((1.0 - u) * width * (high - mode))


@jit()
def beta(params: Floats, key: Word, run: int, step: int, index: int) -> float:
    """A beta as x / (x + y) of two gammas (Devroye 1986, IX.3), put on [low, high]."""
    x = gamma(params[0], key, run, step, index)
    y = gamma(params[1], key, run, step, index, SECOND)
    share = x / (x + y) if x + y > 0.0 else 0.5
    return float(params[2] + (params[3] - params[2]) * share)
