"""Exports that can be read and say strange things: refused, or set aside and counted; never lost.

Each begins as the same sixty ordinary deals, to which one thing is done, and goes through the whole
command.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import invoke
from made_exports import MADE
from test_bad_exports import EXPECTED, KEPT, SHAPE

from forecast.history.exports.read import read_records
from forecast.scenario.reader import read_scenario

Deal = dict[str, str]
COLUMNS = ("id", "created", "closed", "status", "amount", "channel")
MAPPING = """\
as_of: 2025-12-31
deals:
  file: {file}
  columns: {{id: id, created: created, closed: closed, status: status, amount: amount{more}}}
  status: {{won: won, lost: lost, open: open}}
{end}"""
WITH_CHANNEL = ", channel: channel"
FEW_ROWS = 60


def ordinary(count: int = FEW_ROWS) -> list[Deal]:
    """Deals without a fault: each third is won, some are open."""
    rng = random.Random(1)
    deals = []
    for i in range(count):
        created = dt.date(2025, 1, 1) + dt.timedelta(days=rng.randrange(260))
        closed = created + dt.timedelta(days=rng.randrange(5, 100))
        status = ("won", "lost", "lost", "won", "lost", "open")[i % 6]
        deal = {"id": f"A-{i:03d}", "created": str(created), "status": status}
        deal["closed"] = "" if status == "open" else str(closed)
        deal["amount"] = str(rng.randrange(1_000, 9_000)) if status == "won" else ""
        deal["channel"] = ("web", "events")[i % 2]
        deals.append(deal)
    return deals


def every(column: str, change: Callable[[str], str]) -> Callable[[list[Deal]], None]:
    """Change all cells of a column that are not blank."""

    def damage(deals: list[Deal]) -> None:
        for deal in deals:
            if deal[column]:
                deal[column] = change(deal[column])

    return damage


def some(column: str, *values: str) -> Callable[[list[Deal]], None]:
    """Put values into the first cells of a column."""

    def damage(deals: list[Deal]) -> None:
        for deal, value in zip(deals, values, strict=False):
            deal[column] = value

    return damage


def again(deals: list[Deal]) -> None:
    """Have two deals twice, one of them with another amount."""
    deals += [dict(deals[0]), {**deals[1], "amount": "77"}]


def slashes(text: str, order: str) -> str:
    return dt.date.fromisoformat(text).strftime(order)


def written(deals: list[Deal], columns: tuple[str, ...] = COLUMNS) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([deal[name] for name in columns] for deal in deals)
    return text.getvalue()


REFUSED: dict[str, tuple[Callable[[list[Deal]], None], str]] = {
    "dates that can be read two ways": (
        every("created", lambda text: slashes(text[:-2] + "05", "%d/%m/%Y")), "dates:"
    ),
    "dates in both orders": (
        some("created", "01/13/2025", "13/01/2025", *["02/03/2025"] * 58), "dates:"
    ),
    "ids that are all missing": (every("id", lambda _: "nan"), "id"),
    "a status that the mapping does not know": (some("status", "paused", "Paused"), "paused"),
    "dates that are none": (every("created", lambda _: "tomorrow"), "tomorrow"),
    "amounts that are none": (every("amount", lambda _: "a lot"), "a lot"),
    "days of the serial kind": (every("created", lambda _: "46024"), "46024"),
}  # fmt: skip
REPORTED: dict[str, tuple[Callable[[list[Deal]], None], int]] = {
    "nothing": (lambda _: None, 0),
    "two ids that are NaN": (some("id", "NaN", ""), 2),
    "closed before created": (some("closed", "2024-12-31"), 1),
    "closes on the day of sentinels": (some("closed", "9999-12-31", "1900-01-01"), 1),
    "closes in the future": (some("closed", "2030-01-01"), 1),
    "two deals twice": (again, 3),
    "a day that Excel made": (some("created", "May-20"), 1),
    "an hour of three digits": (some("created", "2025-01-05 021:54:50"), 1),
    "offsets from UTC in one column": (
        some("created", "2025-01-05T10:00:00+05:30", "2025-01-05T10:00:00-08:00"), 0
    ),
}  # fmt: skip
STRANGE_NAMES = (
    "=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3", "no", "1e3", "a: b", "{x: [", "'", '"', "#x",
    "won", "x" * 3_000, "日本", "😀", "a.b.c", "null", "tab\there", "two\nlines", "\u202eabc", "%s",
    "${HOME}", "<script>", "channels", "web\x1b[31m",
)  # fmt: skip


def fitted(folder: Path, text: str, more: str = "", end: str = "") -> Any:
    (folder / "deals.csv").write_text(text, encoding="utf-8")
    return command(folder, MAPPING.format(file="deals.csv", more=more, end=end))


def command(folder: Path, mapping: str) -> Any:
    """Fit by a mapping, and hold what must be true whatever comes of it."""
    (folder / "crm.yaml").write_text(mapping, encoding="utf-8")
    output = folder / "scenario.yaml"
    result = invoke("fit", str(folder / "crm.yaml"), "--output", str(output), "--json")
    assert "Traceback" not in result.output
    assert "unexpectedly" not in result.output
    assert result.exit_code in (0, 2), result.output
    assert output.exists() == (result.exit_code == 0)
    if result.exit_code == 2:
        assert result.stdout == ""
        for line in result.stderr.rstrip("\n").split("\n"):
            assert SHAPE.fullmatch(line), line
    return result


def rows_of(result: Any) -> tuple[int, int, int]:
    """How many rows were read, used and set aside."""
    (table,) = json.loads(result.stdout)["report"]["tables"]
    return table["rows"], table["used"], sum(each["count"] for each in table["set_aside"])


@pytest.mark.parametrize("name", REFUSED)
def test_records_that_are_refused(name: str, tmp_path: Path) -> None:
    damage, part = REFUSED[name]
    deals = ordinary()
    damage(deals)
    result = fitted(tmp_path, written(deals))
    assert result.exit_code == 2, result.output
    assert part in result.stderr


@pytest.mark.parametrize("name", REPORTED)
def test_records_that_are_set_aside_are_counted(name: str, tmp_path: Path) -> None:
    damage, aside = REPORTED[name]
    deals = ordinary()
    damage(deals)
    (tmp_path / "deals.csv").write_text(written(deals), encoding="utf-8")
    mapping = tmp_path / "crm.yaml"
    mapping.write_text(MAPPING.format(file="deals.csv", more="", end=""), encoding="utf-8")
    records, report = read_records(mapping)
    (table,) = report.tables
    assert (table.rows, table.used) == (len(deals), len(deals) - aside)
    assert sum(reason.count for reason in table.set_aside) == aside
    assert all(reason.examples for reason in table.set_aside)
    assert len(records.items) == table.used


def test_all_of_it_together_through_the_command(tmp_path: Path) -> None:
    """Each damage in deals of its own: what is set aside adds up, and the rest is fitted."""
    deals = []
    for name, (damage, _) in REPORTED.items():
        part = ordinary()
        for deal in part:
            deal["id"] = f"{name} {deal['id']}"
        damage(part)
        deals += part
    result = fitted(tmp_path, written(deals))
    assert result.exit_code == 0, result.output
    rows, used, set_aside = rows_of(result)
    assert set_aside == sum(aside for _, aside in REPORTED.values())
    assert rows == len(deals) == used + set_aside
    read_scenario(tmp_path / "scenario.yaml")


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    deals = ordinary(len(STRANGE_NAMES) * 6)
    for index, deal in enumerate(deals):
        deal["channel"] = STRANGE_NAMES[index // 6]
        deal["id"] = f"{deal['channel'][:50]} {index}"
    result = fitted(tmp_path, written(deals), WITH_CHANNEL)
    assert result.exit_code == 0, result.output
    assert len(read_scenario(tmp_path / "scenario.yaml").channels) >= len(STRANGE_NAMES) - 1
    with (tmp_path / "scenario-open.csv").open(encoding="utf-8", newline="") as opened:
        for row in csv.reader(opened):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


COLUMN_FAULTS = {
    "a column that is there twice": (("id", "created", "closed", "status", "amount", "id"), "id"),
    "a column that is missing": (("id", "created", "closed", "status", "channel"), "amount"),
}


@pytest.mark.parametrize("name", COLUMN_FAULTS)
def test_columns_that_are_not_as_the_mapping_says(name: str, tmp_path: Path) -> None:
    columns, part = COLUMN_FAULTS[name]
    result = fitted(tmp_path, written(ordinary(), columns))
    assert result.exit_code == 2, result.output
    assert part in result.stderr


def test_the_command_says_of_a_bad_file_what_the_reader_says(tmp_path: Path) -> None:
    """Every file that cannot be read, through the whole command."""
    for name, (at, _, part) in EXPECTED.items():
        result = command(tmp_path, MAPPING.format(file=KEPT / name, more="", end=""))
        assert result.exit_code == 2, name
        assert f"{name}:{at}: " in result.stderr
        assert part in result.stderr


def test_the_command_says_of_a_made_file_what_the_reader_says(tmp_path: Path) -> None:
    for name, (make, part) in MADE.items():
        make(tmp_path / name)
        result = command(tmp_path, MAPPING.format(file=name, more="", end=""))
        assert result.exit_code == 2, name
        assert part in result.stderr
