"""Why a forecast changed since the last one: by cause, in every metric and every goal's chance.

The last forecast becomes the new one step by step: by this version of the program, as time passes
(nothing happens, open deals grow older), then by what happened to deals and by the assumptions. A
step's effect is what it changes, with common random numbers. Time passes first, for deals that came
later cannot have been open before; the order of the others matters little, and each effect is the
mean over them forward and backward. So effects add up to the whole change exactly.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from forecast.analysis.levers import document_of
from forecast.engine.outcome import NEAR
from forecast.engine.run import bytes_of_totals, simulate_totals
from forecast.engine.simulate import ready
from forecast.history.done import By, done_in
from forecast.operate.redate import redate
from forecast.operate.tonight import Wanted
from forecast.scenario.calendar import Calendar
from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Node, Table, Text
from forecast.scenario.reader import build_scenario

VERSION, TIME, REFITTED = "version and settings", "time passed", "assumptions"
DEAL_CAUSES = ("deals won", "deals lost", "deals moved", "new deals", "amounts changed")
CAUSES = (VERSION, TIME, *DEAL_CAUSES, REFITTED)
METRICS = ("deals", "bookings")
TOGETHER = "deals and assumptions"
MOST_RUNS = 10_000

Row = dict[str, str]
Rows = dict[str, Row]
Values = dict[tuple[str, str], float]  # by metric, or "chance of ...", and quarter


@dataclass(frozen=True)
class State:
    """A forecast that was made: its scenario, what was done by then, and what it said."""

    scenario: Scenario
    done: Mapping[str, By]
    said: Values


@dataclass(frozen=True)
class Effect:
    """What a cause changed."""

    metric: str
    quarter: str
    cause: str
    effect: float


@dataclass
class Bridge:
    """The steps from one forecast to the next."""

    before: State
    after: State
    wanted: Sequence[Wanted]  # the goals of the new one
    won: frozenset[str]  # ids that are won by now
    labels: Sequence[str]  # the quarters that both have
    ask: tuple[int, int]  # runs and seed

    def __post_init__(self) -> None:
        self.runs, self.seed = min(self.ask[0], MOST_RUNS), self.ask[1]
        self.old, self.new = document_of(self.before.scenario), document_of(self.after.scenario)
        self.old_rows, self.new_rows = rows_of(self.old), rows_of(self.new)

    def effects(self) -> list[Effect]:
        """Explain the change of every metric, quarter and goal that both forecasts have."""
        shared = [key for key in self.before.said if key in self.after.said]
        again, later = self._again(), self._redated()
        found = {
            VERSION: {key: again[key] - self.before.said[key] for key in shared},
            TIME: {key: later[key] - again[key] for key in shared},
            **self._orders({key: later[key] for key in shared}),
        }
        return [Effect(*key, name, found[name][key]) for key in shared for name in found]

    # --- values of scenarios

    def _value(self, scenario: Scenario, done: Mapping[str, By]) -> Values:
        simulator = ready(scenario, self.runs, self.seed, bytes_of_totals(scenario))
        totals, _ = simulate_totals(simulator, self.runs, None, nullcontext(), None)
        return values_of(totals, scenario.calendar, done, self.wanted, self.labels)

    def _again(self) -> Values:
        """The last forecast, as this version makes it."""
        return self._value(build_scenario(_without_goals(self.old)), self.before.done)

    def _redated(self) -> Values:
        return self._value(self._scenario(frozenset()), self.before.done)

    def _scenario(self, causes: frozenset[str]) -> Scenario:
        """Build the scenario in which some causes have worked, at the new start."""
        if REFITTED in causes:
            document = _without_goals(self.new)
        else:
            calendar = self.after.scenario.calendar
            end = dt.date.fromordinal(calendar.edges[-1])
            document = redate(self.old, self.before.scenario, calendar.start, end)
        return build_scenario(with_rows(document, self.rows(causes), self.new, self.old))

    def rows(self, causes: Iterable[str]) -> Rows:
        """Give the open deals after some causes have worked."""
        causes = set(causes)
        found: Rows = {}
        for name, row in self.old_rows.items():
            now = self.new_rows.get(name)
            if now is None:
                gone = "deals won" if name in self.won else "deals lost"
                if gone not in causes:
                    found[name] = row
                continue
            row = {**row, **({"amount": now["amount"]} if _paid(now, row, causes) else {})}
            if "deals moved" in causes:
                row |= {key: text for key, text in now.items() if key != "amount"}
            found[name] = row
        if "new deals" in causes:
            found |= {name: row for name, row in self.new_rows.items() if name not in self.old_rows}
        return found

    # --- orders

    def _orders(self, first: Values) -> dict[str, Values]:
        """Give the effects of deals and assumptions, averaged over both orders."""
        order = [*DEAL_CAUSES, REFITTED]
        found: list[dict[str, Values]] = []
        for each in (order, order[::-1]):
            try:
                found.append(self._steps(each, first))
            except ScenarioError:  # deals that one set of assumptions does not know
                continue
        if not found:
            return {TOGETHER: {key: self.after.said[key] - x for key, x in first.items()}}
        return {
            name: {key: float(np.mean([one[name][key] for one in found])) for key in found[0][name]}
            for name in order
        }

    def _steps(self, order: Sequence[str], first: Values) -> dict[str, Values]:
        found: dict[str, Values] = {}
        current = first
        worked: frozenset[str] = frozenset()
        for step, name in enumerate(order, start=1):
            worked |= {name}
            if step == len(order):
                value = self.after.said
            elif self._idle(name):
                found[name] = dict.fromkeys(current, 0.0)
                continue
            else:
                done = self.after.done if "deals won" in worked else self.before.done
                value = self._value(self._scenario(worked), done)
            found[name] = {key: value[key] - current[key] for key in current}
            current = {key: value[key] for key in current}
        return found

    def _idle(self, name: str) -> bool:
        """Tell whether a cause changes nothing."""
        if name == "deals won":
            return self.before.done == self.after.done and self.rows([name]) == self.rows([])
        return name != REFITTED and self.rows([name]) == self.rows([])


def values_of(
    totals: Mapping[str, np.ndarray],
    calendar: Calendar,
    done: Mapping[str, By],
    wanted: Sequence[Wanted],
    labels: Sequence[str],
) -> Values:
    """Give the means of whole quarters, done and to come, and the chances of goals."""
    found: Values = {}
    for metric in METRICS:
        for label in labels:
            q = calendar.quarters.index(label)
            found[metric, label] = done_in(done, metric, label) + float(totals[metric][:, q].mean())
    for goal in wanted:
        at = [q for q, name in enumerate(calendar.quarters) if goal.quarter in (name, name[:4])]
        if not at:
            continue
        total = done_in(done, goal.metric, goal.quarter) + totals[goal.metric][:, at].sum(axis=1)
        least = goal.target - NEAR * max(1.0, abs(goal.target))
        found[chance_of(goal), goal.quarter] = float((total >= least).mean())
    return found


def chance_of(goal: Wanted) -> str:
    """Name the chance of a goal; goals of one metric and quarter differ by their target."""
    return f"chance of {goal.metric} {goal.target:,.15g}"


def rows_of(document: Table) -> Rows:
    """Read the open deals of a document that holds them as CSV, by id."""
    pipeline = document.get("pipeline")
    if not isinstance(pipeline, Table) or not isinstance(pipeline.get("csv"), Text):
        return {}
    return {row["id"]: row for row in csv.DictReader(io.StringIO(str(pipeline["csv"])))}


def with_rows(document: Table, rows: Rows, *like: Table) -> Table:
    """Put open deals into a document; its pipeline's other keys, or those of another, stay."""
    content: dict[str, Node] = {key: node for key, node in document.items() if key != "pipeline"}
    if rows:
        columns = list(dict.fromkeys(key for row in rows.values() for key in row))
        written = io.StringIO()
        writer = csv.DictWriter(written, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        around = (each.get("pipeline") for each in (document, *like))
        pipeline = next((node for node in around if isinstance(node, Table)), Table())
        content["pipeline"] = Table({**pipeline, "csv": Text(written.getvalue())})
    return Table(content, document.place, document.keys_at)


def _paid(now: Row, row: Row, causes: set[str]) -> bool:
    return "amounts changed" in causes and "amount" in now and now["amount"] != row.get("amount")


def _without_goals(document: Table) -> Table:
    content = {key: node for key, node in document.items() if key != "goals"}
    return Table(content, document.place, document.keys_at)
