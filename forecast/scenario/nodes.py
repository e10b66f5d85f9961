"""Read YAML to plain text, tables and lists that know where they stand.

Nothing is guessed: `NO`, `010` and `1:30` stay exactly as written, for the reader of each value
to take or to refuse. What makes YAML surprising (anchors, tags, merge keys) is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from forecast.scenario import source
from forecast.scenario.errors import Fault, ScenarioError, shown, visible
from forecast.scenario.source import FORBIDDEN, MAX_BYTES, WHOLE

MAX_NODES = 100_000
MAX_DEPTH = 30
MAX_FAULTS = 50
MAX_KEY_CHARS = 200
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

# libyaml is about ten times faster; its marks hold the same lines.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Say where something stands: its file, its line from 1 and its dotted path ("" at the top)."""

    file: str
    line: int
    path: str

    def at(self, key: str | int, line: int | None = None) -> Place:
        """Give the place of a child.

        >>> Place("a.yaml", 1, "channels").at("web", 2)
        Place(file='a.yaml', line=2, path='channels.web')
        """
        path = f"{self.path}.{key}" if self.path else str(key)
        return Place(self.file, self.line if line is None else line, path)

    def fault(self, got: str, must: str, mend: str) -> Fault:
        """Report a mistake that stands here."""
        return Fault(self.file, self.line, self.path or WHOLE, got, must, mend)


NOWHERE = Place("", 1, "")


class Text(str):
    """Hold a value exactly as it was written, without its quotes."""

    place: Place
    quoted: bool

    def __new__(cls, text: str = "", place: Place = NOWHERE, quoted: bool = False) -> Text:
        self = super().__new__(cls, text)
        self.place = place
        self.quoted = quoted
        return self


class Table(dict[str, "Node"]):
    """Hold keys and values in the order of the file; never changed once it is read."""

    def __init__(
        self,
        content: Mapping[str, Node] | Iterable[tuple[str, Node]] = (),
        place: Place = NOWHERE,
        keys_at: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(content)
        self.place = place
        self.keys_at: dict[str, int] = dict(keys_at or {})

    def place_of(self, key: str) -> Place:
        """Say where a key stands; one that was set from elsewhere stands there."""
        value = self.get(key)
        if value is not None and value.place.file != self.place.file:
            return value.place
        path = None if value is None else value.place.path
        place = self.place.at(key, self.keys_at.get(key))
        return Place(place.file, place.line, path or place.path)


class Items(list["Node"]):
    """Hold a list; never changed once it is read."""

    def __init__(self, content: Iterable[Node] = (), place: Place = NOWHERE) -> None:
        super().__init__(content)
        self.place = place


@dataclass(frozen=True, eq=False)
class Nothing:
    """Hold an empty value, `~` or `null`; one is like another, wherever it stands."""

    place: Place = NOWHERE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nothing)

    def __hash__(self) -> int:
        return hash(Nothing)

    def __bool__(self) -> bool:
        return False


Node = Text | Table | Items | Nothing


def read_nodes(path: Path) -> Table:
    """Read a YAML file that holds a mapping.

    Raises ScenarioError with every fault that was found, up to the first error of syntax.
    """
    return nodes_of(source.read_text(path), str(path))


def nodes_of(text: str, file: str) -> Table:
    """Read YAML text that holds a mapping; ``file`` is what its faults name.

    Raises ScenarioError, as ``read_nodes`` does.
    """
    top = Place(file, 1, "")
    node = _Composer(text, top, numbered=True).read()
    if isinstance(node, Table):
        return node
    must = "a mapping of keys and values"
    if isinstance(node, Nothing):
        got = "an empty file" if not text.strip() else "a file with nothing in it but comments"
        _refuse(top.fault(got, must, "Write something such as 'name: My plan' in it."))
    got = "a list" if isinstance(node, Items) else f"the text {shown(node)}"
    place = Place(top.file, node.place.line, "")
    _refuse(place.fault(got, must, "Begin each line at the left with a key and a colon."))


def parse_value(text: str, place: Place) -> Node:
    """Read one value as it would stand behind a colon; all of it stands at `place`.

    Raises ScenarioError for what a file would be refused for.

    >>> parse_value("{gamma: {mean: 20, cv: 0.2}}", Place("--set", 1, "a"))
    {'gamma': {'mean': '20', 'cv': '0.2'}}
    """
    if len(text) > MAX_BYTES:
        got = f"a value of {len(text):,} characters"
        _refuse(place.fault(got, f"at most {MAX_BYTES:,}", "Put it in a file."))
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip(" \n")
    return _Composer(text, place, numbered=False).read()


def _refuse(*faults: Fault) -> NoReturn:
    raise ScenarioError(faults)


class _TooMuch(Exception):
    """Stop reading: what follows would only cost time."""


