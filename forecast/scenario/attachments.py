"""Data beside a scenario: every ``{empirical: {file: …, column: …}}`` becomes a list of figures.

It is done while the document is read, so that the text kept of a scenario stands alone: what was
forecast from a file can be forecast again when the file is gone or has changed.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from forecast.scenario.errors import Fault, listed, shown
from forecast.scenario.forms import Door, offer
from forecast.scenario.nodes import Items, Node, Place, Table, Text
from forecast.scenario.paths import FROM_COMMAND
from forecast.scenario.quantities import QuantityFault, duration_days, number

MOST_ROWS = 100_000
KEYS = ("file", "column", "unit")
UNITS = ("days", "weeks", "months")
SECTIONS = frozenset({"journey", "products", "channels", "segments"})
# Keys below which a figure is an amount or a share; below lag it is a time.
AMOUNTS = frozenset(
    {"conversion", "share_of_rest", "size", "mix", "share", "leads", "seasonality", "market"}
)


class Refused(Exception):
    """Carries the fault of an attachment that cannot be taken."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def attach(document: Table, door: Door) -> Table:
    """Put the columns of files in the places where they are named.

    Records a fault for each that cannot be read, and leaves it as it was.
    """
    changed = _attached(document, door)
    assert isinstance(changed, Table)
    return changed


def _attached(node: Node, door: Door) -> Node:
    """Give a node with its attachments in it; the same node when it has none."""
    if isinstance(node, Items):
        children = [_attached(child, door) for child in node]
        same = all(a is b for a, b in zip(children, node, strict=True))
        return node if same else Items(children, node.place)
    if not isinstance(node, Table):
        return node
    if _is_attachment(node):
        try:
            return _inline(node)
        except Refused as refused:
            door.faults.append(refused.fault)
            return node
    found = {key: _attached(child, door) for key, child in node.items()}
    if all(found[key] is node[key] for key in node):
        return node
    return Table(found, node.place, node.keys_at)


def _is_attachment(node: Table) -> bool:
    """Tell an attachment from a stage or channel that happens to be called empirical."""
    body = node.get("empirical")
    named_things = node.place.path.rpartition(".")[2] in SECTIONS
    return len(node) == 1 and isinstance(body, Table) and not named_things


def _refuse(place: Place, got: str, must: str, mend: str) -> NoReturn:
    raise Refused(place.fault(got, must, mend))


def _inline(node: Table) -> Table:
    body = node["empirical"]
    assert isinstance(body, Table)
    for key in body:
        if key not in KEYS:
            got = f"the unknown key {shown(key)}"
            _refuse(body.place_of(key), got, "a key of an empirical column", offer(key, KEYS))
    file, column = _text(body, "file"), _text(body, "column")
    unit = _unit(body)
    path = find_file(file)
    items = Items(place=body.place)
    for row, cell in _cells(path, file, column):
        if len(items) == MOST_ROWS:
            must = f"at most {MOST_ROWS:,}"
            _refuse(file.place, f"more than {MOST_ROWS:,} rows", must, "Take a sample of them.")
        text = _figure(cell, row, column, unit)
        items.append(Text(text, body.place.at(len(items))))
    if not items:
        got, must = f"no rows below the header of {shown(file)}", "a column of at least one figure"
        _refuse(file.place, got, must, "Check the file, or write the figures as a list.")
    return Table({"empirical": items}, node.place, node.keys_at)


def _text(body: Table, key: str) -> Text:
    node = body.get(key)
    if isinstance(node, Text) and node.strip():
        return node
    place = body.place if node is None else node.place
    got = f"no {key}" if node is None else f"a {key} that is no text"
    mend = "Write {empirical: {file: sizes.csv, column: amount}}."
    _refuse(place, got, f"the name of a CSV {'file' if key == 'file' else 'column'}", mend)


def _unit(body: Table) -> str | None:
    node = body.get("unit")
    if node is None:
        return None
    if not _is_time(body.place.path):
        must = "left out where figures are no times"
        _refuse(body.place_of("unit"), "a unit", must, "Remove unit.")
    if not isinstance(node, Text) or node not in UNITS:
        got = shown(node) if isinstance(node, Text) else "no text"
        mend = offer(node, UNITS) if isinstance(node, Text) else "Write unit: days."
        _refuse(node.place, got, listed(UNITS, "or"), mend)
    return str(node)


def _is_time(path: str) -> bool:
    for part in reversed(path.split(".")):
        if part == "lag" or part in AMOUNTS:
            return part == "lag"
    return False


def find_file(file: Text, must: str = "a CSV file") -> Path:
    """Find the file as seen from the one that names it; from the working folder for a command.

    Raises ``Refused``.
    """
    beside = file.place.file
    folder = Path() if beside.startswith(FROM_COMMAND) else Path(beside).parent
    path = folder / file
    if os.path.isdir(path):
        _refuse(file.place, f"the folder {shown(file)}", must, "Name a file inside it.")
    if not os.path.isfile(path):  # or in a folder that may not be read
        where = os.path.abspath(folder)
        mend = f"Check its name and your right to read it; it is looked for in {where}."
        _refuse(file.place, shown(file), "a file that exists", mend)
    return path


def _cells(path: Path, file: Text, column: Text) -> Iterator[tuple[int, str]]:
    """Give the rows' numbers (the header is row 1) with their cells in the column."""
    try:
        # A spreadsheet puts a byte-order mark in front of its UTF-8; it says nothing here.
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.reader(opened, strict=True)
            index = _index(next(rows, []), file, column)
            for row in rows:
                if row:
                    yield rows.line_num, row[index] if index < len(row) else ""
    except UnicodeDecodeError:
        mend = "Save it as CSV UTF-8."
        _refuse(file.place, f"{shown(file)}, which is not UTF-8", "a CSV file in UTF-8", mend)
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        got = f"{shown(file)}, which cannot be read ({reason})"
        _refuse(file.place, got, "a CSV file", "Save it again as CSV with commas.")


def _index(header: list[str], file: Text, column: Text) -> int:
    names = [name.strip() for name in header]
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        got = f"{shown(column)}, which names {names.count(column)} columns of {shown(file)}"
        _refuse(column.place, got, "the name of one column", "Rename one of them in the file.")
    must = f"a column of {shown(file)}"
    mend = offer(column, [name for name in names if name], "Check the file's first row.")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        mend = "Save the file with commas between its columns."
    _refuse(column.place, shown(column), must, mend)


def _figure(cell: str, row: int, column: Text, unit: str | None) -> str:
    """Give the text of a cell as the scenario language writes it."""
    text = cell.strip()
    try:
        if not text:
            mend = "Fill it in, or remove that row."
            raise QuantityFault("a blank cell", "a figure", mend)
        if not _is_time(column.place.path):
            number(text)
            return text
        if unit is not None:
            number(text)
            text = f"{text} {unit}"
        elif _is_number(text):
            must = "a time such as 10 days, or a number with its unit"
            mend = "Add unit: days (or weeks, or months) beside file and column."
            raise QuantityFault(text, must, mend)
        duration_days(text)
        return text
    except QuantityFault as fault:
        got = f"{fault.got} in row {row:,} of column {shown(column)}"
        _refuse(column.place, got, f"{fault.must} in every row", fault.mend)


def _is_number(text: str) -> bool:
    try:
        number(text)
    except QuantityFault:
        return False
    return True
