"""The exact chance that a sum of independent counts reaches a target.

The sum's probabilities follow from the logarithmic derivative of its generating function: with
f'(z) / f(z) = sum_j h_j z^(j - 1),

    n p_n = sum_{j=1..n} h_j p_{n-j},

where a Poisson count of mean m adds m to h_1, and a negative binomial one of mean m and shape r
adds r (m / (r + m))^j to every h_j (Panjer 1981; De Pril 1989). All terms are positive, so that
nothing cancels. Binomial counts, whose terms would alternate, are convolved.
"""

import math

from forecast.engine.kernel import jit
from forecast.engine.kernel.lanes import deviance, stirling_error
from forecast.engine.kernel.samplers import Floats

LARGE = 1e200
LEAST_TERM = 1e-19  # of n p_n, whose terms are summed to 1e-15 or so


@jit(entry=True)
def chances_to_reach(
    target: int,
    means: Floats,
    shapes: Floats,
    trials: Floats,
    chances: Floats,
    work: Floats,
    out: Floats,
) -> None:
    """out[r] = P(sum of counts >= target): one row of means, shapes, trials and chances each.

    Component i of a row is Poisson of means[r, i] (shapes 0) or negative binomial, plus binomial
    of trials[i] and chances[r, i]. ``work`` is (3, target).
    """
    for r in range(len(out)):
        below = below_random(target, means[r], shapes[min(r, len(shapes) - 1)], work)
        below = below_with_trials(target, trials, chances[r], work, below)
        out[r] = min(max(1.0 - below, 0.0), 1.0)


@jit(merge=True)
def below_random(target: int, means: Floats, shapes: Floats, work: Floats) -> float:
    """Fill work[0] with p_0 .. p_(target - 1) of the random components; gives their sum."""
    p, h = work[0], work[1]
    h[:] = 0.0
    log_zero = 0.0
    for i in range(len(means)):
        if means[i] > 0.0 and shapes[i] <= 0.0:
            h[0] += means[i]
            log_zero -= means[i]
        elif means[i] > 0.0:
            ratio = means[i] / (shapes[i] + means[i])
            log_zero -= shapes[i] * math.log1p(means[i] / shapes[i])
            term = shapes[i] * ratio
            for j in range(target):
                h[j] += term
                term *= ratio
                if term < LEAST_TERM:
                    break
    scale = log_zero  # p holds the chances divided by e**scale
    p[:] = 0.0
    p[0] = 1.0
    for n in range(target - 1):
        if n > 0:
            p[n] /= n
        if p[n] > LARGE:
            for j in range(target):
                p[j] /= LARGE
            scale += math.log(LARGE)
        for j in range(target - 1 - n):  # later p hold their sums until their own turn
            p[n + 1 + j] += h[j] * p[n]
    p[target - 1] /= max(target - 1, 1)
    factor = math.exp(min(scale, 700.0))
    below = 0.0
    for n in range(target):
        p[n] *= factor
        below += p[n]
    return below


@jit(merge=True)
def below_with_trials(
    target: int, trials: Floats, chances: Floats, work: Floats, below: float
) -> float:
    """Convolve work[0] with each binomial component; gives the sum of the first ``target``."""
    p, b, total = work[0], work[1], work[2]
    for i in range(len(trials)):
        n = trials[i]
        if n <= 0.0 or chances[i] <= 0.0:
            continue
        binomial_chances(n, min(chances[i], 1.0), b)
        total[:] = 0.0
        for j in range(target):
            if b[j] > 0.0:
                for k in range(target - j):
                    total[j + k] += b[j] * p[k]
        below = 0.0
        for k in range(target):
            p[k] = total[k]
            below += total[k]
    return below


@jit(merge=True)
def binomial_chances(n: float, p: float, b: Floats) -> None:
    """b[k] = P(Binomial(n, p) = k) for k < len(b), by deviances (Loader 2000), p > 0."""
    top = stirling_error(n)
    for k in range(len(b)):
        if k > n:
            b[k] = 0.0
        elif p >= 1.0:
            b[k] = 1.0 if k == n else 0.0
        elif k == 0:
            b[k] = math.exp(n * math.log1p(-p))
        elif k == n:
            b[k] = math.exp(n * math.log(p))
        else:
            rest = n - k
            errors = top - stirling_error(float(k)) - stirling_error(rest)
            far = deviance(float(k), k - n * p) + deviance(rest, rest - n * (1.0 - p))
            b[k] = math.exp(errors - far) * math.sqrt(n / (2.0 * math.pi * k * rest))
