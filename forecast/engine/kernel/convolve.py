"""The law of a sum of two independent positive amounts, from the laws of both.

A law is what a standard normal score stands for: x(z) is the quantile at Phi(z). Kept is
``g(x(z))`` at equally spaced scores on [-EDGE, EDGE], with g = log for amounts without an upper
end and g(x) = log(x / (top - x)) for amounts on [0, top]; both are smooth where x itself spans many
powers of ten. Between the scores g is a cubic through values and slopes.

With s = a(w) + b(v), A + B <= s means that A <= a(w) or B <= b(v), and

    P(A + B <= s) = I(a, b, w) + I(b, a, v) - Phi(w) Phi(v),
    P(A + B >  s) = J(a, b, w) + J(b, a, v) + Phi(-w) Phi(-v),
    I(a, b, w) = integral of Phi(z_b(s - a(z))) phi(z) dz up to w,   J the same with Phi(-z_b).

Neither the singular ends of a density nor a power-law tail is ever where a function varies fast
in z, so that a Gauss-Legendre rule of a few nodes does, and both tails keep their relative
accuracy: there is no grid of amounts that would have to span them. For amounts with an upper end
the second line is the first one of what is missing to the top.
"""

import math

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.bits import exp, log, normal_quantile
from forecast.engine.kernel.samplers import Floats

EDGE = 8.5  # scores beyond are less likely than one of the 2**52 uniforms
CELLS = 136  # of a law of a sum: eight a unit of score
FAR = 9.5  # where the integrals begin
BEYOND = 700.0
STEP = 0.1  # of w
LEAST_SHARE = 0.25  # of a sum: what neither of a(w) and b(w) is below
TARGETS = 1 + 2 * int(EDGE / STEP)
ORDER = 6  # points a score is interpolated from
SQRT_HALF = 0.7071067811865476
DENSITY = 0.3989422804014327
NODES = 32


def legendre(nodes: int = NODES) -> Floats:
    """Gauss-Legendre nodes and weights on [0, 1], shape (2, nodes)."""
    x, weights = np.polynomial.legendre.leggauss(nodes)
    return np.array([0.5 * (x + 1.0), 0.5 * weights])


@jit(inline=True)
def chance_below(z: float) -> float:
    """Phi(z)."""
    return 0.5 * math.erfc(-z * SQRT_HALF)


@jit(entry=True)
def fill_slopes(law: Floats) -> None:
    """law[1] = the slopes a cell of the values law[0], by differences of fourth order."""
    y, slope = law[0], law[1]
    last = len(y) - 1
    for i in range(2, last - 1):
        slope[i] = (8.0 * (y[i + 1] - y[i - 1]) - (y[i + 2] - y[i - 2])) / 12.0
    for end, to in ((0, 1), (last, -1)):
        slope[end] = to * (y[end + to] - y[end])
        slope[end + to] = to * 0.5 * (y[end + 2 * to] - y[end])


@jit(inline=True)
def cubic(y0: float, y1: float, d0: float, d1: float, u: float) -> float:
    """The cubic with values y and slopes d at u = 0 and 1."""
    rise = y1 - y0
    return y0 + u * (d0 + u * ((3.0 * rise - 2.0 * d0 - d1) + u * (d0 + d1 - 2.0 * rise)))


@jit(inline=True)
def place_at(law: Floats, z: float) -> float:
    """g(x(z)); beyond the ends it goes on in a straight line."""
    y, slope = law[0], law[1]
    cells = len(y) - 1
    at = (z + EDGE) * (cells / (2.0 * EDGE))
    if at < 0.0:
        return y[0] + at * slope[0]
    if at >= cells:
        return y[cells] + (at - cells) * slope[cells]
    i = int(at)
    return cubic(y[i], y[i + 1], slope[i], slope[i + 1], at - i)


@jit(inline=True)
def amount(place: float, top: float) -> float:
    """x from g(x)."""
    if top < np.inf:
        return top / (1.0 + exp(-place))
    return exp(place)


@jit(inline=True)
def place_of(x: float, top: float) -> float:
    """g(x); a number beyond all others from the top on."""
    rest = top - x
    return log(x / rest if rest < np.inf else x) if rest > 0.0 else BEYOND


