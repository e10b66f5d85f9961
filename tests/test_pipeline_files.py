"""Every known disease of a file of open deals is named, with its row, its column and its mend."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.scenario.errors import ScenarioError
from forecast.scenario.reader import read_scenario

SCENARIO = """\
name: Open
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 20, per: month}}
  events: {leads: {mean: 10, per: month}}
segments:
  small: {share: 60%}
  large: {share: 40%}
journey:
  lead: {opportunity: {conversion: 25%, lag: 20 days}}
  opportunity: {won: {conversion: 30%, lag: 3 months}}
products:
  assessment: {mix: 70%, size: 25k}
  programme: {mix: 30%, size: 90k}
pipeline: {file: deals.csv}
"""
HEAD = "id,stage,entered,channel,segment,product,amount,probability,expected_close,close_cv,owner\n"
GOOD = "A-1,opportunity,2026-10-02,web,small,assessment,25k,,,,Ann\n"
SHAPE = re.compile(r".+?:[1-9][0-9]*: \S.*?: got .+; must be .+\. .*[^ .]\.")


def faults_of(folder: Path, data: str | bytes, name: str = "deals.csv") -> list[str]:
    """What a file is refused for, line by line, without the folder."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    (folder / "open.yaml").write_text(SCENARIO.replace("deals.csv", name), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(folder / "open.yaml")
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    for line in lines:
        assert SHAPE.fullmatch(line), line
        assert "BROKEN" not in line
        assert "None" not in line
    return [line.replace(f"{folder}/", "") for line in lines]


# What a cell says, in which column, and what is said of it.
CELLS = {
    "decimal comma with thousands": ("amount", '"1.234,56"', "1.234,56", "a point before the dec"),
    "decimal comma": ("amount", '"12,5"', "12,5", "Write the decimals behind a point: 12.5."),
    "thousands": ("amount", '"25,000"', "25,000", "Write 25_000."),
    "currency": ("amount", "$25k", "$25k", "the currency is said once"),
    "words": ("amount", "n/a", "n/a", "Write a number such as 120"),
    "spreadsheet error": ("amount", "#REF!", "#REF!", "Write a number"),
    "not a number": ("amount", "NaN", "NaN", "known and finite"),
    "negative amount": ("amount", "-25000", "-25000", "Remove credits and refunds"),
    "huge amount": ("amount", "1e15", "1e15", "Check its digits"),
    "share as amount": ("amount", "30%", "30%", "whole value"),
    "percent without its sign": ("probability", "30", "30", "Write 30% or 0.3."),
    "negative probability": ("probability", "-0.3", "-0.3", "such as 30% or 0.30"),
    "probability in words": ("probability", "high", "high", "Write a number"),
    "american date": ("entered", "10/02/2026", "10/02/2026", "Write 2026-02-10 or 2026-10-02"),
    "german date": ("entered", "31.10.2026", "31.10.2026", "Write 2026-10-31."),
    "day number": ("entered", "46297", "46297", "a spreadsheet's number of a day"),
    "no such day": ("entered", "2026-02-30", "2026-02-30", "February 2026 has 28 days"),
    "no such time": ("entered", "2026-10-02T25:00", "2026-10-02T25:00", "Write the day alone"),
    "entered later": ("entered", "2027-01-01", "2027-01-01", "begin the scenario later"),
    "not entered": ("entered", "", "nothing", "or both a probability and an expected_close"),
    "closed before": ("expected_close", "2026-12-31", "2026-12-31", "remove the deal if it is"),
    "close in words": ("expected_close", "soon", "soon", "Write year-month-day"),
    "cv without a close": ("close_cv", "0.3", "0.3", "Write the expected_close that it spreads"),
    "negative cv": ("close_cv", "-1", "-1", "Write one such as 0.3 or 30%."),
    "blank id": ("id", "", "nothing", "an id of its own"),
    "line break in an id": ("id", '"A\n1"', "with a line break or a tab", "Delete what cannot be"),
    "invisible mark": ("id", "A\u202e1", "with a character", "Delete what cannot be seen"),
    "blank stage": ("stage", "", "nothing", "Write the deal's stage"),
    "unknown stage": ("stage", "oportunity", "oportunity", "Did you mean opportunity?"),
    "stage in capitals": ("stage", "Opportunity", "Opportunity", "Did you mean opportunity?"),
    "won": ("stage", "won", "won", "Remove the row: a deal that is won or lost is not open."),
    "closed lost": ("stage", "Closed Lost", "'Closed Lost'", "Remove the row"),
    "unknown channel": ("channel", "evnts", "evnts", "Did you mean events?"),
    "blank channel": ("channel", "", "nothing", "Write the deal's channel"),
    "unknown segment": ("segment", "smal", "smal", "Did you mean small?"),
    "unknown product": ("product", "Assesment", "Assesment", "Did you mean assessment?"),
}


