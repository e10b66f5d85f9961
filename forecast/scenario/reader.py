"""Read a scenario file: document -> versions of its assumptions -> checked ``Scenario``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from forecast.scenario import changes, checks, pipeline, timing
from forecast.scenario.attachments import attach
from forecast.scenario.errors import ScenarioError
from forecast.scenario.forms import BROKEN, Door
from forecast.scenario.language import FILE, Overridden
from forecast.scenario.model import EVERYTHING, Assumptions, Group, Referral, Scenario
from forecast.scenario.nodes import MAX_NODES, Items, Node, Table
from forecast.scenario.overrides import CHANGING, SECTIONS, merged
from forecast.scenario.paths import dump, read_document
from forecast.scenario.qualification import judge_journey, with_win_rates
from forecast.scenario.source import MAX_BYTES, WHOLE

SHORTER = "Take samples of the columns and of long lists."


def read_scenario(path: str | Path, set: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario file.

    ``set`` changes assumptions by their paths, as ``--set PATH=VALUE`` does; a value is text as
    it would stand in the file, or a number, a list or a mapping.
    Raises ``ScenarioError`` with every fault of the file, each with its line.

    >>> read_scenario("scenarios/lean-consulting.yaml").name
    'Lean consulting'
    """
    given = {str(key): _as_text(value) for key, value in (set or {}).items()}
    return build_scenario(read_document(Path(path), given))


def _as_text(value: Any) -> str:
    """Write a value as it would stand in the file."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_as_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_as_text(each) for each in value) + "]"
    return "null" if value is None else str(value)


def build_scenario(document: Table) -> Scenario:
    """Make a ``Scenario`` of a document; raises ``ScenarioError``."""
    door = Door()
    document = attach(document, door)
    _check_values(document, door)
    _raise(door)
    document, sheet = pipeline.take_deals(document, door)
    values = FILE.read(document, door).values
    calendar = timing.read_calendar(document, values, door)
    if calendar is not BROKEN:
        checks.check_size(document, calendar, door)
        _raise(door, only=WHOLE)
    dated = list(changes.versions_of(document, values, calendar, door))
    reading = _Reading(values, document, door, calendar)
    versions = [reading.version(doc, since) for doc, since in dated]
    deals = pipeline.read_pipeline(sheet, document, values["pipeline"], calendar, door)
    scenario = Scenario(
        name=values["name"],
        currency=values["currency"],
        calendar=calendar,
        entry=next(iter(_names(document, "journey")), BROKEN),
        stages=_names(document, "journey") or BROKEN,
        segments=tuple(versions[0].shares),
        products=_names(document, "products") or (EVERYTHING,),
        journey=judge_journey(values["journey"], versions[0].qualification),
        versions=tuple(versions),
        changes=changes.as_written(values),
        goals=timing.read_goals(document, values, calendar, door),
        correlations=values["correlation"],
        text="" if door.faults else _text_of(document, door),  # which takes long
        pipeline=deals,
    )
    for (doc, _), version in zip(dated, versions, strict=True):
        checks.check_version(doc, version, scenario, door)
    checks.check_whole(document, scenario, door)
    _raise(door)
    return scenario


def _check_values(document: Table, door: Door) -> None:
    """Refuse more values than can be read again, before the time of reading them is spent."""
    values = _count(document)
    if values > MAX_NODES:
        got = f"{values:,} values with the columns of all files"
        door.fault(document.place, got, f"at most {MAX_NODES:,}", SHORTER)


def _count(node: Node) -> int:
    """How many values the reader of a file would count, keys included."""
    if isinstance(node, Table):
        return 1 + len(node) + sum(map(_count, node.values()))
    return 1 + sum(map(_count, node)) if isinstance(node, Items) else 1


def _text_of(document: Table, door: Door) -> str:
    """Write the document down; refuse one whose text could not be read again."""
    text = dump(document)
    size = len(text.encode())
    if size > MAX_BYTES:
        got = f"{size:,} bytes of text with the columns of all files"
        door.fault(document.place, got, f"at most {MAX_BYTES:,}", SHORTER)
    return text


def _raise(door: Door, only: str | None = None) -> None:
    """Raise what was found, if anything; ``only`` waits for a fault at that path."""
    if door.faults and only in (None, *(fault.path for fault in door.faults)):
        raise ScenarioError(door.faults)


def _names(document: Table, key: str) -> tuple[str, ...]:
    node = document.get(key)
    return tuple(node) if isinstance(node, Table) else ()


class _Reading:
    """Reads versions of the assumptions; what several of them or of their groups share, once.

    A change copies only the tables on the way to what it sets, so most sections stay the same
    objects, and most channels and segments override nothing: they get the same journey.
    """

    def __init__(
        self, values: Mapping[str, Any], document: Table, door: Door, calendar: Any
    ) -> None:
        self.door = door
        broken = calendar is BROKEN
        self.horizon_days = 0.0 if broken else calendar.periods * calendar.period_days
        self.values = values
        self.known: dict[tuple[str, int], Any] = {
            (key, id(document.get(key))): values[key] for key in CHANGING
        }
        self.merged: dict[tuple[object, ...], Any] = {}
        self.kept: list[Table] = []  # an id is a name only as long as its table lives

    def version(self, document: Table, since: Any) -> Assumptions:
        """Read what is assumed from one day on."""
        self.kept.append(document)
        channels = self._section(document, "channels")
        of = self._section(document, "qualification")
        of = self._once(("win rates", id(of)), with_win_rates, of, self.values["journey"])
        segments = self._section(document, "segments") or {EVERYTHING: Overridden(1.0, None, None)}
        if channels is BROKEN:
            channels = {}
        if segments is BROKEN:
            segments = {EVERYTHING: BROKEN}
        return Assumptions(
            since=since,
            channels={n: getattr(c, "thing", BROKEN) for n, c in channels.items()},
            shares={n: getattr(s, "thing", BROKEN) for n, s in segments.items()},
            journeys={
                group: self._once((id(journey), id(of)), judge_journey, journey, of)
                if of
                else journey
                for group, journey in self._by_group(
                    document, "journey", channels, segments
                ).items()
            },
            products=self._by_group(document, "products", channels, segments),
            market=self._section(document, "market"),
            closing=self.values["closing"],
            qualification=of,
            capacity=self._section(document, "capacity"),
            referral=self._referral(document),
        )

    def _once(self, at: tuple[object, ...], make: Callable[..., Any], *given: Any) -> Any:
        """Make something of what was read, once."""
        if at not in self.merged:
            self.merged[at] = make(*given)
        return self.merged[at]

    def _referral(self, document: Table) -> Any:
        """Read a referral; customers bring leads to the horizon's end if it does not say."""
        referral = self._section(document, "referral")
        if isinstance(referral, Referral) and referral.during is None:
            return replace(referral, during=self.horizon_days)
        return referral

    def _section(self, document: Table, key: str) -> Any:
        at = (key, id(document.get(key)))
        if at not in self.known:
            self.known[at] = SECTIONS[key].form.read(document[key], self.door)
        return self.known[at]

    def _by_group(
        self, document: Table, key: str, channels: Mapping[str, Any], segments: Mapping[str, Any]
    ) -> dict[Group, Any]:
        found: dict[Group, Any] = {}
        for channel, over in channels.items():
            for segment, also in segments.items():
                tables = [getattr(over, key, None), getattr(also, key, None)]
                used = [t for t in tables if isinstance(t, Table)]
                at = (key, id(document.get(key)), *map(id, used))
                if at not in self.merged:
                    self.merged[at] = merged(document, key, used, self.door)
                found[channel, segment] = self.merged[at]
        return found
