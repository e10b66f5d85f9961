"""Join leads with the deals that came of them, and tell what happened to each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.history.exports.dates import BLANKS
from forecast.history.exports.deals import IS_LOST, IS_OPEN, IS_WON, NEVER, Deals
from forecast.history.exports.labels import fill
from forecast.history.exports.mapping import LABELS, SET_ASIDE, ExportMapping
from forecast.history.exports.rows import Coded, Ints, Mask
from forecast.history.records import UNDATED
from forecast.scenario.errors import shorten, shown

NO_LEAD: Final = -1
# Deals of no lead: more than so many, and the ids are written otherwise.
FEWEST_STRANGERS, MOST_STRANGERS = 10, 0.5


@dataclass
class Found:
    """Hold items (`ids`, `labels` and `amount` of each) and what happened to them, in any order:
    the `item`, the `state` (see ``stays.make_stays``), the `day`, and a `moment` to order by."""

    ids: list[str]
    labels: dict[str, Coded]
    amount: npt.NDArray[np.float64]
    item: Ints
    state: Ints
    day: Ints
    moment: Ints


def join_leads(leads: Deals, deals: Deals, backdated: str) -> Ints:
    """Give the row of `leads` that each row of `deals` came from, ``NO_LEAD`` where there is none.

    Sets aside deals whose lead is not there or cannot be used, further deals of one lead, and the
    leads of deals that cannot be used: what became of them is not known.
    """
    rows = deals.rows
    keys = rows.column("lead" if rows.has("lead") else "id")
    places = {text: at for at, text in enumerate(leads.rows.ids.texts)}
    usable = np.flatnonzero(leads.rows.live)
    row_of = np.full(len(places), NO_LEAD, dtype=np.int64)
    row_of[leads.rows.ids.codes[usable]] = usable
    code = keys.spread([places.get(text, NO_LEAD) for text in keys.texts])
    lead = np.where(code == NO_LEAD, NO_LEAD, row_of[code])
    key = "lead" if rows.has("lead") else "id"
    none = keys.spread([not text or text.casefold() in BLANKS for text in keys.texts])
    rows.set_aside((code != NO_LEAD) & (lead == NO_LEAD), "of a lead that is set aside", key)
    unknown = (code == NO_LEAD) & (deals.created == NEVER)
    if not _refuse_strangers(leads, deals, unknown & ~none, key):
        rows.set_aside(unknown & none, "without a lead", key)
        rows.set_aside(unknown, "of a lead that is not there", key)
    rows.note((code == NO_LEAD) & ~none & rows.live, "of a lead that is not there (kept)", key)
    rows.note(none & rows.live, "without a lead (kept)", key)
    _backdate(leads, deals, lead, backdated)
    doubted = lead[rows.doubted() & (lead != NO_LEAD)]
    hit = np.zeros(len(leads.rows), dtype=bool)
    hit[doubted] = True
    # Deals without a name of their own are called by their lead, also by one that is not there.
    named = np.where(lead == NO_LEAD, len(leads.rows) + keys.codes, lead)
    _one_each(deals, lead if rows.has("id") else named)
    hit[lead[rows.live & (lead != NO_LEAD)]] = False
    leads.rows.set_aside(hit, "of a deal that is set aside")
    return lead


def _refuse_strangers(leads: Deals, deals: Deals, strange: Mask, key: str) -> bool:
    """Make it a fault when most deals are of leads that are not there: ids differ in spelling."""
    rows = deals.rows
    count, total = int((strange & rows.live).sum()), int(rows.live.sum())
    if count < FEWEST_STRANGERS or count <= MOST_STRANGERS * total:
        return False
    if rows.mapping.unreadable == SET_ASIDE:
        return False
    row = int(np.flatnonzero(strange & rows.live)[0])
    text = shown(shorten(rows.column(key)[row], 40))
    known = {_bare(one): one for one in leads.rows.ids.texts}
    like = known.get(_bare(rows.column(key)[row]))
    alike = f", which is nearly {shown(like)}" if like else ""
    got = f"{text}{alike}, as {count:,} of {total:,} deals that are of no lead"
    mend = (
        f"Write ids alike in both tables, check columns: {{{key}: …}} in {rows.mapping.file}, or "
        "export all leads; unreadable: set aside reads on without these deals."
    )
    rows.fault(strange & rows.live, key, got, "the id of a lead", mend)
    return True


def _bare(text: str) -> str:
    """Leave nothing of an id but its letters, small, and its digits."""
    return "".join(char for char in text.casefold() if char.isalnum())


def _backdate(leads: Deals, deals: Deals, lead: Ints, backdated: str) -> None:
    """Settle deals that began or ended before their lead arrived."""
    arrived = np.where(lead == NO_LEAD, NEVER, leads.created[lead])
    rows = deals.rows
    for name, days in (("opened", deals.created), ("closed", deals.closed)):
        early = (days != NEVER) & (days < arrived) & rows.live
        if backdated == SET_ASIDE:
            rows.set_aside(early, f"{name} before its lead arrived", _shown(deals, name))
        else:
            what = f"{name} before its lead arrived, taken as the same day"
            rows.note(early, what, _shown(deals, name))
            days[early] = arrived[early]


def _shown(deals: Deals, name: str) -> str:
    column = {"opened": "created"}.get(name, name)
    return column if deals.rows.has(column) else ""


def _one_each(deals: Deals, lead: Ints) -> None:
    """Keep the first deal of each lead."""
    rows = deals.rows
    first = np.where(deals.created != NEVER, deals.created, deals.closed)
    first = np.where(first == NEVER, np.iinfo(np.int64).max, first)
    order = np.lexsort((first, lead))
    again = np.zeros(len(rows), dtype=bool)
    mine = order[rows.live[order] & (lead[order] != NO_LEAD)]
    again[mine] = pd.Series(lead[mine]).duplicated().to_numpy()
    rows.set_aside(again, "a further deal of one lead", chosen=True)


def found_in(deals: dict[str, Deals], mapping: ExportMapping) -> Found:
    """Tell what happened to the items of one or two tables."""
    if len(deals) == 1:
        (only,) = deals.values()
        kept = np.flatnonzero(only.rows.live)
        item = np.full(len(only.rows), NO_LEAD, dtype=np.int64)
        item[kept] = np.arange(len(kept))
        return _together([(only, item)], only.rows.ids, kept, only.labels, only.amount, mapping)
    leads, own = deals["leads"], deals["deals"]
    lead = join_leads(leads, own, mapping.backdated)
    return _joined(leads, own, lead, mapping)


def _joined(leads: Deals, deals: Deals, lead: Ints, mapping: ExportMapping) -> Found:
    kept = np.flatnonzero(leads.rows.live)
    alone = np.flatnonzero(deals.rows.live & (lead == NO_LEAD))
    item = np.full(len(leads.rows), NO_LEAD, dtype=np.int64)
    item[kept] = np.arange(len(kept))
    live = deals.rows.live & (lead != NO_LEAD)
    of_deal = np.where(live, item[lead], NO_LEAD)
    of_deal[alone] = len(kept) + np.arange(len(alone))
    # A row of a deal for each lead that has one; the last row of all stands for those without.
    deal_of = np.full(len(leads.rows), NO_LEAD, dtype=np.int64)
    deal_of[lead[live]] = np.flatnonzero(live)
    with_deal = deal_of != NO_LEAD
    labels = {}
    for name in LABELS:
        other = Coded(deals.labels[name].codes[deal_of], deals.labels[name].texts)
        mine = fill(leads.labels[name], other, with_deal)
        texts = [*mine.texts, *deals.labels[name].texts]
        codes = np.concatenate([mine.codes, deals.labels[name].codes + len(mine.texts)])
        labels[name] = Coded(codes, texts)
    amount = np.where(with_deal, deals.amount[deal_of], leads.amount)
    ids, more = leads.rows.ids, deals.rows.ids
    taken = set(ids.texts)
    names = [_other_than(taken, text) for text in more.texts]
    both = Coded(np.concatenate([ids.codes, more.codes + len(ids.texts)]), [*ids.texts, *names])
    leads.outcome[with_deal] = IS_OPEN  # what became of its deal is what became of it
    rows = np.concatenate([kept, len(leads.rows) + alone])
    return _together(
        [(leads, item), (deals, of_deal)],
        both,
        rows,
        labels,
        np.concatenate([amount, deals.amount]),
        mapping,
    )


def _other_than(taken: set[str], name: str) -> str:
    """Tell a deal without a lead apart from a lead that has the same id."""
    while name in taken:
        name = f"{name} (deal)"
    return name


def _together(
    parts: list[tuple[Deals, Ints]],
    ids: Coded,
    kept: npt.NDArray[np.intp],
    labels: dict[str, Coded],
    amount: npt.NDArray[np.float64],
    mapping: ExportMapping,
) -> Found:
    """Put together the items of rows that are kept, and what happened to them."""
    happened = [each for deals, item in parts for each in _happened(deals, item, mapping.stages)]
    item, state, day = (np.concatenate(each) for each in zip(*happened, strict=True))
    return Found(
        [ids.texts[code] for code in ids.codes[kept].tolist()],
        {name: Coded(each.codes[kept], each.texts) for name, each in labels.items()},
        amount[kept],
        item,
        state,
        day,
        day,
    )


def _happened(deals: Deals, item: Ints, stages: tuple[str, ...]) -> list[tuple[Ints, Ints, Ints]]:
    """Give the items, states and days of what rows say happened."""
    mine = item != NO_LEAD
    found = []
    for stage, days in deals.stages.items():
        there = mine & (days != NEVER)
        if there.any():
            state = np.full(int(there.sum()), stages.index(stage), dtype=np.int64)
            found.append((item[there], state, days[there]))
    for outcome, place in ((IS_WON, 0), (IS_LOST, 1)):
        there = mine & (deals.outcome == outcome)
        state = np.full(int(there.sum()), len(stages) + place, dtype=np.int64)
        days = deals.closed[there]
        found.append((item[there], state, np.where(days == NEVER, UNDATED, days)))
    return found
