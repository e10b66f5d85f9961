"""Labels and amounts of rows: aliases joined, blanks filled, spellings compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from forecast.history.exports.data_report import Alike
from forecast.history.exports.mapping import SET_ASIDE, ExportMapping
from forecast.history.exports.rows import Coded, Mask, Rows
from forecast.history.records import UNKNOWN
from forecast.scenario.errors import shown

MOST_COMPARED: Final = 400
MANY_LABELS: Final = 200
_MAYBE_BLANK: Final = frozenset({"none", "null", "nan", "n/a", "na", "-", "(none)", "(blank)"})
_SHORTEST: Final = 6  # letters of a name that one slip of the pen may part from another


def read_label(rows: Rows, name: str, mapping: ExportMapping, counts: Counts) -> Coded:
    """Read a label of every row; blank cells become what the mapping says, else "unknown"."""
    coded = rows.column(name)
    if not rows.has(name):
        return coded
    texts = list(coded.texts)
    if sign := mapping.several.get(name):
        several = [sign in text for text in texts]
        what = f"{name} holds several values, of which the first counts"
        rows.note(coded.spread(several) & rows.live, what, name)
        texts = [text.split(sign)[0].strip() for text in texts]
    else:
        several = [bool(re.search(r"\S[;|]\S", text)) for text in texts]
        rows.note(coded.spread(several) & rows.live, f"{name} may hold several values", name)
    odd = coded.spread([text.casefold() in _MAYBE_BLANK for text in texts])
    rows.note(odd & rows.live, f"{name} is a word for nothing, kept as a name", name)
    blank = mapping.blanks.get(name, UNKNOWN)
    empty = coded.spread([not text for text in texts])
    if blank == SET_ASIDE:
        rows.set_aside(empty, f"with no {name}", name, chosen=True)
    elif count := int((empty & rows.live).sum()):
        same = coded.spread([text == blank for text in texts]) & rows.live
        if same.any():
            said = f"{int(same.sum()):,} rows say {shown(blank)} as the {name}"
            rows.notes.append(f"{said}, and {count:,} blank ones are taken as the same")
        counts.blanks[f"{name} = {blank}"] = counts.blanks.get(f"{name} = {blank}", 0) + count
    aliases = mapping.aliases.get(name, {})
    _count_aliases(coded, texts, aliases, rows, name, counts)
    texts = [aliases.get(text, text) or blank for text in texts]
    return Coded(coded.codes, texts)


class Counts:
    """Counts cells that were joined with others or filled, by what was done."""

    def __init__(self) -> None:
        self.aliases: dict[str, int] = {}
        self.blanks: dict[str, int] = {}


def _count_aliases(
    coded: Coded,
    texts: Sequence[str],
    aliases: Mapping[str, str],
    rows: Rows,
    name: str,
    counts: Counts,
) -> None:
    sizes = np.bincount(coded.codes[rows.live], minlength=len(texts))
    for old, new in aliases.items():
        count = sum(int(n) for text, n in zip(texts, sizes, strict=True) if text == old)
        if count:
            key = f"{name} {old} = {new}"
            counts.aliases[key] = counts.aliases.get(key, 0) + count
        else:
            rows.notes.append(f"the alias {shown(old)} of {name} is in no row")


def find_alike(label: str, counts: Mapping[str, int]) -> list[Alike]:
    """Find labels that are nearly spelled alike: but for case, spaces, signs or one letter.

    >>> [pair.name for pair in find_alike("product", {"GTX Pro": 5, "GTXPro": 2, "MG": 1})]
    ['GTXPro']
    """
    ordered = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_COMPARED]
    plain = {name: _plain(name) for name in ordered}
    found = []
    for place, name in enumerate(ordered):
        for other in ordered[:place]:
            if plain[name] == plain[other] or _one_slip(plain[name], plain[other]):
                found.append(Alike(label, name, counts[name], other, counts[other]))
                break
    return found


def same_but_for_signs(one: str, other: str) -> bool:
    """Tell whether two names differ in case, spaces, signs and accents alone."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).casefold()
    kept = "".join(char for char in text if char.isalnum())
    return kept or name


def _one_slip(one: str, other: str) -> bool:
    """Tell whether one letter was left out, doubled, exchanged with its neighbour or mistyped.

    Digits count as they are: Region 1 is not Region 2.
    """
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    if re.sub(r"\D", "", one) != re.sub(r"\D", "", other):
        return False
    if len(one) == len(other):
        apart = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        if len(apart) == 1:
            return True
        if len(apart) == 2 and apart[1] == apart[0] + 1:
            first, second = apart
            return one[first] == other[second] and one[second] == other[first]
        return False
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def fill(own: Coded, other: Coded | None, there: Mask | None = None) -> Coded:
    """Put another column's labels where the own ones are unknown."""
    if other is None or there is None:
        return own
    texts = [*own.texts, *other.texts]
    unknown = own.spread([text in ("", UNKNOWN) for text in own.texts]) & there
    return Coded(np.where(unknown, other.codes + len(own.texts), own.codes), texts)