@jit(inline=True)
def score_in(law: Floats, place: float, i: int) -> float:
    """The score in cell i at which g(x) is ``place``."""
    y, slope = law[0], law[1]
    step = 2.0 * EDGE / (len(y) - 1)
    rise = y[i + 1] - y[i]
    u = cubic(0.0, 1.0, rise / slope[i], rise / slope[i + 1], (place - y[i]) / rise)
    return (i + u) * step - EDGE


@jit()
def score_below(law: Floats, place: float, hint: int) -> tuple[float, int]:
    """The score at which g(x) is ``place``, and its cell, searched for from cell ``hint`` down."""
    y, slope = law[0], law[1]
    last = len(y) - 1
    step = 2.0 * EDGE / last
    i = hint
    if place >= y[last]:
        return EDGE + step * (place - y[last]) / slope[last], last - 1
    while i > 0 and y[i] > place:
        i -= 1
    if place < y[0]:
        return step * (place - y[0]) / slope[0] - EDGE, 0
    return score_in(law, place, i), i


@jit()
def score_of(law: Floats, x: float, top: float) -> float:
    """The score of an amount; FAR for those near the top and beyond."""
    at, _ = score_below(law, place_of(x, top), len(law[0]) - 2)
    return min(max(at, -FAR), FAR)


@jit()
def integral(
    s: float, w: float, a: Floats, b: Floats, tops: tuple[float, float], rule: Floats, sign: float
) -> float:
    """I (sign 1) or J (sign -1) of the laws a and b; *tops* is where their amounts end."""
    begin, total = -FAR, 0.0
    if sign > 0.0 and s > tops[1]:  # b is below s - a for certain where a is below s - tops[1]
        begin = min(score_of(a, s - tops[1], tops[0]), w)
        total = chance_below(begin)
    width = w - begin
    cell = len(b[0]) - 2
    for k in range(len(rule[0])):
        z = begin + width * rule[0, k]
        y = s - amount(place_at(a, z), tops[0])
        at, cell = score_below(b, place_of(y, tops[1]), cell)
        total += width * rule[1, k] * DENSITY * exp(-0.5 * z * z) * chance_below(sign * at)
    return total


@jit(entry=True)
def half(
    a: Floats, b: Floats, tops: tuple[float, float], rule: Floats, sign: int, out: Floats
) -> int:
    """Fill out[0] with scores and out[1] with g(s) for one half of the law of A + B.

    Sign 1: from the middle down; sign -1: from the middle up, for amounts without an upper end.
    Gives how many points there are; at most TARGETS.
    """
    same = len(a[0]) == len(b[0]) and tops[0] == tops[1] and a[0, 0] == b[0, 0]
    n = 0
    while n < TARGETS:
        w = -sign * STEP * n
        x, y = amount(place_at(a, w), tops[0]), amount(place_at(b, w), tops[1])
        s, v = x + y, w
        share = x / s
        if share < LEAST_SHARE or share > 1.0 - LEAST_SHARE:
            share = min(max(share, LEAST_SHARE), 1.0 - LEAST_SHARE)
            w, v = score_of(a, share * s, tops[0]), score_of(b, (1.0 - share) * s, tops[1])
        one = integral(s, w, a, b, tops, rule, sign)
        other = one if same else integral(s, v, b, a, (tops[1], tops[0]), rule, sign)
        both = chance_below(sign * w) * chance_below(sign * v)
        out[0, n] = sign * normal_quantile(one + other - sign * both)
        out[1, n] = place_of(s, tops[0] + tops[1])
        n += 1
        if abs(out[0, n - 1]) > EDGE:
            break
    return n


@jit(entry=True)
def resample(scores: Floats, places: Floats, law: Floats) -> None:
    """Fill the law from places at ascending scores; Lagrange interpolation of ORDER points."""
    last = len(law[0]) - 1
    first = 0
    for k in range(last + 1):
        z = 2.0 * EDGE * k / last - EDGE
        while first < len(scores) - ORDER and scores[first + ORDER // 2] < z:
            first += 1
        total = 0.0
        for i in range(first, first + ORDER):
            term = places[i]
            for j in range(first, first + ORDER):
                if j != i:
                    term *= (z - scores[j]) / (scores[i] - scores[j])
            total += term
        law[0, k] = total
    fill_slopes(law)
