"""Open deals, 50,000 at once: nanoseconds per deal and run beside a plain draw for each.

The plain draw is the least that a simulator of open deals can do: one Bernoulli (won or not) and
one categorical of 13 (the month), by an alias table, from a cheap counter generator.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median

import numba
import numpy as np
from numpy.typing import NDArray
from tables import Table, figure, ratio
from timing import Work

from forecast import read_scenario
from forecast.engine.pipeline import add_deals, follow_deals
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator
from forecast.scenario.model import Scenario
from forecast.scenario.pipeline_model import OpenDeals, Pipeline

REFERENCE = Path(__file__).parent.parent / "scenarios" / "reference-r1.yaml"
DEALS = 50_000
RUNS = 2_048
MONTHS = 13
MOST_TIMES = 4.0  # what a deal and run may take, a plain draw being 1
OLDEST_DAYS = 400
CASES = ("the model's chances", "certain", "own chances", "own chances and times")


def tables(rounds: int) -> Iterator[Table]:
    """Measure the plain draw and ours, in turn."""
    works = {"plain": plain_draws(), **{name: ours(name) for name in CASES}}
    for work in works.values():
        work(128, 0)
    found: dict[str, list[float]] = {name: [] for name in works}
    for seed in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work(RUNS, seed)
            found[name].append((time.process_time() - begun) * 1e9 / (DEALS * RUNS))
    plain = np.array(found["plain"])
    rows = [
        (name, figure(median(times)), ratio(np.array(times) / plain, most_of(name)))
        for name, times in found.items()
    ]
    yield Table((f"{DEALS:,} deals", "CPU, ns a deal and run", "÷ plain draw"), rows)
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 2**20
    yield Table(("", "GB"), [("most memory of the process", f"{peak:.2f}")])


def most_of(name: str) -> float | None:
    """Give the most that a case may take."""
    return None if name == "plain" else MOST_TIMES


def ours(case: str) -> Work:
    """Let this engine follow the deals only, all detail kept."""
    sets = LAGS | (CERTAIN if case == "certain" else {})
    scenario = many_deals(read_scenario(REFERENCE, sets), case)
    simulator = Simulator(make_blueprint(scenario), 0)
    opened, plan = simulator.blueprint.opened, simulator.blueprint.plan
    assert opened is not None

    def work(runs: int, _: int) -> None:
        for first in range(0, runs, 512):
            rows = simulator.empty(min(512, runs - first))
            tables = simulator.blueprint.maker.tables(simulator.draws.draw(first, len(rows.deals)))
            followed = follow_deals(opened, plan, simulator.keys, (tables, None), first, rows)
            add_deals(opened, followed, rows)

    return work


CHANNELS = ("web", "partner", "events", "referral")
LAGS = {
    "journey.lead.mql.lag": "{lognormal: {mean: 0.7 months, cv: 0.8}}",
    "journey.lead.lead.lag": "{uniform: {low: 3 months, high: 9 months}}",
    "journey.mql.sql.lag": "{lognormal: {mean: 1.2 months, cv: 0.8}}",
    "journey.sql.won.lag": "{lognormal: {mean: 2.5 months, cv: 0.8}}",
}
CERTAIN = {
    f"channels.{channel}.journey.{way}.conversion": "30%"
    for channel in CHANNELS
    for way in ("lead.mql", "mql.sql", "sql.won")
}


def many_deals(scenario: Scenario, case: str, count: int = DEALS) -> Scenario:
    """Give a scenario open deals of all stages and ages."""
    rng = np.random.default_rng(7)
    own = case.startswith("own")
    timed = case.endswith("times")
    age = rng.integers(1, OLDEST_DAYS, count)
    close = rng.integers(1, 300, count).astype(np.float64)
    nothing = np.full(count, np.nan)
    deals = OpenDeals(
        ids=tuple(f"D-{i}" for i in range(count)),
        stage=rng.integers(0, len(scenario.stages), count),
        channel=rng.integers(0, len(scenario.channels), count),
        segment=np.zeros(count, np.int64),
        product=np.zeros(count, np.int64),
        amount=rng.lognormal(10.0, 1.0, count).round(2),
        age_days=age.astype(np.float64),
        age_periods=age // 30 + 1,
        probability=rng.uniform(0.05, 0.6, count) if own else nothing,
        close_period=(close // 30.4375).astype(np.int64) if timed else np.full(count, -1),
        close_days=close if timed else nothing,
        close_cv=np.full(count, 0.8 if timed else 0.0),
    )
    return dataclasses.replace(scenario, pipeline=Pipeline(deals, ()))


def plain_draws() -> Work:
    """One Bernoulli and one categorical of 13 for each deal and run."""
    rng = np.random.default_rng(11)
    chance = rng.uniform(0.05, 0.6, DEALS)
    amount = rng.lognormal(10.0, 1.0, DEALS)
    accept = rng.uniform(0.3, 1.0, MONTHS)
    alias = rng.integers(0, MONTHS, MONTHS)

    def work(runs: int, seed: int) -> None:
        for first in range(0, runs, 128):
            lanes = min(128, runs - first)
            deals, worth = np.zeros((lanes, 16), np.int64), np.zeros((lanes, 16))
            _plain(
                seed + first,
                chance,
                amount,
                (accept, alias),
                np.empty(128, np.uint64),
                deals,
                worth,
            )

    return work


@numba.njit(cache=True, error_model="numpy")
def _plain(
    seed: int,
    chance: NDArray[np.float64],
    amount: NDArray[np.float64],
    table: tuple[NDArray[np.float64], NDArray[np.int64]],
    bits: NDArray[np.uint64],
    deals: NDArray[np.int64],
    worth: NDArray[np.float64],
) -> None:
    accept, alias = table
    lanes = len(deals)
    for d in range(len(chance)):
        base = (np.uint64(seed) << np.uint64(32)) + np.uint64(d) * np.uint64(0x9E3779B97F4A7C15)
        for i in range(lanes):  # two rounds of a xorshift-multiply mix of a counter
            x = base + np.uint64(i) * np.uint64(0xD1342543DE82EF95)
            x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            bits[i] = x ^ (x >> np.uint64(32))
        least = np.uint64(chance[d] * 2.0**32)
        for i in range(lanes):
            if (bits[i] >> np.uint64(32)) < least:
                place = (bits[i] & np.uint64(0xFFFFFFFF)) * np.uint64(MONTHS)
                cell = np.int64(place >> np.uint64(32))
                if np.float64(place & np.uint64(0xFFFFFFFF)) * 2.0**-32 >= accept[cell]:
                    cell = alias[cell]
                deals[i, cell] += 1
                worth[i, cell] += amount[d]
