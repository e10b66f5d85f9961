"""Levers: what of a scenario may be moved by one number, by its path.

A lever is a path of the file (``channels.web.leads.mean``, ``journey.opportunity.won.conversion``),
or one with ``*`` for all names (``channels.*.leads``). What stands there is scaled as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log

import numpy as np

from forecast.analysis.lever_paths import (
    BY,
    FIGURES,
    MOST,
    channel_of,
    fault_of,
    figures_path,
    leads_of,
    matches,
)
from forecast.engine.arrivals import expected_leads
from forecast.engine.assumptions import Draws
from forecast.engine.layout import lay_out
from forecast.scenario.errors import ScenarioError
from forecast.scenario.facts import find
from forecast.scenario.model import Arrivals, Planned, Scenario
from forecast.scenario.nodes import Items, Node, Place, Table, Text, parse_value
from forecast.scenario.paths import overlay
from forecast.scenario.reader import build_scenario
from forecast.scenario.scaling import DURATION, RATE, NotScalable, kind_of, mean_of, scaled, written

COUNT = re.compile(
    r"capacity\.[^.]+\.(per_period|reps\.(now|hires\.\d+\.count))|referral\.existing"
)
SHARES = ("conversion", "share_of_rest", "share", "mix", "threshold", "follow_up", "margin")
MOST_FACTOR = 1024.0  # how far a lever is moved, up and down
CLOSE = 1e-6  # the largest factor that is allowed is found to so much of it


@dataclass(frozen=True)
class Part:
    """One figure, plan or distribution that a lever moves."""

    path: str
    node: Node
    counts: tuple[int, ...] | None = None  # of exact leads, one for each unit of the horizon


@dataclass(frozen=True)
class Lever:
    """An assumption that can be set to any value; ``now`` is the value it has.

    ``whole``: it is a count, and so are its values. ``kind`` is "leads", "number", "share", "rate",
    "days" or "factor" (of several figures that are no leads). A plan's value is its total over the
    horizon, a distribution's its mean.
    """

    path: str
    scenario: Scenario
    parts: tuple[Part, ...]
    now: float
    kind: str
    whole: bool = False
    total: bool = False  # the value is a total over the horizon
    dated: tuple[str, ...] = ()  # channels whose leads dated changes set: these are scaled too
    _known: dict[float, Scenario] = field(default_factory=dict, repr=False)

    @property
    def unit(self) -> float:
        """The value of factor 1: now, or a first step where that is 0."""
        return self.now or (0.01 if self.kind == "share" else 1.0)

    def at(self, value: float) -> Scenario:
        """Give the scenario with the lever at a value; raises ``ScenarioError``."""
        if value == self.now:
            return self.scenario
        if value not in self._known:
            document = self._document
            for path, node in self._changes(value):
                document = overlay(document, path, node, Place(BY, 1, path))
            self._known[value] = build_scenario(document)
        return self._known[value]

    def allows(self, value: float) -> bool:
        """Tell whether the scenario may have the lever at a value."""
        try:
            self.at(value)
        except ScenarioError:
            return False
        return True

    @cached_property
    def lowest(self) -> float:
        """The smallest value: 0 where that is allowed."""
        for value in (0.0, self.unit / MOST_FACTOR):
            if self.allows(value):
                return value
        return self._furthest(1.0 / MOST_FACTOR)

    @cached_property
    def highest(self) -> float:
        """The largest value: a share's 100%, else at most ``MOST_FACTOR`` times that of now."""
        most = 1.0 if self.kind == "share" else self.unit * MOST_FACTOR
        if self.whole:
            most = float(round(most))
        return most if self.allows(most) else self._furthest(most / self.unit)

    def _furthest(self, factor: float) -> float:
        """The value furthest towards a forbidden factor that is still allowed."""
        good, bad = 0.0, log(factor)
        while abs(bad - good) > CLOSE:
            middle = 0.5 * (good + bad)
            if self.allows(self.rounded(self.unit * float(np.exp(middle)))):
                good = middle
            else:
                bad = middle
        return self.rounded(self.unit * float(np.exp(good)))

    def rounded(self, value: float) -> float:
        """Make a value whole where it has to be."""
        return float(round(value)) if self.whole else value

    @cached_property
    def _document(self) -> Table:
        return document_of(self.scenario)

    def _changes(self, value: float) -> Iterator[tuple[str, Node]]:
        factor = value / self.unit
        counted = [part for part in self.parts if part.counts is not None]
        figures = [n for part in counted for n in part.counts or ()]
        total = value if self.whole else round(factor * sum(figures))
        shares = iter(apportion(figures, int(total)))
        for part in self.parts:
            if part.counts is not None:
                texts = [Text(str(next(shares))) for _ in part.counts]
                yield part.path, Items(texts) if isinstance(part.node, Items) else texts[0]
            elif self.whole:
                yield part.path, written(value, Text(str(part.node)))
            elif isinstance(part.node, Text):
                of_nothing = self.unit if self.now == 0 else 0.0  # beside others 0 stays 0
                yield part.path, written(factor * (mean_of(part.node) or of_nothing), part.node)
            else:
                yield part.path, _scaled(part, factor)
        if self.dated:
            yield "changes", _scaled_changes(self._document, self.dated, factor)


