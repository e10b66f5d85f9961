"""The drawing of ``forecast journey``: a tree of stages, each drawn once."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from forecast.analysis import Document
from forecast.analysis.words import chosen_duration, duration, duration_range, share

from .screen import columns, heading, say, wrapped

LEAST_DETAIL = 26  # characters; where less is left, details go below


class Branch(NamedTuple):
    """One line of the tree: what is drawn, the stem that goes on below it, and details."""

    drawn: str
    stem: str
    detail: str


def print_journey(document: Document) -> None:
    """Print the drawing, what differs by channel and segment, and planned changes."""
    heading(document["scenario"])
    say()
    print_tree(document)
    print_differences(document["differences"])
    print_changes(document["changes"])


def print_tree(document: Document) -> None:
    """Print the stages as a tree, with a legend."""
    stages = {stage["stage"]: stage["transitions"] for stage in document["stages"]}
    roots = [entry["stage"] for entry in document["entry"]]
    children = _first_seen(stages, roots)
    for entry in document["entry"]:
        branches = list(_branches(entry["stage"], stages, children, ""))
        heading(f"{entry['stage']}  ← {', '.join(entry['channels'])}")
        _print_branches(branches)
        say()
    legend = (
        "Shares are those in the end; an uncertain one stands at its mean. Times are means. "
        "P10 to P90 in brackets."
    )
    if any(each["loops"] for transitions in stages.values() for each in transitions):
        legend += " ↺ is part of a loop."
    say(wrapped(legend), dim=True)


def _first_seen(
    stages: Mapping[str, Sequence[Document]], roots: Sequence[str]
) -> set[tuple[str, str]]:
    """The transitions under which a stage is drawn: those by which it is reached soonest."""
    seen, found, waiting = set(roots), set(), list(roots)
    while waiting:
        stage = waiting.pop(0)
        for transition in stages[stage]:
            target = transition["to"]
            if target in stages and target not in seen:
                seen.add(target)
                found.add((stage, target))
                waiting.append(target)
    return found


def _branches(
    stage: str,
    stages: Mapping[str, Sequence[Document]],
    children: set[tuple[str, str]],
    stem: str,
) -> Iterator[Branch]:
    transitions = stages[stage]
    for i, transition in enumerate(transitions):
        last = i == len(transitions) - 1
        target = transition["to"]
        below = stem + ("   " if last else "│  ")
        drawn_here = (stage, target) in children
        loops = transition["loops"]
        mark = " ↺" if loops else ""
        note = "" if drawn_here or target not in stages or loops else " (drawn elsewhere)"
        corner = "└─" if last else "├─"
        drawn = f"{stem}{corner} {_share(transition)} → {target}{mark}{note}"
        text = transition_text(transition)
        yield Branch(drawn, below + ("│  " if drawn_here else "   "), text)
        if drawn_here:
            yield from _branches(target, stages, children, below)


def _share(transition: Document) -> str:
    low, high = (share(each) for each in transition["shares"])
    return low if low == high else f"{low} to {high}"


def _print_branches(branches: Sequence[Branch]) -> None:
    at = max((len(b.drawn) for b in branches), default=0) + 2
    room = columns() - at
    for branch in branches:
        if not branch.detail:
            say(branch.drawn)
        elif room >= LEAST_DETAIL:
            first, *more = textwrap.wrap(branch.detail, room)
            say(branch.drawn.ljust(at) + first)
            for line in more:
                say(branch.stem.ljust(at) + line)
        else:
            say(branch.drawn)
            for line in textwrap.wrap(
                branch.detail, max(LEAST_DETAIL, columns() - len(branch.stem))
            ):
                say(branch.stem + line)


def transition_text(transition: Document) -> str:
    """Say in words what share takes a transition, and how long that takes.

    >>> transition_text({"of_rest": {"mean": 0.4, "uncertain": None}})
    '40% of the rest'
    """
    parts = []
    conversion, rest, within, lag = (
        transition.get(what) for what in ("conversion", "of_rest", "within_days", "lag")
    )
    if transition.get("replaced"):
        conversion = within = rest = None
        parts.append("differs, see below")
    if conversion and (within or conversion["uncertain"]):
        parts.append(
            number_text(conversion) + (f" within {chosen_duration(within)}" if within else "")
        )
    elif conversion and "share" not in transition:
        parts.append(share(conversion["mean"]))
    if rest:
        parts.append(f"{number_text(rest)} of the rest")
    if lag:
        parts.append(lag_text(lag))
    return "; ".join(part for part in parts if part)


def number_text(number: Document) -> str:
    """Say a share, and where it is uncertain between what."""
    if not number["uncertain"]:
        return share(number["mean"])
    between = f"{share(number['p10'])} to {share(number['p90'])}"
    return f"{share(number['mean'])} ({between}, uncertain)"


def lag_text(lag: Document) -> str:
    """Say how long a transition takes."""
    if lag["mean_days"] <= 0:
        return ""
    if lag["periods"]:
        low, high = lag["periods"]
        exact = "exactly " if low == high else ""
        return f"after {exact}{duration(lag['mean_days'])}"
    text = duration_range(lag["mean_days"], lag["p10_days"], lag["p90_days"])
    return f"after {text}" + (", mean uncertain" if lag["uncertain"] else "")


def print_differences(differences: Sequence[Document]) -> None:
    """Print where channels and segments differ from the journey."""
    if not differences:
        return
    say()
    heading("Where channels and segments differ")
    width = max(len(d["where"]) for d in differences)
    for each in differences:
        changed = {k: v for k, v in each.items() if k not in ("where", "from", "to")}
        text = transition_text(changed) or "at once"
        line = f"{each['where'].ljust(width)}  {each['from']} → {each['to']}: {text}"
        say(wrapped(line, " " * (width + 2)))


def print_changes(changes: Sequence[Document]) -> None:
    """Print what is planned to change, and when."""
    if not changes:
        return
    say()
    heading("Planned changes")
    for change in changes:
        for path, value in change["set"].items():
            why = f"  ({change['why']})" if change["why"] else ""
            say(wrapped(f"{change['from']}  {path}: {value}{why}", " " * 12))
