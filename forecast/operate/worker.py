"""The work on one scenario of a batch, wherever it is done."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import forecast
from forecast.analysis.summary import summarize
from forecast.engine.request import JOURNEY, OUTCOMES, RequestError, detail_for
from forecast.engine.run import forecast_run
from forecast.engine.store import told
from forecast.engine.threads import threads_at_most
from forecast.operate.archive import Archive, UnsoundError, Work
from forecast.operate.jobs import Job
from forecast.scenario.errors import listed
from forecast.scenario.model import Scenario
from forecast.scenario.reader import build_scenario

Document = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How the scenarios of a batch are done. ``keep`` is an archive; with ``send`` the worker may
    not see it, and sends the file. ``whole``: documents have leads and all stages.
    """

    keep: str | None = None
    send: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Done:
    """What became of a scenario: the document of its run, or an error.

    ``file`` is a forecast that is still to be kept, at ``stem``.
    """

    name: str
    document: Document | None = None
    error: str = ""
    kept: str = ""  # where
    new: bool = True
    stem: str = ""
    file: bytes = b""


def do_job(job: Job, plan: Plan) -> Done:
    """Forecast one scenario; whatever is wrong with it is told in the result."""
    if job.document is None:
        return Done(job.name, error=job.fault)
    try:
        done = _done(work_of(job, plan), job, plan)
    except Exception as error:
        if not hasattr(error, "exit_code") and not isinstance(error, OSError | MemoryError):
            text = " ".join(str(error).split())
            return Done(job.name, error=f"failed unexpectedly: {type(error).__name__}: {text}")
        return Done(job.name, error=str(error) or type(error).__name__)
    assert done.document is not None
    return replace(done, document=_named(done.document, job))


def do_jobs(jobs: Sequence[Job], plan: Plan) -> list[Done]:
    """Forecast several scenarios, one after the other, on one core."""
    with threads_at_most(1):
        return [do_job(job, plan) for job in jobs]


def _named(document: Document, job: Job) -> Document:
    """Say which scenario of the batch a document is of."""
    return {**document, "scenario": job.name, **({"set": dict(job.sets)} if job.sets else {})}


def work_of(job: Job, plan: Plan) -> Work:
    """Say what is to be forecast; raises ``ScenarioError`` and ``RequestError``."""
    assert job.document is not None
    scenario = build_scenario(job.document)
    return Work(scenario, job.runs, job.seed, _detail(scenario, job, plan))


def _detail(scenario: Scenario, job: Job, plan: Plan) -> str:
    metrics = [goal.metric for goal in scenario.goals]
    if not job.detail:
        return JOURNEY if plan.whole else detail_for(metrics)
    others = [metric for metric in metrics if metric not in OUTCOMES]
    if job.detail != JOURNEY and others:
        must = f"{JOURNEY} for goals on {listed(dict.fromkeys(others))}"
        raise RequestError(f"detail: got {job.detail}; must be {must}. Leave it out.")
    return job.detail


def _done(work: Work, job: Job, plan: Plan) -> Done:
    if plan.keep is None:
        outcome = forecast_run(work.scenario, runs=work.runs, seed=work.seed, detail=work.detail)
        if not outcome.check.passed:
            raise UnsoundError(f"Self-check failed ({outcome.check.where}); please report it.")
        return Done(job.name, summarize(outcome))
    extra = {"case": job.name, "set": dict(job.sets)}
    if plan.send:
        with tempfile.TemporaryDirectory(prefix="forecast-") as folder:
            archive = Archive(folder)
            kept = archive.keep(work, extra)
            data = Path(kept.path).read_bytes()
            return Done(job.name, archive.summary(kept), stem=kept.stem, file=data)
    archive = Archive(plan.keep)
    kept = archive.keep(work, extra)
    return Done(job.name, archive.summary(kept), kept=kept.path, new=kept.new)


def take(done: Done, plan: Plan) -> Done:
    """Keep the file that a worker sent."""
    if not done.file or plan.keep is None:
        return done
    archive = Archive(plan.keep)
    part = archive.place.part(done.stem.rpartition("/")[2])
    try:
        with told(part):
            part.write_bytes(done.file)
        kept = archive.take(done.stem, part)
    finally:
        part.unlink(missing_ok=True)
    return replace(done, file=b"", kept=kept.path, new=kept.new)


def is_kept(job: Job, plan: Plan) -> Done | None:
    """Give what is kept of a scenario already, for a client whose workers cannot look."""
    if plan.keep is None or job.document is None:
        return None
    try:
        archive = Archive(plan.keep)
        kept = archive.find_work(work_of(job, plan))
        if kept is None:
            return None
        document = _named(archive.summary(kept), job)
    except Exception:
        return None  # what is wrong will be told by whoever does it
    return Done(job.name, document, kept=kept.path, new=False)


def begin() -> None:
    """Begin as a process of a batch: Ctrl-C is for the one that began it, whose end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def version() -> str:
    """Say which version a worker has."""
    return str(forecast.__version__)