def row_with(column: str, cell: str) -> str:
    cells = dict(zip(HEAD.strip().split(","), GOOD.strip().split(","), strict=True))
    return ",".join({**cells, "id": "B-1", column: cell}.values()) + "\n"


@pytest.mark.parametrize("disease", CELLS)
def test_a_cell_that_cannot_be_read(disease: str, tmp_path: Path) -> None:
    column, cell, got, mend = CELLS[disease]
    (line,) = faults_of(tmp_path, HEAD + GOOD + row_with(column, cell))
    assert line.startswith(f"deals.csv:3: {column}: got ")
    assert got in line.partition("; must be ")[0]
    assert mend in line


DATED = GOOD.replace("A-1", "B-1")
FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"deals.csv:1: \(file\): got an empty file; .* Write a first row"),
    "blank": ("\n\n", r"deals.csv:1: \(file\): got an empty file"),
    "latin-1": (
        (HEAD + GOOD + GOOD.replace("A-1", "Müller")).encode("latin-1"),
        r"deals.csv:3: \(file\): got the byte 0xFC \(ü in Latin-1\), .* Save it as CSV UTF-8",
    ),
    "utf-16": ((HEAD + GOOD).encode("utf-16"), "got text in UTF-16; .* CSV UTF-8"),
    "xlsx": (b"PK\x03\x04\x14\x00", r"got an Excel workbook \(.xlsx\).* save it as CSV UTF-8"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", r"got an old Excel workbook \(.xls\)"),
    "web page": (b"<html><table>", "got a web page or XML"),
    "gzip": (b"\x1f\x8b\x08\x00", r"got a compressed file \(gzip\)"),
    "pdf": (b"%PDF-1.7", "got a PDF document"),
    "semicolons": ((HEAD + GOOD).replace(",", ";"), r":1: \(row\): got columns with semicolons"),
    "tabs": ((HEAD + GOOD).replace(",", "\t"), r":1: \(row\): got columns with tabs between them"),
    "excel's hint": ("sep=,\n" + HEAD + GOOD, r":1: \(row\): got the row sep=,; "),
    "too many cells": (
        HEAD + GOOD.replace("25k", "25,000"),
        r":2: \(row\): got 12 cells; must be 11, .* write 25000 for 25,000",
    ),
    "too few cells": (HEAD + "A-1,opportunity\n", r":2: \(row\): got 2 cells; must be 11"),
    "open quote": (HEAD + GOOD + '"B-1,' + GOOD * 3, r":3: \(row\): got a quotation mark that is"),
    "huge open quote": (HEAD + '"' + GOOD * 4000, r":2: \(row\): got a quotation mark that is nev"),
    "text behind a quote": (HEAD + '"A"1' + GOOD, r":2: \(row\): got text behind a closing quot"),
    "column twice": (HEAD.replace("owner", "ID ") + GOOD, ":1: id: got two columns id"),
    "missing column": (
        HEAD.replace("amount", "worth") + GOOD,
        ":1: amount: got no column amount; .* Add the column amount",
    ),
    "misspelled column": (
        HEAD.replace("probability", "probabilty") + GOOD,
        ":1: probabilty: got the unknown column probabilty; .* Did you mean probability",
    ),
    "column in two words": (
        HEAD.replace("expected_close", "Expected Close") + GOOD,
        ":1: Expected Close: got .* Did you mean expected_close",
    ),
    "misspelled required column": (HEAD.replace("stage", "stge") + GOOD, ":1: stge: got .* stage"),
    "no channel": (HEAD.replace("channel", "source") + GOOD, ":1: channel: got no column channel"),
    "no entered": (
        HEAD.replace("entered", "since") + GOOD + DATED,
        ":1: entered: got no column entered",
    ),
    "an id twice": (
        HEAD + GOOD + "\n" + GOOD,
        r":4: id: got A-1 a second time \(first in row 2\)",
    ),
    "mixed time zones": (
        HEAD
        + GOOD.replace("10-02", "10-02T10:00Z")
        + DATED.replace("10-02", "10-02 10:00:00.000+02:00"),
        r":3: entered: got a date at \+02:00 where those before it are at \+00:00",
    ),
    "some with a time zone": (
        HEAD + GOOD + DATED.replace("10-02", "10-02T10:00Z"),
        r":3: entered: got a date at \+00:00 where those before it are without a time zone",
    ),
    "time zones of two columns": (
        HEAD + GOOD.replace("10-02", "10-02T10:00Z").replace("25k,,", "25k,,2027-03-01T10:00+0100"),
        r":2: expected_close: got a date at \+01:00 where those before it are at \+00:00",
    ),
}


