"""Families that more than one file tries, and every way to give one."""

import numpy as np

from forecast.scenario.families import Family, build_empirical, build_values

TWO_VALUES = build_values([(20.0, 0.65), (10.0, 0.35)])
DATA = build_empirical([3.0, 1.0, 2.0, 2.0, 8.0])

POINTS = {"p10": 0.1, "median": 0.5, "p90": 0.9}
GIVEN: dict[str, list[dict[str, float]]] = {
    "fixed": [{"value": 20.0}],
    "lognormal": [
        {"mean": 20.0, "cv": 0.5},
        {"median": 20.0, "p90": 60.0},
        {"p10": 4e4, "p90": 2.5e5},
        {"median": 20.0, "cv": 3.0},
        {"mean": 20.0, "sd": 0.05},
        {"mu": 2.0, "sigma": 0.4},
    ],
    "gamma": [
        {"mean": 3.0, "cv": 0.5},
        {"mean": 3.0, "sd": 9.0},
        {"shape": 2.0, "scale": 5.0},
        {"p10": 5.0, "p90": 40.0},
        {"p10": 5.0, "p90": 5.05},
        {"median": 20.0, "p90": 60.0},
        {"median": 1e-3, "p90": 1e6},
    ],
    "weibull": [
        {"mean": 3.0, "cv": 0.5},
        {"mean": 3.0, "cv": 0.001},
        {"mean": 3.0, "cv": 1000.0},
        {"shape": 2.0, "scale": 5.0},
        {"median": 20.0, "p90": 60.0},
        {"p10": 5.0, "p90": 40.0},
    ],
    "normal": [
        {"mean": -3.0, "sd": 4.0},
        {"mean": 3.0, "cv": 0.5},
        {"median": -1.0, "p90": 2.0},
        {"p10": -1.0, "p90": 2.0},
    ],
    "beta": [
        {"won": 6.0, "lost": 14.0},
        {"alpha": 0.5, "beta": 2.0},
        {"mean": 0.3, "cv": 0.4},
        {"mean": 0.3, "sd": 0.1},
        {"mean": 0.3, "n": 20.0},
        {"p10": 0.1, "p90": 0.5},
        {"p10": 0.001, "p90": 0.999},
        {"p10": 0.4, "p90": 0.401},
        {"p10": 1e-9, "p90": 0.01},
    ],
    "uniform": [{"low": -1.0, "high": 3.0}, {"mean": 6.0, "cv": 0.25}],
    "triangular": [{"low": 1.0, "mode": 2.0, "high": 7.0}],
    "pert": [
        {"low": 1.0, "mode": 2.0, "high": 7.0},
        {"low": 1.0, "mode": 2.0, "high": 7.0, "weight": 8.0},
    ],
}


def quantiles(family: Family, *u: float) -> list[float]:
    return family.ppf(np.array(u)).tolist()
