"""Any table that the standard library writes as CSV comes back cell by cell."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecast.history.tables import csv_file, csv_scan
from forecast.history.tables.table import RawTable, read_table

ENCODINGS = {"utf-8": None, "utf-8-sig": None, "utf-16": None, "utf-16-le": "utf-16-le"}
NASTY = ["None", "NA", "nan", "null", "N/A", "", " ", "-", "=1+1", "1e5", "007", '"', '""', "a,b"]
NASTY += [
    "a;b",
    "x\ty",
    "1|2",
    "two\nlines",
    "two\r\nlines",
    "'",
    "ü",
    "€",
    "日本",
    "😀",
    " lead",
    "#N/A",
]
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_ÄÖ", min_size=1, max_size=8)
CELLS = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=6),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    rows = draw(st.lists(row, min_size=1, max_size=8))
    assume(any(cell.strip() for row in rows for cell in row))
    assume(names not in rows)
    return names, rows


def written(names: list[str], rows: list[list[str]], separator: str, end: str, quoting: int) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def read(data: bytes, **more: str | None) -> RawTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deals.csv"
        path.write_bytes(data)
        return read_table(path, **more)


@settings(deadline=None, max_examples=70)
@given(
    table=tables(),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    packed=st.booleans(),
)
def test_every_cell_comes_back(table, separator, end, quoting, encoding, packed) -> None:
    names, rows = table
    if any("\r" in cell or "\n" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # the writer of Python 3.11 leaves a lone return unquoted
    data = written(names, rows, separator, end, quoting).encode(encoding)
    if packed:
        import gzip

        data = gzip.compress(data)
    found = read(data, separator=separator, encoding=ENCODINGS[encoding])
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert list(found.columns) == names
    assert found.frame.to_numpy().tolist() == filled
    assert found.blank_rows == len(rows) - len(filled)
    assert list(found.lines) == lines_of(names, rows)


def lines_of(names: list[str], rows: list[list[str]]) -> list[int]:
    """The line on which each filled row begins, as an editor counts them."""
    line, found = 2, []
    for row in rows:
        if any(cell.strip() for cell in row):
            found.append(line)
        line += 1 + sum(len(io.StringIO(cell + "x", newline="").readlines()) - 1 for cell in row)
    assert names
    return found


@settings(deadline=None, max_examples=70)
@given(table=tables(), quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_the_fast_and_the_slow_reader_agree(table, quoting) -> None:
    names, rows = table
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL
    data = written(names, rows, ",", "\n", quoting).encode()
    fast = read(data, separator=",")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "scan", lambda *_: None)
        slow = read(data, separator=",")
    assert fast.frame.equals(slow.frame)
    assert list(fast.lines) == list(slow.lines)


@settings(deadline=None, max_examples=60)
@given(text=st.text('a",\n', max_size=14), piece=st.sampled_from([1, 2, 3, 1 << 20]))
def test_records_are_found_where_the_standard_library_finds_them(text, piece) -> None:
    """What the scan calls plain it cuts as csv does, wherever its pieces end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scan, "_PIECE_BYTES", piece)
        layout = csv_scan.scan(text.encode(), b",")
    if layout is None:
        return
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    blank = layout.ends == layout.starts
    assert [0 if none else count for none, count in zip(blank, layout.cells, strict=True)] == [
        len(record) for record in records
    ]


@settings(deadline=None, max_examples=60)
@given(
    separator=st.sampled_from(",;\t|"),
    rows=st.lists(
        st.tuples(
            st.integers(0, 10**6), st.sampled_from(["Miller, Inc.", "a; b", "x|y", "plain", ""])
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_the_separator_is_found(separator, rows) -> None:
    whole = [[f"{number}", company, f"{number % 7},5"] for number, company in rows]
    data = written(["id", "company", "amount"], whole, separator, "\n", csv.QUOTE_MINIMAL).encode()
    assert read(data).frame.to_numpy().tolist() == whole


@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_western_encodings_come_back_when_they_are_named(table) -> None:
    names, rows = table
    try:
        data = written(names, rows, ",", "\n", csv.QUOTE_ALL).encode("cp1252")
    except UnicodeEncodeError:
        assume(False)
    assume("Ã" not in str(rows) and "Â" not in str(rows))
    found = read(data, encoding="cp1252", separator=",")
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert found.frame.to_numpy().tolist() == filled
