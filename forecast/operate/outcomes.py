"""What came, by metric and fiscal quarter: of a CRM's records, or of a small file of actuals."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from forecast.analysis.actuals import FILE, QUARTERS, Actuals, QuarterActuals, added
from forecast.history.done import By, done_by_quarter
from forecast.history.exports.read import read_records
from forecast.history.records import Records
from forecast.operate.tonight import end_of_quarters
from forecast.scenario.calendar import MONTHS_IN, quarter_label
from forecast.scenario.errors import ScenarioError
from forecast.scenario.forms import Door, is_whole
from forecast.scenario.nodes import Table, read_nodes

NOT_OVER = "the quarter is not over in the actuals"
NOT_KNOWN = "the actuals do not say what came"
LABEL = re.compile(r"\d{4}Q[1-4]")


class Outcomes(Protocol):
    """What came in the quarters that are over."""

    def came(self, metric: str, label: str, fiscal_year_start: int) -> float | str:
        """Give what came of a metric in a quarter, or in words why that is not known."""
        ...


class RecordOutcomes:
    """What came by the records: quarters that they hold from the first to the last day."""

    def __init__(self, records: Records) -> None:
        self._records = records
        entered = records.stays["entered"]
        self._first = dt.date.fromordinal(int(entered.min())) if len(entered) else records.as_of
        self._done: dict[int, Mapping[str, By]] = {}

    def came(self, metric: str, label: str, fiscal_year_start: int) -> float | str:
        """Count what came; see ``Outcomes``."""
        if last_day_of(label, fiscal_year_start) > self._records.as_of:
            return NOT_OVER
        if fiscal_year_start not in self._done:
            self._done[fiscal_year_start] = done_by_quarter(self._records, fiscal_year_start)
        done = self._done[fiscal_year_start]
        if metric not in done or label < quarter_label(self._first, fiscal_year_start):
            return NOT_KNOWN
        return done[metric].get(label, 0.0)


class FileOutcomes:
    """What came by a file of actuals: the quarters that it names are over."""

    def __init__(self, quarters: Mapping[str, QuarterActuals]) -> None:
        self._quarters = quarters

    def came(self, metric: str, label: str, fiscal_year_start: int) -> float | str:  # noqa: ARG002
        """Look up what came; see ``Outcomes``."""
        if label not in self._quarters:
            return NOT_OVER if label > max(self._quarters, default="") else NOT_KNOWN
        quarter = self._quarters[label]
        # Of deals that are paid once revenue and bookings are the same; others are not scored.
        of = "bookings" if metric == "revenue" else metric
        if of in ("leads", "deals", "bookings"):
            figure = added(getattr(quarter, of))
        else:
            figure = quarter.entered.get(metric)
        return NOT_KNOWN if figure is None else float(figure)


def read_outcomes(path: str | Path) -> Outcomes:
    """Read a file of actuals, which has ``quarters``, or the records that a mapping names.

    Raises ``ScenarioError`` with every fault.
    """
    document = read_nodes(Path(path))
    if QUARTERS not in document:
        return RecordOutcomes(read_records(path)[0])
    door = Door()
    read = FILE.read(document, door)
    if is_whole(read):
        _check_labels(document, door)
    if door.faults:
        raise ScenarioError(door.faults)
    return FileOutcomes(Actuals(read[0]).quarters)


def _check_labels(document: Table, door: Door) -> None:
    quarters = document[QUARTERS]
    assert isinstance(quarters, Table)
    for label in quarters:
        if not LABEL.fullmatch(label):
            must, mend = "a fiscal quarter", "Write it as 2027Q1."
            door.fault(quarters.place_of(label), label, must, mend)


def first_day_of(label: str, fiscal_year_start: int) -> dt.date:
    """Give the first day of a fiscal quarter.

    >>> str(first_day_of("2027Q1", 1)), str(first_day_of("2027Q1", 10))
    ('2027-01-01', '2026-10-01')
    """
    year = int(label[:4]) - (fiscal_year_start > 1)
    month = year * 12 + fiscal_year_start - 1 + (int(label[-1]) - 1) * MONTHS_IN["quarter"]
    return dt.date(month // 12, month % 12 + 1, 1)


def last_day_of(label: str, fiscal_year_start: int) -> dt.date:
    """Give the last day of a fiscal quarter.

    >>> str(last_day_of("2027Q4", 1))
    '2027-12-31'
    """
    after = end_of_quarters(first_day_of(label, fiscal_year_start), 0, fiscal_year_start)
    return after - dt.timedelta(days=1)
