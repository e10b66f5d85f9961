"""What kept forecasts know of their night, and why one differs from another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from forecast.history.exports.data_report import DataReport
from forecast.history.fitting.open_items import written_id
from forecast.history.records import WON, Records
from forecast.operate.archive import Archive
from forecast.operate.kept import Document, Kept
from forecast.operate.tonight import Tonight, Wanted
from forecast.operate.why import Bridge, Effect, State, values_of
from forecast.scenario.model import METRICS

DONE, WANTED, WON_IDS, DATA = "done", "goals_wanted", "won_lately", "data"
LATELY_DAYS = 400


def extra_of(tonight: Tonight, records: Records, report: DataReport) -> Document:
    """Give the attributes that are kept beside a nightly forecast, texts of JSON."""
    return {
        DONE: json.dumps(tonight.done),
        WANTED: json.dumps([asdict(goal) for goal in tonight.wanted]),
        WON_IDS: json.dumps(written_ids(records)),
        DATA: json.dumps(report.document(), default=str),
    }


def written_ids(records: Records) -> list[str]:
    """Give the ids of what was won lately, as a file of open deals wrote them."""
    since = records.as_of.toordinal() - LATELY_DAYS
    stays = records.stays
    won = (stays["to"] == WON).to_numpy() & (stays["left"] >= since).to_numpy()
    ids = records.items["id"].to_numpy()[stays["item"].to_numpy()[won]]
    return sorted(map(written_id, ids))


def explain(archive: Archive, before: Kept, after: Kept) -> list[Effect]:
    """Explain the change from one kept forecast to a later one, by cause."""
    attributes = archive.attributes(after)
    wanted = [Wanted(**goal) for goal in json.loads(attributes.get(WANTED, "[]"))]
    won = frozenset(json.loads(attributes.get(WON_IDS, "[]")))
    quarters = [archive.scenario(kept).calendar.quarters for kept in (before, after)]
    labels = [label for label in quarters[1] if label in quarters[0]]
    states = [_state(archive, kept, wanted, labels) for kept in (before, after)]
    return Bridge(states[0], states[1], wanted, won, labels, (after.runs, after.seed)).effects()


def _state(archive: Archive, kept: Kept, wanted: Sequence[Wanted], labels: Sequence[str]) -> State:
    """Read what a kept forecast was made of, and what it said."""
    scenario = archive.scenario(kept)
    done = json.loads(archive.attributes(kept).get(DONE, "{}"))
    totals = archive.totals(kept, (*METRICS, *scenario.stages))
    totals.setdefault("revenue", totals["bookings"])
    return State(scenario, done, values_of(totals, scenario.calendar, done, wanted, labels))
