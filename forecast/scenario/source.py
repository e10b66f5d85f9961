"""Turn a file into text, and say in a person's words what the YAML parser could not read."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from forecast.scenario.errors import Fault, ScenarioError, visible

MAX_BYTES = 12_000_000  # room for the text of a scenario with its files in it: 100,000 open deals
WHOLE = "(file)"

# Controls, line separators, marks that turn the reading direction, surrogates and byte-order marks.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)
# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_INDENT = re.compile(r"^ *([^\S \n])", re.MULTILINE)
_MARKS = ((codecs.BOM_UTF8, "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def read_text(path: Path) -> str:
    """Read a file as UTF-8 with plain line ends; raises ScenarioError when it is anything else."""
    return _decoded(_bytes_of(path), str(path))


def _refused(file: str, line: int, got: str, must: str, mend: str) -> ScenarioError:
    return ScenarioError([Fault(file, line, WHOLE, got, must, mend)])


def _bytes_of(path: Path) -> bytes:
    """Read a file's bytes, up to one more than is allowed."""
    file, must = str(path), "a YAML file"
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            got, mend = "no such file", "Check the name and the folder it is in."
        elif os.path.isdir(path):  # Windows calls this a lack of permission
            got, mend = "a folder", "Name a file inside it."
        elif isinstance(error, PermissionError):
            got, mend = "a file that may not be read", "Ask for the right to read it."
        else:
            reason = getattr(error, "strerror", None) or str(error)
            got, mend = f"a file that cannot be read ({reason})", "Check its name and its disk."
        raise _refused(file, 1, got, must, mend) from None
    if len(data) > MAX_BYTES:
        got, must = f"more than {MAX_BYTES:,} bytes", f"at most {MAX_BYTES:,}"
        raise _refused(file, 1, got, must, "Keep long lists in CSV files.")
    return data


def _decoded(data: bytes, file: str) -> str:
    """Turn bytes into text; refuse all but UTF-8 without a mark."""
    mend = "Save the file as UTF-8 without BOM."
    for mark, name in _MARKS:
        if data.startswith(mark):
            must = "UTF-8 without a byte-order mark"
            raise _refused(file, 1, f"a byte-order mark (BOM) of {name}", must, mend)
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (where := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, where) + 1
        got = "a NUL byte, as in UTF-16 or in a file that is not text"
        raise _refused(file, line, got, "UTF-8 text", mend)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        letter = bytes([byte]).decode("latin-1")
        reading = f" ({letter} in Latin-1)" if letter.isprintable() else ""
        got = f"the byte 0x{byte:02X}{reading} at position {column} of the line"
        raise _refused(file, line, got, "UTF-8 text", "Save the file as UTF-8.") from None


def bad_characters(text: str, file: str) -> Iterator[Fault]:
    """Report every control character, and every indentation that is not made of spaces."""
    for match in FORBIDDEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        got, must = f"the control character {visible(match[0])}", "text that can be seen"
        yield Fault(file, line, WHOLE, got, must, "Delete it; your editor may not show it.")
    for match in _INDENT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        name = "a tab" if match[1] == "\t" else f"the character {visible(match[1])}"
        mend = "Replace it by spaces; most editors can do that for the whole file."
        yield Fault(file, line, WHOLE, f"{name} in the indentation", "spaces", mend)


@dataclass(frozen=True)
class _Wrong:
    """Translate one kind of the parser's complaints, of libyaml and of pure Python alike."""

    pattern: str
    got: str  # a format with {char} and {start} (a line)
    must: str
    mend: str
    at_start: bool = False  # the mistake stands where the parser began, not where it gave up


_QUOTE_IT = "Put quotes around it if it is text."
_SYNTAX = (
    _Wrong(
        "cannot start any token",
        "{char} where a value begins",
        "a value, or text in quotes",
        "Put quotes around text that begins with such a character; use spaces, not tabs.",
    ),
    _Wrong(
        "mapping values are not allowed",
        "a second colon, or a key that is indented wrongly",
        "one key and one value a line",
        "Put quotes around text with a colon, and line this key up with its neighbours.",
    ),
    _Wrong(
        "could not find expected ':'",
        "a line without a colon",
        "a key, a colon, a space and a value",
        "Write the colon, or put quotes around text that runs over lines.",
        at_start=True,
    ),
    _Wrong(
        r"expected ',' or '\]'",
        "a list opened with [ on line {start} and neither continued nor closed",
        "items with commas between them and ] at the end",
        "Write the comma or the ] that is missing.",
    ),
    _Wrong(
        r"expected ',' or '\}'",
        "a mapping opened with {{ on line {start} and neither continued nor closed",
        "keys and values with commas between them and } at the end",
        "Write the comma or the } that is missing.",
    ),
    _Wrong(
        "quoted scalar.*(end of stream|document)",
        "a quotation mark that is never closed",
        "text between two quotation marks",
        "Write the second quotation mark.",
        at_start=True,
    ),
    _Wrong(
        "escape|hexadecimal",
        "a backslash in double quotes that means nothing",
        r"an escape such as \n",
        "Write the text in single quotes instead.",
    ),
    _Wrong(
        "sequence entries are not allowed",
        "a dash in the middle of a line",
        "a list with each dash on a line of its own",
        f"Begin a new line with the dash. {_QUOTE_IT}",
    ),
    _Wrong(
        "an anchor|an alias",
        "& or * with no name behind it",
        "a value",
        _QUOTE_IT,
    ),
    _Wrong("tag", "a tag (!)", "the value alone", f"Delete the tag. {_QUOTE_IT}"),
    _Wrong(
        "directive|incompatible YAML",
        "a line that begins with %",
        "a key and a value",
        f"Delete the line. {_QUOTE_IT}",
    ),
    _Wrong(
        "<document start>",
        "something behind the end of the document",
        "one mapping of keys and values",
        "Check the brackets and quotes before it, and delete what is too much.",
    ),
    _Wrong(
        "block scalar",
        "more text behind | or >",
        "nothing else on that line",
        f"Begin the text on the next line. {_QUOTE_IT}",
    ),
    _Wrong(
        "block mapping|block collection",
        "a line that does not fit in here",
        "a key with a colon, lined up with its neighbours",
        "Check its indentation, and that nothing follows a closing quote or bracket.",
    ),
    _Wrong(
        "node content",
        "{char} where a value is missing",
        "a value",
        f"Write the value, or delete what is too much. {_QUOTE_IT}",
    ),
    _Wrong(
        "",
        "something that cannot be read",
        "YAML",
        "Check the indentation, colons, quotes and brackets of this line and the one above.",
    ),
)


def syntax_fault(text: str, file: str, error: yaml.MarkedYAMLError) -> Fault:
    """Say in a person's words what the parser could not read, and on which line."""
    problem = f"{error.context or ''}: {error.problem or ''}"
    wrong = next(each for each in _SYNTAX if re.search(each.pattern, problem))
    lines = text.rstrip("\n").split("\n")

    # The parser marks the end of a file one line behind the last.
    def line_of(mark: yaml.Mark | None) -> int:
        return min(mark.line, len(lines) - 1) if mark is not None else 0

    start, end = error.context_mark, error.problem_mark or error.context_mark
    here = start if wrong.at_start and start is not None else end
    column = here.column if here is not None else 0
    char = lines[line_of(here)][column : column + 1].strip(" ")
    got = wrong.got.format(
        char="a tab" if char == "\t" else char or "an end", start=line_of(start) + 1
    )
    return Fault(file, line_of(here) + 1, WHOLE, got, wrong.must, wrong.mend)
