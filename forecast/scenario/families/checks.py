"""What a distribution's parameters must be, said in plain words when they are not."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from forecast.scenario.errors import listed
from forecast.scenario.families.base import FamilyFault
from forecast.scenario.families.parameter_sets import EXAMPLES, OPTIONAL, PARAMETER_SETS

LARGEST = 1e15
SMALLEST = 1e-15
LEAST_CV, MOST_CV = 1e-3, 1e3
LEAST_N = 0.1

_POSITIVE_FAMILIES = frozenset({"lognormal", "gamma", "weibull"})
_QUANTITIES = frozenset({"mean", "median", "p10", "p90"})
_COUNTS = "Counts may be fractions: with none so far, write 0.5 or 1."
_SHAPE = "Give the mean and the cv instead if you do not know the shape."

# Limits that hold whatever the family: least, most, how to mend.
_LIMITS: dict[str, tuple[float, float, str]] = {
    "cv": (
        LEAST_CV,
        MOST_CV,
        "cv is the standard deviation over the mean, 0.5 or 50%; with no spread at all, give "
        "the number itself.",
    ),
    "sd": (SMALLEST, LARGEST, "With no spread at all, give the number itself."),
    "scale": (SMALLEST, LARGEST, _SHAPE),
    "shape": (1e-6, 1e6, _SHAPE),
    "sigma": (1e-3, 3.7169, "Give the median and the p90 instead if you do not know sigma."),
    "mu": (-34.5, 34.5, "mu is the logarithm of the median: give the median instead."),
    "won": (1e-4, 1e8, _COUNTS),
    "lost": (1e-4, 1e8, _COUNTS),
    "alpha": (1e-4, 1e8, _SHAPE.replace("shape", "alpha and beta")),
    "beta": (1e-4, 1e8, _SHAPE.replace("shape", "alpha and beta")),
    "n": (LEAST_N, 1e8, "n is the number of cases the estimate is worth, such as 20."),
    "weight": (1e-3, 1e4, "4 is usual; a larger weight means a narrower distribution."),
}


def say(number: float) -> str:
    """A number as a person would write it: thousands separated, no needless digits.

    >>> say(20.0), say(25000.0), say(0.1), say(1e15)
    ('20', '25,000', '0.1', '1e+15')
    """
    if isfinite(number) and number == int(number) and abs(number) < 1e12:
        return f"{int(number):,}"
    return f"{number:.10g}"


def check_set(name: str, given: Mapping[str, float]) -> None:
    """The parameters together are one of the sets that give the family."""
    wanted = set(given) - OPTIONAL[name]
    if any(wanted == set(each) for each in PARAMETER_SETS[name]):
        return
    sets = "; ".join(listed(each) for each in PARAMETER_SETS[name])
    optional = "".join(f", and {extra} if you like" for extra in sorted(OPTIONAL[name]))
    what = "one of these" if len(PARAMETER_SETS[name]) > 1 else "these"
    raise FamilyFault(
        None,
        listed(given) if given else "nothing",
        (f"one of: {sets}" if len(PARAMETER_SETS[name]) > 1 else sets) + optional,
        f"Give {name} {what}, for example {EXAMPLES[name]}.",
    )


def check_number(name: str, parameter: str, value: object) -> float:
    """One parameter, alone: a finite number within what its family can take."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FamilyFault(parameter, repr(value), "a number", f"For example {EXAMPLES[name]}.")
    if not abs(value) <= LARGEST:
        raise FamilyFault(
            parameter,
            f"{float(value):.6g}" if isinstance(value, float) else "a huge number",
            f"a finite number between -{say(LARGEST)} and {say(LARGEST)}",
            "Write it in larger units." if abs(value) > LARGEST else "Write a plain number.",
        )
    number = float(value)
    if parameter in _LIMITS:
        _within(parameter, number, *_LIMITS[parameter])
    elif name in _POSITIVE_FAMILIES and parameter in _QUANTITIES:
        mend = f"A {name} takes positive values only; a normal, uniform or pert takes others."
        _within(parameter, number, SMALLEST, LARGEST, mend)
    elif name == "beta" and parameter in _QUANTITIES and not SMALLEST <= number <= 1.0 - SMALLEST:
        mend = "A beta is a share, such as 0.3 or 30%; use pert for other quantities."
        raise FamilyFault(parameter, say(number), "between 0 and 1, and neither of them", mend)
    return number


def _within(parameter: str, number: float, least: float, most: float, mend: str) -> None:
    if least <= number <= most:
        return
    if number <= 0.0 <= least:
        must = f"positive, {say(least)} at least" if least > SMALLEST else "positive"
    else:
        must = f"between {say(least)} and {say(most)}"
    raise FamilyFault(parameter, say(number), must, mend)


def check_order(given: Mapping[str, float]) -> None:
    """Quantiles ascend; so do low, mode and high, with some room between the ends."""
    for below, above in (("median", "p90"), ("p10", "p90"), ("low", "high")):
        if below not in given or above not in given:
            continue
        room = SMALLEST + 1e-12 * max(abs(given[below]), abs(given[above]))
        if given[above] - given[below] >= room:
            continue
        mend = f"Swap {below} and {above}" if given[above] < given[below] else f"Raise {above}"
        raise FamilyFault(
            above,
            say(given[above]),
            f"greater than {below}, {say(given[below])}",
            f"{mend}, or give the number itself if it is certain.",
        )
    if "mode" in given and not given["low"] <= given["mode"] <= given["high"]:
        raise FamilyFault(
            "mode",
            say(given["mode"]),
            f"between low and high, {say(given['low'])} and {say(given['high'])}",
            "The mode is the likeliest value: move it inside, or widen low and high.",
        )


def check_spread(given: Mapping[str, float], cv: float) -> None:
    """The spread that follows from two quantiles, or a mean and an sd, can be worked with."""
    if LEAST_CV * (1.0 - 1e-9) <= cv <= MOST_CV * (1.0 + 1e-9):
        return
    wide = cv > MOST_CV
    names = listed(given)
    raise FamilyFault(
        None,
        f"{names} with a cv {'above' if wide else 'below'} {say(MOST_CV if wide else LEAST_CV)}",
        f"a cv (standard deviation over mean) between {say(LEAST_CV)} and {say(MOST_CV)}",
        f"Bring {names} closer together."
        if wide
        else "With next to no spread, give the number itself.",
    )
