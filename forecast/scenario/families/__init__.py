"""The probability distributions of the scenario language.

`build`, `build_values`, `build_empirical` and `build_periods` take what the planner wrote, read
as numbers, and give an immutable distribution or raise `FamilyFault`, which says what was
wrong, what it must be, and how to mend it.
"""

from forecast.scenario.families.base import Array, Code, Family, FamilyFault
from forecast.scenario.families.beta import Beta, Pert
from forecast.scenario.families.bounded import Triangular, Uniform
from forecast.scenario.families.build import build, build_empirical, build_values
from forecast.scenario.families.listed import Empirical, Fixed, Listed, Values
from forecast.scenario.families.lognormal import Lognormal
from forecast.scenario.families.normal import Normal
from forecast.scenario.families.parameter_sets import (
    FAMILIES,
    OPTIONAL,
    PARAMETER_SETS,
    Dimension,
    dimension,
)
from forecast.scenario.families.periods import Periods, build_periods
from forecast.scenario.families.positive import Gamma, Weibull

__all__ = [
    "FAMILIES",
    "OPTIONAL",
    "PARAMETER_SETS",
    "Array",
    "Beta",
    "Code",
    "Dimension",
    "Empirical",
    "Family",
    "FamilyFault",
    "Fixed",
    "Gamma",
    "Listed",
    "Lognormal",
    "Normal",
    "Periods",
    "Pert",
    "Triangular",
    "Uniform",
    "Values",
    "Weibull",
    "build",
    "build_empirical",
    "build_periods",
    "build_values",
    "dimension",
]
