"""Batches on Dask: the same bits, one send of each result, a lost worker, what cannot work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_zygote import PLAN

from forecast.engine.store import OutputError
from forecast.operate import cluster
from forecast.operate.archive import Archive
from forecast.operate.batch import run_batch
from forecast.operate.cluster import local_workers, run_on, workers_at
from forecast.operate.jobs import Job, read_jobs
from forecast.operate.verify import fault_of
from forecast.operate.worker import Plan

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
WHOLE = Plan(whole=True)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with local_workers(2) as found:
        yield found


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    (tmp_path / "plan.yaml").write_text(PLAN)
    values = ", ".join(f"{10 + i / 10}%" for i in range(24))
    grid = tmp_path / "grid.yaml"
    rates = f"{{journey.o.won.conversion: [{values}, 101%]}}"
    grid.write_text(f"base: plan.yaml\nruns: 40\ngrid: {rates}\n")
    return read_jobs([grid])


def test_the_bits_are_those_of_here(client: Any, jobs: list[Job]) -> None:
    told: list[tuple[int, int]] = []
    found = run_on(client, jobs, WHOLE, lambda *given: told.append(given))
    assert found.done == run_batch(jobs, WHOLE, processes=1).done
    assert len(found.failed) == 1
    assert told[-1] == (25, 25)


def test_a_worker_that_is_killed_changes_nothing_but_time(client: Any, jobs: list[Job]) -> None:
    before = client.run(os.getpid)

    def kill(done: int, _: int) -> None:
        if done < 12:
            os.kill(next(iter(before.values())), signal.SIGKILL)

    def once(done: int, every: int) -> None:
        if before:
            kill(done, every)
            before.clear()

    found = run_on(client, jobs, WHOLE, once)
    assert found.done == run_batch(jobs, WHOLE, processes=1).done


def test_workers_that_do_not_see_the_folder_send_what_is_to_be_kept(
    client: Any, jobs: list[Job], tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "kept")
    plan = Plan(str(tmp_path / "kept"), send=True)
    found = run_on(client, jobs[:12], plan)
    assert found.failed == ()
    assert all(each.new and not each.file for each in found.done)
    kept = archive.list()
    assert len(kept.forecasts) == 12
    assert kept.faults == ()
    assert all(fault_of(archive, each) is None for each in kept.forecasts)
    again = run_on(client, jobs[:14], plan)
    assert [each.new for each in again.done] == [False] * 12 + [True] * 2
    assert [each.document for each in again.done[:12]] == [each.document for each in found.done]
    direct = run_on(client, jobs[:15], Plan(str(tmp_path / "kept")))
    assert [each.new for each in direct.done] == [False] * 14 + [True]


def test_workers_of_another_version_are_refused(
    client: Any, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.version() in client.run(cluster.version).values()
    monkeypatch.setattr(client, "run", lambda _: {"tcp://w:1": "0.0.1"})
    with pytest.raises(OutputError, match=r"^tcp://w:1: got version 0\.0\.1; must be "):
        run_on(client, jobs, WHOLE)
    monkeypatch.setattr(client, "run", lambda _: {})
    with pytest.raises(OutputError, match="has no workers"):
        run_on(client, jobs, WHOLE)


def test_threads_of_workers_are_bounded(client: Any) -> None:
    found = client.run(lambda: os.environ.get("NUMBA_NUM_THREADS"))
    assert set(found.values()) == {"1"}


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    nobody = "tcp://127.0.0.1:9"
    with pytest.raises(OutputError, match="no Dask scheduler answers"), workers_at(nobody):
        pass