@pytest.mark.parametrize("disease", FILES)
def test_a_file_that_cannot_be_read(disease: str, tmp_path: Path) -> None:
    data, message = FILES[disease]
    (line,) = faults_of(tmp_path, data)
    assert line.startswith("deals.csv:")
    assert re.search(message, line), line


def test_a_row_is_numbered_as_a_spreadsheet_numbers_it(tmp_path: Path) -> None:
    # Row 2 has a cell of three lines, row 3 is blank, row 4 is bad.
    text = HEAD + GOOD.replace("Ann", '"Ann\nand\nBert"') + "\n" + row_with("amount", "x")
    (line,) = faults_of(tmp_path, text)
    assert line.startswith("deals.csv:4: amount: got x; ")
    (line,) = faults_of(tmp_path, text.replace("\n", "\r\n"))
    assert line.startswith("deals.csv:4: amount: got x; ")


def test_every_fault_is_told_at_once_in_the_order_of_the_rows(tmp_path: Path) -> None:
    text = HEAD + row_with("amount", "x") + "A,B\n" + row_with("stage", "won") + GOOD + GOOD
    lines = faults_of(tmp_path, text)
    assert [line.split(": got")[0] for line in lines] == [
        "deals.csv:2: amount",
        "deals.csv:3: (row)",
        "deals.csv:4: id",
        "deals.csv:4: stage",
        "deals.csv:6: id",
    ]


def test_many_faults_are_counted_in_the_last_line(tmp_path: Path) -> None:
    bad = "".join(row_with("amount", "x").replace("B-1", f"B-{i}") for i in range(40))
    worse = "".join(row_with("stage", "won").replace("B-1", f"C-{i}") for i in range(15))
    lines = faults_of(tmp_path, HEAD + bad + worse)
    assert len(lines) == 21
    assert [line.split(":")[1] for line in lines[:20]] == [str(row) for row in range(2, 22)]
    assert lines[-1].startswith("deals.csv:21: (file): got 35 more faults of the open deals; ")


