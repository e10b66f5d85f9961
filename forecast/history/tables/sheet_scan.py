"""Scan the XML of a sheet for the size of what it would become, and for its error cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

_PIECE_BYTES: Final = 1 << 23
_CUTS: Final = (b"<row ", b"<si>")
_PREFIX: Final = rb"<(?:[^\s<>/:!?=\"']+:)?"
# Every cell, with where it stands if that is written the usual way, and "" if not.
_CELL: Final = re.compile(_PREFIX + rb'c(?:[ ]r="([A-Z]{1,3}[0-9]{1,7})"|(?=[\s/>]))')
_SHARED: Final = re.compile(rb"[\s]t\s*=\s*[\"']s[\"']")
_USE: Final = re.compile(rb"[\s]t=[\"']s[\"'][^<>]*>\s*" + _PREFIX + rb"v>([0-9]{1,9})<")
_ERROR: Final = re.compile(rb"[\s]t\s*=\s*[\"']e[\"']")
_E: Final = (b'"e"', b"'e'")
_ERROR_CELL: Final = re.compile(
    rb'<c r="([A-Z]{1,3}[0-9]{1,7})"[^<>]*[\s]t="e"[^<>]*>(?:<f[^<>]*>[^<>]*</f>)?'
    rb"<v>([^<>]*)</v>"
)
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_TEXT: Final = re.compile(_PREFIX + rb"si[\s/>]")
MOST_ERRORS: Final = 1_000_000


@dataclass
class SheetScan:
    """Hold the size of a sheet.

    - rows, columns: of the rectangle from the first cell of all to the last
    - cells: how many cells it has
    - errors: what the cells with an error say, by (row, column) from 0
    """

    rows: int = 0
    columns: int = 0
    cells: int = 0
    errors: dict[tuple[int, int], str] = field(default_factory=dict)


def pieces(part: IO[bytes]) -> Iterator[bytes]:
    """Give a part of a workbook in pieces that end where a tag does."""
    rest = b""
    while piece := part.read(_PIECE_BYTES):
        whole = rest + piece
        cut = max(whole.rfind(mark) for mark in _CUTS)
        cut = whole.rfind(b"</") if cut < 1 else cut
        cut = len(whole) if cut < 1 else cut
        yield whole[:cut]
        rest = whole[cut:]
    if rest:
        yield rest


def scan_sheet(part: IO[bytes]) -> SheetScan | None:
    """Scan a sheet, fast where it is written as usual; None where it cannot be understood."""
    scan = SheetScan()
    first = True
    for piece in pieces(part):
        if (first and piece[:2] in _UTF16) or b"<!DOCTYPE" in piece:
            return None
        first = False
        cells = _CELL.findall(piece)
        if not cells:
            continue
        scan.cells += len(cells)
        marked = any(mark in piece for mark in _E)
        errors = _ERROR_CELL.findall(piece) if marked else []
        if b"" in cells or (marked and len(errors) != len(_ERROR.findall(piece))):
            part.seek(0)
            return _slow_scan(part)
        for place, said in errors:
            row, column = _places([place])
            scan.errors[row - 1, column - 1] = said.decode("utf-8", errors="replace")
        rows, columns = _places(cells)
        scan.rows, scan.columns = max(scan.rows, rows), max(scan.columns, columns)
    return scan


def _places(cells: list[bytes]) -> tuple[int, int]:
    """Give the largest row and column of many cells such as B12."""
    chars = np.array(cells, dtype="S10").view(np.uint8).reshape(len(cells), 10).astype(np.int32)
    rows = np.zeros(len(cells), dtype=np.int32)
    columns = np.zeros(len(cells), dtype=np.int32)
    for char in chars.T:
        letter, digit = char >= 65, (char >= 48) & (char < 58)
        columns = np.where(letter, columns * 26 + char - 64, columns)
        rows = np.where(digit, rows * 10 + char - 48, rows)
    return int(rows.max()), int(columns.max())


class _Walk:
    """Follow a sheet tag by tag, as calamine does: what has no place of its own comes next."""

    def __init__(self) -> None:
        self.scan = SheetScan()
        self.row, self.column = -1, -1
        self.error: str | None = None
        self.in_value = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a tag that opens."""
        name = name.rpartition(":")[2]
        if name == "row":
            given = attributes.get("r", "")
            self.row = int(given) - 1 if given.isdecimal() else self.row + 1
            self.column = -1
        elif name == "c":
            self._cell(attributes)
        self.in_value = name == "v"

    def _cell(self, attributes: dict[str, str]) -> None:
        place = re.fullmatch(r"([A-Za-z]{1,9})([0-9]{1,9})", attributes.get("r", ""))
        if place is None:
            self.column += 1
        else:
            self.row = int(place[2]) - 1
            self.column = -1
            for letter in place[1].upper():
                self.column = (self.column + 1) * 26 + ord(letter) - 65
        self.row = max(self.row, 0)
        self.scan.rows = max(self.scan.rows, self.row + 1)
        self.scan.columns = max(self.scan.columns, self.column + 1)
        self.scan.cells += 1
        self.error = "" if attributes.get("t") == "e" else None

    def text(self, text: str) -> None:
        """Take text; only that of an error is looked at."""
        if self.error is not None and self.in_value:
            self.error += text

    def end(self, name: str) -> None:
        """Take a tag that closes."""
        self.in_value = False
        if name.rpartition(":")[2] == "c" and self.error is not None:
            if len(self.scan.errors) < MOST_ERRORS:
                self.scan.errors[self.row, self.column] = self.error.strip() or "#ERROR"
            self.error = None


def _slow_scan(part: IO[bytes]) -> SheetScan:
    walk = _Walk()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = walk.start
    parser.EndElementHandler = walk.end
    parser.CharacterDataHandler = walk.text
    parser.ParseFile(part)
    return walk.scan


def text_lengths(part: IO[bytes]) -> NDArray[np.int64]:
    """Give at most how many characters each shared text has."""
    starts, done = [np.zeros(0, dtype=np.int64)], 0
    for piece in pieces(part):
        found = [match.start() for match in _TEXT.finditer(piece)]
        starts.append(np.array(found, dtype=np.int64) + done)
        done += len(piece)
    return np.diff(np.concatenate([*starts, [done]]))


def text_uses(part: IO[bytes]) -> tuple[NDArray[np.int64], int]:
    """Give which shared text each cell with one holds, and how many cells do not say it plainly."""
    uses, shared = [np.zeros(0, dtype=np.int64)], 0
    for piece in pieces(part):
        found = _USE.findall(piece)
        shared += len(_SHARED.findall(piece))
        uses.append(np.array(found, dtype="S9").astype(np.int64) if found else uses[0])
    used = np.concatenate(uses)
    return used, shared - len(used)
