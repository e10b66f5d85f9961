"""Look into a workbook before it is opened: what it would unpack to, and its error cells.

calamine holds a sheet as one rectangle, and a copy of each shared text in every cell with it: a
file of a kilobyte with cells in two far corners ends the process. So each sheet is read once as
plain bytes, for the size of its rectangle and of its texts. Error cells, which calamine gives as
blank, are found on the way.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from forecast.history.tables.files import refuse
from forecast.history.tables.sheet_scan import SheetScan, scan_sheet, text_lengths, text_uses
from forecast.scenario.errors import shown

MOST_UNPACKED_BYTES: Final = 2_000_000_000
MOST_RATIO: Final = 200  # of what is unpacked to what is packed; real sheets have 5 to 40
_SMALL_BYTES: Final = 10_000_000  # is never a bomb
MOST_CELLS: Final = 20_000_000  # of a sheet's rectangle
MOST_CHARS: Final = 1_000_000_000  # of all its text
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_STRINGS: Final = b"sst"
_BEGIN_BYTES: Final = 1_000
_HONEST_BYTES: Final = 100_000  # packed: less cannot unpack to more than 103 MB, say what it may
_DAMAGED: Final = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    LookupError,  # of an encoding that nobody knows
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
    ElementTree.ParseError,
    expat.ExpatError,
)
NO_BOMB: Final = "Do not open it unless you know who made it; ask for the data as CSV."
AS_CSV: Final = "Keep the part that is needed, or save it as CSV UTF-8."


@dataclass
class Errors:
    """Hold the cells that show an error, of the sheets by name; by (row, column) from 0."""

    of: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)

    def put(self, sheet: str, rows: list[list[Any]], start: tuple[int, int]) -> None:
        """Write the errors of a sheet into its cells, which were read as blank."""
        for (row, column), error in self.of.get(sheet, {}).items():
            rows[row - start[0]][column - start[1]] = error


def check_workbook(file: str, path: Path) -> Errors | None:
    """Refuse what is no workbook, or one that would unpack to far too much.

    Gives the error cells; None for a kind of workbook that cannot be looked into.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            entries = opened.infolist()
            names = {entry.filename for entry in entries}
            _check_kind(file, names)
            _check_size(file, entries)
            _check_honest(file, path, entries)
            if _WORKBOOK not in names or any(name.endswith(".bin") for name in _sheets(names)):
                return None
            found = {
                name: scan for name in names if (scan := _scanned(file, opened, name)) is not None
            }
            _check_texts(file, opened, found)
            return _errors(file, opened, found)
    except _DAMAGED as error:
        got = f"a workbook that is cut off or damaged ({error})"
        refuse(file, got, "a whole file", "Fetch or export it again.")


def _sheets(names: set[str]) -> list[str]:
    return [name for name in names if "/worksheets/" in name]


def _check_kind(file: str, names: set[str]) -> None:
    if any(name.startswith("xl/") for name in names) or "content.xml" in names:
        return
    if "word/document.xml" in names:
        refuse(file, "a Word document", "a table", "Save the table in it as CSV.")
    inside = ", ".join(sorted(names)[:3]) or "nothing"
    got = f"a ZIP file with {inside} in it"
    refuse(file, got, "a table", "Unpack it, and name the file inside.")


def _check_size(file: str, entries: list[zipfile.ZipInfo]) -> None:
    """Compare what the parts say they unpack to; none is unpacked further than it says."""
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if any(entry.flag_bits & 1 for entry in entries):
        refuse(
            file, "a ZIP file with a password", "a workbook that can be read", "Save it without."
        )
    if size > MOST_UNPACKED_BYTES or (size > _SMALL_BYTES and size > MOST_RATIO * packed):
        must = f"at most {MOST_UNPACKED_BYTES:,}, and {MOST_RATIO} times what is packed"
        refuse(file, f"a workbook of {packed:,} bytes that unpacks to {size:,}", must, NO_BOMB)


