"""What a nightly forecast says: its document, and the files of its reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from forecast.history.done import done_in
from forecast.history.exports.data_report import DataReport
from forecast.operate.archive import Archive
from forecast.operate.kept import Document, Kept
from forecast.operate.places import Folder
from forecast.operate.tables import csv_text
from forecast.operate.tonight import Tonight
from forecast.operate.why import Effect

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Night:
    """A night's forecast, the one before it, and what made the difference."""

    kept: Kept
    previous: Kept | None
    tonight: Tonight
    report: DataReport
    effects: Sequence[Effect]


def describe(night: Night, archive: Archive) -> Document:
    """Lay a night out as the document of ``forecast nightly --json``."""
    kept, tonight, tables = night.kept, night.tonight, night.report.tables
    summary = archive.summary(kept)
    names = ("scenario", "as_of", "created", "path", "runs", "seed")
    return {
        "key": kept.key,
        "kept": kept.new,
        "previous": night.previous.key if night.previous else None,
        **{name: getattr(kept, name) for name in names},
        "currency": tonight.scenario.currency,
        "quarters": [_quarter(quarter, tonight) for quarter in summary["quarters"]],
        "goals": [
            {**told, "target": goal.target, "done": goal.done, "left": goal.left}
            for told, goal in zip(summary["goals"], tonight.wanted, strict=True)
        ],
        "bridge": [asdict(effect) for effect in night.effects],
        "data": {
            "as_of": kept.as_of,
            "rows": sum(table.rows for table in tables),
            "set_aside": sum(table.rows - table.used for table in tables),
        },
    }


def write_reports(place: Folder, document: Document, report: DataReport) -> None:
    """Write the reports of the day, and the newest summary; raises ``OutputError``."""
    day, text = document["as_of"], json.dumps(document, indent=1, allow_nan=False).encode()
    place.clean()
    place.write(f"{day}/{SUMMARY}", text)
    place.write(f"{day}/data-report.txt", report.text().encode())
    for name in ("quarters", "goals", "bridge"):
        rows = [_flat(row) for row in document[name]]
        place.write(f"{day}/{name}.csv", csv_text(rows, "\n").encode())
    place.write(SUMMARY, text)


def _quarter(quarter: Document, tonight: Tonight) -> Document:
    """A quarter's deals and bookings: those done already, those to come, and the mean of both."""
    found: Document = {"quarter": quarter["quarter"]}
    for name in ("deals", "bookings"):
        done = done_in(tonight.done, name, quarter["quarter"])
        mean = done + quarter[name]["mean"]
        found[name] = {"done": done, "mean": mean, "to_come": quarter[name]}
    return found


def _flat(row: Document, before: str = "") -> dict[str, Any]:
    """Lay what is nested side by side, with dots between the names; lists are left out."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            found[f"{before}{name}"] = value
    return found
