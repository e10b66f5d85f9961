"""Change a document by dotted paths, build it on another one, and write it down again."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from forecast.scenario.errors import Fault, ScenarioError, did_you_mean, listed, shown
from forecast.scenario.nodes import (
    MAX_DEPTH,
    NULLS,
    Items,
    Node,
    Nothing,
    Place,
    Table,
    Text,
    parse_value,
    read_nodes,
)

MAX_CHAIN = 10
EXTENDING_KEYS = ("extends", "set", "name")
FROM_COMMAND = "--set"
LINE_CHARS = 88  # of a list in brackets


def overlay(table: Table, path: str, value: Node, at: Place) -> Table:
    """Set one value by its dotted path, in a copy.

    Raises ScenarioError, at the file and line of `at`, when the path leads nowhere.

    >>> overlay(Table({"a": Table({"b": Text("1")})}), "a.b", Text("2"), Place("--set", 1, ""))
    {'a': {'b': '2'}}
    """
    place = Place(at.file, at.line, path)
    keys = path.split(".")
    if not all(keys):
        mend = "Write keys with one dot between them, such as channels.web.leads.mean."
        raise ScenarioError([place.fault(f"the path {shown(path)}", "a dotted path", mend)])
    if len(keys) + _depth(value) > MAX_DEPTH:
        mend = "Write it flatter."
        raise ScenarioError([place.fault("deep nesting", f"at most {MAX_DEPTH} levels", mend)])
    changed = _replaced(table, keys, 0, _moved(value, place, at.file))
    assert isinstance(changed, Table)
    return changed


def _depth(node: Node) -> int:
    children = node.values() if isinstance(node, Table) else node if isinstance(node, Items) else ()
    return 1 + max(map(_depth, children), default=0)


def _moved(node: Node, place: Place, file: str) -> Node:
    """Rebuild a value at its new place; its parts keep their lines within the same file."""

    def beside(child: Node, key: str | int) -> Node:
        line = child.place.line if child.place.file == file else place.line
        return _moved(child, place.at(key, line), file)

    if isinstance(node, Table):
        lines = {key: node.keys_at.get(key, place.line) for key in node}
        if node.place.file != file:
            lines = dict.fromkeys(node, place.line)
        return Table({key: beside(child, key) for key, child in node.items()}, place, lines)
    if isinstance(node, Items):
        return Items((beside(child, index) for index, child in enumerate(node)), place)
    return Text(node, place, node.quoted) if isinstance(node, Text) else Nothing(place)


def _replaced(node: Node, keys: list[str], step: int, value: Node) -> Node:
    """Copy a node with the value in it; only what lies on the way is copied."""
    if step == len(keys):
        return value
    key, last = keys[step], step == len(keys) - 1
    if isinstance(node, Table) and (key in node or last):
        child = _replaced(node.get(key, value), keys, step + 1, value)
        lines = node.keys_at
        if key not in node:
            lines = {**lines, key: value.place.line}
        return Table({**node, key: child}, node.place, lines)
    if isinstance(node, Items) and key in map(str, range(len(node))):
        index = int(key)
        child = _replaced(node[index], keys, step + 1, value)
        return Items([*node[:index], child, *node[index + 1 :]], node.place)
    raise ScenarioError([_lost(node, keys, step, value.place)])


def _lost(node: Node, keys: list[str], step: int, place: Place) -> Fault:
    """Say at which key a path leads nowhere, and what could stand there."""
    prefix, key = ".".join(keys[:step]), keys[step]
    got = shown(key)
    if isinstance(node, Table):
        whole = f"a key of {prefix}" if prefix else "a key of the scenario"
        mend = did_you_mean(key, node) or f"Set {prefix or key} as a whole."
        return place.fault(got, whole, mend)
    if isinstance(node, Items):
        if not node:
            return place.fault(got, f"within {prefix}, an empty list", f"Set {prefix} as a whole.")
        must = f"the number of an item of {prefix}, 0 to {len(node) - 1}"
        return place.fault(got, must, "Items are counted from 0.")
    what = f"the value {shown(node)}" if isinstance(node, Text) else "an empty value"
    got = f"{got} inside {prefix}, which is {what}"
    return place.fault(got, "the path of a value or of a mapping", f"Set {prefix} as a whole.")


def merge(base: Table, over: Table, atomic: Container[str] = ()) -> Table:
    """Lay one table over another, key by key; tables in both are merged in turn.

    The values of the keys named in `atomic` are replaced whole. Every value keeps its own place.

    >>> merge(Table({"a": Text("1"), "b": Text("2")}), Table({"b": Text("3")}))
    {'a': '1', 'b': '3'}
    """
    content: dict[str, Node] = dict(base)
    for key, value in over.items():
        under = content.get(key)
        if isinstance(under, Table) and isinstance(value, Table) and key not in atomic:
            value = merge(under, value, atomic)
        content[key] = value
    return Table(content, over.place, {**base.keys_at, **over.keys_at})


def read_document(path: Path, sets: Mapping[str, str] | None = None) -> Table:
    """Read a file, what it extends, and what is set from the command.

    Raises ScenarioError with the faults of all of them.
    """
    faults: list[Fault] = []
    table: Table | None = None
    try:
        table = _read_chain(path, ())
    except ScenarioError as error:
        faults.extend(error.faults)
    for line, (target, text) in enumerate((sets or {}).items(), start=1):
        target = target.strip()
        at = Place(FROM_COMMAND, line, target)
        try:
            table = _set(table, at, parse_value(text, at), faults)
        except ScenarioError as error:
            faults.extend(error.faults)
    if faults or table is None:
        raise ScenarioError(faults)
    return table


def _set(table: Table | None, at: Place, value: Node, faults: list[Fault]) -> Table | None:
    """Set the path of `at`, if there is something to set it in; keep the faults."""
    try:
        if at.path.split(".")[0] in ("extends", "set"):
            mend = "Name the file to start from instead, or edit the file."
            raise ScenarioError([at.fault(shown(at.path), "the path of an assumption", mend)])
        return None if table is None else overlay(table, at.path, value, at)
    except ScenarioError as error:
        faults.extend(error.faults)
        return table


def _read_chain(path: Path, chain: tuple[Path, ...]) -> Table:
    """Read a file and lay it over what it extends."""
    top = read_nodes(path)
    if "extends" not in top:
        return top
    faults = list(_not_extending(top))
    table: Table | None = None
    try:
        base = _base_of(top, path, (*chain, path))
        table = _read_chain(base, (*chain, path))
    except ScenarioError as error:
        faults.extend(error.faults)
    sets = top.get("set")
    if isinstance(sets, Table):
        for target, value in sets.items():
            at = Place(top.place.file, sets.keys_at[target], target)
            table = _set(table, at, value, faults)
    if faults or table is None:
        raise ScenarioError(faults)
    if (name := top.get("name")) is not None:
        table = overlay(table, "name", name, top.place_of("name"))
    return table


def _not_extending(top: Table) -> Iterator[Fault]:
    """Report what may not stand in a file that extends another one."""
    for key in top:
        if key not in EXTENDING_KEYS:
            must = f"one of {listed(EXTENDING_KEYS, 'or')} in a file that extends another"
            mend = f"Put it under set, by its path: set: {{{key}: …}}."
            yield top.place_of(key).fault(f"the key {shown(key)}", must, mend)
    sets = top.get("set")
    if sets is not None and not isinstance(sets, Table):
        mend = "Write set: {channels.web.leads.mean: 150}."
        yield top.place_of("set").fault(_kind(sets), "a mapping of paths to values", mend)


def _kind(node: Node) -> str:
    if isinstance(node, Text):
        return shown(node)
    return "a mapping" if isinstance(node, Table) else "a list" if node else "nothing"


def _base_of(top: Table, path: Path, chain: tuple[Path, ...]) -> Path:
    """Find the file that is extended; refuse what is missing, endless or no plain path."""
    node, place = top["extends"], top.place_of("extends")
    must = "the path of a scenario file"
    if not isinstance(node, Text) or not node.strip() or "://" in node or node.startswith("~"):
        mend = "Write the file's path as seen from this file, such as base.yaml."
        raise ScenarioError([place.fault(_kind(node), must, mend)])
    base = path.parent / node
    if not os.path.isfile(base):
        mend = f"Check the name; it is looked for in {path.parent}."
        raise ScenarioError([place.fault(shown(node), "a file that exists", mend)])
    if os.path.realpath(base) in map(os.path.realpath, chain):
        got = " → ".join(each.name for each in (*chain, base))
        mend = "Take extends out of one of these files."
        raise ScenarioError([place.fault(got, "a chain that ends", mend)])
    if len(chain) > MAX_CHAIN:
        got, must = f"{len(chain)} files that extend one another", f"at most {MAX_CHAIN}"
        raise ScenarioError([place.fault(got, must, "Extend an earlier file of the chain.")])
    return base


def written(node: Node) -> str:
    """Write a value on one line, for a person to read.

    >>> written(Table({"beta": Table({"won": Text("6"), "lost": Text("14")})}))
    '{beta: {won: 6, lost: 14}}'
    """
    if isinstance(node, Table):
        return "{" + ", ".join(f"{key}: {written(value)}" for key, value in node.items()) + "}"
    if isinstance(node, Items):
        return "[" + ", ".join(map(written, node)) + "]"
    return str(node) if isinstance(node, Text) else "~"


def dump(table: Table) -> str:
    """Write a document as YAML that reads back to equal content, in the order of its keys.

    >>> print(dump(Table({"a": Items([Text("1"), Text("x: y")]), "b": Items([Text("2")])})), end="")
    a:
      - 1
      - "x: y"
    b: [2]
    """
    return "".join(f"{line}\n" for line in _lines(table)) if table else "{}\n"


def _lines(node: Table | Items) -> Iterator[str]:
    """Write a mapping or list that is not empty, one line for each value."""
    if isinstance(node, Table):
        for key, value in node.items():
            head = f"{_scalar(key, isinstance(key, Text) and key.quoted)}:"
            yield from _below(head, value, dash=False)
        return
    for value in node:
        yield from _below("-", value, dash=True)


def _below(head: str, value: Node, dash: bool) -> Iterator[str]:
    if not isinstance(value, Table | Items) or not value:
        if isinstance(value, Text) and (end := _block_end(value)) is not None:
            yield f"{head} |{end}"
            yield from (
                f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n")
            )
            return
        flat = "{}" if isinstance(value, Table) else "[]" if isinstance(value, Items) else "~"
        yield f"{head} {_scalar(value, value.quoted) if isinstance(value, Text) else flat}"
        return
    flat_items = _flat(value) if isinstance(value, Items) else None
    if flat_items is not None:
        first, *more = _wrapped(flat_items)
        yield f"{head} {first}"
        yield from (f"  {line}" for line in more)
        return
    lines = _lines(value)
    # A list's item begins behind its dash, as a person would write it.
    yield f"{head} {next(lines)}" if dash else head
    for line in lines:
        yield f"  {line}"


def _block_end(text: str) -> str | None:
    """How a block of lines says whether it ends with a line break; None for what is no block."""
    whole = text.removesuffix("\n")
    if "\n" not in whole or whole.endswith("\n") or text[0] in " \n" or _UNFIT.search(text):
        return None
    return "" if text.endswith("\n") else "-"


def _flat(items: Items) -> list[str] | None:
    """The texts of a list that may stand between brackets; None where one of them may not."""
    if all(
        isinstance(item, Text) and _SIMPLE.fullmatch(item) and _scalar(item, item.quoted) == item
        for item in items
    ):
        return [str(item) for item in items]
    return None


def _wrapped(texts: list[str]) -> Iterator[str]:
    """Write a list in brackets, as much on each line as it holds."""
    line = "["
    for index, text in enumerate(texts):
        piece = text + ("," if index + 1 < len(texts) else "]")
        if len(line) > 1 and len(line) + len(piece) >= LINE_CHARS:
            yield line
            line = piece
        else:
            line = f"{line} {piece}" if len(line) > 1 else f"{line}{piece}"
    yield line


_UNFIT = re.compile(r"\r|^ *[^\S \n]", re.MULTILINE)  # for a block: its indentation is spaces
_SIMPLE = re.compile(r"[\w.+-][\w.+% -]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_FIRST = frozenset("-?:,[]{}#&*!|>'\"%@`")


def _scalar(text: str, quoted: bool) -> str:
    """Write one text: plain where it reads back as it is, and in quotes where it was quoted."""
    plain = (
        text not in NULLS
        and text != "<<"
        and text == text.strip()
        and (text[0] not in _FIRST or (text[0] == "-" and text[1:2].isdigit()))
        and not text.startswith("...")
        and not text.endswith(":")
        and not any(piece in text for piece in (": ", " #", "\n", "\r", "\t", ":\u00a0"))
    )
    return text if plain and not quoted else f'"{text.translate(_ESCAPES)}"'
