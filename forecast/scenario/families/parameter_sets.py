"""The families, the parameters each may be given by, and what each parameter measures."""

from __future__ import annotations

from typing import Literal

Dimension = Literal["value", "share", "plain"]

# In the order in which they are offered when something else was given.
PARAMETER_SETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "fixed": (("value",),),
    "lognormal": (
        ("mean", "cv"),
        ("median", "p90"),
        ("p10", "p90"),
        ("median", "cv"),
        ("mean", "sd"),
        ("mu", "sigma"),
    ),
    "gamma": (
        ("mean", "cv"),
        ("median", "p90"),
        ("p10", "p90"),
        ("mean", "sd"),
        ("shape", "scale"),
    ),
    "weibull": (("mean", "cv"), ("median", "p90"), ("p10", "p90"), ("shape", "scale")),
    "normal": (("mean", "sd"), ("mean", "cv"), ("median", "p90"), ("p10", "p90")),
    "beta": (
        ("won", "lost"),
        ("mean", "cv"),
        ("mean", "sd"),
        ("mean", "n"),
        ("p10", "p90"),
        ("alpha", "beta"),
    ),
    "uniform": (("low", "high"), ("mean", "cv")),
    "triangular": (("low", "mode", "high"),),
    "pert": (("low", "mode", "high"),),
    "values": (),
    "empirical": (),
}

FAMILIES: tuple[str, ...] = tuple(PARAMETER_SETS)

# What may be left out of a set, beside what must be there.
OPTIONAL: dict[str, frozenset[str]] = {
    name: frozenset({"weight"} if name == "pert" else ()) for name in PARAMETER_SETS
}

EXAMPLES: dict[str, str] = {
    "fixed": "{fixed: {value: 20}}",
    "lognormal": "{lognormal: {mean: 20, cv: 0.5}}",
    "gamma": "{gamma: {mean: 20, cv: 0.5}}",
    "weibull": "{weibull: {mean: 20, cv: 0.5}}",
    "normal": "{normal: {mean: 20, sd: 5}}",
    "beta": "{beta: {won: 6, lost: 14}}",
    "uniform": "{uniform: {low: 10, high: 30}}",
    "triangular": "{triangular: {low: 10, mode: 15, high: 30}}",
    "pert": "{pert: {low: 10, mode: 15, high: 30}}",
    "values": "{values: {10: 35%, 20: 65%}}",
    "empirical": "{empirical: {file: data.csv, column: days}}",
}

_VALUES = frozenset(
    {"value", "mean", "median", "p10", "p90", "sd", "low", "mode", "high", "scale"},
)


def dimension(family: str, parameter: str) -> Dimension:
    """Whether a parameter carries the quantity's unit, may be a percentage, or is plain.

    >>> dimension("lognormal", "median"), dimension("gamma", "cv"), dimension("gamma", "shape")
    ('value', 'share', 'plain')
    """
    known = {name for each in PARAMETER_SETS[family] for name in each} | OPTIONAL[family]
    if parameter not in known:
        raise KeyError(f"{family} has no parameter {parameter}")
    if parameter == "cv":
        return "share"
    return "value" if parameter in _VALUES else "plain"
