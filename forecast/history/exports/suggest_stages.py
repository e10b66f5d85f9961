"""Propose the stages of events: which values are stages, in which order, and which are endings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from forecast.history.exports import dates
from forecast.history.exports.suggest_columns import Profile
from forecast.history.exports.suggest_values import Draft, quoted, stage_name
from forecast.history.exports.suggest_words import meaning
from forecast.scenario.errors import listed

if TYPE_CHECKING:
    from forecast.history.exports.suggest_roles import Roles

MOST_STAGES: Final = 12  # a journey has few; a log of activities has hundreds
_RARE: Final = 0.05  # of the items: what fewer have is no stage, where there are too many
_GO_ON: Final = 0.5  # of those that had an ending: where more go on it was none
_ENDS: Final = ("won", "lost")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Firsts:
    """Hold when each item first had each value, by item and time: arrays (event)."""

    item: Ints
    value: Ints
    moment: Ints


def stage_lines(roles: Roles, draft: Draft) -> tuple[list[str], list[str]]:
    """Propose the stages of events in the order of the journey, and what their values mean."""
    if "stage" not in roles.columns:
        return ["# stages: [lead, opportunity]"], []
    each = roles.columns["stage"]
    firsts = _firsts(roles)
    means = _means(each, firsts, draft)
    between = [text for text in each.texts if means[text] not in _ENDS]
    kept = _commonest(each, between, firsts)
    order = _journey(each, kept, firsts, draft)
    names = {text: stage_name(text) for text in order}
    ends = [text for text in each.texts if means[text] in _ENDS]
    lines = ["  status:"]
    for text in (*order, *ends):
        said = names.get(text) or means[text] or ""
        if said != text:
            lines.append(f"    {quoted(text)}: {quoted(said)}")
    for word in _ENDS:
        if word not in means.values():
            draft.doubt(f"stage: no value of {each.name} seems to mean {word}")
    if len(kept) < len(between):
        rows = dict(zip(each.texts, each.counts, strict=True))
        left = sorted(set(between) - set(kept), key=lambda text: (-rows[text], text))
        lines.append(f"  others: set aside    # {len(left):,} values: {', '.join(left[:3])}, …")
        draft.doubt(
            f"stages: {len(between):,} values of {each.name} may be stages; the {len(kept)} that "
            "most items have are taken, the others set aside. Fewer are better: those that cases "
            "wait in"
        )
    stages = list(dict.fromkeys(names.values()))
    return [f"stages: [{', '.join(quoted(name) for name in stages)}]"], lines if lines[1:] else []


def _firsts(roles: Roles) -> _Firsts | None:
    """Find when each item first had each value; None where no column says when."""
    each, item = roles.columns["stage"], roles.columns["id"]
    when = roles.columns.get("at")
    if when is None:
        return None
    days = dates.read_days(when.texts, dates.DAY_FIRST, None)
    moment = np.append(days.moment, np.iinfo(np.int64).max)[when.codes]
    good = (item.codes >= 0) & (each.codes >= 0) & (moment < np.iinfo(np.int64).max)
    order = np.lexsort((moment, item.codes))
    order = order[good[order]]
    pair = item.codes[order] * len(each.texts) + each.codes[order]
    _, first = np.unique(pair, return_index=True)
    rows = order[np.sort(first)]
    return _Firsts(item.codes[rows], each.codes[rows], moment[rows])


def _means(each: Profile, firsts: _Firsts | None, draft: Draft) -> dict[str, str | None]:
    """Tell what values mean; an ending after which most items go on is none, but a stage."""
    means = {text: meaning(text) for text in each.texts}
    if firsts is None:
        return means
    # What few items have, such as a call that is made later, is no sign of going on.
    main = set(_commonest(each, [text for text in each.texts if means[text] not in _ENDS], firsts))
    middle = np.array([text in main for text in each.texts])[firsts.value]
    last = np.full(int(firsts.item.max(initial=0)) + 1, np.iinfo(np.int64).min)
    losses = np.array([means[text] == "lost" for text in each.texts])[firsts.value]
    for at, text in enumerate(each.texts):
        if means[text] not in _ENDS:
            continue
        counts = middle | losses if means[text] == "won" else middle
        last[:] = np.iinfo(np.int64).min
        np.maximum.at(last, firsts.item[counts], firsts.moment[counts])
        here = firsts.value == at
        if here.any() and float((last[firsts.item[here]] > firsts.moment[here]).mean()) > _GO_ON:
            draft.doubt(f"status: {text} sounds like {means[text]}, but most go on after it")
            means[text] = None
    return means


def _commonest(each: Profile, between: list[str], firsts: _Firsts | None) -> list[str]:
    """Keep the values that most items have, where there are more than a journey has stages."""
    if len(between) <= MOST_STAGES:
        return between
    items = each.counts
    if firsts is not None:
        items = np.bincount(firsts.value, minlength=len(each.texts)).tolist()
    count = dict(zip(each.texts, items, strict=True))
    ranked = sorted(between, key=lambda text: (-count[text], text))[:MOST_STAGES]
    most = count[ranked[0]]
    kept = {text for text in ranked if count[text] > _RARE * most}
    return [text for text in between if text in kept]


def _journey(each: Profile, stages: list[str], firsts: _Firsts | None, draft: Draft) -> list[str]:
    """Put stages in the order in which items enter them first."""
    if firsts is None:
        return stages
    before: Counter[tuple[int, int]] = Counter()
    places = [each.texts.index(text) for text in stages]
    never = np.iinfo(np.int64).max
    when = {}
    for place in places:
        when[place] = np.full(int(firsts.item.max(initial=0)) + 1, never)
        here = firsts.value == place
        when[place][firsts.item[here]] = firsts.moment[here]
    for one, other in permutations(places, 2):
        before[one, other] = int(np.sum((when[one] < when[other]) & (when[other] < never)))
    score = {
        one: sum(np.sign(before[one, other] - before[other, one]) for other in places)
        for one in places
    }
    ranked = sorted(places, key=lambda place: (-score[place], place))
    unsure = [
        f"{each.texts[one]} before {each.texts[other]}"
        for one, other in pairwise(ranked)
        if before[one, other] < 2 * before[other, one] or not before[one, other]
    ]
    if len(unsure) > 3:
        draft.doubt(f"stages: their order, as {listed(unsure[:3])}")
    else:
        for text in unsure:
            draft.doubt(f"stages: whether {text.replace(' before ', ' comes before ')}")
    return [each.texts[place] for place in ranked]