def _scaled(part: Part, factor: float) -> Node:
    try:
        return scaled(part.node, factor)
    except (NotScalable, ValueError) as error:
        raise fault_of(part.path, f"{error}", "a distribution of a possible mean") from None


def lever(scenario: Scenario, path: str) -> Lever:
    """Find what a path names in a scenario; raises ``ScenarioError``.

    ``*`` stands for any name; all that it matches is scaled together. The leads of several
    channels, and a plan of several figures, count by their total over the horizon.

    >>> import forecast
    >>> found = lever(forecast.read_scenario("scenarios/lean-consulting.yaml"), "channels.*.leads")
    >>> found.now, found.whole, found.at(40).versions[0].channels["list"].leads.figures
    (34.0, True, (40.0,))
    """
    document = document_of(scenario)
    asked = matches(document, path)
    paths = [figures_path(document, each) for each in asked]
    parts = tuple(_part(scenario, document, each) for each in paths)
    channels = tuple(map(leads_of, asked, paths))
    of_leads, answering = all(channels), any(each.endswith(MOST) for each in paths)
    total = len(parts) > 1 or (isinstance(parts[0].node, Items) and len(parts[0].node) > 1)
    total |= of_leads and answering
    dated = tuple(c for c in channels if c and total and _changed_leads(document, c))
    counted = not dated and all(part.counts is not None for part in parts)
    whole = counted or (len(parts) == 1 and _is_count(parts[0]))
    if counted:
        now = float(sum(n for part in parts for n in part.counts or ()))
    elif total and of_leads:
        now = _leads_to_expect(scenario, channels)
    elif len(parts) > 1:
        return Lever(path, scenario, parts, 1.0, "factor")
    else:
        now = _planned(scenario, parts[0])
    if now == 0 and not whole and (len(parts) > 1 or not isinstance(parts[0].node, Text)):
        raise fault_of(path, "figures that are all 0", "figures that can be scaled")
    kind = "leads" if of_leads else _kind(parts[0])
    return Lever(path, scenario, parts, now, kind, whole, total, dated)


def document_of(scenario: Scenario) -> Table:
    """Give a scenario's document, read again from the text that is kept of it."""
    document = parse_value(scenario.text, Place(scenario.name, 1, ""))
    assert isinstance(document, Table)
    return document


def apportion(figures: Sequence[int], total: int) -> list[int]:
    """Scale whole figures to a total; with a larger total none becomes smaller.

    Each is its share of the total, rounded (Webster's method of divisors).

    >>> apportion([10, 20, 10], 40), apportion([10, 20, 10], 3), apportion([34], 40)
    ([10, 20, 10], [1, 1, 1], [40])
    """
    if not figures:
        return []
    weights = np.asarray(figures, dtype=np.float64)
    if not weights.any():
        weights += 1.0
    low, high = 0.0, (total + len(figures)) / weights.sum() + 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.floor(weights * middle + 0.5).sum() <= total:
            low = middle
        else:
            high = middle
    found = np.floor(weights * low + 0.5)
    left = int(total - found.sum())
    up = np.floor(weights * high + 0.5) > found
    found[np.flatnonzero(up)[:left]] += 1
    return [int(n) for n in found]


def _is_count(part: Part) -> bool:
    """Tell whether a figure is a whole number of reps, slots or customers."""
    counts = COUNT.fullmatch(part.path) and isinstance(part.node, Text)
    return bool(counts) and float(mean_of(part.node)).is_integer()