def _check_honest(file: str, path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse parts that unpack to something else than they say, and names that are there twice."""
    names = [entry.filename.casefold() for entry in entries]
    if len(set(names)) < len(names):
        refuse(file, "a workbook with two parts of one name", "a plain workbook", NO_BOMB)
    with path.open("rb") as opened:
        for entry in entries:
            if entry.compress_size < _HONEST_BYTES or entry.compress_type != zipfile.ZIP_DEFLATED:
                continue
            opened.seek(entry.header_offset + 26)
            lengths = opened.read(4)
            skipped = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
            opened.seek(skipped, 1)
            if _unpacked_bytes(opened, entry) != entry.file_size:
                got = f"a part of a workbook, {shown(entry.filename)}, that hides its size"
                refuse(file, got, "a plain workbook", NO_BOMB)


def _unpacked_bytes(opened: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Measure what a part unpacks to, and stop soon behind what it says."""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    size, left = 0, entry.compress_size
    while left > 0 and not unpack.eof and size <= entry.file_size:
        data = opened.read(min(left, 1 << 16))
        if not data:
            break
        left -= len(data)
        size += len(unpack.decompress(data))
    return size


def _scanned(file: str, opened: zipfile.ZipFile, name: str) -> SheetScan | None:
    """Scan a part for cells, whatever its name: it is not known which ones calamine takes."""
    with opened.open(name) as part:
        scan = scan_sheet(part)
    if scan is None:
        refuse(file, "a sheet that is not in UTF-8, or has a DOCTYPE", "a plain sheet", NO_BOMB)
    if scan.rows * scan.columns > MOST_CELLS:
        got = f"a sheet of {scan.rows:,} rows and {scan.columns:,} columns"
        refuse(file, got, f"at most {MOST_CELLS:,} cells", AS_CSV)
    return scan if scan.rows else None


def _check_texts(file: str, opened: zipfile.ZipFile, found: dict[str, SheetScan]) -> None:
    """Refuse texts that are few in the file and many in the sheet."""
    lengths = np.zeros(0, dtype=np.int64)
    for name in opened.namelist():
        with opened.open(name) as part:
            holds_texts = _STRINGS in part.read(_BEGIN_BYTES)
            part.seek(0)
            if holds_texts:
                lengths = np.concatenate([lengths, text_lengths(part)])
    longest = int(lengths.max(initial=0))
    for name, scan in found.items():
        if longest * scan.cells <= MOST_CHARS:
            continue
        with opened.open(name) as part:
            used, unknown = text_uses(part)
        known = used[used < len(lengths)]
        size = int(lengths[known].sum()) + longest * (unknown + len(used) - len(known))
        if size > MOST_CHARS:
            got = f"a sheet with {size:,} characters of text"
            refuse(file, got, f"at most {MOST_CHARS:,}", AS_CSV)


def _errors(file: str, opened: zipfile.ZipFile, found: dict[str, SheetScan]) -> Errors:
    """Give the error cells by the name of their sheet."""
    bad = {name: scan.errors for name, scan in found.items() if scan.errors}
    if not bad:
        return Errors()
    parts = {
        _attribute(each, "Id"): posixpath.normpath(
            posixpath.join("xl", _attribute(each, "Target")).removeprefix("/")
        )
        for each in ElementTree.fromstring(opened.read(_RELATIONS))
    }
    sheets = {
        _attribute(each, "name"): parts.get(_attribute(each, "id"), "")
        for each in ElementTree.fromstring(opened.read(_WORKBOOK)).iter()
        if each.tag.rpartition("}")[2] == "sheet"
    }
    if not set(bad) <= set(sheets.values()):
        refuse(file, "errors such as #N/A in a sheet without a name", "a plain workbook", AS_CSV)
    return Errors({sheet: bad[part] for sheet, part in sheets.items() if part in bad})


def _attribute(element: Any, name: str) -> str:
    """Give an attribute, whatever the namespace before it."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""