class _Composer:
    """Make nodes of what the YAML parser reports, and collect faults on the way."""

    def __init__(self, text: str, top: Place, numbered: bool) -> None:
        self.text = text
        self.top = top
        self.numbered = numbered  # a value of --set has no lines of its own
        self.faults: list[Fault] = []
        self.nodes = 0
        self.events: Iterator[Any] = iter(())

    def read(self) -> Node:
        """Read the one document of the text; raises ScenarioError."""
        node: Node = Nothing(self.top)
        try:
            for fault in source.bad_characters(self.text, self.top.file):
                self._keep(fault)
            if not self.faults:
                node = self._parsed()
        except _TooMuch:
            pass
        if self.faults:
            raise ScenarioError(self.faults)
        return node

    def _parsed(self) -> Node:
        try:
            self.events = yaml.parse(self.text, Loader=_LOADER)
            return self._document()
        except yaml.MarkedYAMLError as error:
            self._keep(source.syntax_fault(self.text, self.top.file, error))
        except (yaml.YAMLError, OverflowError, ValueError):
            # Pure Python fails this way, with no line, on an escape such as "\UFFFFFFFF".
            got, mend = "a character that does not exist", "Check the escapes in double quotes."
            self._fault(self.top, got, "text", mend)
        return Nothing(self.top)

    def _fault(self, place: Place, got: str, must: str, mend: str) -> None:
        self.faults.append(place.fault(got, must, mend))
        if len(self.faults) >= MAX_FAULTS:
            got, must = f"{MAX_FAULTS} faults or more", "free of faults"
            self.faults.append(place.fault(got, must, "Mend the first ones and try again."))
            raise _TooMuch

    def _keep(self, fault: Fault) -> None:
        """Take over a fault of the text, which knows no path."""
        self._fault(self._whole(fault.line), fault.got, fault.must, fault.mend)

    def _line(self, mark: Any) -> int:
        return int(mark.line) + 1 if self.numbered else self.top.line

    def _whole(self, line: int) -> Place:
        return Place(self.top.file, line if self.numbered else self.top.line, self.top.path)

    def _document(self) -> Node:
        node: Node = Nothing(self.top)
        seen = False
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    place = self._whole(self._line(event.start_mark))
                    mend = "Delete the line --- or put the second in a file of its own."
                    self._fault(place, "a second document", "one document", mend)
                    raise _TooMuch
                seen = True
                node = self._node(next(self.events), self.top, 0)
        return node

    def _node(self, event: Any, place: Place, depth: int) -> Node:
        """Make the node that begins with this event, at a place whose line is not yet known."""
        place = Place(place.file, self._line(event.start_mark), place.path)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            got, mend = f"more than {MAX_NODES:,} values", "Keep long lists in CSV files."
            self._fault(place, got, f"at most {MAX_NODES:,}", mend)
            raise _TooMuch
        if isinstance(event, yaml.AliasEvent):
            mend = "Write the value out, or put quotes around it if it is text."
            self._fault(place, f"the alias *{event.anchor}", "the value itself", mend)
            return Nothing(place)
        if event.anchor is not None:
            mend = f"Delete &{event.anchor}, or put quotes around it if it is text."
            self._fault(place, f"the anchor &{event.anchor}", "the value alone", mend)
        if event.tag is not None:
            mend = "Delete the tag, or put quotes around the value if it is text."
            self._fault(place, f"the tag {_tag(event.tag)}", "the value alone", mend)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if depth >= MAX_DEPTH:
            got = f"nesting deeper than {MAX_DEPTH}"
            self._fault(place, got, f"at most {MAX_DEPTH} levels", "Write it flatter.")
            raise _TooMuch
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(place, depth)
        return self._table(place, depth)

    def _scalar(self, event: Any, place: Place) -> Node:
        quoted = event.style is not None and event.style != ""
        if not quoted and event.value in NULLS:
            return Nothing(place)
        for char in dict.fromkeys(FORBIDDEN.findall(event.value)):
            mend = "Delete the escape."
            self._fault(place, f"the control character {visible(char)}", "text", mend)
        return Text(event.value, place, quoted)

    def _items(self, place: Place, depth: int) -> Items:
        content: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            content.append(self._node(event, place.at(len(content)), depth + 1))
        return Items(content, place)

    def _table(self, place: Place, depth: int) -> Table:
        table = Table((), place)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = self._line(event.start_mark)
            key = self._key(event, place, line, depth, table)
            at = place.at(key, line) if key is not None else place.at("?", line)
            value = self._node(next(self.events), at, depth + 1)
            if key is not None and key not in table:
                table[key] = value
                table.keys_at[key] = line
        return table

    def _key(self, event: Any, place: Place, line: int, depth: int, table: Table) -> str | None:
        """Read a key, and report it when it is not a plain new word; None if there is none."""
        node = self._node(event, place.at("?", line), depth + 1)
        here = Place(place.file, line, place.path)
        if isinstance(node, Nothing):
            if not isinstance(event, yaml.AliasEvent):
                self._fault(here, "an empty key", "a name", "Write a name before the colon.")
            return None
        if not isinstance(node, Text):
            mend = "Put quotes around a key or value that begins with a bracket or brace."
            self._fault(here, "a list or mapping as a key", "a name", mend)
            return None
        key = str(node)
        at = here.at(key)
        if not key.strip() or len(key) > MAX_KEY_CHARS:
            got = f"a key of {len(key)} characters" if key.strip() else "an empty key"
            must, mend = f"a name of 1 to {MAX_KEY_CHARS}", "Write a name before the colon."
            self._fault(here, got, must, mend)
        elif key == "<<" and not node.quoted:
            mend = "Write the keys out; a file can take over another one with extends."
            self._fault(at, "the merge key <<", "a name", mend)
        elif key in table:
            got = f"{shown(key)} a second time (first on line {table.keys_at[key]})"
            self._fault(at, got, "given once", "Delete one of the two.")
        return key


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