def _planned(scenario: Scenario, part: Part) -> float:
    """A figure's value; of a plan of several what it comes to over the horizon."""
    if not isinstance(part.node, Items):
        return mean_of(part.node)
    keys, first = part.path.split("."), scenario.versions[0]
    plan: Planned | None = None
    if keys[0] == "channels" and keys[2:4] == ["cost", "fixed"]:
        plan = first.channels[keys[1]].cost.fixed
    elif keys[0] == "capacity" and keys[2:] == ["per_period"]:
        limit = first.capacity[keys[1]].per_period
        plan = None if limit is None else Planned(limit.figures, scenario.calendar.unit, limit.then)
    if plan is None:
        return mean_of(part.node)
    means = Planned(tuple(mean_of(each) for each in part.node), plan.per, plan.then)
    units = len(scenario.calendar.units(plan.per).length_days)
    return sum(figure for figure in means.first(units) if isinstance(figure, float))


def _part(scenario: Scenario, document: Table, path: str) -> Part:
    node, channel = find(document, path), channel_of(path)
    if channel and path.endswith(".fixed"):
        leads = scenario.versions[0].channels[channel].leads
        counts = _horizon(scenario, leads) if isinstance(node, Items) else leads.figures
        return Part(path, node, tuple(int(n) for n in counts if isinstance(n, float)))
    try:
        kind_of(node)
    except NotScalable as error:
        raise fault_of(path, str(error), "one figure, plan or distribution") from None
    return Part(path, node)


def _horizon(scenario: Scenario, leads: Arrivals) -> Sequence[object]:
    """A plan's figures as far as the horizon goes."""
    units = len(scenario.calendar.units(leads.per).length_days)
    if len(leads.figures) == 1 and leads.then != "zero":
        return leads.figures
    if leads.then == "zero":
        return leads.figures[:units]
    return leads.first(units)


def _changed_leads(document: Table, channel: str) -> list[str]:
    """The paths by which dated changes set a channel's leads."""
    listed = document.get("changes")
    every = listed if isinstance(listed, Items) else []
    changes = [each.get("set") for each in every if isinstance(each, Table)]
    keys = [key for each in changes if isinstance(each, Table) for key in each]
    return [
        key
        for key in keys
        if channel in (channel_of(f"{key}.mean"), channel_of(key))
        or f"channels.{channel}{MOST}.".startswith(f"{key}.")
    ]


def _scaled_changes(document: Table, channels: Sequence[str], factor: float) -> Items:
    """The dated changes, with the leads that they set for some channels scaled."""
    wanted = {key for channel in channels for key in _changed_leads(document, channel)}
    changes = document["changes"]
    assert isinstance(changes, Items)
    found: list[Node] = []
    for change in changes:
        assert isinstance(change, Table)
        assert isinstance(change["set"], Table)
        new = {
            key: _scaled_leads(key, node, factor) if key in wanted else node
            for key, node in change["set"].items()
        }
        found.append(Table({**change, "set": Table(new)}))
    return Items(found)


def _scaled_leads(path: str, node: Node, factor: float) -> Node:
    """Scale a channel's leads, or their figures: means, or whole counts."""
    if isinstance(node, Table) and not channel_of(path) and not path.endswith(MOST):
        return Table(
            {
                key: _scaled_leads(f"{path}.{key}", child, factor)
                if key in (*FIGURES, *MOST.split("."))
                else child
                for key, child in node.items()
            }
        )
    if not path.endswith(".fixed"):
        return _scaled(Part(path, node), factor)
    every = list(node) if isinstance(node, Items) else [node]
    figures = [round(mean_of(each)) for each in every]
    texts = [Text(str(n)) for n in apportion(figures, round(factor * sum(figures)))]
    return Items(texts) if isinstance(node, Items) else texts[0]


def _leads_to_expect(scenario: Scenario, channels: Sequence[str]) -> float:
    layout, means = lay_out(scenario), Draws(scenario, 0).means()
    return float(sum(expected_leads(layout, c, means).sum() for c in channels))


def _kind(part: Part) -> str:
    kind = kind_of(part.node)
    if kind in (DURATION, RATE):
        return kind
    last = part.path.rpartition(".")[2]
    return "share" if last in SHARES else "number"
