"""How the time grows: with leads, horizon, channels, stages and runs. Tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy_peer
import scaled
from pictures import Picture
from tables import Table, figure
from timing import Work, enough_runs, in_turn, middle, per_run
from workloads import DETAILS, R1, run_ours, run_ready

from forecast import simulate
from forecast.scenario.model import Scenario

LEAST_SECONDS = 0.3  # of a timing
MOST_RUNS = 200_000
MOST_ROUNDS = 3
PEER = "NumPy peer"
ALONE = " alone"  # one run with all that is made ready before it
RUNS = (100, 1_000, 10_000, 100_000, 1_000_000)  # the last takes 3 GB

Points = dict[float, float]
Measured = dict[str, Points]  # by who, then by what varies


@dataclass(frozen=True)
class Curve:
    """What varies, and how a scenario and a job for the peer are made of each value."""

    name: str
    title: str
    what: str
    values: Sequence[int]
    scenario: Callable[[int], Scenario]
    peer: Callable[[int], numpy_peer.Workload] | None = None


CURVES = (
    Curve(
        "leads",
        "A run with more leads",
        "times the leads of R1",
        tuple(10**k for k in range(7)),
        scaled.with_leads,
        lambda factor: numpy_peer.Workload(scale=float(factor)),
    ),
    Curve(
        "horizon",
        "A run with a longer horizon",
        "quarters ahead",
        (2, 4, 8, 16, 24, 40),
        scaled.with_quarters,
        lambda quarters: numpy_peer.Workload(months=3 * quarters),
    ),
    Curve(
        "channels",
        "A run with more channels",
        "channels of 150 leads a month",
        (1, 2, 4, 8, 16, 32),
        scaled.with_channels,
    ),
    Curve(
        "stages",
        "A run with a longer journey",
        "stages from lead to won",
        (2, 3, 5, 8, 12, 20),
        scaled.with_stages,
    ),
)


def tables(rounds: int) -> Iterator[Table | Picture]:
    """Give a table and a picture of each curve."""
    rounds = min(rounds, MOST_ROUNDS)
    for curve in CURVES:
        found = measured(curve, rounds)
        yield _table(curve.what, found)
        lines = {who: points for who, points in found.items() if not who.endswith(ALONE)}
        yield Picture(curve.name, curve.title, curve.what, "µs of one core a run", lines)
    found = whole(rounds)
    yield _table("runs of R1", found, "s")
    label = "seconds, all threads"
    yield Picture("runs", "A simulation of R1 with more runs", "runs", label, found)


def measured(curve: Curve, rounds: int) -> Measured:
    """Measure at each value, all in turn: µs of CPU a run, and ms of wall for one run alone."""
    works: dict[tuple[str, int], tuple[Work, int]] = {}
    for value in curve.values:
        scenario = curve.scenario(value)
        for detail in DETAILS:
            ready = run_ready(scenario, 1, detail)
            works[detail, value] = ready, enough_runs(ready, LEAST_SECONDS, MOST_RUNS)
            works[detail + ALONE, value] = _alone(scenario, detail), 1
        if curve.peer:
            peer = _peer(curve.peer(value))
            works[PEER, value] = peer, enough_runs(peer, LEAST_SECONDS, MOST_RUNS)
    found: Measured = {}
    for (who, value), each in per_run(works, rounds).items():
        time = each.wall / 1e3 if who.endswith(ALONE) else each.cpu
        found.setdefault(who, {})[value] = middle(time)
    return found


def _alone(scenario: Scenario, detail: str) -> Work:
    return lambda runs, seed: run_ours(scenario, runs, seed, 1, detail)


def _peer(workload: numpy_peer.Workload) -> Work:
    return lambda runs, seed: numpy_peer.simulate(workload, runs, seed)


def whole(rounds: int) -> Measured:
    """Measure seconds of wall time for so many runs of R1, on all threads."""
    scenario = R1.scenario()

    def work(detail: str, runs: int) -> Callable[[int], object]:
        return lambda seed: simulate(scenario, runs=runs, seed=seed, detail=detail)

    jobs = {(detail, runs): work(detail, runs) for runs in RUNS for detail in DETAILS}
    found: Measured = {}
    for (detail, runs), clocked in in_turn(jobs, rounds).items():
        found.setdefault(detail, {})[runs] = middle(clocked.wall)
    return found


def _table(what: str, found: Measured, unit: str = "µs a run") -> Table:
    """What was measured, and beside it how many times that of the first row."""
    head = [what, *(f"{who}, {'ms' if who.endswith(ALONE) else unit}" for who in found)]
    rows = [
        [f"{value:,}", *(_cell(points, value) for points in found.values())]
        for value in next(iter(found.values()))
    ]
    return Table(head, rows)


def _cell(points: Points, value: float) -> str:
    first = next(iter(points.values()))
    return f"{figure(points[value])} (×{figure(points[value] / first)})"
