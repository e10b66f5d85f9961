"""Write the comparison table of a batch: CSV, Excel, HTML, JSON or NetCDF, whole or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecast.engine.store import OutputError, replacing, told
from forecast.operate.comparison import Cell, dataset_of, rows_of
from forecast.scenario.source import FORMULA

Document = dict[str, Any]
STYLE = (
    "body{font:14px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "th,td{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}"
    "th{position:sticky;top:0;background:#fff;z-index:1}td.text,th.text{text-align:left}"
    "td:first-child,th:first-child{position:sticky;left:0;background:#fff}"
    "th:first-child{z-index:2}"
)


def check_table(path: Path) -> None:
    """Check that a table can be written there; raises ``OutputError``."""
    if path.suffix not in WRITERS:
        must = ", ".join(WRITERS)
        got = path.suffix or "no suffix"
        raise OutputError(f"{path}: got {got}; must end in one of {must}.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} is not there. Create it first.")
    if path.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: cannot be written to. Choose another name.")


def write_table(path: Path, document: Document) -> None:
    """Write the document of a batch, in the form that the suffix names; raises ``OutputError``."""
    check_table(path)
    with replacing(path) as part, told(path):
        WRITERS[path.suffix](part, document)


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text of a CSV file for a formula.

    >>> harmless("=1+1"), harmless("web")
    ("'=1+1", 'web')
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_text(rows: Sequence[Mapping[str, Any]], line_end: str = "\r\n") -> str:
    """Write rows of the same columns as CSV; nothing without rows."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=line_end)
    if rows:
        writer.writerow(map(harmless, rows[0]))
    for row in rows:
        writer.writerow([harmless(c) if isinstance(c, str) else c for c in row.values()])
    return written.getvalue()


def _csv(path: Path, document: Document) -> None:
    path.write_text(csv_text(rows_of(document["scenarios"])), encoding="utf-8", newline="")


def _json(path: Path, document: Document) -> None:
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _netcdf(path: Path, document: Document) -> None:
    dataset_of(document["scenarios"]).to_netcdf(path, engine="h5netcdf")


def _excel(path: Path, document: Document) -> None:
    import xlsxwriter

    options = {"in_memory": True, "nan_inf_to_errors": False}
    try:
        with xlsxwriter.Workbook(str(path), options) as book:
            book.set_properties({"created": dt.datetime(2000, 1, 1)})
            _sheet(book, "Scenarios", rows_of(document["scenarios"]))
            if document["failed"]:
                _sheet(book, "Failed", document["failed"])
    except xlsxwriter.exceptions.XlsxWriterException as error:
        cause = error.args[0] if error.args and isinstance(error.args[0], OSError) else None
        raise cause or OSError(" ".join(str(error).split())) from error


def _sheet(book: Any, title: str, rows: Sequence[Mapping[str, Cell]]) -> None:
    """Fill a sheet; texts are texts, whatever they begin with."""
    sheet = book.add_worksheet(title)
    bold = book.add_format({"bold": True})
    small, large = (book.add_format({"num_format": each}) for each in ("#,##0.###", "#,##0"))
    sheet.freeze_panes(1, 1)
    for column, name in enumerate(rows[0] if rows else ()):
        sheet.set_column(column, column, len(name) + 4 if column else 30)
        sheet.write_string(0, column, name, bold)
    for r, row in enumerate(rows, start=1):
        for column, cell in enumerate(row.values()):
            if isinstance(cell, str):
                sheet.write_string(r, column, cell[:32_000])
            elif isinstance(cell, bool):
                sheet.write_boolean(r, column, cell)
            elif cell is not None and math.isfinite(cell):
                parts = abs(cell) < 1_000 and cell != int(cell)
                sheet.write_number(r, column, cell, small if parts else large)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(rows[0]) - 1)


def _html(path: Path, document: Document) -> None:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Scenarios</title>",
        f"<style>{STYLE}</style><h1>Scenarios</h1>",
        *_html_table(rows_of(document["scenarios"])),
    ]
    if document["failed"]:
        parts += ["<h2>Failed</h2>", *_html_table(document["failed"])]
    path.write_text("\n".join([*parts, "</html>\n"]), encoding="utf-8")


def _html_table(rows: Sequence[Mapping[str, Cell]]) -> list[str]:
    if not rows:
        return ["<p>None.</p>"]
    lines = [[_html_cell("th", name) for name in rows[0]]]
    lines += [[_html_cell("td", cell) for cell in row.values()] for row in rows]
    return ["<table>", *(f"<tr>{''.join(line)}</tr>" for line in lines), "</table>"]


def _html_cell(tag: str, cell: Cell) -> str:
    if isinstance(cell, str):
        return f'<{tag} class="text">{html.escape(cell)}</{tag}>'
    shown = "" if cell is None else f"{cell:,.6g}" if isinstance(cell, float) else f"{cell:,}"
    return f"<{tag}>{shown}</{tag}>"


WRITERS = {".csv": _csv, ".xlsx": _excel, ".html": _html, ".json": _json, ".nc": _netcdf}
