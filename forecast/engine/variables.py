"""The variables of a result, declared once: dims, dtype, units and a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.collapse import Outcomes
from forecast.engine.kernel.shapes import Futures
from forecast.engine.request import OUTCOME, OUTCOMES
from forecast.scenario.model import LOST, WON, Scenario

COUNT, MONEY = "int64", "float64"


@dataclass(frozen=True)
class Declared:
    """A variable's dims, dtype, units and meaning; units "currency" is the scenario's own."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    meaning: str


VARIABLES: Mapping[str, Declared] = {
    "leads": Declared(
        ("run", "quarter", "channel", "segment"),
        COUNT,
        "leads",
        "New leads that arrive; one that comes back through a loop is no new lead.",
    ),
    "entered": Declared(
        ("run", "quarter", "channel", "segment", "stage"),
        COUNT,
        "items",
        "Items that enter each stage, or are won or lost.",
    ),
    "deals": Declared(
        ("run", "quarter", "channel", "segment", "product"),
        COUNT,
        "deals",
        "Opportunities that are won.",
    ),
    "bookings": Declared(
        ("run", "quarter", "channel", "segment", "product"),
        MONEY,
        "currency",
        "Value of the deals that are won.",
    ),
    "revenue": Declared(
        ("run", "quarter", "channel", "segment", "product"),
        MONEY,
        "currency",
        "Value that is recognised; for a one-time deal its bookings.",
    ),
    "spend": Declared(("run", "quarter", "channel"), MONEY, "currency", "What the channels cost."),
    "open": Declared(
        ("run", "quarter", "stage"),
        COUNT,
        "items",
        "Items that are inside each stage at the quarter's end.",
    ),
    "assumption": Declared(
        ("run", "assumption"),
        "float64",
        "as in the scenario",
        "The values that the uncertain assumptions have in each run.",
    ),
}


def coordinates(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Give the labels of every dim but the runs."""
    return {
        "quarter": scenario.calendar.quarters,
        "channel": scenario.channels,
        "segment": scenario.segments,
        "product": scenario.products,
        "stage": (*scenario.stages, WON, LOST),
    }


def variables_of(detail: str) -> dict[str, Declared]:
    """Give the variables that a detail keeps."""
    kept = (*OUTCOMES, "assumption") if detail == OUTCOME else tuple(VARIABLES)
    return {name: declared for name, declared in VARIABLES.items() if name in kept}


def arrays_of(
    rows: Futures | Outcomes, assumptions: NDArray[np.float64]
) -> dict[str, NDArray[np.generic]]:
    """Name the arrays of simulated runs as they are declared."""
    named: dict[str, NDArray[np.generic]] = dict(rows._asdict())
    named["revenue"] = rows.bookings
    named["assumption"] = assumptions
    return {name: named[name] for name in VARIABLES if name in named}


def attributes_of(name: str, currency: str) -> dict[str, str]:
    """Give the attributes of a variable."""
    declared = VARIABLES[name]
    units = currency if declared.units == "currency" else declared.units
    return {"units": units, "long_name": declared.meaning}


PATH = Declared(("assumption",), "str", "", "The dotted path of each uncertain assumption.")


def check_arrays(arrays: Mapping[str, NDArray[np.generic]], sizes: Mapping[str, int]) -> None:
    """Check every array against its declaration; raises ``ValueError``."""
    for name, array in arrays.items():
        declared = VARIABLES[name]
        shape = tuple(sizes[dim] for dim in declared.dims)
        if array.shape != shape or array.dtype != declared.dtype:
            got = f"{array.dtype} {array.shape}"
            raise ValueError(f"{name}: got {got}; must be {declared.dtype} {shape}")
