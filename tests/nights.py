"""A small company whose nights are forecast in tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

START = dt.date(2025, 1, 1)
DAYS = 500
CONFIG = """
name: Small firm
mapping: crm.yaml
archive: kept
reports: reports
runs: 300
quarters: 2
goals:
  - {metric: deals, every: quarter, target: 12, confidence: 50%}
  - {metric: bookings, year: 2026, target: 600k, confidence: 80%}
"""
MAPPING = """
currency: EUR
as_of: 2026-05-15
deals:
  file: deals.csv
  columns: {id: id, created: created, closed: closed, status: status, amount: amount}
  status: {Won: won, Lost: lost, Open: open}
"""


def make_firm(folder: Path, seed: int = 1) -> Path:
    """Write the records of a firm, their mapping and a nightly file; gives the file's path."""
    rng = np.random.default_rng(seed)
    last = (START + dt.timedelta(days=DAYS - 1)).toordinal()
    rows = ["id,created,closed,status,amount"]
    for i, day in enumerate(np.sort(rng.integers(0, DAYS, 200))):
        created = START.toordinal() + int(day)
        closed = created + 1 + int(rng.gamma(2.0, 20.0))
        won = rng.random() < 0.4
        amount = f"{rng.lognormal(9.5, 0.5):.0f}"
        told = ("Won", amount) if won else ("Lost", "")
        ended = dt.date.fromordinal(closed).isoformat()
        if closed > last:
            told, ended = ("Open", ""), ""
        rows.append(f"D{i},{dt.date.fromordinal(created)},{ended},{told[0]},{told[1]}")
    (folder / "deals.csv").write_text("\n".join(rows) + "\n")
    (folder / "crm.yaml").write_text(MAPPING)
    (folder / "nightly.yaml").write_text(CONFIG)
    return folder / "nightly.yaml"
