"""A batch on Dask: slices of scenarios go to workers, small documents come back, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from forecast.engine.store import OutputError
from forecast.operate.batch import Progress, Result
from forecast.operate.jobs import Job
from forecast.operate.worker import Done, Plan, do_jobs, is_kept, take, version

AHEAD = 3  # slices for each thread of a worker: one that is done and two that wait
SLICES_EACH = 8
MOST_IN_SLICE = 16
CONNECT_SECONDS = 20
ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def local_workers(count: int) -> Iterator[Any]:
    """Start so many worker processes on this machine; gives a client of theirs."""
    distributed = _distributed()
    import dask

    environment = {**dict.fromkeys(ONE_THREAD, "1"), "MALLOC_TRIM_THRESHOLD_": "65536"}
    settings = {
        "distributed.nanny.pre-spawn-environ": environment,
        "distributed.worker.daemon": True,
        "distributed.worker.profile.enabled": False,  # it looks a hundred times a second
        "distributed.logging": {"distributed": "error"},
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs="ERROR",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


@contextmanager
def workers_at(address: str) -> Iterator[Any]:
    """Connect to a scheduler; raises ``OutputError`` where none answers."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OutputError(f"{address}: no Dask scheduler answers there ({reason}).") from None
    with client:
        yield client


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        mend = "Install it with pip install 'pipecast[dask]'"
        raise OutputError(f"Dask needs the package distributed. {mend}.") from None
    return distributed


def run_on(
    client: Any, jobs: Sequence[Job], plan: Plan, progress: Progress | None = None
) -> Result:
    """Forecast scenarios on the workers of a Dask client: the same bits as here.

    A worker that is lost is replaced by another one; what it had not sent is done again. What is
    kept already is found here and not sent at all. Raises ``OutputError`` where there is no worker,
    or one of another version.
    """
    _check_versions(client)
    found: dict[int, Done] = {}
    left = []
    for i, job in enumerate(jobs):
        known = is_kept(job, plan) if plan.send else None
        if job.document is None:
            known = Done(job.name, error=job.fault)
        if known is None:
            left.append(i)
        else:
            found[i] = known
    for i, done in _from_workers(client, jobs, left, plan):
        found[i] = _taken(done, plan)
        if progress is not None:
            progress(len(found), len(jobs))
    return Result(tuple(jobs), tuple(found[i] for i in range(len(jobs))))


def _taken(done: Done, plan: Plan) -> Done:
    """Keep what a worker sent; where that fails it is the scenario's failure."""
    try:
        return take(done, plan)
    except OutputError as error:
        return Done(done.name, error=str(error))


def _check_versions(client: Any) -> None:
    """Refuse workers that would give other bits."""
    try:
        versions = client.run(version)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OutputError(f"A Dask worker cannot forecast ({reason}). Install it there.") from None
    if not versions:
        raise OutputError("The Dask scheduler has no workers. Start one with dask worker.")
    mine = version()
    for worker, its in versions.items():
        if its != mine:
            raise OutputError(f"{worker}: got version {its}; must be {mine}, as here.")


def _from_workers(
    client: Any, jobs: Sequence[Job], left: Sequence[int], plan: Plan
) -> Iterator[tuple[int, Done]]:
    """Send slices, few at a time, and give what comes back; nothing is held on the cluster."""
    threads = max(1, sum(client.nthreads().values()))
    size = min(MOST_IN_SLICE, max(1, len(left) // (SLICES_EACH * threads)))
    slices = iter([left[i : i + size] for i in range(0, len(left), size)])
    sent: dict[str, Sequence[int]] = {}

    def send() -> Any:
        taken = next(slices, None)
        if taken is None:
            return None
        future = client.submit(do_jobs, [jobs[i] for i in taken], plan, pure=False, retries=2)
        sent[future.key] = taken
        return future

    first = [future for _ in range(AHEAD * threads) if (future := send()) is not None]
    working: Any = _distributed().as_completed(first)
    for future in working:
        taken = sent.pop(future.key)
        try:
            came = future.result()
        except Exception as error:  # such as a worker that dies each time
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            came = [Done(jobs[i].name, error=text) for i in taken]
        future.release()
        if (another := send()) is not None:
            working.add(another)
        yield from zip(taken, came, strict=True)
