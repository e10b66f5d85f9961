"""Which assumptions differ between two scenarios: by path, in groups; and mixtures of the two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from forecast.scenario import families, quantities
from forecast.scenario.nodes import Node, Nothing, Table, Text
from forecast.scenario.quantities import QuantityFault

Keys = tuple[str, ...]

MOST_BY_PATH = 8  # groups; beyond it, related paths are one group
CALENDAR = ("start", "horizon", "period", "fiscal_year_start")
VOLUME = ("leads", "seasonality", "growth", "dispersion")
SHARES = ("conversion", "share_of_rest", "within")
ALWAYS_TOGETHER = ("share", "mix")  # shares of one whole
ANY = "*"
_READ: tuple[Callable[[str], object], ...] = (
    quantities.number,
    quantities.duration_days,
    quantities.rate,
)


@dataclass(frozen=True)
class Group:
    """Paths that change together, and what the group is called."""

    name: str
    paths: tuple[Keys, ...]


def changed_paths(one: Table, other: Table) -> list[Keys]:
    """Find the paths of what differs: the nearest mapping's key, list, figure or distribution.

    The name of a scenario is no assumption; a figure written otherwise is the same figure.

    >>> a, b = Table({"x": Text("30%"), "y": Text("1")}), Table({"x": Text("0.3"), "y": Text("2")})
    >>> changed_paths(a, b)
    [('y',)]
    """
    return [keys for keys in _differing(one, other, ()) if keys != ("name",)]


def _differing(one: Node | None, other: Node | None, keys: Keys) -> Iterator[Keys]:
    if _same(one, other):
        return
    if isinstance(one, Table) and isinstance(other, Table) and _can_be_mixed(one, other, keys):
        for key in dict.fromkeys((*one, *other)):
            yield from _differing(one.get(key), other.get(key), (*keys, key))
    else:
        yield keys


def _can_be_mixed(one: Table, other: Table, keys: Keys) -> bool:
    """Tell whether a key of one mapping may stand beside the others of the other mapping."""
    if any(len(table) == 1 and next(iter(table)) in families.FAMILIES for table in (one, other)):
        return False
    common = [key for key in one if key in other]
    ordered = "journey" in keys  # the first stage is where leads enter
    return bool(common) and (not ordered or common == [key for key in other if key in one])


def _same(one: Node | None, other: Node | None) -> bool:
    if isinstance(one, Text) and isinstance(other, Text):
        return str(one) == str(other) or _same_figure(one, other)
    if isinstance(one, Table) and isinstance(other, Table):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, Nothing | None) and isinstance(other, Nothing | None)


def _same_figure(one: Text, other: Text) -> bool:
    for read in _READ:
        try:
            return read(one) == read(other)
        except QuantityFault:
            continue
    return False


def mixture(one: Node | None, other: Node | None, taken: Collection[Keys]) -> Node | None:
    """Give one document with some paths taken from the other one; None where that has nothing."""
    return _mixed(one, other, frozenset(taken), ())


def _mixed(one: Node | None, other: Node | None, taken: frozenset[Keys], keys: Keys) -> Node | None:
    if keys in taken:
        return other
    below = frozenset(path for path in taken if path[: len(keys)] == keys)
    if not below:
        return one
    assert isinstance(one, Table)
    assert isinstance(other, Table)
    content: dict[str, Node] = {}
    for key in dict.fromkeys((*one, *other)):
        value = _mixed(one.get(key), other.get(key), below, (*keys, key))
        if value is not None:
            content[key] = value
    return Table(content, one.place, {**other.keys_at, **one.keys_at})


def groups_of(paths: Sequence[Keys], by_path: bool = False) -> list[Group]:
    """Put paths that belong together into groups: by path where these are few, else by kind.

    >>> [group.name for group in groups_of([("market",), ("journey", "a", "b", "lag")])]
    ['market', 'journey.a.b.lag']
    """
    found = _grouped(paths, _unit)
    groups = [Group(_shared_name(unit, members), members) for unit, members in found.items()]
    for coarser in (_kind, _section):
        if by_path or len(groups) <= MOST_BY_PATH:
            break
        found = _grouped(paths, coarser)
        groups = [Group(".".join(kind), members) for kind, members in found.items()]
    return groups


def _grouped(paths: Sequence[Keys], key: Callable[[Keys], Keys]) -> dict[Keys, tuple[Keys, ...]]:
    found: dict[Keys, tuple[Keys, ...]] = {}
    for path in paths:
        found[key(path)] = (*found.get(key(path), ()), path)
    return found


def _unit(path: Keys) -> Keys:
    """What a path has to change together with: the assumption that it is a part of."""
    if path[0] in CALENDAR:
        return ("calendar",)
    if path[0] in ("channels", "segments"):
        if len(path) > 2 and path[2] in ("journey", "products"):
            return (*path[:2], *_unit(path[2:]))
        if path[2:3] == ("cost",):
            return path[:4]
        return _together(path[:3])
    if path[0] == "journey":
        return (*path[:3], "conversion") if path[3:4] and path[3] in SHARES else path[:4]
    return _together(path[:3]) if path[0] == "products" else path[:2]


def _together(path: Keys) -> Keys:
    """Name shares of one whole alike."""
    return (path[0], ANY, path[2]) if path[2:] and path[2] in ALWAYS_TOGETHER else path


def _shared_name(unit: Keys, paths: Sequence[Keys]) -> str:
    if len(paths) > 1 and (ANY in unit or unit == ("calendar",)):
        return ".".join(unit)
    shared = paths[0]
    for path in paths[1:]:
        shared = _common(shared, path)
    name = ".".join(shared)
    return "pipeline.file" if name == "pipeline.csv" else name  # what a planner writes


def _common(one: Keys, other: Keys) -> Keys:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]


def _kind(path: Keys) -> Keys:
    """The kind of an assumption; the volume of each channel is one by itself."""
    head, last = path[0], path[2] if len(path) > 2 else ""
    if head in CALENDAR:
        return ("calendar",)
    if head in ("channels", "segments") and last in ("journey", "products"):
        return _kind(path[2:])
    if head == "channels":
        return ("costs",) if last == "cost" else path[:2]
    if head == "journey":
        if len(path) < 4:
            return ("journey",)
        return ("conversions",) if path[3] in SHARES else ("lags",)
    return path[:1]


def _section(path: Keys) -> Keys:
    """The kind of an assumption, the volume of all channels being one."""
    kind = _kind(path)
    return kind[:1]
