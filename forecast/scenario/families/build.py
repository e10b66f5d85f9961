"""From what the planner wrote, already read as numbers, to a distribution or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, exp, floor, log, log1p, log10, sqrt

from forecast.scenario.families.base import Array, Family, FamilyFault
from forecast.scenario.families.beta import Beta, pert
from forecast.scenario.families.bounded import Triangular, Uniform
from forecast.scenario.families.chances import check_chances
from forecast.scenario.families.checks import (
    LARGEST,
    LEAST_N,
    SMALLEST,
    check_number,
    check_order,
    check_set,
    check_spread,
    say,
)
from forecast.scenario.families.listed import Empirical, Fixed, Values
from forecast.scenario.families.lognormal import Lognormal
from forecast.scenario.families.normal import Normal
from forecast.scenario.families.positive import Gamma, Weibull
from forecast.scenario.families.solve import (
    Z90,
    beta_from_quantiles,
    beta_quantile_miss,
    gamma_from_quantiles,
    weibull_shape,
)

MOST_NUMBERS = 1_000_000
_MOST_N = 1e8
_Given = Mapping[str, float]


def build(name: str, parameters: Mapping[str, float]) -> Family:
    """The distribution `name` with these parameters; `FamilyFault` if there is none.

    >>> build("lognormal", {"median": 20.0, "p90": 60.0}).name
    'lognormal'
    """
    check_set(name, parameters)
    given = {key: check_number(name, key, value) for key, value in parameters.items()}
    check_order(given)
    return _BUILDERS[name](given)


def build_values(pairs: Sequence[tuple[float, float]]) -> Values:
    """Values with chances; the chances sum to 1, or to within 1e-9 of it."""
    check_chances("values", pairs)
    return Values.of([value for value, _ in pairs], [chance for _, chance in pairs])


def build_empirical(numbers: Sequence[float] | Array) -> Empirical:
    """Data, each number as likely as any other."""
    if not 1 <= len(numbers) <= MOST_NUMBERS:
        must = f"between 1 and {MOST_NUMBERS:,} of them"
        mend = "Check the file and the column." if len(numbers) == 0 else "Take a sample of them."
        raise FamilyFault(None, f"{len(numbers):,} numbers", must, mend)
    for row, number in enumerate(numbers, start=1):
        if not abs(number) <= LARGEST:
            must = f"a finite number between -{say(LARGEST)} and {say(LARGEST)}"
            got = f"{number:.6g} as number {row:,}"
            raise FamilyFault(None, got, must, "Mend or remove that row.")
    return Empirical.of(numbers)


def _lognormal(given: _Given) -> Family:
    if "mu" in given:
        return Lognormal(given["mu"], given["sigma"])
    if "p90" in given:
        if "median" in given:
            mu = log(given["median"])
            sigma = (log(given["p90"]) - mu) / Z90
        else:
            mu = 0.5 * (log(given["p10"]) + log(given["p90"]))
            sigma = (log(given["p90"]) - log(given["p10"])) / (2.0 * Z90)
        # Far beyond any cv that passes, and before it overflows.
        check_spread(given, sqrt(max(exp(min(sigma, 20.0) ** 2) - 1.0, 0.0)))
        return Lognormal(mu, sigma)
    cv = _cv(given)
    variance = log1p(cv * cv)
    if "median" in given:
        return Lognormal(log(given["median"]), sqrt(variance))
    return Lognormal(log(given["mean"]) - 0.5 * variance, sqrt(variance))


def _gamma(given: _Given) -> Family:
    if "shape" in given:
        return Gamma(given["shape"], given["scale"])
    if "p90" in given:
        z, below = (0.0, given["median"]) if "median" in given else (-Z90, given["p10"])
        pair = gamma_from_quantiles(z, below, given["p90"])
        # Without a solution the quantiles are too near each other, for any ratio up to the
        # largest of two numbers that pass has one.
        check_spread(given, 1.0 / sqrt(pair[0]) if pair else 0.0)
        return Gamma(*pair) if pair else _unreachable()
    cv = _cv(given)
    return Gamma(1.0 / cv**2, given["mean"] * cv**2)


def _weibull(given: _Given) -> Family:
    if "cv" in given:
        shape = weibull_shape(given["cv"])
        return Weibull(shape, given["mean"] / Weibull(shape, 1.0).mean)
    if "shape" in given:
        shape, scale = given["shape"], given["scale"]
    else:
        # ln of the quantile at u is ln(scale) + ln(-ln(1-u))/shape.
        top = log(log(10.0))
        below = "median" if "median" in given else "p10"
        bottom = log(log(2.0)) if below == "median" else log(-log1p(-0.1))
        shape = (top - bottom) / (log(given["p90"]) - log(given[below]))
        scale = exp(log(given["p90"]) - top / shape)
    # A shape below 0.05 would overflow; its cv is far beyond any that passes.
    check_spread(given, float("inf") if shape < 0.05 else _relative_sd(Weibull(shape, scale)))
    return Weibull(shape, scale)


def _normal(given: _Given) -> Family:
    if "sd" in given:
        return Normal(given["mean"], given["sd"])
    if "cv" in given:
        if given["mean"] < SMALLEST:
            mend = "A cv is relative to the mean: give the sd instead."
            raise FamilyFault("mean", say(given["mean"]), "positive where the cv is given", mend)
        return Normal(given["mean"], given["mean"] * given["cv"])
    if "median" in given:
        return Normal(given["median"], (given["p90"] - given["median"]) / Z90)
    middle = 0.5 * given["p10"] + 0.5 * given["p90"]
    return Normal(middle, (given["p90"] - given["p10"]) / (2.0 * Z90))


def _beta(given: _Given) -> Family:
    if "won" in given:
        alpha, beta = given["won"], given["lost"]
    elif "alpha" in given:
        alpha, beta = given["alpha"], given["beta"]
    elif "p10" in given:
        pair = beta_from_quantiles(given["p10"], given["p90"], LEAST_N, _MOST_N)
        alpha, beta = pair if pair else _no_beta(given)
    else:
        n = given["n"] if "n" in given else _beta_n(given)
        alpha, beta = n * given["mean"], n * (1.0 - given["mean"])
    if alpha + beta < LEAST_N * (1.0 - 1e-9) or min(alpha, beta) < 1e-4:
        raise FamilyFault(
            None,
            f"a beta with alpha {say(alpha)} and beta {say(beta)}",
            f"0.0001 or more each, and {say(LEAST_N)} or more together",
            "It is all but 0 or 1: write {values: {0: 70%, 1: 30%}}, or bring the mean nearer "
            "to the middle or lower the spread.",
        )
    return Beta(alpha, beta)


def _beta_n(given: _Given) -> float:
    """alpha + beta from mean and spread: m·(1-m)/sd² - 1, sd² = m·(1-m)/(n+1)."""
    mean = given["mean"]
    relative = "cv" in given
    unit = mean if relative else 1.0
    parameter = "cv" if relative else "sd"
    n = mean / unit / given[parameter] * ((1.0 - mean) / unit / given[parameter]) - 1.0
    if LEAST_N * (1.0 - 1e-9) <= n <= _MOST_N * (1.0 + 1e-9):
        return n
    variance = mean * (1.0 - mean)
    most = sqrt(variance / (1.0 + LEAST_N)) / unit
    least = sqrt(variance / (1.0 + _MOST_N)) / unit
    wide = n < LEAST_N
    raise FamilyFault(
        parameter,
        say(given[parameter]),
        f"at most {_rounded(most, floor)} for a mean of {say(mean)}"
        if wide
        else f"at least {_rounded(least, ceil)} for a mean of {say(mean)}",
        "A share cannot spread further: lower it, or write {values: {0: 70%, 1: 30%}}."
        if wide
        else "With next to no spread, give the number itself.",
    )


def _no_beta(given: _Given) -> tuple[float, float]:
    wide = beta_quantile_miss(LEAST_N, given["p10"], given["p90"]) > 0.0
    raise FamilyFault(
        None,
        f"p10 {given['p10']:.10g} and p90 {given['p90']:.10g}",
        "closer together, or not so near to 0 and 1" if wide else "further apart",
        "Such a share is all but 0 or 1: write {values: {0: 70%, 1: 30%}}."
        if wide
        else "With next to no spread, give the number itself.",
    )


def _uniform(given: _Given) -> Family:
    if "low" in given:
        return Uniform(given["low"], given["high"])
    mean = given["mean"]
    if mean < SMALLEST:
        mend = "A cv is relative to the mean: give low and high instead."
        raise FamilyFault("mean", say(mean), "positive where the cv is given", mend)
    half = sqrt(3.0) * given["cv"] * mean
    return Uniform(mean - half, mean + half)


def _cv(given: _Given) -> float:
    """The cv, given or from mean and sd."""
    if "cv" in given:
        return given["cv"]
    cv = given["sd"] / given["mean"]
    check_spread(given, cv)
    return cv


def _relative_sd(family: Family) -> float:
    return family.sd / family.mean


def _rounded(number: float, towards: Callable[[float], int]) -> str:
    """Four digits of a limit, rounded to the side on which it still passes."""
    unit = 10.0 ** (floor(log10(number)) - 3)
    return f"{towards(number / unit) * unit:.4g}"


def _unreachable() -> Family:
    raise AssertionError("a spread without a solution was let through")


_BUILDERS: dict[str, Callable[[_Given], Family]] = {
    "fixed": lambda given: Fixed(given["value"] + 0.0),
    "lognormal": _lognormal,
    "gamma": _gamma,
    "weibull": _weibull,
    "normal": _normal,
    "beta": _beta,
    "uniform": _uniform,
    "triangular": lambda given: Triangular(given["low"], given["mode"], given["high"]),
    "pert": lambda given: pert(**given),
}