def test_the_faults_of_the_file_come_with_those_of_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text(HEAD + row_with("stage", "won"), encoding="utf-8")
    bad = SCENARIO.replace("conversion: 25%", "conversion: 250%")
    (tmp_path / "open.yaml").write_text(bad, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"deals.csv:2: stage: (.|\n)*open.yaml:11: journey"):
        read_scenario(tmp_path / "open.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "open.yaml").write_text(SCENARIO, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"open.yaml:16: pipeline.file: got deals.csv; must"):
        read_scenario(tmp_path / "open.yaml")


def test_two_sources_or_none_are_refused(tmp_path: Path) -> None:
    for body, got in (
        ("{file: deals.csv, csv: x}", "file and csv"),
        ("{stale_after: 1 year}", "no deals"),
        ("open-deals.csv", "open-deals.csv; must be a mapping"),
        ("{flie: deals.csv}", "the unknown key flie"),
        ("{csv: ''}", "nothing"),
        ("{deals: 3}", "3; must be a list of open deals"),
        ("{deals: [], stale_after: 90}", "90; must be a duration"),
    ):
        text = SCENARIO.replace("{file: deals.csv}", body)
        (tmp_path / "open.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ScenarioError, match=rf"open.yaml:16: pipeline.*: got {got}") as caught:
            read_scenario(tmp_path / "open.yaml")
        assert len(caught.value.faults) == 1


def test_rows_of_text_in_the_scenario_are_named_by_their_number(tmp_path: Path) -> None:
    rows = "".join(f"    {line}\n" for line in (HEAD + GOOD + row_with("amount", "x")).split("\n"))
    text = SCENARIO.replace("pipeline: {file: deals.csv}\n", f"pipeline:\n  csv: |\n{rows}")
    (tmp_path / "open.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(tmp_path / "open.yaml")
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{tmp_path}/open.yaml:17: pipeline.csv, row 3, amount: got x;")


def test_deals_one_by_one_are_named_by_their_path(tmp_path: Path) -> None:
    deals = """\
pipeline:
  deals:
    - {id: A-1, stage: opportunity, entered: 2026-10-02, channel: web, segment: small,
       product: programme, amount: 12 500}
    - {id: A-1, stage: opportunity, entred: 2026-10-02, channel: web, segment: small,
       product: [programme], amount: 1}
    - A-3
"""
    (tmp_path / "open.yaml").write_text(
        SCENARIO.replace("pipeline: {file: deals.csv}\n", deals), encoding="utf-8"
    )
    with pytest.raises(ScenarioError) as caught:
        read_scenario(tmp_path / "open.yaml")
    said = [f"{fault.line}: {fault.path}: {fault.got}" for fault in caught.value.faults]
    assert said == [
        "19: pipeline.deals.0.amount: '12 500'",
        "20: pipeline.deals.1.entred: the unknown key entred",
        "20: pipeline.deals.1.id: A-1 a second time (first in item 0)",
        "21: pipeline.deals.1.product: a list of 1",
        "22: pipeline.deals.2: A-3",
    ]


def test_a_change_cannot_change_the_pipeline(tmp_path: Path) -> None:
    change = "changes:\n  - {from: 2027-04-01, set: {pipeline.stale_after: 3 months}}\n"
    (tmp_path / "deals.csv").write_text(HEAD + GOOD, encoding="utf-8")
    (tmp_path / "open.yaml").write_text(SCENARIO + change, encoding="utf-8")
    with pytest.raises(ScenarioError, match="Take pipeline out of set"):
        read_scenario(tmp_path / "open.yaml")


def test_dates_at_the_edge_are_taken(tmp_path: Path) -> None:
    last, first = dt.date(2026, 12, 31), dt.date(2027, 1, 1)
    text = HEAD + GOOD.replace("2026-10-02", f"{last}").replace("25k,,", f"25k,,{first}")
    (tmp_path / "deals.csv").write_text(text, encoding="utf-8")
    (tmp_path / "open.yaml").write_text(SCENARIO, encoding="utf-8")
    pipeline = read_scenario(tmp_path / "open.yaml").pipeline
    assert pipeline is not None
    assert (pipeline.deals.age_days[0], pipeline.deals.close_period[0]) == (1.0, 0)


PIECES = [
    *HEAD.strip().split(","), *GOOD.strip().split(","), ",", ",,,", "\n", "\r", '"', '""', ";", " ",
    "\t", "0", "%", "k", "-", ".", "Z", "\ufeff", "\x00", "\u2028", "ü", "won", "1e999", "9" * 30,
    HEAD, GOOD, GOOD,
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12), headed=st.booleans())
def test_whatever_a_file_holds_is_read_or_refused(
    pieces: list[str], headed: bool, tmp_path: Path
) -> None:
    text = HEAD * headed + "".join(pieces)
    (tmp_path / "deals.csv").write_text(text, encoding="utf-8", newline="")
    (tmp_path / "open.yaml").write_text(SCENARIO, encoding="utf-8")
    try:
        scenario = read_scenario(tmp_path / "open.yaml")
    except ScenarioError as error:
        for line in str(error).split("\n"):
            assert SHAPE.fullmatch(line), line
        return
    (tmp_path / "kept.yaml").write_text(scenario.text, encoding="utf-8")
    again = read_scenario(tmp_path / "kept.yaml")
    assert scenario.pipeline is not None
    assert again.pipeline is not None
    assert again.pipeline.deals.ids == scenario.pipeline.deals.ids
    assert again.pipeline.deals.amount.tolist() == scenario.pipeline.deals.amount.tolist()
