"""Change a document wherever a kind of assumption stands: sections, overrides, dated changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forecast.scenario.errors import ScenarioError
from forecast.scenario.nodes import Items, Node, Table, Text
from forecast.scenario.scaling import scaled

ANY = "*"
OVERRIDING = ("channels", "segments")  # what may override journey and products
SHARES = ("conversion", "share_of_rest")

Change = Callable[[Node], Node]
Key = str | tuple[str, ...]  # a key, one of several, or any
Pattern = Sequence[Key]


def rewrite(document: Table, pattern: Pattern, change: Change) -> Table:
    """Change what stands at a pattern of keys, wherever a section or a dated change says it.

    >>> plan = Table({"products": Table({"one": Table({"size": Text("10")})})})
    >>> rewrite(plan, ("products", "*", "size"), times(2.0))
    {'products': {'one': {'size': '20'}}}
    """
    patterns = [tuple(pattern)]
    if pattern[0] in ("journey", "products"):
        patterns += [(over, ANY, *pattern) for over in OVERRIDING]
    for each in patterns:
        document = _table(_walk(document, each, change))
    changes = document.get("changes")
    if not isinstance(changes, Items):
        return document
    dated = Items([_dated(node, patterns, change) for node in changes], changes.place)
    return Table({**document, "changes": dated}, document.place, document.keys_at)


def times(factor: float) -> Change:
    """Give a change that multiplies."""
    return lambda node: scaled(node, factor)


def scale_conversions(document: Table, to: str, factor: float) -> Table:
    """Multiply all conversions into a stage."""
    document = rewrite(document, ("journey", ANY, to, SHARES), times(factor))
    return rewrite(document, ("journey", ANY, "dirichlet"), _shifted(to, factor))


def _shifted(to: str, factor: float) -> Change:
    """Move counts of past cases to one of their ends, and as many away from what is lost."""

    def change(node: Node) -> Node:
        if not isinstance(node, Table) or to not in node:
            return node
        counts = {key: float(str(value)) for key, value in node.items()}
        more = counts[to] * (factor - 1.0)
        rest = sum(counts.values()) - counts[to]
        if more >= rest:
            place = node.place_of(to)
            raise ScenarioError([place.fault(f"{counts[to] + more:g}", "a share", "Check it.")])
        moved = {
            key: n + more if key == to else n * (1.0 - more / rest) for key, n in counts.items()
        }
        return Table({key: Text(repr(n)) for key, n in moved.items()}, node.place, node.keys_at)

    return change


def _walk(node: Node, pattern: Pattern, change: Change) -> Node:
    if not pattern:
        return change(node)
    if not isinstance(node, Table):
        return node
    return Table(
        {
            key: _walk(child, pattern[1:], change) if _fits(key, pattern[0]) else child
            for key, child in node.items()
        },
        node.place,
        node.keys_at,
    )


def _fits(key: str, wanted: Key) -> bool:
    return wanted == ANY or key == wanted or (isinstance(wanted, tuple) and key in wanted)


def _dated(node: Node, patterns: Sequence[Pattern], change: Change) -> Node:
    """Change what a dated change sets by its path, or by the path of something around it."""
    table = _table(node)
    sets = _table(table["set"])
    content: dict[str, Node] = {}
    for path, value in sets.items():
        content[path] = value
        keys = path.split(".")
        for pattern in patterns:
            if len(keys) <= len(pattern) and all(map(_fits, keys, pattern)):
                content[path] = _walk(content[path], pattern[len(keys) :], change)
    return Table({**table, "set": Table(content, sets.place, sets.keys_at)}, table.place)


def _table(node: Node) -> Table:
    assert isinstance(node, Table)
    return node
