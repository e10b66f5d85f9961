"""Turn bytes into text: UTF-8 strictly, or the encoding that somebody named."""

from __future__ import annotations

import codecs
import re
from typing import Final

from forecast.history.tables.files import FILE, refuse
from forecast.scenario.errors import did_you_mean, shown

_PIECE_BYTES: Final = 1 << 24
NOT_UTF8: Final = "which is not UTF-8"
SAVE_UTF8: Final = "save the file as CSV UTF-8"
FAMILIAR: Final = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "mac-roman")
_WESTERN: Final = frozenset({"cp1252", "iso8859-1", "iso8859-15"})
# Letters and quotation marks of UTF-8; read as Western text they are Ã¤, Ã©, â€™: never meant.
_TWO_BYTES: Final = re.compile(rb"[\xc2\xc3][\x80-\xbf]|\xe2\x80[\x90-\xbf]")


def to_utf8(file: str, data: bytes, encoding: str | None) -> bytes:
    """Give the text of a file as UTF-8 without a byte-order mark.

    Without `encoding` only UTF-8 is taken, and UTF-16 with its mark: nothing is guessed. Raises
    ScenarioError with the line of the first byte that does not fit.
    """
    if data.startswith(codecs.BOM_UTF8):
        data, named = data[3:], encoding or "utf-8"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        named = encoding or "utf-16"
    else:
        named = encoding or "utf-8"
    codec = _codec(file, named)
    if codec == "utf-8":
        _check_utf8(file, data)
    else:
        _check_not_mixed(file, data, codec)
        data = _recoded(file, data, codec, named)
    if (where := data.find(b"\0")) >= 0:
        mend = "If it is UTF-16 write encoding: utf-16-le (or utf-16-be); else export it again."
        refuse(file, "a NUL byte", "text", mend, _line(data, where))
    return data


def _codec(file: str, named: str) -> str:
    """Find an encoding by any of its names."""
    try:
        info = codecs.lookup(named)
        if not getattr(info, "_is_text_encoding", True):
            raise LookupError(named)
    except (LookupError, ValueError):
        mend = did_you_mean(named, FAMILIAR) or "Write encoding: cp1252 for files of Windows."
        refuse(file, f"the encoding {shown(named)}", "the name of an encoding", mend, 1, "encoding")
    return "utf-8" if info.name == "utf-8-sig" else info.name


def _line(data: bytes, where: int) -> int:
    before = data[:where]
    # Lone carriage returns are line ends too, as old Macs and csv have them.
    return before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n") + 1


def _check_utf8(file: str, data: bytes) -> None:
    bad = _first_not_utf8(data)
    if bad is None:
        return
    letter = data[bad : bad + 1].decode("cp1252", errors="replace")
    reading = f" ({letter} in Windows-1252)" if letter.isprintable() and letter != "�" else ""
    got = f"the byte 0x{data[bad]:02X}{reading}, {NOT_UTF8}"
    line = _line(data, bad)
    if (other := _mixed_with(data)) is not None:
        must = f"a file in one encoding, and line {other:,} has letters in UTF-8"
        mend = "Parts of it were joined: make each UTF-8, then join them again."
        refuse(file, got, must, mend, line)
    mend = f"Write encoding: cp1252 (Western Windows) or what it is, or {SAVE_UTF8}."
    refuse(file, got, "UTF-8", mend, line)


def _first_not_utf8(data: bytes) -> int | None:
    """Find the first byte that is not UTF-8, piece by piece: the text itself is never held."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, max(len(data), 1), _PIECE_BYTES):
        kept = len(decoder.getstate()[0])
        piece = data[start : start + _PIECE_BYTES]
        try:
            decoder.decode(piece, final=start + _PIECE_BYTES >= len(data))
        except UnicodeDecodeError as error:
            return start - kept + error.start
    return None


def _mixed_with(data: bytes) -> int | None:
    """Give the line of the first letter that is certainly UTF-8."""
    found = _TWO_BYTES.search(data)
    return None if found is None else _line(data, found.start())


def _check_not_mixed(file: str, data: bytes, codec: str) -> None:
    """Refuse UTF-8 that would be read as Western text without a complaint."""
    if codec not in _WESTERN or (line := _mixed_with(data)) is None:
        return
    found = _TWO_BYTES.search(data)
    assert found is not None
    read = found[0].decode("cp1252", errors="replace")
    got = f"{shown(found[0].decode('utf-8'))} in UTF-8, which {codec} would read as {shown(read)}"
    mend = "Leave out encoding:."
    if _first_not_utf8(data) is not None:
        mend = "Parts of it were joined: make each UTF-8, then join them again."
    refuse(file, got, f"a file in {codec} alone", mend, line)


def _recoded(file: str, data: bytes, codec: str, named: str) -> bytes:
    try:
        return data.decode(codec).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        byte = data[start] if start < len(data) else 0
        got = f"the byte 0x{byte:02X}, which is not {named}"
        mend = f"Write another encoding:, or {SAVE_UTF8}."
        refuse(file, got, f"text in {named}", mend, _line(data, start), FILE)
