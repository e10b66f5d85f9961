"""Many scenarios in one call, with common random numbers.

Every random number depends on what it is for by name, not on the scenario, so the same runs of two
scenarios differ only by what their assumptions do: differences are far less noisy than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.engine.dataset import attributes, coords_of
from forecast.engine.request import JOURNEY, RequestError
from forecast.engine.simulate import Simulator, bytes_per_run, ready
from forecast.engine.threads import cuts, side_by_side
from forecast.engine.variables import attributes_of, coordinates, variables_of
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    import xarray

Arrays = dict[str, np.ndarray[Any, Any]]


def simulate_many(
    scenarios: Mapping[str, Scenario], *, runs: int = 10_000, seed: int = 0, detail: str = JOURNEY
) -> xarray.Dataset:
    """Simulate scenarios side by side into one dataset, whose first dim is ``scenario``.

    They must have the same quarters, channels, segments, products and stages; each has the runs
    that ``simulate`` gives it. What is uncertain in some of them only has, in the others, no value
    (nan) in ``assumption``. Raises ``RequestError`` (a ``ValueError``).

    >>> from forecast import read_scenario, simulate_many
    >>> path = "scenarios/lean-consulting.yaml"
    >>> rates = {rate: {"journey.opportunity.won.conversion": rate} for rate in ("30%", "33%")}
    >>> plans = {rate: read_scenario(path, change) for rate, change in rates.items()}
    >>> deals = simulate_many(plans, runs=1_000).deals.sum(["quarter", "product"])
    >>> bool((deals.sel(scenario="33%") >= deals.sel(scenario="30%")).all())  # in every run
    True
    """
    if not scenarios:
        raise RequestError("scenarios: got none; must be one or more. Give a name for each.")
    _check_alike(scenarios)
    kept = sum(bytes_per_run(scenario, detail) for scenario in scenarios.values())
    simulators = {
        name: ready(scenario, runs, seed, kept, detail) for name, scenario in scenarios.items()
    }
    paths = tuple(dict.fromkeys(path for s in simulators.values() for path in s.draws.names))
    return _as_dataset(simulators, paths, _simulated(simulators, paths, runs), runs, seed)


def _check_alike(scenarios: Mapping[str, Scenario]) -> None:
    """Check that scenarios have the same labels; raises ``RequestError``."""
    first, *others = scenarios
    right = coordinates(scenarios[first])
    for name in others:
        for dim, labels in coordinates(scenarios[name]).items():
            if labels != right[dim]:
                got = ", ".join(labels)
                must = f"those of {first!r}: {', '.join(right[dim])}"
                mend = "Simulate scenarios that differ in these by themselves."
                raise RequestError(f"{name}: {dim}: got {got}; must be {must}. {mend}")


def _simulated(simulators: Mapping[str, Simulator], paths: tuple[str, ...], runs: int) -> Arrays:
    """Simulate all slices of all scenarios on threads, each into its place."""
    arrays: Arrays = {}
    listed = list(simulators.values())
    size = min(simulator.slice_runs() for simulator in listed)
    tasks = [(i, *cut) for i in range(len(listed)) for cut in cuts(runs, size)]
    empty = listed[0].empty(0)
    alike = [simulator.empty(0)._asdict() for simulator in listed]
    # what only some of them have, such as queues, is 0 in the others
    widest = {
        name: max((f[name] for f in alike), key=lambda array: prod(array.shape[1:]))
        for name in alike[0]
    }
    fields = widest | {"assumption": np.zeros((0, len(paths)))}
    for name, array in fields.items():
        arrays[name] = np.zeros((len(simulators), runs, *array.shape[1:]), array.dtype)
    arrays["assumption"][:] = np.nan

    def one(i: int, first: int, count: int) -> None:
        place = slice(first, first + count)
        own = listed[i].empty(count)._asdict()
        held = {
            name: arrays[name][i, place] if 0 not in array.shape[1:] else array
            for name, array in own.items()
        }
        rows = type(empty)(**held)
        assumptions, _tables = listed[i].into(first, rows)
        if arrays["revenue"].size and 0 in own["revenue"].shape[1:]:
            arrays["revenue"][i, place] = arrays["bookings"][i, place]
        columns = [paths.index(path) for path in listed[i].draws.names]
        arrays["assumption"][i, place, columns] = assumptions.T

    side_by_side(one, tasks)
    if not arrays["revenue"].size:
        arrays["revenue"] = arrays["bookings"]
    return arrays


def _as_dataset(
    simulators: Mapping[str, Simulator],
    paths: tuple[str, ...],
    arrays: Arrays,
    runs: int,
    seed: int,
) -> xarray.Dataset:
    """Lay the arrays into a dataset."""
    import xarray

    one = next(iter(simulators.values()))
    scenario = one.blueprint.scenario
    texts = [simulator.blueprint.scenario.text for simulator in simulators.values()]
    own = {
        "scenario": list(simulators),
        "text": ("scenario", texts, {"long_name": "The text of each scenario."}),
    }
    declared_by = {
        name: declared
        for each in simulators.values()
        for name, declared in variables_of(each.blueprint.scenario, one.detail).items()
    }
    variables = {
        name: (("scenario", *declared.dims), arrays[name], attributes_of(name, scenario.currency))
        for name, declared in declared_by.items()
    }
    attrs = attributes(one, runs, seed)
    for name in ("title", "scenario", "scenario_hash", "as_of"):
        attrs.pop(name)
    coords = coords_of(scenario, np.arange(runs), paths)
    return xarray.Dataset(variables, coords.assign(own), attrs)
