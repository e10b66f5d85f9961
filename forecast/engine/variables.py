"""The variables of a result, declared once: dims, dtype, units and a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.buffers import empty
from forecast.engine.kernel.collapse import Outcomes
from forecast.engine.kernel.shapes import Futures
from forecast.engine.request import OUTCOME
from forecast.engine.uses import CAPACITY, PIPELINE, RECURRING, uses
from forecast.scenario.model import LOST, WON, Scenario

COUNT, MONEY = "int64", "float64"


@dataclass(frozen=True)
class Declared:
    """A variable's dims, dtype, units and meaning; units "currency" is the scenario's own.

    ``part`` is the part of the language without which a scenario does not have the variable.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    meaning: str
    part: str | None = None


_DEALS = "run", "quarter", "channel", "segment", "product"
_STAGES = "run", "quarter", "stage"

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
        _DEALS,
        COUNT,
        "deals",
        "Opportunities that are won.",
    ),
    "bookings": Declared(
        _DEALS,
        MONEY,
        "currency",
        "Value of the deals that are won.",
    ),
    "revenue": Declared(
        _DEALS,
        MONEY,
        "currency",
        "Value that is recognised; for a one-time deal its bookings.",
    ),
    "spend": Declared(("run", "quarter", "channel"), MONEY, "currency", "What the channels cost."),
    "open": Declared(
        _STAGES,
        COUNT,
        "items",
        "Items that are inside each stage at the quarter's end.",
    ),
    "backlog": Declared(
        _STAGES, COUNT, "items", "Items that wait to be taken up at the quarter's end.", CAPACITY
    ),
    "worked": Declared(_STAGES, COUNT, "items", "Items that are taken up.", CAPACITY),
    "waited": Declared(
        _STAGES, COUNT, "periods", "Periods that items had waited when taken up.", CAPACITY
    ),
    "given_up": Declared(
        _STAGES, COUNT, "items", "Items that gave up while they waited.", CAPACITY
    ),
    "unworked": Declared(_STAGES, COUNT, "items", "Items that are never followed up.", CAPACITY),
    "pipeline_deals": Declared(
        _DEALS, COUNT, "deals", "The deals among those won that were open at as_of.", PIPELINE
    ),
    "pipeline_bookings": Declared(
        _DEALS, MONEY, "currency", "Value of the deals won that were open at as_of.", PIPELINE
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


def variables_of(scenario: Scenario, detail: str) -> dict[str, Declared]:
    """Give the variables that a scenario has at a detail."""
    kept = (*Outcomes._fields, "assumption") if detail == OUTCOME else tuple(VARIABLES)
    used = uses(scenario)
    return {
        name: declared
        for name, declared in VARIABLES.items()
        if name in kept and (declared.part is None or declared.part in used)
    }


def zeroed_rows(scenario: Scenario, runs: int, detail: str) -> Futures | Outcomes:
    """Allocate the rows of so many runs; what the scenario does not have takes no memory."""
    return empty_rows(scenario, runs, detail, np.zeros)


def empty_rows(
    scenario: Scenario, runs: int, detail: str, allocate: Callable[..., NDArray[Any]] = empty
) -> Futures | Outcomes:
    """Allocate the same, not filled: threads do that side by side."""
    has = variables_of(scenario, detail)
    own_revenue = RECURRING in uses(scenario)  # otherwise it is the bookings
    sizes = {dim: len(labels) for dim, labels in coordinates(scenario).items()}

    def rows(name: str) -> NDArray[Any]:
        declared = VARIABLES[name]
        held = name in has and (name != "revenue" or own_revenue)
        shape = [sizes[dim] if held else 0 for dim in declared.dims[1:]]
        return allocate((runs, *shape), declared.dtype)

    if detail == OUTCOME:
        return Outcomes(*map(rows, Outcomes._fields))
    return Futures(*map(rows, Futures._fields))


def arrays_of(
    rows: Futures | Outcomes, assumptions: NDArray[np.float64]
) -> dict[str, NDArray[np.generic]]:
    """Name the arrays of simulated runs as they are declared."""
    named: dict[str, NDArray[np.generic]] = {
        name: array for name, array in rows._asdict().items() if 0 not in array.shape[1:]
    }
    named.setdefault("revenue", rows.bookings)
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
