"""What the values of an export's columns say: orders of dates, statuses, stages, spellings."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from forecast.history.exports import dates, money
from forecast.history.exports.labels import find_alike, same_but_for_signs
from forecast.history.exports.suggest_columns import Profile, decimal_of, is_twofold, order_of
from forecast.history.exports.suggest_words import (
    ACTIVE,
    CODES,
    CURRENCY,
    DELETED,
    PIPELINES,
    TRUE,
    meaning,
)
from forecast.scenario.errors import listed
from forecast.scenario.nodes import NULLS

if TYPE_CHECKING:
    from forecast.history.exports.suggest_roles import Roles

_DAYS: Final = ("created", "closed", "won", "lost", "at")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.][\w /.()+%€$-]*")
_MOST_LISTED: Final = 60
_FEW: Final = 0.02
_MOST_PIPELINES: Final = 12


@dataclass
class Draft:
    """Collects what a proposal is not sure about, and lines that belong to one table."""

    unsure: list[str] = field(default_factory=list)
    of_table: dict[str, list[str]] = field(default_factory=dict)

    def doubt(self, what: str) -> None:
        """Add something to look at."""
        text = "".join(char if char.isprintable() else " " for char in what)
        if text not in self.unsure:
            self.unsure.append(text)


def quoted(text: str) -> str:
    """Write a text so that YAML gives it back as it is.

    >>> quoted("Closed Won"), quoted("a: b"), quoted("null")
    ('Closed Won', '"a: b"', '"null"')
    """
    if _PLAIN.fullmatch(text) and text == text.strip() and text not in NULLS and ": " not in text:
        return text
    return json.dumps(text, ensure_ascii=False)


def stage_name(text: str) -> str:
    """Make a stage's name of a value: small, without dots and slashes."""
    name = " ".join(re.sub(r"[./\\]+|[^\w&+() -]+", " ", text).split()).lower()[:80]
    return f"{name} stage" if name in ("won", "lost", "open", "set aside") else name or "stage"


def currency_line(parts: list[Roles], draft: Draft) -> list[str]:
    """Propose the currency: as a column says it, or the signs beside amounts."""
    for roles in parts:
        for each in roles.look.profiles:
            if each.plain in CURRENCY and each.filled:
                main = each.texts[each.counts.index(max(each.counts))]
                if len(each.texts) > 1 and "amount" in roles.columns:
                    others = [text for text in each.texts if text != main]
                    draft.doubt(
                        f"rates: add what one {listed(others[:9], 'or')} is worth in {main}"
                    )
                    roles.columns["currency"] = each
                return [f"currency: {quoted(main)}"]
    amounts = [roles.columns["amount"] for roles in parts if "amount" in roles.columns]
    signs = {sign for each in amounts for sign in money.read_amounts(each.texts[:500], None).sign}
    signs.discard("")
    if len(signs) == 1:
        sign = signs.pop()
        return [f"currency: {CODES.get(sign, sign)}"]
    if amounts:
        draft.doubt("currency: nothing says it; USD is a guess")
    return ["currency: USD"] if amounts else []


def date_lines(parts: list[Roles], draft: Draft) -> list[str]:
    """Propose the order of day and month where the data proves it."""
    lines: list[str] = []
    zoned = False
    orders: dict[str, set[str]] = {}
    for roles in parts:
        days = {role: each for role, each in roles.columns.items() if role in _DAYS}
        days |= {f"entered {stage}": each for stage, each in roles.entered.items()}
        found = {role: order_of(each) for role, each in days.items() if not each.typed_dates}
        zoned |= any(dates.read_days(each.texts[:500], None, None).zoned for each in days.values())
        asked = {role: fit for role, fit in found.items() if fit}
        if not any(is_twofold(days[role]) for role in asked):
            continue
        common = set.intersection(*asked.values())
        if len(common) != 1:
            for role, fit in asked.items():
                if len(fit) == 1 and "none" not in fit:
                    line = f"    {role.split()[0]}: {min(fit)}"
                    draft.of_table.setdefault(roles.kind, ["  dates:"]).append(line)
        orders[roles.kind] = common
        for role, fit in asked.items():
            _doubt_order(days[role], fit, common, draft)
    sure = {min(common) for common in orders.values() if len(common) == 1}
    if len(sure) == 1 and all(len(common) == 1 for common in orders.values()):
        lines.append(f"dates: {sure.pop()}")
    elif sure:
        for kind, common in orders.items():
            if len(common) == 1:
                draft.of_table[kind] = [f"  dates: {min(common)}"]
    elif orders and not any(draft.of_table.values()):
        lines.append(
            "# dates: day-month-year    # or month-day-year: take away the # of what is right"
        )
    if zoned:
        lines.append(
            "# time_zone: Europe/Berlin    # the zone whose days count; UTC unless you say it"
        )
        draft.doubt(
            "time_zone: times are in UTC or have offsets from it; say the zone whose days count"
        )
    return lines


def _doubt_order(each: Profile, fit: set[str], common: set[str], draft: Draft) -> None:
    if len(fit) == 1 and "none" not in fit:
        return
    sample = each.texts[0]
    if "none" in fit:
        draft.doubt(f"dates: {each.name} has dates in both orders, or damaged ones")
    elif len(common) == 1:
        draft.doubt(
            f"dates: {each.name} can be read two ways ({sample}); taken like the other columns"
        )
    else:
        draft.doubt(f"dates: {each.name} can be read two ways ({sample}), no day in it is above 12")


