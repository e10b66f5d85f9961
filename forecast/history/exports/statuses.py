"""What the values of a status or a stage mean."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecast.history.exports.mapping import SET_ASIDE
from forecast.history.exports.rows import Coded, Rows
from forecast.history.records import LOST, WON
from forecast.scenario.errors import did_you_mean, shown

MOST_STATUSES: Final = 30


def read_meanings(rows: Rows, name: str, stages: tuple[str, ...] = ()) -> list[str]:
    """Give the meaning of each text of a column; those that have none are faults.

    Stages, won and lost mean themselves where events are read. Rows without a value, and those
    that the mapping sets aside, are set aside.
    """
    table, coded = rows.table, rows.column(name)
    own = {stage.casefold(): stage for stage in (*stages, *((WON, LOST) if stages else ()))}
    folded = own | {_plain(text): meaning for text, meaning in table.status.items()}
    found = [
        table.status.get(text) or folded.get(_plain(text)) or (table.others if text else "") or ""
        for text in coded.texts
    ]
    rows.set_aside(coded.spread([not text for text in coded.texts]), f"without a {name}")
    for at, (text, meaning) in enumerate(zip(coded.texts, found, strict=True)):
        if meaning == SET_ASIDE:
            why = f"with the {name} {shown(text)}, set aside by the mapping"
            if _plain(text) not in folded:
                why = f"with a {name} that is not named, set aside by the mapping"
            rows.set_aside(coded.codes == at, why, name, chosen=True)
    _refuse_unknown(rows, name, coded, [bool(meaning) for meaning in found], stages)
    return found


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _refuse_unknown(
    rows: Rows, name: str, coded: Coded, known: list[bool], stages: tuple[str, ...]
) -> None:
    """Record a fault for each value without a meaning, the most frequent first."""
    sizes = np.bincount(coded.codes[rows.live], minlength=len(coded.texts))
    unknown = [at for at in np.argsort(-sizes, kind="stable") if sizes[at] and not known[at]]
    file, count = rows.table.place.file, len(unknown)
    must = f"a value of {rows.theirs[name]} that status gives a meaning"
    for at in unknown[:MOST_STATUSES]:
        text = shown(coded.texts[at])
        got = f"{text} in {sizes[at]:,} row{'s' if sizes[at] > 1 else ''}, which means nothing yet"
        what = "a stage, won, lost" if stages else "open, won, lost"
        near = did_you_mean(coded.texts[at], [*rows.table.status, *stages])
        mend = f"Add {text}: and its meaning ({what} or set aside) to status in {file}."
        mend = f"{near.split('?')[0]}? Else {mend[0].lower()}{mend[1:]}" if "?" in near else mend
        rows.fault((coded.codes == at) & rows.live, name, got, must, mend)
    if count > MOST_STATUSES:
        got = f"{count - MOST_STATUSES:,} more values that mean nothing yet"
        mend = "Check that this is the right column, or give all others one meaning with others:."
        rows.fault(coded.codes == unknown[MOST_STATUSES], name, got, must, mend)
