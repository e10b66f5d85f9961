"""The certain assumptions of a scenario: which there are, and the scenario with one moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from forecast.analysis.changed import Keys
from forecast.analysis.levers import document_of
from forecast.scenario import families
from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Items, Node, Place, Table, Text
from forecast.scenario.paths import overlay
from forecast.scenario.reader import build_scenario
from forecast.scenario.scaling import NotScalable, kind_of, mean_of, scaled

# What is no assumption about the business: the frame, what is asked, and what is known.
NOT_MOVED = (
    "name", "start", "horizon", "period", "fiscal_year_start", "currency", "goals", "correlation",
    "changes", "pipeline",
)  # fmt: skip
WORDS = ("per", "then", "enters", "why", "every")
SHARES_OF_ONE = ("share", "mix")  # the others make room
AS_A_WHOLE = ("values", "empirical")  # distributions without a figure for their size
SHAPES = ("cv", "shape", "sigma", "mu")  # of a distribution: not its size
HALVINGS = 5  # steps in which the furthest possible value is looked for


@dataclass(frozen=True)
class Moved:
    """A scenario with one assumption at another value."""

    scenario: Scenario
    value: float


class Movable:
    """A certain assumption: its path, its value (a plan's total), and the document it is in."""

    def __init__(self, document: Table, keys: Keys, node: Node) -> None:
        self.document, self.keys, self.node = document, keys, node
        self.path = ".".join(keys)
        self.now = mean_of(node)

    def moved(self, factor: float) -> Moved | None:
        """Multiply the assumption, or as far as the scenario allows; None if it cannot be moved."""
        good, bad, found = 1.0, factor, self._at(factor)
        if found is not None:
            return found
        for _ in range(HALVINGS):
            middle = 0.5 * (good + bad)
            tried = self._at(middle)
            if tried is None:
                bad = middle
            else:
                good, found = middle, tried
        return found

    def _at(self, factor: float) -> Moved | None:
        try:
            node = self._scaled(factor)
            document = overlay(self.document, self.path, node, Place("--by", 1, self.path))
            if self.keys[-1] in SHARES_OF_ONE:
                document = self._room(document, mean_of(node))
            return Moved(build_scenario(document), mean_of(node))
        except (ScenarioError, NotScalable, ValueError):
            return None

    def _scaled(self, factor: float) -> Node:
        """The figure multiplied; a count stays whole, and moves by one at least."""
        if self.keys[-1] != "fixed" or self.keys[-2] != "leads":
            return scaled(self.node, factor)
        texts: list[Any] = [*self.node] if isinstance(self.node, Items) else [self.node]
        counts: list[float] = [mean_of(text) for text in texts]
        moved = [float(round(factor * count)) for count in counts]
        if moved == counts and any(counts) and factor != 1.0:
            largest = max(range(len(counts)), key=counts.__getitem__)
            moved[largest] += 1.0 if factor > 1.0 else -1.0
        nodes = [Text(str(int(count)), self.node.place) for count in moved]
        return nodes[0] if isinstance(self.node, Text) else Items(nodes, self.node.place)

    def _room(self, document: Table, value: float) -> Table:
        """Scale the other shares of the same whole, so that they still sum to it."""
        left = 1.0 - self.now
        parent: Node = document
        for key in self.keys[:-2]:
            assert isinstance(parent, Table)
            parent = parent[key]
        assert isinstance(parent, Table)
        for name, body in parent.items():
            if name == self.keys[-2] or not isinstance(body, Table) or left <= 0.0:
                continue
            share = body.get(self.keys[-1])
            if share is not None:
                path = ".".join((*self.keys[:-2], name, self.keys[-1]))
                node = scaled(share, (1.0 - value) / left)
                document = overlay(document, path, node, Place("--by", 1, path))
        return document


def movables(scenario: Scenario, uncertain: tuple[str, ...]) -> list[Movable]:
    """Find the certain assumptions: figures, plans as a whole, and figures of distributions.

    What is inside of an uncertain assumption is not among them.
    """
    document = document_of(scenario)
    paths = {name.partition("@")[0] for name in uncertain}
    found = []
    for keys, node in _figures(document, ()):
        inside = any(".".join(keys[:n]) in paths for n in range(1, len(keys) + 1))
        if not inside and all(key and "." not in key for key in keys):
            found.append(Movable(document, keys, node))
    return [movable for movable in found if movable.now]


def _figures(node: Node, keys: Keys) -> Iterator[tuple[Keys, Node]]:
    if keys and (keys[0] in NOT_MOVED or keys[-1] in WORDS):
        return
    if isinstance(node, Table):
        if "file" in node or (keys and keys[-1] in ("periods", "dirichlet")):
            return  # columns of files, and chances that sum to 1
        if len(node) == 1 and next(iter(node)) in AS_A_WHOLE:
            yield keys, node
            return
        for key, child in node.items():
            yield from _figures(child, (*keys, key))
    elif node and not (keys[-1] in SHAPES and keys[-2] in families.FAMILIES):
        with suppress(NotScalable):
            kind_of(node)
            yield keys, node
