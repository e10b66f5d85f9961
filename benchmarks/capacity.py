"""What a queue costs: R1 with a limit that binds, beside R1 without one."""

from __future__ import annotations

from collections.abc import Iterator

from tables import Table, figure, ratio
from timing import in_turn
from workloads import SCENARIOS

from forecast import read_scenario
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator

MOST_TIMES = 2.0  # what a queue may cost
RUNS = 1_024  # of a slice: one thread
SLICES = 8
LIMITS = {
    "no limit": {},
    "55 opportunities a month, 15% a month give up": {
        "capacity": "{sql: {per_period: 55, waiting: {give_up: 15% per month}}}"
    },
    "40 a month, none gives up: the queue grows to the end": {
        "capacity": "{sql: {per_period: 40}}"
    },
}


def tables(rounds: int) -> Iterator[Table]:
    """Measure the kernel on slices of runs, one thread."""

    def work(sets: dict[str, str]) -> object:
        scenario = read_scenario(SCENARIOS / "reference-r1.yaml", sets)
        simulator = Simulator(make_blueprint(scenario), 0)

        def slices(round_: int) -> None:
            for i in range(SLICES):
                simulator.into((round_ * SLICES + i) * RUNS, simulator.empty(RUNS))

        return slices

    found = in_turn({name: work(sets) for name, sets in LIMITS.items()}, rounds)
    plain = found["no limit"].cpu
    rows = [
        (
            name,
            ratio(clocked.cpu / plain, None if clocked.cpu is plain else MOST_TIMES),
            figure(float(clocked.cpu.min()) / (SLICES * RUNS) * 1e6),
        )
        for name, clocked in found.items()
    ]
    yield Table(("R1, journey", "time ÷ without a limit", "best, µs a run"), rows)
