"""Tonight's scenario: assumptions that hold, deals that are open, what is left of goals."""

from __future__ import annotations

import datetime as dt
from calendar import month_name
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from forecast.analysis.levers import document_of
from forecast.engine.uses import RECURRING, uses
from forecast.history.done import By, done_by_quarter, done_in, won_since
from forecast.history.exports.data_report import DataReport
from forecast.history.fitting.fit import Options, fit_records
from forecast.history.fitting.open_items import find_open, write_open
from forecast.history.records import Records
from forecast.history.writing.write import Sheet, write_scenario
from forecast.operate.config import Nightly
from forecast.operate.redate import redate
from forecast.scenario.calendar import MONTHS_IN, quarter_label
from forecast.scenario.errors import Fault, ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import NOWHERE, Items, Node, Place, Table, Text, nodes_of
from forecast.scenario.reader import build_scenario, read_scenario


@dataclass(frozen=True)
class Wanted:
    """A goal over a quarter or year: its target, what of it is done, and what is left."""

    metric: str
    quarter: str
    target: float
    confidence: float
    done: float

    @property
    def left(self) -> float:
        """What is still to come."""
        return max(self.target - self.done, 0.0)


@dataclass(frozen=True)
class Tonight:
    """What is forecast tonight: goals in the order of the scenario's own, of what is left."""

    scenario: Scenario
    done: Mapping[str, By]
    wanted: Sequence[Wanted]


def prepare(config: Nightly, records: Records, report: DataReport) -> Tonight:
    """Make tonight's scenario of the records; raises ``ScenarioError`` for what cannot be."""
    start = records.as_of + dt.timedelta(days=1)
    end = end_of_quarters(start, config.quarters, config.fiscal_year_start)
    if config.scenario is None:
        document = _fitted(config, records, report, end)
    else:
        document = _reused(config, records, start, end)
    named = Text(config.name, document["name"].place)
    document = Table({**document, "name": named}, document.place, document.keys_at)
    goals = _not_over(config.goals, start, config.fiscal_year_start)
    if goals:
        document = Table({**document, "goals": goals}, document.place, document.keys_at)
    whole = build_scenario(document)
    done = done_by_quarter(records, whole.calendar.fiscal_year_start)
    wanted = [
        Wanted(goal.metric, label, goal.target, goal.confidence, done_in(done, goal.metric, label))
        for goal in whole.goals
        for label, _ in goal.quarters
    ]
    return Tonight(build_scenario(with_goals(document, wanted)), done, wanted)


def _not_over(goals: Node | None, start: dt.date, fiscal_year_start: int) -> Items:
    """Leave out the goals of quarters and years that are over."""
    now = quarter_label(start, fiscal_year_start)
    left: list[Node] = []
    for goal in goals if isinstance(goals, Items) else ():
        of = goal if isinstance(goal, Table) else Table()
        quarter, year = str(of.get("quarter", now)), str(of.get("year", now))
        if quarter >= now and year[:4] >= now[:4]:
            left.append(goal)
    return Items(left, goals.place if isinstance(goals, Items) else NOWHERE)


def end_of_quarters(start: dt.date, quarters: int, fiscal_year_start: int) -> dt.date:
    """Give the first day after the fiscal quarter of a day and so many more.

    >>> end_of_quarters(dt.date(2026, 11, 20), 1, 1)
    datetime.date(2027, 4, 1)
    """
    months = start.year * 12 + start.month - 1 - (fiscal_year_start - 1)
    length = MONTHS_IN["quarter"]
    after = (months // length + 1 + quarters) * length + (fiscal_year_start - 1)
    return dt.date(after // 12, after % 12 + 1, 1)


def with_goals(document: Table, wanted: Sequence[Wanted]) -> Table:
    """Put goals on what is left into a document, one for each quarter or year."""
    goals: list[Node] = []
    for goal in wanted:
        span = "year" if len(goal.quarter) == 4 else "quarter"
        told = {
            "metric": goal.metric,
            span: goal.quarter,
            "target": repr(goal.left),
            "confidence": repr(goal.confidence),
        }
        goals.append(Table({key: Text(value) for key, value in told.items()}))
    content: dict[str, Node] = {key: node for key, node in document.items() if key != "goals"}
    if goals:
        content["goals"] = Items(goals)
    return Table(content, document.place, document.keys_at)


def _fitted(config: Nightly, records: Records, report: DataReport, end: dt.date) -> Table:
    """Fit a scenario to the records."""
    days = end.toordinal() - records.as_of.toordinal() - 1
    options = Options(
        horizon=f"{days} days",
        period=config.period,
        fiscal_year_start=month_name[config.fiscal_year_start].lower(),
    )
    try:
        fit = fit_records(records, options=options)
    except ValueError as error:
        raise _refused(config, str(error)) from None
    read = [f"Read from {table.source}." for table in report.tables]
    return nodes_of(write_scenario(fit, Sheet(config.name, None, read)), "(fitted)")


def _reused(config: Nightly, records: Records, start: dt.date, end: dt.date) -> Table:
    """Take the assumptions of a file, and the open deals of the records."""
    assert config.scenario is not None
    plan = read_scenario(config.scenario)
    _check_revenue(config, plan)
    strange = sorted(set(records.stages) - set(plan.stages))
    if strange:
        raise _refused(config, f"the stage {strange[0]} of the records is none of the scenario's")
    document = redate(document_of(plan), plan, start, end, won_since(records, plan.calendar.start))
    opened = find_open(records)
    content: dict[str, Node] = {key: node for key, node in document.items() if key != "pipeline"}
    if len(opened):
        place = Place(str(config.mapping), 1, "pipeline")
        rows = write_open(opened, _columns(config, plan, opened))
        pipeline: dict[str, Node] = {"csv": Text(rows, place)}
        if isinstance(before := document.get("pipeline"), Table) and "stale_after" in before:
            pipeline["stale_after"] = before["stale_after"]
        content["pipeline"] = Table(pipeline, place)
    return Table(content, document.place, document.keys_at)


def _check_revenue(config: Nightly, scenario: Scenario) -> None:
    """Refuse goals on revenue where customers who were won long ago still pay."""
    goals = config.goals if isinstance(config.goals, Items) else ()
    metrics = [str(goal.get("metric")) for goal in goals if isinstance(goal, Table)]
    if RECURRING in uses(scenario) and "revenue" in metrics:
        why = "a goal on revenue that recurs: what customers of earlier days pay is in no record"
        raise _refused(config, why, "goals on bookings, deals, leads or stages", "Change the goal.")


def _columns(config: Nightly, plan: Scenario, opened: pd.DataFrame) -> list[str]:
    """Name the columns that tell open deals apart; refuses labels that the plan does not have."""
    columns = ["id", "stage", "entered", "amount"]
    known = {"channel": plan.channels, "segment": plan.segments, "product": plan.products}
    for label, names in known.items():
        if len(names) == 1:
            continue
        columns.append(label)
        strange = sorted(set(opened[label]) - set(names))
        if strange:
            count = int((opened[label] == strange[0]).sum())
            raise _refused(
                config, f"the {label} {strange[0]} of {count} open deals, none of the scenario's"
            )
    return columns


def _refused(config: Nightly, why: str, must: str = "", mend: str = "") -> ScenarioError:
    path = config.scenario or config.mapping
    fit = "records and assumptions that go together" if config.scenario else "records to fit"
    mend = mend or "Correct the mapping (aliases and blanks join names), or the scenario."
    return ScenarioError([Fault(str(path), 1, "(file)", why, must or fit, mend)])