def decimal_line(parts: list[Roles], draft: Draft) -> list[str]:
    """Propose the decimal mark where the data proves it."""
    for roles in parts:
        if "amount" not in roles.columns:
            continue
        each = roles.columns["amount"]
        fit = decimal_of(each)
        if len(fit) == 1 and "none" not in fit:
            return [f"decimal: {fit.pop()}"]
        if fit:
            draft.doubt(f"decimal: {each.name} can be read two ways")
            return ["# decimal: point    # or comma"]
    return []


def zero_lines(parts: list[Roles], draft: Draft) -> list[str]:
    """Propose what amounts of 0 mean where most are 0."""
    for roles in parts:
        if "amount" in roles.columns:
            each = roles.columns["amount"]
            value = money.read_amounts(each.texts, None).value
            zeros = sum(count for count, zero in zip(each.counts, value == 0, strict=True) if zero)
            if zeros > 0.5 * each.filled:
                draft.doubt(
                    f"zero_amounts: {zeros:,} of {each.filled:,} amounts are 0, taken as unknown"
                )
                return ["zero_amounts: unknown"]
    return []


def status_lines(roles: Roles, draft: Draft) -> list[str]:
    """Propose what the values of a status mean."""
    if not roles.entered and not {"created", "closed", "won", "lost"} & roles.columns.keys():
        return []  # beside events
    if "status" not in roles.columns:
        if roles.kind == "leads" or {"won", "lost"} & roles.columns.keys():
            if "lost" not in roles.columns and roles.kind == "deals":
                draft.doubt(
                    "losses: no column says what was lost; all that is not won counts as open"
                )
            return []
        draft.doubt(
            "status: no column tells won from lost; won is taken for every row with a closing day"
        )
        return ["  status: won"]
    each = roles.columns["status"]
    lines, seen = ["  status:"], set()
    ranked = sorted(zip(each.texts, each.counts, strict=True), key=lambda pair: -pair[1])
    for text, count in ranked[:_MOST_LISTED]:
        said = meaning(text)
        seen.add(said)
        if said is None:
            draft.doubt(f"status: {text} ({count:,} rows) is taken as open")
        lines.append(f"    {quoted(text)}: {said or 'open'}    # {count:,} rows")
    for word in ("won", "lost"):
        if word not in seen and word not in roles.columns:
            draft.doubt(f"status: no value of {each.name} seems to mean {word}")
    if blank := each.rows - each.filled:
        draft.doubt(f"status: blank in {blank:,} rows, which are set aside")
    return lines


def choice_lines(roles: Roles, draft: Draft) -> list[str]:
    """Propose rows to leave out: what was deleted, and versions that are old."""
    lines = []
    for each in roles.look.profiles:
        if each.plain in PIPELINES and 1 < len(each.texts) <= _MOST_PIPELINES:
            draft.doubt(
                f"only: {each.name} has {listed(each.texts)}, read as one journey; name one of them"
                f" under only: if theirs differ"
            )
        yes = [text for text in each.texts if text.casefold() in TRUE]
        if each.plain in DELETED and yes:
            lines += ["  except:"] if "  except:" not in lines else []
            lines.append(f"    {quoted(each.name)}: {json.dumps(yes)}")
        if each.plain in ACTIVE and yes and len(each.texts) > 1 and roles.kind != "events":
            lines += ["  only:", f"    {quoted(each.name)}: {json.dumps(yes)}"]
            draft.doubt(
                f"only: rows with {each.name} {yes[0]} are read, the others are older versions"
            )
    return lines


def alias_lines(parts: list[Roles], names: list[Profile], draft: Draft) -> list[str]:
    """Propose aliases for names that are spelled nearly alike."""
    lines: list[str] = []
    for label in ("channel", "segment", "product"):
        counts: Counter[str] = Counter()
        for roles in parts:
            if label in roles.columns:
                each = roles.columns[label]
                counts.update(dict(zip(each.texts, each.counts, strict=True)))
        own = set(counts)
        for each in names:  # names of another table are the right ones
            if own & set(each.texts):
                counts.update(dict.fromkeys(each.texts, 10**9))
        found = []
        for pair in find_alike(label, counts):
            if pair.name in own and pair.count < 10**9:
                found.append(f"    {quoted(pair.name)}: {quoted(pair.other)}")
                if not same_but_for_signs(pair.name, pair.other):
                    draft.doubt(f"aliases: whether {label} {pair.name} is {pair.other}")
        lines += [f"  {label}:", *found] if found else []
    return ["aliases:", *lines] if lines else []


def several_lines(parts: list[Roles], draft: Draft) -> list[str]:
    """Propose the sign between several values of a cell."""
    lines = []
    for roles in parts:
        for label in ("channel", "segment", "product"):
            if label not in roles.columns:
                continue
            each = roles.columns[label]
            count = sum(n for text, n in zip(each.texts, each.counts, strict=True) if ";" in text)
            if count > _FEW * each.filled:
                lines.append(f'  {label}: ";"')
                draft.doubt(
                    f"several: {each.name} has several values in {count:,} rows; the first counts"
                )
    return ["several:", *lines] if lines else []
