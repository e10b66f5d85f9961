"""Forms: what may stand at a place of a scenario file.

A form reads a node into a value, tells the door of every fault it meets, and describes itself as
JSON Schema; so each key of the language is declared once. A form that met a fault gives ``BROKEN``
in the place of the value, and later checks leave out what is broken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from forecast.scenario import quantities
from forecast.scenario.errors import Fault, did_you_mean, listed, nearest, shown
from forecast.scenario.nodes import Items, Node, Nothing, Place, Table, Text
from forecast.scenario.quantities import QuantityFault

Schema = dict[str, Any]
MOST_UNKNOWN = 50
MOST_OFFERED = 25


class _Broken:
    """Stands where a value could not be read."""

    def __repr__(self) -> str:
        return "BROKEN"


# Typed as anything, for it stands wherever a value of any type would.
BROKEN: Final[Any] = _Broken()


class Door:
    """Collects the faults of a file while it is read."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, place: Place, got: str, must: str, mend: str) -> Any:
        """Record a fault; gives ``BROKEN``, so that a form can return it."""
        self.faults.append(place.fault(got, must, mend))
        return BROKEN


class Form(Protocol):
    """What may stand at one place."""

    def read(self, node: Node, door: Door) -> Any:
        """Read a node, or record faults and give ``BROKEN``."""
        ...

    def schema(self) -> Schema:
        """Describe the form as JSON Schema."""
        ...


def is_whole(value: Any) -> bool:
    """Tell whether nothing inside a value that was read is broken."""
    if value is BROKEN:
        return False
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(is_whole(getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return all(is_whole(v) for v in value.values())
    if isinstance(value, tuple | list):
        return all(is_whole(v) for v in value)
    return True


def describe(node: Node) -> str:
    """Say what a node is, for the "got" of a message."""
    if isinstance(node, Text):
        return shown(node)
    if isinstance(node, Nothing):
        return "nothing"
    if isinstance(node, Items):
        return f"a list of {len(node):,}" if node else "an empty list"
    if not node:
        return "an empty mapping"
    return f"the key{'s' if len(node) > 1 else ''} {listed(node)}"


def offer(word: str, choices: Iterable[str], otherwise: str = "Choose one that is there.") -> str:
    """Say what may have been meant, or which words there are."""
    every = list(choices)
    if mend := did_you_mean(word, every):
        return mend
    return f"Choose one of {listed(every, 'or')}." if 0 < len(every) <= MOST_OFFERED else otherwise


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One written value, read by a function that raises ``QuantityFault``."""

    parse: Callable[[str], Any]
    must: str
    mend: str
    shape: Mapping[str, Any]
    check: Callable[[Any], tuple[str, str] | None] | None = None

    def read(self, node: Node, door: Door) -> Any:
        """Read the text of a node; see ``Form``."""
        if not isinstance(node, Text):
            return door.fault(node.place, describe(node), self.must, self.mend)
        try:
            value = self.parse(str(node))
        except QuantityFault as fault:
            return door.fault(node.place, fault.got, fault.must, fault.mend)
        complaint = self.check(value) if self.check else None
        if complaint:
            return door.fault(node.place, shown(node), *complaint)
        return value

    def schema(self) -> Schema:
        """Describe the value; see ``Form``."""
        return dict(self.shape)


def choice(*words: str, what: str) -> Leaf:
    """One word of a list."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            near = nearest(word, words)
            mend = f"Did you mean {near}? Then write that." if near else example
            raise QuantityFault(shown(text), must, mend)
        return word

    must = listed(words, "or")
    example = f"Write for example {what}: {words[0]}."
    return Leaf(parse, must, example, {"enum": list(words)})


def text(must: str, mend: str) -> Leaf:
    """Any text that is not empty."""

    def parse(written: str) -> str:
        if not written.strip():
            raise QuantityFault("nothing", must, mend)
        return written

    return Leaf(parse, must, mend, {"type": ["string", "number"]})


NUMBER_SHAPE: Final = {"type": ["number", "string"], "pattern": r"^[-+0-9.][-+0-9_.eE]*\s?[%kMB]?$"}


def within(parse: Callable[[str], Any], low: float, high: float, must: str, mend: str) -> Leaf:
    """One number between ``low`` and ``high``, both included."""

    def check(value: float) -> tuple[str, str] | None:
        return None if low <= value <= high else (must, mend)

    return Leaf(parse, must, mend, NUMBER_SHAPE, check)


def positive_duration(what: str, *, zero: bool = False) -> Leaf:
    """A duration in days."""
    mend = f"Write {what} with its unit, for example 10 days, 6 weeks or 3 months."

    def check(days: float) -> tuple[str, str] | None:
        if days < 0 or (days == 0 and not zero):
            return ("a time longer than 0 days", mend)
        if days > 365.25 * 200:
            return ("at most 200 years", mend)
        return None

    return Leaf(quantities.duration_days, "a duration", mend, DURATION_SHAPE, check)


DURATION_SHAPE: Final = {
    "type": "string",
    "pattern": r"^\+?[0-9.][0-9_.eE]*[kM]?\s*([dD]ay|[wW]eek|[mM]onth|[qQ]uarter|[yY]ear)s?$",
}


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of a record: its form, whether it must be there, and a sentence about it."""

    form: Form
    note: str
    default: Any = None
    required: bool = False
    example: str = "…"


@dataclasses.dataclass(frozen=True)
class Record:
    """A table with known keys, made into ``make(**values)``."""

    what: str
    keys: Mapping[str, Key]
    make: Callable[..., Any]

    def read(self, node: Node, door: Door) -> Any:
        """Read every key, name the unknown and the missing ones; see ``Form``."""
        if not isinstance(node, Table):
            wanted = [k for k, key in self.keys.items() if key.required] or [*self.keys][:1]
            example = ", ".join(f"{k}: {self.keys[k].example}" for k in wanted)
            mend = f"Write {self.what} as {{{example}}}."
            must = f"a mapping that describes {self.what}"
            return door.fault(node.place, describe(node), must, mend)
        self.refuse_unknown(node, door)
        return self.make(
            **{name.replace("-", "_"): self._value(name, node, door) for name in self.keys}
        )

    def refuse_unknown(self, node: Table, door: Door) -> None:
        """Record a fault for each key that the record does not know."""
        unknown = [name for name in node if name not in self.keys]
        if len(unknown) > MOST_UNKNOWN:
            got, must = f"{len(unknown)} unknown keys", f"a key of {self.what}"
            door.fault(node.place_of(unknown[0]), got, must, f"Remove {unknown[0]} and the others.")
            return
        for name in unknown:
            mend = offer(name, self.keys)
            if isinstance(node[name], Nothing) and name[:1].isdigit():
                # What stands behind a comma in braces is a key of its own: {share: 0,3}.
                mend = "Write numbers without commas: 0.3 for 0,3 and 1_200 for 1,200."
            must = f"a key of {self.what}"
            door.fault(node.place_of(name), f"the unknown key {shown(name)}", must, mend)

    def _value(self, name: str, node: Table, door: Door) -> Any:
        key = self.keys[name]
        if name in node:
            return key.form.read(node[name], door)
        if not key.required:
            return key.default
        if any(nearest(other, self.keys) == name for other in node if other not in self.keys):
            return BROKEN  # misspelled, which is said already
        return door.fault(
            node.place,
            f"no {name}",
            f"{self.what} with {name} ({key.note})",
            f"Add {name}: {key.example}.",
        )

    def schema(self) -> Schema:
        """Describe the record; see ``Form``."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {**key.form.schema(), "description": key.note}
                for name, key in self.keys.items()
            },
            "required": [name for name, key in self.keys.items() if key.required],
        }


