"""Tell what kind of table an export is, and which column has which role in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from forecast.history.exports import dates
from forecast.history.exports.suggest_columns import Profile, choose, is_sure, profiles_of
from forecast.history.exports.suggest_files import read_somehow
from forecast.history.exports.suggest_values import Draft, stage_name
from forecast.history.exports.suggest_words import ENTERED, claim, meaning
from forecast.history.tables.table import RawTable

_SEVERAL_ROWS: Final = 0.8  # ids per row: fewer, and the table has several rows an item
_JOINED: Final = 0.5  # of the ids of one table that are in the other
_PARTLY: Final = 0.2  # of ids that have one name in both: they may be written in several ways
_EVENT_IDS: Final = frozenset(
    {"opportunity id", "deal id", "case id", "case concept name", "case", "lead id", "issue key"}
    | {"ticket id", "record id", "deal", "lead", "opportunity", "item", "item id", "case number"}
    | {"application id", "contact id"}
)
LABELS: Final = ("channel", "segment", "product")


@dataclass(frozen=True)
class Look:
    """Hold a table with what its columns hold."""

    path: Path
    raw: RawTable
    profiles: list[Profile]
    options: Mapping[str, str] = field(default_factory=dict)  # of the file: encoding, sheet


@dataclass
class Roles:
    """Say what a table is and which column has which role."""

    kind: str
    look: Look
    columns: dict[str, Profile] = field(default_factory=dict)
    entered: dict[str, Profile] = field(default_factory=dict)

    def free(self) -> list[Profile]:
        """Give the columns that have no role yet."""
        taken = {each.name for each in (*self.columns.values(), *self.entered.values())}
        return [each for each in self.look.profiles if each.name not in taken]


def look_at(path: Path, draft: Draft) -> Look:
    """Read a file and look at its columns."""
    raw, options = read_somehow(path, draft)
    return Look(path, raw, profiles_of(raw), options)


def arrange(looks: Sequence[Look], draft: Draft) -> tuple[list[Roles], list[Profile]]:
    """Give every table its kind and roles, and columns of names from tables that have neither."""
    events = [look for look in looks if _event_id(look) is not None]
    if events:
        parts = [_events(events[0], draft)]
        others = [look for look in looks if look is not events[0]]
        beside = next((each for look in others if (each := _beside(look, parts[0], draft))), None)
        if beside:
            parts.append(beside)
    else:
        items = [look for look in looks if any(each.dated >= 0.5 for each in look.profiles)]
        parts = _items(items, draft)
    used = {id(roles.look) for roles in parts}
    names: list[Profile] = []
    for look in looks:
        if id(look) not in used:
            names += look.profiles
            draft.doubt(f"{look.path.name} is joined with nothing; its names are compared alone")
    return parts, names


def _event_id(look: Look) -> Profile | None:
    """Find the id of a table with several rows an item."""
    found = [
        each
        for each in look.profiles
        if each.filled
        and each.unique < _SEVERAL_ROWS
        and (each.plain in _EVENT_IDS or claim(each.name, "id") > 0.85)
        and each.dated < 0.8
    ]
    own = [each for each in look.profiles if claim(each.name, "id") > 0.85 and each.unique > 0.98]
    if any(each.plain in ("opportunity id", "deal id", "case id") for each in own) or not found:
        return None
    stage, at = choose(look.profiles, "stage"), choose(look.profiles, "at")
    return found[0] if stage and at else None


def _blank(profiles: Sequence[Profile], role: str) -> list[Profile]:
    """Find columns without contents whose name says a role plainly."""
    return [each for each in profiles if not each.filled and is_sure(each, role)]


def _events(look: Look, draft: Draft) -> Roles:
    roles = Roles("events", look)
    identity = _event_id(look)
    assert identity is not None
    roles.columns["id"] = identity
    _take(roles, "stage", draft)
    same = {each.name for each in roles.free() if _of_items(each, identity)}
    # When an item was made stands in all its rows: no day on which something happened to it.
    moving = [each for each in choose(roles.free(), "at") if each.name not in same]
    if moving:
        roles.columns["at"] = moving[0]
        if rivals := [each.name for each in moving[1:3] if is_sure(each, "at")]:
            draft.doubt(f"at: {moving[0].name}; it could be {' or '.join(rivals)} as well")
        elif not is_sure(moving[0], "at"):
            draft.doubt(f"at: {moving[0].name}, by a guess from its name")
    else:
        _take(roles, "at", draft)
    if "stage" not in roles.columns or "at" not in roles.columns:
        draft.doubt("which columns say what happened, and when")
    for role in ("amount", *LABELS):
        _take(roles, role, draft, sure=True)
    return roles


def _of_items(each: Profile, identity: Profile) -> bool:
    """Tell whether a column says the same in all rows of an item."""
    pairs = np.unique(identity.codes * (len(each.texts) + 1) + each.codes)
    return len(pairs) <= len(np.unique(identity.codes))


def _beside(look: Look, events: Roles, draft: Draft) -> Roles | None:
    """Find a table of items beside their events."""
    ids = set(events.columns["id"].texts)
    for each in look.profiles:
        if each.filled and each.unique > 0.9 and len(ids & set(each.texts)) > _JOINED * len(ids):
            roles = Roles("deals", look, {"id": each})
            for role in ("amount", *LABELS):
                if role not in events.columns:
                    _take(roles, role, draft, sure=True)
            return roles
    return None


def _items(looks: Sequence[Look], draft: Draft) -> list[Roles]:
    """Give roles to tables with one row an item."""
    if len(looks) >= 2 and (pair := _joined(looks)):
        leads_look, leads_id, deals_look, deals_key = pair
        leads, deals = Roles("leads", leads_look), Roles("deals", deals_look)
        leads.columns["id"] = leads_id
        own = choose([each for each in deals_look.profiles if each is not deals_key], "id")
        if own and is_sure(own[0], "id") and own[0].unique > 0.9:
            deals.columns["id"] = own[0]
        deals.columns["lead"] = deals_key
        _deal_roles(deals, draft, lead=True)
        _take(leads, "created", draft)
        _fall_back(leads, draft)
        for role in LABELS:
            _take(leads, role, draft, sure=True)
        for role in [role for role in LABELS if role in leads.columns]:
            deals.columns.pop(role, None)
        return [leads, deals]
    if not looks:
        return []
    deals = Roles("deals", looks[0])
    ids = [each for each in choose(looks[0].profiles, "id") if each.unique > 0.9]
    if ids and is_sure(ids[0], "id"):
        deals.columns["id"] = ids[0]
    elif all_different := [each for each in looks[0].profiles if _names_rows(each)]:
        deals.columns["id"] = all_different[0]
        draft.doubt(f"id: {all_different[0].name}, taken because no two rows have the same")
    else:
        draft.doubt("id: no column names each row; add one such as a row's number")
    _deal_roles(deals, draft)
    return [deals] if {"created", "closed", "won"} & set(deals.columns) or deals.entered else []


def _names_rows(profile: Profile) -> bool:
    return profile.filled == profile.rows == len(profile.texts) and profile.dated < 0.5


def _joined(looks: Sequence[Look]) -> tuple[Look, Profile, Look, Profile] | None:
    """Find two tables of which one has the ids of the other: leads and the deals of them."""
    best: tuple[float, Look, Profile, Look, Profile] | None = None
    for leads in looks:
        for deals in looks:
            if leads is deals or _ends(leads) > _ends(deals):
                continue
            for one in leads.profiles:
                if one.unique < 0.9 or one.dated > 0.5 or one.filled < 0.9 * one.rows:
                    continue
                known = set(one.texts)
                for other in deals.profiles:
                    if not other.filled:
                        continue
                    share = len(known.intersection(other.texts)) / len(other.texts)
                    score = share + 0.1 * (one.plain.endswith("id") + other.plain.endswith("id"))
                    if len(deals.raw) <= len(leads.raw):
                        score += 0.1
                    enough = _PARTLY if one.plain == other.plain else _JOINED
                    if share > enough and (best is None or score > best[0]):
                        best = (score, leads, one, deals, other)
    return best[1:] if best else None


def _ends(look: Look) -> int:
    """Count the columns that say how items end."""
    roles = ("closed", "won", "lost", "amount")
    found = sum(any(is_sure(each, role) for each in choose(look.profiles, role)) for role in roles)
    return found + 2 * any(_tells(each) for each in choose(look.profiles, "status"))


def _tells(profile: Profile) -> bool:
    return any(meaning(text) == "won" for text in profile.texts)


def _deal_roles(roles: Roles, draft: Draft, lead: bool = False) -> None:
    """Give the roles of a table with one row an item."""
    _entered(roles)
    for role in ("won", "lost", "closed", "created"):
        _take(roles, role, draft, sure=role in ("won", "lost") or lead)
    if {"won", "lost", "closed"} <= roles.columns.keys() and not lead:
        del roles.columns["closed"]
    if not lead and not roles.entered:
        _fall_back(roles, draft)
    free = [each for each in choose(roles.free(), "status") if claim(each.name, "status")]
    telling = [each for each in free if _tells(each)]
    if telling or (free and not lead):
        roles.columns["status"] = (telling or free)[0]
    for role in ("amount", *LABELS):
        _take(roles, role, draft, sure=True)
    order = ["id", "lead", "created", "closed", "won", "lost", "status", "amount", *LABELS]
    roles.columns = {role: roles.columns[role] for role in order if role in roles.columns}


def _take(roles: Roles, role: str, draft: Draft, sure: bool = False) -> None:
    """Give a role to the likeliest free column; with `sure` only where its name says it plainly."""
    found = choose(roles.free(), role)
    if not found and (empty := _blank(roles.free(), role)):
        roles.columns[role] = empty[0]
        draft.doubt(f"{role}: {empty[0].name} is blank in every row")
        return
    if not found or (sure and not is_sure(found[0], role)):
        return
    roles.columns[role] = found[0]
    rivals = [each.name for each in found[1:3] if is_sure(each, role)]
    if not is_sure(found[0], role):
        draft.doubt(f"{role}: {found[0].name}, by a guess from its name")
    elif rivals and role != "status":
        also = " or ".join(rivals)
        draft.doubt(f"{role}: {found[0].name}; it could be {also} as well")


def _fall_back(roles: Roles, draft: Draft) -> None:
    """Take columns of dates whose names say nothing: the earlier one is when items arrived."""
    free = [each for each in roles.free() if each.dated >= 0.9 and each.numeric < 0.9]
    free.sort(key=lambda each: float(np.median(_read(each))))
    if "created" not in roles.columns and free:
        roles.columns["created"] = free.pop(0)
        draft.doubt(
            f"created: {roles.columns['created'].name}, the earliest of the columns of dates"
        )
    if roles.kind == "deals" and not {"closed", "won"} & roles.columns.keys() and free:
        roles.columns["closed"] = free.pop()
        draft.doubt(f"closed: {roles.columns['closed'].name}, the latest of the columns of dates")
    for role in ("created", "closed") if roles.kind == "deals" else ("created",):
        dated = role == "closed" and {"won", "lost"} & roles.columns.keys()
        if role not in roles.columns and not dated:
            draft.doubt(f"{role}: no column of dates is left for it")


def _read(profile: Profile) -> np.ndarray:
    days = dates.read_days(profile.texts, dates.DAY_FIRST, None)
    read = days.day[days.state == dates.READ]
    return read if len(read) else np.array([np.iinfo(np.int64).max])


def _entered(roles: Roles) -> None:
    """Find columns with the day of entering each stage, as HubSpot writes them."""
    found: dict[str, Profile] = {}
    for each in roles.look.profiles:
        match = ENTERED.fullmatch(each.plain)
        if match and each.filled and each.dated >= 0.9:
            stage = match[1] or match[2]
            if (ends := meaning(stage)) in ("won", "lost"):
                roles.columns.setdefault(ends, each)
            else:
                found[stage_name(stage)] = each
    if len(found) >= 2:
        order = sorted(found, key=lambda stage: -found[stage].filled)
        roles.entered = {stage: found[stage] for stage in order}
