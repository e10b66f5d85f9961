"""Look into a workbook before it is opened: what it would unpack to, and its error cells."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from forecast.history.files import refuse

MOST_UNPACKED_BYTES: Final = 1_500_000_000
MOST_RATIO: Final = 200  # of what is unpacked to what is packed; real sheets have 5 to 40
_SMALL_BYTES: Final = 10_000_000  # is never a bomb
MOST_CELLS: Final = 50_000_000
_SHEETS: Final = "xl/workbook.xml"


@dataclass
class Sheet:
    """Hold the cells of a sheet that show an error, by (row, column) from 0."""

    errors: dict[tuple[int, int], str] = field(default_factory=dict)

    def put_errors(self, rows: list[list[Any]], first: int) -> None:
        """Write the errors into the cells, which are read as blank."""


def check_workbook(file: str, path: Path) -> dict[str, Sheet]:
    """Refuse what is no workbook, or one that would unpack to far too much."""
    try:
        with zipfile.ZipFile(path) as opened:
            entries = opened.infolist()
            names = {entry.filename for entry in entries}
            _check_kind(file, names)
            _check_size(file, entries)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error) as error:
        got = f"a workbook that is cut off or damaged ({error})"
        refuse(file, got, "a whole file", "Fetch or export it again.")
    return {}


def _check_kind(file: str, names: set[str]) -> None:
    if any(name.startswith("xl/") for name in names) or "content.xml" in names:
        return
    if "word/document.xml" in names:
        refuse(file, "a Word document", "a table", "Save the table in it as CSV.")
    inside = ", ".join(sorted(names)[:3]) or "nothing"
    got = f"a ZIP file with {inside} in it"
    refuse(file, got, "a table", "Unpack it, and name the file inside.")


def _check_size(file: str, entries: list[zipfile.ZipInfo]) -> None:
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    must = f"at most {MOST_UNPACKED_BYTES:,} bytes, and {MOST_RATIO} times what is packed"
    if size > MOST_UNPACKED_BYTES or (size > _SMALL_BYTES and size > MOST_RATIO * packed):
        got = f"a workbook of {packed:,} bytes that unpacks to {size:,}"
        refuse(file, got, must, "Do not open it unless you know who made it; save it as CSV.")