@dataclasses.dataclass(frozen=True)
class Named:
    """A table of things by name, each of the same form."""

    what: str
    one: str
    form: Form
    reserved: tuple[str, ...] = ()
    most: int = 1_000

    def read(self, node: Node, door: Door) -> Any:
        """Read the things of a table by name; see ``Form``."""
        if not isinstance(node, Table) or not node:
            mend = f"Write {self.what} by name, for example first: {{…}}."
            return door.fault(node.place, describe(node), f"a mapping of {self.what}", mend)
        if len(node) > self.most:
            got = f"{len(node):,} {self.what}"
            mend = f"Join {self.what} that are alike."
            return door.fault(node.place, got, f"at most {self.most:,}", mend)
        return {
            name: self.form.read(child, door)
            for name, child in node.items()
            if self._good_name(name, node, door)
        }

    def _good_name(self, name: str, node: Table, door: Door) -> bool:
        place = node.place_of(name)
        try:
            quantities.name(name, self.one, dots_allowed=False)
        except QuantityFault as fault:
            door.fault(place, fault.got, fault.must, fault.mend)
            return False
        if name in self.reserved:
            must = f"a name for the {self.one} other than {listed(self.reserved)}"
            door.fault(place, name, must, "Choose another name; this one has a meaning of its own.")
            return False
        return True

    def schema(self) -> Schema:
        """Describe the table; see ``Form``."""
        return {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": self.form.schema(),
        }


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A list whose items are of one form; a single item may stand without brackets."""

    what: str
    form: Form
    alone: bool = False
    most: int = 10_000

    def read(self, node: Node, door: Door) -> Any:
        """Read every item into a tuple; see ``Form``."""
        if not isinstance(node, Items):
            if self.alone and not isinstance(node, Nothing):
                value = self.form.read(node, door)
                return BROKEN if value is BROKEN else (value,)
            mend = f"Write {self.what} as a list in square brackets or with dashes."
            return door.fault(node.place, describe(node), f"a list of {self.what}", mend)
        if not 1 <= len(node) <= self.most:
            mend = f"Give between 1 and {self.most:,} {self.what}."
            must = f"a list of 1 to {self.most:,} {self.what}"
            return door.fault(node.place, describe(node), must, mend)
        return tuple(self.form.read(child, door) for child in node)

    def schema(self) -> Schema:
        """Describe the list; see ``Form``."""
        item = self.form.schema()
        several = {"type": "array", "items": item, "minItems": 1, "maxItems": self.most}
        return {"anyOf": [item, several]} if self.alone else several
