"""Read of a kept file only what a quarter brings in each run, without what xarray takes to open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.operate.draft import opened

ENTERED, STAGE = "entered", "stage"
KEPT = ("run", "quarter")


def read_totals(path: Path, metrics: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Give each metric's totals (run, quarter); those that a file does not hold are left out.

    A metric is a variable, or the name of a stage. Raises ``NoForecast`` for a file that is torn.
    """
    found: dict[str, NDArray[np.float64]] = {}
    with opened(path) as file:
        entered = np.zeros(0)
        stages = [_text(name) for name in file[STAGE][...]] if STAGE in file.variables else []
        for metric in metrics:
            if metric in file.variables and metric not in stages:
                found[metric] = _summed(file[metric][...], file[metric].dimensions)
            elif metric in stages and ENTERED in file.variables:
                if not entered.size:
                    entered = np.asarray(file[ENTERED][...])
                dims = file[ENTERED].dimensions
                at = dims.index(STAGE)
                rest = (*dims[:at], *dims[at + 1 :])
                found[metric] = _summed(np.take(entered, stages.index(metric), at), rest)
    return found


def _summed(values: NDArray[Any], dims: Sequence[str]) -> NDArray[np.float64]:
    """Add up all but runs and quarters, which come first in every variable."""
    others = tuple(i for i, dim in enumerate(dims) if dim not in KEPT)
    return np.asarray(np.asarray(values).sum(axis=others), dtype=np.float64)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
