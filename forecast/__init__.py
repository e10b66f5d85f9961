"""Monte Carlo forecasts of marketing and sales pipelines.

>>> import forecast
>>> scenario = forecast.read_scenario("scenarios/lean-consulting.yaml")
>>> scenario.name, scenario.calendar.quarters[0]
('Lean consulting', '2027Q1')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.engine.dataset import simulate
    from forecast.engine.many import simulate_many
    from forecast.scenario.errors import ScenarioError
    from forecast.scenario.reader import read_scenario

    __version__: str

__all__ = ["ScenarioError", "__version__", "read_scenario", "simulate", "simulate_many"]

# Nothing is imported before it is asked for: `forecast --help` must not wait for numpy.
_HOME = {
    "ScenarioError": "forecast.scenario.errors",
    "read_scenario": "forecast.scenario.reader",
    "simulate": "forecast.engine.dataset",
    "simulate_many": "forecast.engine.many",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        found: object = _version()
    elif name in _HOME:
        found = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("pipecast")
    except metadata.PackageNotFoundError:
        return "0+unknown"
