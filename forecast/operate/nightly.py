"""One nightly forecast: read, check, fit or reuse, simulate, keep, compare, report, tell.

Every step leaves either what it made or nothing, so it may be killed anywhere and run again: what
is kept is not made twice, and what was not told is told.
"""

from __future__ import annotations

import datetime as dt
import json

from forecast.engine.run import Progress
from forecast.history.exports.read import read_as_of
from forecast.history.records import Records
from forecast.operate.archive import Archive
from forecast.operate.config import Nightly
from forecast.operate.explain import explain, extra_of
from forecast.operate.kept import Document, Kept, Work
from forecast.operate.lock import locked
from forecast.operate.night_report import Night, describe, write_reports
from forecast.operate.places import Folder
from forecast.operate.tell import Log, post
from forecast.operate.tonight import Tonight, prepare

STALE = 3
TOLD = "told.json"


class StaleInput(Exception):
    """The records are older than they may be."""

    exit_code = STALE


def run_nightly(
    config: Nightly,
    *,
    as_of: dt.date | None = None,
    today: dt.date | None = None,
    log: Log | None = None,
    progress: Progress | None = None,
) -> Document:
    """Make tonight's forecast; the document is that of ``forecast nightly --json``.

    ``as_of`` forecasts from a day before the newest of the records. Raises ``Locked`` (exit code
    4), ``StaleInput`` (3), ``ScenarioError`` (2), ``OutputError`` and ``NotTold`` (1).
    """
    log = log or Log(quiet=True)
    with locked(config.reports):
        log("begin", name=config.name)
        records, report = read_as_of(config.mapping, as_of)
        log("read", as_of=records.as_of, items=len(records.items))
        if as_of is None:
            _check_fresh(config, records, today or dt.date.today())
        tonight = prepare(config, records, report)
        log("prepared", open=_open_deals(tonight), goals=len(tonight.wanted))
        archive, work = Archive(config.archive), Work(tonight.scenario, config.runs, config.seed)
        kept = archive.keep(work, extra_of(tonight, records, report), progress)
        log("kept" if kept.new else "kept before", key=kept.key, path=kept.path)
        previous = _previous(archive, config.name, kept)
        effects = explain(archive, previous, kept) if previous else []
        log("compared", previous=previous.key if previous else None)
        document = describe(Night(kept, previous, tonight, report, effects), archive)
        write_reports(Folder(config.reports), document, report)
        log("reported", folder=str(config.reports))
        _tell(config, document, log)
        log("done")
        return document


def _check_fresh(config: Nightly, records: Records, today: dt.date) -> None:
    age = (today - records.as_of).days
    if age > config.stale_after:
        most = f"{config.stale_after:g} days"
        raise StaleInput(
            f"{config.mapping}: the records end on {records.as_of}, {age} days ago; must be no "
            f"older than {most} (stale_after). Export them anew. The last forecast stays."
        )


def _open_deals(tonight: Tonight) -> int:
    pipeline = tonight.scenario.pipeline
    return 0 if pipeline is None else len(pipeline.deals.amount)


def _previous(archive: Archive, name: str, kept: Kept) -> Kept | None:
    """Find the forecast before this one."""
    for other in archive.list(name, until=kept.day).forecasts:
        if other.key != kept.key and (other.as_of, other.created) <= (kept.as_of, kept.created):
            return other
    return None


def _tell(config: Nightly, document: Document, log: Log) -> None:
    """Post the summary, once for each forecast."""
    if config.webhook is None:
        return
    place, name = Folder(config.reports), f"{document['as_of']}/{TOLD}"
    mark = {"key": document["key"], "url": config.webhook.url}
    try:
        told = json.loads(place.read(name))
    except (OSError, ValueError):
        told = None
    if told == mark:
        log("told before")
        return
    post(config.webhook, document, log)
    place.write(name, json.dumps(mark).encode())
