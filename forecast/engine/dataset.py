"""Simulated runs as an xarray dataset that carries all that is needed to make it again."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.request import check_request
from forecast.engine.simulate import Simulator, Slice, bytes_per_run, ready
from forecast.engine.sizes import sums_of_sizes
from forecast.engine.variables import (
    PATH,
    VARIABLES,
    arrays_of,
    attributes_of,
    check_arrays,
    coordinates,
)
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    import xarray


def simulate(
    scenario: Scenario, *, runs: int = 10_000, seed: int = 0, detail: str = "journey"
) -> xarray.Dataset:
    """Simulate a scenario into a dataset.

    Dims: run, quarter, channel, segment, product, stage (and assumption); the variables are
    declared in ``forecast.engine.variables``. Counts are in items, money in the scenario's
    currency. The first 1,000 of 10,000 runs are those of a forecast of 1,000 runs.

    ``detail="journey"`` follows all leads through all stages. ``detail="outcome"`` draws deals,
    bookings, revenue and spend only: from the same law, jointly, several times as fast.

    Raises ``RequestError`` (a ``ValueError``) for runs below 1 or beyond the machine's memory, and
    for an unknown detail.

    >>> from forecast import read_scenario, simulate
    >>> futures = simulate(read_scenario("scenarios/lean-consulting.yaml"), runs=2_000)
    >>> int(futures.deals.sel(quarter="2027Q2").sum("product").max()) <= 34
    True
    """
    check_request(runs, seed, detail)
    simulator = ready(scenario, runs, seed, bytes_per_run(scenario, detail), detail)
    return as_dataset(simulator, simulator.whole(runs), attributes(simulator, runs, seed))


def as_dataset(simulator: Simulator, part: Slice, attrs: dict[str, Any]) -> xarray.Dataset:
    """Lay simulated runs into a dataset; shares memory with them."""
    import xarray

    scenario = simulator.blueprint.scenario
    arrays = arrays_of(part.rows, part.assumptions)
    run = np.arange(part.first, part.first + len(part.assumptions))
    coords = coords_of(scenario, run, simulator.draws.names)
    sizes = {str(dim): size for dim, size in coords.sizes.items()}
    check_arrays(arrays, sizes)
    variables = {
        name: (VARIABLES[name].dims, array, attributes_of(name, scenario.currency))
        for name, array in arrays.items()
    }
    return xarray.Dataset(variables, coords, attrs)


def coords_of(
    scenario: Scenario, run: NDArray[np.int64], names: Sequence[str]
) -> xarray.Coordinates:
    """Give the labels of a dataset's dims, and the paths of its uncertain assumptions."""
    import xarray

    runs, labels = xarray.Coordinates({"run": run}), _labels(tuple(coordinates(scenario).items()))
    paths: NDArray[np.object_] = np.array(names, dtype=object)
    path = ("assumption", paths.astype(str), {"long_name": PATH.meaning})
    indexes = {**runs.xindexes, **labels.xindexes}
    return xarray.Coordinates({**runs.variables, **labels.variables, "path": path}, indexes)


@lru_cache(maxsize=16)
def _labels(labels: tuple[tuple[str, tuple[str, ...]], ...]) -> xarray.Coordinates:
    """Make the indexes of labels, which takes longer than a small dataset."""
    import xarray

    return xarray.Coordinates({dim: list(each) for dim, each in labels})


def attributes(simulator: Simulator, runs: int, seed: int) -> dict[str, Any]:
    """Give what is needed to make a dataset again."""
    from forecast import __version__

    scenario = simulator.blueprint.scenario
    return {
        "title": scenario.name,
        "scenario": scenario.text,
        "scenario_hash": hashlib.sha256(scenario.text.encode()).hexdigest(),
        "seed": str(seed),
        "runs": runs,
        "detail": simulator.detail,
        "sums_of_sizes": sums_of_sizes(simulator.blueprint.sizes),
        "currency": scenario.currency,
        "as_of": scenario.calendar.as_of.isoformat(),
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "forecast_version": __version__,
        "versions": _versions(),
        "random_numbers": "Philox4x32-10 keyed by name, run, period and index",
    }


@cache
def _versions() -> str:
    from importlib.metadata import version

    parts = ("numpy", "numba", "scipy", "xarray", "h5py")
    return ", ".join(f"{name} {version(name)}" for name in parts)
