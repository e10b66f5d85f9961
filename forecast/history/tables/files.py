"""Open a file of records: its size, what its first bytes say it is, and faults of the whole."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from pathlib import Path
from typing import Final, NoReturn

from forecast.scenario.errors import Fault, ScenarioError, shown

MOST_BYTES: Final = 2_000_000_000  # of a file, or of what is packed in it
MOST_ROWS: Final = 10_000_000
MOST_COLUMNS: Final = 2_000
MOST_CELLS: Final = 200_000_000
MOST_FAULTS: Final = 20  # of one kind are told one by one
FILE, ROW, HEADER = "(file)", "(row)", "(header)"
CSV, EXCEL, PARQUET = "CSV", "Excel", "Parquet"
TABLE: Final = "a table in CSV, Excel or Parquet"
EXPORT_CSV: Final = "Export the records as CSV in UTF-8."
GZIP: Final = b"\x1f\x8b"
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")

# What a file begins with, what it is then, and what to do.
_STRANGERS: Final = (
    (b"%PDF", "a PDF document", "Ask for the data behind it, as CSV or Excel."),
    (b"SQLite format 3\x00", "an SQLite database", "Read it by url: sqlite:///FILE and query:."),
    (b"ARROW1", "a Feather (Arrow) file", "Write it as Parquet or CSV."),
    (b"ORC", "an ORC file", "Write it as Parquet or CSV."),
    (b"Obj\x01", "an Avro file", "Write it as Parquet or CSV."),
    (b"BZh", "a file packed by bzip2", "Unpack it, and name the file inside."),
    (b"\xfd7zXZ\x00", "a file packed by xz", "Unpack it, and name the file inside."),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd", "Unpack it, and name the file inside."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it, and name the file inside."),
    (b"Rar!", "a RAR archive", "Unpack it, and name the file inside."),
    (b"\x89PNG", "a picture", EXPORT_CSV),
    (b"{\\rtf", "a document (RTF)", EXPORT_CSV),
    (
        b"version https://git-lfs",
        "the stand-in that Git LFS leaves for a large file",
        "Fetch the file itself: git lfs pull.",
    ),
)
_JSON: Final = re.compile(rb'\s*(\{\s*["}\n]|\[\s*[\[{"\]])')
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
MOST_CONTROLS: Final = 0.05  # of the first bytes of a text
_SOME_CONTROLS: Final = 32  # are let be in any text


def refuse(file: str, got: str, must: str, mend: str, line: int = 1, path: str = FILE) -> NoReturn:
    """Raise one fault as a ScenarioError."""
    raise ScenarioError([Fault(file, line, path, got, must, mend)])


def check_file(file: str) -> int:
    """Give a file's size in bytes; raises ScenarioError where it is none that can be read."""
    if re.match(r"[a-z][a-z0-9+.]+://", file, re.IGNORECASE):
        mend = "Download it first; for a database write url: and query:."
        refuse(_without_password(file), "an address", "a file", mend)
    path = Path(file)
    try:
        if path.is_dir():
            refuse(file, "a folder", TABLE, "Name a file inside it.")
        if path.exists() and not path.is_file():
            refuse(file, "a device or a pipe", TABLE, "Write what it gives to a file first.")
        size = path.stat().st_size
        with path.open("rb") as opened:
            opened.read(1)
    except (OSError, ValueError) as error:
        refuse_os(file, error)
    if size == 0:
        refuse(file, "an empty file", TABLE, "Export it again.")
    if size > MOST_BYTES:
        mend = "Export fewer columns, or a shorter time."
        refuse(file, f"a file of {size:,} bytes", f"at most {MOST_BYTES:,}", mend)
    return size


def check_cells(file: str, rows: int, columns: int) -> None:
    """Refuse a table that is too large to be held."""
    if rows > MOST_ROWS:
        mend = "Export a shorter time, or fewer kinds of events."
        refuse(file, f"{rows:,} rows", f"at most {MOST_ROWS:,}", mend)
    if rows * columns > MOST_CELLS:
        got, must = f"{rows * columns:,} cells", f"at most {MOST_CELLS:,}"
        refuse(file, got, must, "Export only the columns that are needed.")


def refuse_os(file: str, error: OSError | ValueError) -> NoReturn:
    """Say in a person's words why a file could not be opened."""
    if isinstance(error, FileNotFoundError):
        where = os.path.abspath(os.path.dirname(file) or ".")
        mend = f"Check its name; it is looked for in {where}."
        refuse(file, "no such file", TABLE, mend)
    if isinstance(error, PermissionError):
        refuse(file, "a file that may not be read", TABLE, "Ask for the right to read it.")
    reason = getattr(error, "strerror", None) or str(error)
    refuse(file, f"a file that cannot be read ({reason})", TABLE, "Check its name and its disk.")


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)


def read_bytes(path: Path) -> bytes:
    """Read a file whole; one packed by gzip is unpacked, up to the limit."""
    file = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        refuse_os(file, error)
    return unpacked(file, data) if data.startswith(GZIP) else data


def unpacked(file: str, data: bytes) -> bytes:
    """Unpack gzip without ever holding more than the limit."""
    import io

    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as opened:
            while part := opened.read(1 << 24):
                size += len(part)
                if size > MOST_BYTES:
                    got = f"a gzip file with more than {MOST_BYTES:,} bytes in it"
                    refuse(file, got, f"at most {MOST_BYTES:,}", "Unpack it and look inside.")
                parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        got = f"a gzip file that is cut off or damaged ({error})"
        refuse(file, got, "a whole file", "Fetch it again.")
    if not size:
        refuse(file, "a gzip file with nothing in it", TABLE, "Export it again.")
    return b"".join(parts)


def kind_of(file: str, begin: bytes) -> str:
    """Tell what a file is by its first bytes, never by its name; refuses what is no table."""
    if begin.startswith(b"PAR1"):
        return PARQUET
    if begin.startswith((*ZIPS, OLE)):
        return EXCEL
    for mark, what, mend in _STRANGERS:
        if begin.startswith(mark):
            refuse(file, what, TABLE, mend)
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        what = "a web page or XML, as some exports called .xls are"
        refuse(file, what, TABLE, "Open it in a spreadsheet and save it as CSV UTF-8 or .xlsx.")
    if _JSON.match(text):
        refuse(file, "JSON", TABLE, EXPORT_CSV)
    if not begin.startswith((b"\xff\xfe", b"\xfe\xff")) and _is_binary(begin):
        mend = f"It begins with {shown(repr(begin[:8])[2:-1])}. {EXPORT_CSV}"
        refuse(file, "a file that is no text", TABLE, mend)
    return CSV


def _is_binary(begin: bytes) -> bool:
    """Tell text from anything else by its control characters; UTF-16 is told apart later."""
    controls = len(_CONTROLS.findall(begin.replace(b"\0", b"")))
    return controls > max(_SOME_CONTROLS, MOST_CONTROLS * len(begin))
