"""The uncertain assumptions of a scenario, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.model import Correlation, Scenario, Uncertain

PLAIN = {str, float, int, bool, type(None)}


def uncertain_numbers(scenario: Scenario) -> dict[str, Uncertain]:
    """Every uncertain assumption by path; a later definition is named ``path@day``."""
    names: dict[Uncertain, str] = {}
    for version in scenario.versions:
        for item in walk_uncertain(version):
            if item not in names:
                first = item.path not in names.values()
                names[item] = item.path if first else f"{item.path}@{version.since}"
    return {name: item for item, name in names.items()}


def walk_uncertain(thing: Any) -> Iterator[Uncertain]:
    """Every ``Uncertain`` inside a value, in order of the file."""
    found: list[Uncertain] = []
    _gather(thing, found)
    return iter(found)


def _gather(thing: Any, found: list[Uncertain]) -> None:
    kind = type(thing)
    if kind in PLAIN:  # most of all
        return
    if kind is Uncertain:
        found.append(thing)
    elif kind is tuple:
        for value in thing:
            _gather(value, found)
    elif isinstance(thing, Mapping):
        for value in thing.values():
            _gather(value, found)
    elif hasattr(thing, "__dataclass_fields__") and not hasattr(thing, "cdf"):
        for name in thing.__dataclass_fields__:
            _gather(getattr(thing, name), found)


def correlation_matrix(
    correlations: tuple[Correlation, ...],
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The normal copula's correlations, 2 sin(pi r / 6) of the rank correlations, and the paths.

    Something certain keeps its place: it has no effect on what is drawn, and what is correlated
    with it is drawn as if it were uncertain.
    Source: Pearson (1907), for the Spearman correlation of a bivariate normal.
    """
    paths = tuple(dict.fromkeys(p for c in correlations for p in c.between))
    matrix = np.eye(len(paths))
    for c in correlations:
        i, j = (paths.index(p) for p in c.between)
        matrix[i, j] = matrix[j, i] = 2.0 * np.sin(np.pi * c.rank / 6.0)
    return matrix, paths
