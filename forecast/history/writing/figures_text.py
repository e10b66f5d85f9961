"""Figures as a scenario file shows them: rounded far below what is not known, with their notes."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from forecast.history.estimates import Estimate

Z90 = 1.6448536269514722  # of a standard normal: 90% lie within it on both sides
CERTAIN = 1e-4  # a narrower interval, by its value, is none
FINEST = 0.01  # a figure is rounded to at most so much of its interval's width
LEAST_CV = 0.002  # what is known better than that is written as a plain figure
WIDEST = 76  # columns of a line that its note stands behind; longer ones have it above
LONGEST = 60  # characters of a note that stands behind its line
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ &()+'-]*")
SPECIAL = frozenset(
    ("y", "yes", "n", "no", "on", "off", "true", "false", "null", "none", "nan", "inf")
)


def figure(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a number to a hundredth of its interval; to four digits without one.

    >>> figure(1234.5678, 1200, 1270), figure(0.123456), figure(25631.2, 20000, 31000)
    ('1_234.6', '0.1235', '25_600')
    """
    if not value or not math.isfinite(value):
        return "0"
    width = 0.0 if low is None or high is None else abs(high - low)
    step = FINEST * width if width > 0 else abs(value) * 1e-3
    # Two digits at least, and no more than nine.
    return _to(value, min(max(step, abs(value) * 1e-8), abs(value) * 0.05))


def interval(low: float, high: float, unit: str = "") -> str:
    """Write the ends of an interval to a hundredth of its width.

    >>> interval(1198.4321, 1270.2), interval(1e-12, 2.0, "%")
    ('1_198.4 to 1_270.2', '0% to 2%')
    """
    step = FINEST * (high - low) if high > low else max(abs(low), 1e-9) * 1e-3
    return f"{_to(low, step)}{unit} to {_to(high, step)}{unit}"


def _to(value: float, step: float) -> str:
    places = -math.floor(math.log10(step))
    if places <= 0:
        return f"{round(value, places):_.0f}"
    text = f"{value:_.{min(places, 12)}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def share(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a share as a percentage; see ``figure``.

    >>> share(0.30123, 0.28, 0.32)
    '30.12%'
    """
    if low is None or high is None:
        return f"{float(f'{100 * value:.3g}'):g}%"
    return figure(100 * value, 100 * low, 100 * high) + "%"


def share_said(value: float, low: float, high: float) -> str:
    """Say a share and its interval.

    >>> share_said(0.3, 0.28, 0.32)
    '30% (28% to 32%)'
    """
    return f"{share(value, low, high)} ({interval(100 * low, 100 * high, '%')})"


def said(estimate: Estimate, unit: str = "") -> str:
    """Say an estimate, its interval and its cases."""
    if estimate.high - estimate.low <= CERTAIN * abs(estimate.value):
        return f"{figure(estimate.value)}{unit} | n {estimate.n:,}"
    value = figure(estimate.value, estimate.low, estimate.high)
    ends = interval(estimate.low, estimate.high)
    return f"{value}{unit} ({ends}) | n {estimate.n:,}"


def share_note(estimate: Estimate) -> str:
    """Say an estimated share, its interval, cases and method."""
    text = share_said(estimate.value, estimate.low, estimate.high)
    return f"{text} | n {estimate.n:,} | {estimate.method}"


def whole_shares(values: Sequence[float], places: int = 2) -> list[str]:
    """Write shares as percentages that add up to exactly 100%.

    >>> whole_shares([1 / 3, 1 / 3, 1 / 3])
    ['33.34%', '33.33%', '33.33%']
    """
    unit = 10**places
    exact = [100 * unit * value / sum(values) for value in values]
    units = [int(each) for each in exact]
    rest = 100 * unit - sum(units)
    for i in sorted(range(len(exact)), key=lambda i: (units[i] - exact[i], i))[:rest]:
        units[i] += 1
    return [f"{each / unit:.{places}f}".rstrip("0").rstrip(".") + "%" for each in units]


def count(value: float) -> str:
    """Write counts of cases, which may be parts of one.

    >>> count(1234.56), count(45.678), count(0.61234)
    ('1234.6', '45.68', '0.612')
    """
    places = 1 if value >= 100 else 2 if value >= 10 else 3
    return f"{max(value, 1e-3):.{places}f}".rstrip("0").rstrip(".")


def spread_of(estimate: Estimate) -> float:
    """Give the coefficient of variation that the 90% interval of an estimate says."""
    if not estimate.value:
        return 0.0
    return abs((estimate.high - estimate.low) / (2 * Z90 * estimate.value))


def uncertain(estimate: Estimate, family: str, cv: float, unit: str = "") -> str:
    """Write a mean as a distribution of what it may be."""
    text = figure(estimate.value, estimate.low, estimate.high) + unit
    if cv < LEAST_CV or not math.isfinite(cv) or not estimate.value:
        return text
    return f"{{{family}: {{mean: {text}, cv: {min(cv, 10.0):.3g}}}}}"


def quoted(name: str, plain: re.Pattern[str] = PLAIN) -> str:
    """Write a name as YAML takes it for text and nothing else.

    >>> quoted("web"), quoted("NO"), quoted("a: b"), quoted("007")
    ('web', '"NO"', '"a: b"', '"007"')
    """
    if plain.fullmatch(name) and name == name.strip() and name.lower() not in SPECIAL:
        return name
    return json.dumps(name, ensure_ascii=False)


def path_of(*names: str) -> str:
    """Write a dotted path as an item of a list."""
    return quoted(".".join(names), re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*"))


@dataclass
class Page:
    """Lines of a file, each perhaps with a note behind it; notes of a block stand in one column."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def add(self, text: str = "", note: str = "") -> None:
        """Add a line."""
        self.lines.append((text, note))

    def comment(self, text: str, indent: int = 0) -> None:
        """Add a comment, in lines of about a hundred characters."""
        for line in wrapped(text, 100 - indent):
            self.add(f"{' ' * indent}# {line}")

    def add_list(self, text: str, note: str = "") -> None:
        """Add a line that may be too long for one: it goes on below, after a comma."""
        if len(text) <= 110:
            self.add(text, note)
            return
        indent = " " * (len(text) - len(text.lstrip()))
        if note:
            self.comment(note, len(indent))
        # A key and its colon must stand on one line, so only commas end one.
        line, more = "", indent
        for part in text.strip().split(", "):
            if line and len(line) + len(part) > 96:
                self.add(f"{more}{line},")
                line, more = part, indent + "  "
            else:
                line = f"{line}, {part}" if line else part
        self.add(more + line)

    def text(self) -> str:
        """Give the whole text."""
        out: list[str] = []
        block: list[tuple[str, str]] = []
        for text, note in [*self.lines, ("", "")]:
            if text:
                block.append((text, note))
                continue
            out += _aligned(block)
            block = []
            out.append("")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip("\n") + "\n"


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines at its spaces."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def _aligned(block: Sequence[tuple[str, str]]) -> list[str]:
    behind = [len(text) for text, note in block if note and _fits(text, note)]
    column = max(behind, default=0) + 2
    out = []
    for text, note in block:
        if not note:
            out.append(text)
        elif _fits(text, note):
            out.append(f"{text:<{column}}# {note}")
        else:
            indent = " " * (len(text) - len(text.lstrip()))
            out += [f"{indent}# {line}" for line in wrapped(note, 100 - len(indent))]
            out.append(text)
    return out


def _fits(text: str, note: str) -> bool:
    return len(text) <= WIDEST and len(note) <= LONGEST
