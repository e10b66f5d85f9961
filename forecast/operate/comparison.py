"""One table of all scenarios of a batch: for people, for spreadsheets, and as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

Document = dict[str, Any]
Cell = str | int | float | bool | None
MEASURES = ("deals", "bookings", "revenue", "leads", "spend")
STATISTICS = ("mean", "sd", "p10", "p50", "p90", "standard_error", "expected")
SHOWN = ("mean", "p10", "p50", "p90", "standard_error", "expected")  # in the columns of a table
OF_GOALS = ("target", "confidence", "probability", "standard_error", "exact")


def spans_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Give the quarters and whole years of a run with their labels."""
    for span in document["quarters"]:
        yield span["quarter"], span
    for span in document["years"]:
        yield span["year"], span


def rows_of(documents: Sequence[Document]) -> list[dict[str, Cell]]:
    """Lay scenarios out: a row for each scenario and quarter or year, the same keys in each.

    Goals stand in the row of their quarter or year; what a scenario does not have is None.
    """
    rows = [dict(_row(document, label, span)) for document in documents
            for label, span in spans_of(document)]  # fmt: skip
    keys = dict.fromkeys(key for row in rows for key in row)
    order = sorted(keys, key=lambda key: not key.startswith(("scenario", "set ")))
    return [{key: row.get(key) for key in order} for row in rows]


def _row(document: Document, label: str, span: Document) -> Iterator[tuple[str, Cell]]:
    yield "scenario", document["scenario"]
    for path, value in document.get("set", {}).items():
        yield f"set {path}", value
    yield "quarter", label
    for name in MEASURES:
        if name in span:
            for key in SHOWN:
                yield f"{name} {key}", span[name].get(key)
    for stage, figures in span["entered"].items():
        yield f"entered {stage} mean", figures["mean"]
    for name, goal in goals_of(document):
        if goal["quarter"] == label:
            for key in OF_GOALS:
                yield f"{name} {key}", goal[key]


def goals_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Name each goal by its metric, the second one of a metric and quarter with #2."""
    seen: dict[tuple[str, str], int] = {}
    for goal in document["goals"]:
        at = goal["metric"], goal["quarter"]
        seen[at] = seen.get(at, 0) + 1
        yield f"goal {goal['metric']}" + (f" #{seen[at]}" if seen[at] > 1 else ""), goal


def dataset_of(documents: Sequence[Document]) -> xarray.Dataset:
    """Lay scenarios out as a dataset; nan where a scenario has no such figure.

    Dims ``scenario``, ``metric``, ``quarter`` (years too) of the statistics of each metric;
    ``scenario``, ``goal`` of the goals; ``scenario``, ``assumption`` of the texts that were set.
    """
    import xarray

    names = [document["scenario"] for document in documents]
    labels = list(dict.fromkeys(at for d in documents for at, _ in spans_of(d)))
    goals = list(dict.fromkeys((n, g["quarter"]) for d in documents for n, g in goals_of(d)))
    paths = list(dict.fromkeys(path for d in documents for path in d.get("set", {})))
    figures = np.full((len(STATISTICS), len(names), len(MEASURES), len(labels)), np.nan)
    chances = np.full((len(OF_GOALS), len(names), len(goals)), np.nan)
    for i, document in enumerate(documents):
        for label, span in spans_of(document):
            for m, metric in enumerate(MEASURES):
                found = span.get(metric, {})
                figures[:, i, m, labels.index(label)] = [_float(found, k) for k in STATISTICS]
        for name, goal in goals_of(document):
            chances[:, i, goals.index((name, goal["quarter"]))] = [
                _float(goal, key) for key in OF_GOALS
            ]
    texts = [[document.get("set", {}).get(path, "") for path in paths] for document in documents]
    by_metric, by_goal = ("scenario", "metric", "quarter"), ("scenario", "goal")
    data: dict[str, Any] = {
        key: (by_metric, each) for key, each in zip(STATISTICS, figures, strict=True)
    }
    data |= {f"goal_{key}": (by_goal, each) for key, each in zip(OF_GOALS, chances, strict=True)}
    set_to = np.array(texts, dtype=str).reshape(len(names), len(paths))
    data["set"] = (("scenario", "assumption"), set_to)
    coords = {
        "scenario": names,
        "metric": list(MEASURES),
        "quarter": labels,
        "goal": [f"{name.removeprefix('goal ')} {quarter}" for name, quarter in goals],
        "assumption": paths,
    }
    return xarray.Dataset(data, coords, {"title": "Scenarios of a batch"})


def _float(found: Mapping[str, Any], key: str) -> float:
    value = found.get(key)
    return float("nan") if value is None else float(value)
