"""Find the header of a CSV file, and what stands between its cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, NoReturn

from forecast.history.tables.files import ROW, TABLE, refuse
from forecast.history.tables.headers import check_width
from forecast.scenario.errors import listed, shown

SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "upright bars"}
MOST_CHARS: Final = 131_072  # of a cell: what csv takes, and more than any CRM lets one write
_SAMPLE_BYTES: Final = 4_000_000
_SAMPLE_ROWS: Final = 100
_SPELLED: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_HINT: Final = re.compile(r"\"?sep=(.)\"?[ ]*(\r\n|\n|\r)", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """Say how a file is written.

    - separator: the character between cells
    - header: the cells of the first row that holds any
    - line, next_line: the line on which that row begins, and the one behind its end
    - begin: the first byte behind it
    """

    separator: str
    header: tuple[str, ...]
    line: int
    next_line: int
    begin: int


class _Counted:
    """Give lines one by one, and count the bytes of those that were given."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = iter(lines)
        self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.bytes += len(line.encode("utf-8"))
        return line


def find_dialect(file: str, data: bytes, separator: str | None) -> Dialect:
    """Find the header of UTF-8 text; raises ScenarioError where the separator is in doubt."""
    sample = data[:_SAMPLE_BYTES].decode("utf-8", errors="ignore")
    skipped, first, hinted = "", 1, None
    if hint := _HINT.match(sample):
        # Excel's own way to say it: a line of its own above the header.
        skipped, first, hinted = hint[0], 2, hint[1]
    rest = sample[len(skipped) :]
    if not rest.strip('\r\n\t ,;|"'):
        refuse(file, "a file with nothing in it but blanks", TABLE, "Export it again.")
    chosen = _spelled(file, separator) if separator is not None else hinted
    chosen = chosen or _found(file, rest, first)
    lines = _Counted(io.StringIO(rest, newline=""))
    reader = csv.reader(lines, delimiter=chosen, strict=True)
    line, cells = first, []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                break
            line = first + reader.line_num
    except csv.Error as error:
        refuse_quotes(file, line, str(error))
    if lines.bytes == len(rest.encode("utf-8")) and len(data) > _SAMPLE_BYTES:
        columns = re.split(rb"[\r\n]", data[len(skipped) :], maxsplit=1)[0].count(chosen.encode())
        check_width(file, line, columns + 1)
        got, mend = f"a row of names of more than {_SAMPLE_BYTES:,} bytes", "Export it again."
        refuse(file, got, "one row of column names", mend, line)
    begin = len(skipped.encode("utf-8")) + lines.bytes
    return Dialect(chosen, tuple(cells), line, first + reader.line_num, begin)


def _spelled(file: str, separator: str) -> str:
    """Take a separator as a person writes it: the character, or its name."""
    mark = _SPELLED.get(separator.strip().lower(), separator)
    if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\r\n\0':
        must = "one character that stands between cells"
        refuse(file, shown(separator), must, "Write comma, semicolon, tab or pipe.", 1, "separator")
    return mark


def _found(file: str, sample: str, line: int) -> str:
    """Find the separator that cuts the header and the rows below into as many cells."""
    scores: dict[str, tuple[float, int]] = {}
    for mark in SEPARATORS:
        counts = _counts(sample, mark)
        if counts and counts[0] > 1:
            agree = sum(count == counts[0] for count in counts) / len(counts)
            scores[mark] = (agree, counts[0])
    if not scores:
        return ","  # one column
    best = max(scores.values())
    found = [mark for mark, score in scores.items() if score == best]
    if len(found) > 1:
        names = listed([SEPARATORS[mark] for mark in found], "or")
        must = "cells with one kind of separator between them"
        mend = "Write separator: with the one that is meant."
        refuse(file, f"cells that {names} may stand between", must, mend, line, ROW)
    return found[0]


def _counts(sample: str, mark: str) -> list[int]:
    """Count the cells of the first rows, if `mark` were the separator."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=mark)
    counts: list[int] = []
    with suppress(csv.Error):  # told later, with its line
        counts.extend(
            len(cells)
            for cells in islice(reader, _SAMPLE_ROWS)
            if any(cell.strip() for cell in cells)
        )
    return counts


def refuse_quotes(file: str, line: int, problem: str) -> NoReturn:
    """Say what is wrong with the quotation marks of the record that begins on a line."""
    if "limit" in problem:
        got = f"a cell of more than {MOST_CHARS:,} characters, or a quotation mark never closed"
        mend = 'Look for a lone " from here on, or leave out the column of long texts.'
    elif "end of data" in problem:
        got = "a quotation mark that is never closed"
        mend = 'Close it, or write a quotation mark inside a cell twice: "".'
    else:
        got = "text behind a closing quotation mark"
        mend = 'Write a quotation mark inside a cell twice: "the ""big"" deal".'
    refuse(file, got, 'cells such as "a, b" with separators between them', mend, line, ROW)
