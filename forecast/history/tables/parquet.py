"""Read a Parquet file as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from forecast.history.tables.cells import cell_text
from forecast.history.tables.files import MOST_BYTES, check_cells, refuse
from forecast.history.tables.headers import check_width, name_columns
from forecast.history.tables.table import DATE, NUMBER, Kinds, RawTable, text_frame, typed_table
from forecast.scenario.errors import Fault, ScenarioError, shown

_WRITE_ANEW: Final = "Write it anew, or save it as CSV."


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file; see ``read_table``."""
    file = str(path)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        must = "a file that can be read: pyarrow, which reads Parquet, is not installed"
        mend = "Install it with: pip install 'pipecast[parquet]'; or save the file as CSV."
        refuse(file, "a Parquet file", must, mend)
    try:
        with pyarrow.parquet.ParquetFile(path) as opened:
            _check_size(file, opened)
            schema = opened.schema_arrow
            _check_types(file, schema)
            texts = [
                field.name
                for field in schema
                if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)
            ]
        with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as opened:
            table = opened.read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        refuse(file, f"a Parquet file that cannot be read ({reason})", "a whole file", _WRITE_ANEW)
    return _table(file, table)


def _check_size(file: str, opened: Any) -> None:
    data = opened.metadata
    check_width(file, 1, data.num_columns)
    check_cells(file, data.num_rows, data.num_columns)
    size = sum(data.row_group(i).total_byte_size for i in range(data.num_row_groups))
    if size > MOST_BYTES:
        refuse(file, f"{size:,} bytes in it", f"at most {MOST_BYTES:,}", "Keep fewer columns.")


def _check_types(file: str, schema: Any) -> None:
    import pyarrow

    faults = []
    for each in schema:
        kind = each.type
        if pyarrow.types.is_nested(kind) or pyarrow.types.is_binary(kind):
            what = "bytes" if pyarrow.types.is_binary(kind) else f"lists or groups ({kind})"
            must, mend = "a column of single values", "Leave it out, or write it as text."
            faults.append(Fault(file, 1, shown(each.name), what, must, mend))
    if faults:
        raise ScenarioError(faults)


def _table(file: str, table: Any) -> RawTable:
    header = name_columns(table.column_names)
    texts, kinds = {}, {}
    total = 0
    for index, name in enumerate(header.names):
        cells, kind, chars = _column(table.column(index))
        total += chars
        if total > MOST_BYTES:
            got, must = f"more than {MOST_BYTES:,} characters in it", "fewer"
            refuse(file, got, must, "Keep fewer columns.")
        texts[name] = cells
        if kind is not None:
            kinds[name] = kind
    frame = text_frame(texts)
    return typed_table(file, header, frame, kinds, 1)


def _column(column: Any) -> tuple[Any, Kinds | None, int]:
    """Give a column's cells as text, what they were, and the number of their characters.

    Each value is written once, however often it is there.
    """
    import pyarrow

    types = pyarrow.types
    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    elif types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", tz=kind.tz), safe=False)
    coded = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    written = coded.dictionary.to_pylist()
    if types.is_floating(kind) and kind.bit_width < 64:
        # The shortest digits that make this float, not those of the double that holds it.
        written = [float(str(value)) for value in coded.dictionary.to_numpy(zero_copy_only=False)]
    values = np.array([cell_text(value) for value in written] + [""], object)
    codes = coded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
    lengths = np.array([len(value) for value in values], dtype=np.int64)
    typed = None
    if types.is_temporal(kind) and not types.is_time(kind):
        typed = DATE
    elif types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        typed = NUMBER
    filled = lengths[codes] > 0
    kinds = None if typed is None else np.where(filled, typed, 0).astype(np.int8)
    return values[codes], kinds, int(lengths[codes].sum())
