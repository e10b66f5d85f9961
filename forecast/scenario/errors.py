"""Say what is wrong with a scenario, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_GOT = 80
LONGEST_PATH = 200
FEW_CHOICES = 10


@dataclass(frozen=True)
class Fault:
    """Hold one mistake in what a planner wrote.

    `mend` is a sentence with its full stop; `path` is `(file)` when the whole document is meant.

    >>> print(Fault("plan.yaml", 3, "horizon", "8", "a duration", "Say the unit: 8 quarters."))
    plan.yaml:3: horizon: got 8; must be a duration. Say the unit: 8 quarters.
    """

    file: str
    line: int
    path: str
    got: str
    must: str
    mend: str

    def __str__(self) -> str:
        path = shorten(visible(self.path), LONGEST_PATH)
        got = shorten(visible(self.got), LONGEST_GOT)
        where = f"{visible(self.file)}:{self.line}: {path}"
        return f"{where}: got {got}; must be {visible(self.must)}. {visible(self.mend)}"


class ScenarioError(Exception):
    """Report every fault that was found, one line each, in the order of the file.

    >>> fault = Fault("a.yaml", 1, "x", "1", "2", "Write 2.")
    >>> len(ScenarioError([fault, fault]).faults)
    1
    """

    exit_code = 2  # of the command that it ends: bad input
    faults: tuple[Fault, ...]

    def __init__(self, faults: Iterable[Fault]) -> None:
        ordered = sorted(dict.fromkeys(faults), key=lambda fault: (fault.file, fault.line))
        self.faults = tuple(ordered)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


def visible(text: str) -> str:
    r"""Escape what a terminal would not show, so that a fault stays on one line.

    >>> visible("a\x1b[31m")
    'a\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def shorten(text: str, longest: int) -> str:
    """Cut the middle out of a long text.

    >>> shorten("abcdefghij", 5)
    'ab…ij'
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[-tail:]}"


def shown(text: str) -> str:
    """Quote a text where its ends would not be clear inside a sentence.

    >>> shown("1,000"), shown("next week"), shown("")
    ('1,000', "'next week'", 'nothing')
    """
    if not text:
        return "nothing"
    if any(char.isspace() or char in ";:'\"" for char in text):
        return f"'{text}'"
    return text


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words as a person would.

    >>> listed(["web", "events", "list"], "or")
    'web, events or list'
    """
    every = [shown(word) for word in words]
    return f" {last} ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def nearest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the choice that was most likely meant, or None.

    >>> nearest("leeds", ["leads", "cost"])
    'leads'
    """
    # The first of each spelling wins, and a slow comparison of a huge word helps nobody.
    spelled: dict[str, str] = {}
    for choice in choices:
        spelled.setdefault(choice.casefold(), choice)
    if len(word) > LONGEST_PATH:
        return None
    close = difflib.get_close_matches(word.casefold(), list(spelled), n=1, cutoff=cutoff)
    return spelled[close[0]] if close else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Offer the nearest choice, and all of them when they are few; "" with nothing to offer.

    >>> did_you_mean("leeds", ["leads", "cost"])
    'Did you mean leads? The choices are leads and cost.'
    >>> did_you_mean("zzz", [])
    ''
    """
    every = list(dict.fromkeys(choices))
    near = nearest(word, every)
    parts = []
    if near is not None:
        parts.append(f"Did you mean {shown(near)}?")
    if len(every) == 1 and near is None:
        parts.append(f"The only choice is {shown(every[0])}.")
    elif 1 < len(every) <= FEW_CHOICES:
        parts.append(f"The choices are {listed(every)}.")
    elif near is not None:
        # A mend ends with a full stop, never with the question alone.
        parts.append("Then write that.")
    return " ".join(parts)
