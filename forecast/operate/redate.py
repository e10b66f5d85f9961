"""Let a scenario begin on a later day: plans go on, and what was to change has changed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from forecast.operate.elapsed import Elapsed
from forecast.scenario import quantities
from forecast.scenario.errors import Fault, ScenarioError
from forecast.scenario.facts import find
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Items, Node, Nothing, Table, Text
from forecast.scenario.paths import overlay
from forecast.scenario.scaling import mean_of, scaled

Path = tuple[str, ...]


def redate(
    document: Table, scenario: Scenario, start: dt.date, end: dt.date, won: float = 0
) -> Table:
    """Give a scenario's document from `start` on, to the day before `end`; not before its own.

    Lists of figures begin with that of the unit that holds the new start, channels have grown, what
    was spent still works, changes of days until then are part of the document, and `won` deals of
    the days gone by are customers. Goals are left out. Raises ``ScenarioError`` for what cannot
    begin later.
    """
    start = max(start, scenario.calendar.start)
    now, later = _past_changes(document, start)
    try:
        over = Elapsed(scenario, _without(document, later), start, end)
    except ValueError as error:
        place = document["start"].place
        must = f"nearer to {start}, from which to forecast: there are {error} between"
        fault = place.fault(str(document["start"]), must, "Write a plan that begins later.")
        raise ScenarioError([fault]) from None
    at = _Redating(over, now)
    content = {key: at.rewritten(node, (key,)) for key, node in now.items()}
    content.pop("goals", None)
    if later:
        content["changes"] = Items([at.changed(each) for each in later], document["changes"].place)
    found = Table(content, document.place, document.keys_at)
    if start > scenario.calendar.start:
        found = _with_customers(_with_spent(found, over), scenario, end, won)
    started = Text(start.isoformat(), document["start"].place)
    horizon = Text(f"{(end - start).days} days", document["horizon"].place)
    content = {**found, "start": started, "horizon": horizon}
    return Table(content, document.place, document.keys_at)


def _past_changes(document: Table, start: dt.date) -> tuple[Table, list[Table]]:
    """Put into the document what changed on or before a day; gives the later changes too."""
    later: list[Table] = []
    tables = _changes_of(document)
    for node in sorted(tables, key=lambda node: str(node["from"])):
        if quantities.day(str(node["from"])) > start:
            later.append(node)
        else:
            document = _overlaid(document, node)
    return _without(document, tables), later


def _changes_of(document: Table) -> list[Table]:
    changes = document.get("changes")
    return (
        [node for node in changes if isinstance(node, Table)] if isinstance(changes, Items) else []
    )


def _without(document: Table, later: list[Table]) -> Table:
    """Leave out the changes that are still to come."""
    content: dict[str, Node] = {key: node for key, node in document.items() if key != "changes"}
    past: list[Node] = [node for node in _changes_of(document) if node not in later]
    if past:
        content["changes"] = Items(past, document["changes"].place)
    return Table(content, document.place, document.keys_at)


def _overlaid(document: Table, change: Table) -> Table:
    sets = change["set"]
    assert isinstance(sets, Table)
    for path, value in sets.items():
        document = overlay(document, path, value, value.place)
    return document


@dataclass
class _Redating:
    """Rewrites what counts time from the start, wherever it is written."""

    over: Elapsed
    now: Table  # the document as it is when what is rewritten holds

    def rewritten(self, node: Node, path: Path) -> Node:
        """Give what stands at a path as it is from the new start on."""
        if self._is_listed(path):
            per = self.over.calendar.unit
            if path[0] == "channels":
                per = str(self._beside(path, "per") or "month")
            then = str(self._beside(path, "then") or "")
            node = self.over.figures(node, per, then, path[-1])
        if _grows(path) and (level := self.over.level(path[1])) != 1.0:
            figures = node if isinstance(node, Items) else [node]
            more = [scaled(each, level) if mean_of(each) else each for each in figures]
            node = Items(more, node.place) if isinstance(node, Items) else more[0]
        if isinstance(node, Table) and path[0] in ("channels", "capacity"):
            content = {key: self.rewritten(child, (*path, key)) for key, child in node.items()}
            return Table(content, node.place, node.keys_at)
        return node

    def changed(self, change: Table) -> Table:
        """Give a change that is still to come."""
        self.now = _overlaid(self.now, change)
        sets = change["set"]
        assert isinstance(sets, Table)
        content = {
            path: self.rewritten(node, tuple(path.split("."))) for path, node in sets.items()
        }
        told = Table(content, sets.place, sets.keys_at)
        return Table({**change, "set": told}, change.place, change.keys_at)

    def _is_listed(self, path: Path) -> bool:
        if path[0] == "capacity":
            return len(path) == 3 and path[2] == "per_period"
        leads = len(path) == 4 and path[2:] in (("leads", "mean"), ("leads", "fixed"))
        cost = len(path) == 5 and path[2:] == ("cost", "fixed", "amount")
        return path[0] == "channels" and (leads or cost)

    def _beside(self, path: Path, key: str) -> Node | None:
        around = find(self.now, ".".join(path[:-1]))
        return around.get(key) if isinstance(around, Table) else None


def _grows(path: Path) -> bool:
    """Tell whether a path is of how many leads arrive, which growth multiplies."""
    of_leads = (("leads", "mean"), ("leads", "response", "hill", "max"))
    return path[0] == "channels" and path[2:] in of_leads


def _with_spent(document: Table, over: Elapsed) -> Table:
    """Say what of the money spent until the new start still works there."""
    channels = document["channels"]
    assert isinstance(channels, Table)
    for name in channels:
        before = over.spent_before(name)
        if before is not None:
            path = f"channels.{name}.leads.response.before"
            place = find(document, f"channels.{name}.leads.response").place
            document = overlay(document, path, Text(before, place), place)
    return document


def _with_customers(document: Table, scenario: Scenario, end: dt.date, won: float) -> Table:
    """Count who was won until the new start among the customers who bring leads."""
    referral, first = document.get("referral"), scenario.calendar.start
    if not isinstance(referral, Table):
        return document
    during = referral.get("during")
    if isinstance(during, Text):
        days = quantities.duration_days(during)
        if days < (end - first).days:
            must = f"at least the {(end - first).days} days from {first}, the plan's start, on"
            must += ", or left out: who has brought leads for how long is not known on a later day"
            mend = "Leave out during, begin the plan later, or let assumptions be fitted."
            at = during.place
            raise ScenarioError(
                [Fault(at.file, at.line, "referral.during", str(during), must, mend)]
            )
    existing = referral.get("existing")
    known = 0.0 if existing is None or isinstance(existing, Nothing) else mean_of(existing)
    if not won:
        return document
    there = Text(repr(known + won), referral.place)
    return overlay(document, "referral.existing", there, referral.place)
