"""The engine against the slow and obvious simulator, on random scenarios.

A statistic of a run (a cell, its square, a product of two, an indicator) has the same mean in both.
Its naive mean is compared with the pooled runs by a Chernoff bound on the permutation
distribution: sampling without replacement is less spread than with it (Hoeffding 1963, theorem 4),
so

    P(naive mean >= t) <= min over h > 0 of (average over the pooled runs of exp(h (y - t)))^n,

whatever the distribution, so that rare cells and heavy tails need no exception. The engine's
assumptions are spread more evenly than independent draws, which only lowers the chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from naive import Naive
from scenario_maker import random_scenario_text, read_text

import forecast
from forecast.engine import tables
from forecast.engine.assumptions import Values
from forecast.scenario.calendar import Calendar

FALSE_ALARM = 1e-6  # of this file, the long tests included
COMPARISONS = 400  # more than it makes
SCREEN = 5.0  # standard errors below which the bound cannot fail anyway
EVERYDAY, LONG = 25, 300
VARIABLES = ["leads", "entered", "deals", "bookings", "revenue", "spend", "open", "assumption"]

Arrays = dict[str, np.ndarray]  # variable -> (run, ...)


# --- runs -------------------------------------------------------------------------------------


def engine_arrays(scenario, runs: int, seed: int = 1) -> Arrays:
    """Simulate with the engine."""
    data = forecast.simulate(scenario, runs=runs, seed=seed)
    return {name: data[name].values for name in (*VARIABLES, *_queues(scenario))}


def _queues(scenario) -> tuple[str, ...]:
    """What is counted where stages have a capacity."""
    used = any(version.capacity for version in scenario.versions)
    return ("backlog", "worked", "waited", "given_up", "unworked") if used else ()


def naive_arrays(scenario, runs: int, seed: int = 1) -> Arrays:
    """Simulate item by item, and lay the counts out like the engine's."""
    world, rng = Naive(scenario), Random(seed)
    records = [world.run(rng) for _ in range(runs)]
    quarters = tuple(range(len(scenario.calendar.quarters)))
    stages = (*scenario.stages, "won", "lost")
    group = (quarters, scenario.channels, scenario.segments)
    labels = {
        "leads": group,
        "entered": (*group, stages),
        "deals": (*group, scenario.products),
        "bookings": (*group, scenario.products),
        "revenue": (*group, scenario.products),
        "spend": (quarters, scenario.channels),
        "open": (quarters, stages),
        **dict.fromkeys(_queues(scenario), (quarters, stages)),
    }
    arrays = {name: _laid_out(records, name, names) for name, names in labels.items()}
    arrays["assumption"] = np.array([list(record.assumption.values()) for record in records])
    return arrays


def _laid_out(records: list, name: str, names: tuple) -> np.ndarray:
    place = [{label: i for i, label in enumerate(along)} for along in names]
    array = np.zeros((len(records), *map(len, names)))
    for row, record in enumerate(records):
        for key, value in getattr(record, name).items():
            array[(row, *(at[label] for at, label in zip(place, key, strict=True)))] += value
    return array


# --- statistics -------------------------------------------------------------------------------


@dataclass
class Comparison:
    """Collects alarms: statistics whose naive mean is too far from the engine's."""

    engine: Arrays
    naive: Arrays
    checks: int = 0
    suspects: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)

    def alarms(self) -> list[str]:
        """Compare everything, and list what differs."""
        for name, array in self.engine.items():
            assert array.shape[1:] == self.naive[name].shape[1:], name
            self._cells(name, _flat(array), _flat(self.naive[name]))
        engine, naive = features(self.engine), features(self.naive)
        self._products(list(engine), *(np.column_stack([*f.values()]) for f in (engine, naive)))
        self._distributions(engine, naive)
        bound = math.log(FALSE_ALARM / COMPARISONS / (2 * self.checks))
        found = ((what, log_chance(a, b)) for what, a, b in self.suspects)
        return [f"{what}: ln chance {log:.0f}" for what, log in found if log < bound]

    def _cells(self, name: str, engine: np.ndarray, naive: np.ndarray) -> None:
        """Compare means and variances; the mean in a variance is the pooled one."""
        both = np.concatenate([engine, naive])
        vary = ~_certain(both)
        a, b, centre = engine[:, vary], naive[:, vary], both[:, vary].mean(axis=0)
        self._screen(f"mean of {name}", a, b)
        self._screen(f"variance of {name}", (a - centre) ** 2, (b - centre) ** 2)

    def _screen(self, what: str, engine: np.ndarray, naive: np.ndarray) -> None:
        """Note the columns that are far apart."""
        variance = np.concatenate([engine, naive]).var(axis=0)
        far = _far(naive.mean(axis=0) - engine.mean(axis=0), variance)
        self.checks += len(far)
        limit = SCREEN * math.sqrt(1 / len(engine) + 1 / len(naive))
        for i in np.flatnonzero(far > limit):
            self.suspects.append((f"{what}, column {i}", engine[:, i], naive[:, i]))

    def _products(self, names: list[str], engine: np.ndarray, naive: np.ndarray) -> None:
        """Compare the covariances of all pairs, by the means of the products."""
        both = np.concatenate([engine, naive])
        keep = np.flatnonzero(~_certain(both))
        centre, scale = both.mean(axis=0)[keep], both.std(axis=0)[keep]
        a, b = (engine[:, keep] - centre) / scale, (naive[:, keep] - centre) / scale
        one, other = a.T @ a, b.T @ b
        n = len(a) + len(b)
        mean = (one + other) / n
        variance = ((a * a).T @ (a * a) + (b * b).T @ (b * b)) / n - mean**2
        far = _far(other / len(b) - one / len(a), variance)
        self.checks += len(keep) * (len(keep) - 1) // 2
        limit = SCREEN * math.sqrt(1 / len(a) + 1 / len(b))
        for i, j in np.argwhere(np.triu(far > limit, k=1)):
            what = f"covariance of {names[keep[i]]} and {names[keep[j]]}"
            self.suspects.append((what, a[:, i] * a[:, j], b[:, i] * b[:, j]))

    def _distributions(self, engine: Arrays, naive: Arrays) -> None:
        """Compare P(X <= c) of each total at up to 30 cuts."""
        for name in engine:
            if name.startswith("total"):
                values = np.concatenate([engine[name], naive[name]])
                cuts = np.unique(np.quantile(values, np.linspace(0.001, 0.999, 30), method="lower"))
                cuts = cuts * (1 + 1e-9) + 1e-9  # what is equal but for rounding stays together
                a, b = (f[name][:, None] <= cuts for f in (engine, naive))
                self._screen(f"distribution of {name}", a.astype(float), b.astype(float))


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1).astype(float)


def _certain(runs: np.ndarray) -> np.ndarray:
    """Tell which columns are the same in all runs but for rounding."""
    return runs.std(axis=0) <= 1e-9 * np.abs(runs.mean(axis=0))


def _far(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Differences in standard deviations; 0 where nothing varies."""
    return np.abs(difference) / np.sqrt(np.where(variance > 0.0, variance, np.inf))


def log_chance(engine: np.ndarray, naive: np.ndarray) -> float:
    """Bound ln P(the naive mean is as far out), see above; one-sided."""
    both = np.concatenate([engine, naive])
    scale = np.sign(naive.mean() - both.mean()) / both.std()
    y = (both - naive.mean()) * scale
    aim = -y.mean()  # the best h for a normal distribution; any gives a bound
    logs = []
    for tilt in aim * np.geomspace(1e-2, 4.0, 24):
        top = (tilt * y).max()
        logs.append(top + math.log(np.exp(tilt * y - top).mean()))
    return len(naive) * min(logs)


def features(arrays: Arrays) -> Arrays:
    """Sums of runs, by name, whose covariances are compared: (run,) each."""
    made: Arrays = {}
    sums = {
        "leads": [(2, 3), (1,)],  # the axes summed over
        "entered": [(2, 3), (1,)],
        "deals": [(2, 3), (1, 2)],
        "bookings": [(2, 3), (1, 4)],
        "revenue": [(2, 3), (1, 4)],
        "spend": [(2,), (1,)],
        "open": [()],
        "assumption": [()],
    }
    for name, ways in sums.items():
        array = arrays[name]
        for axes in ways:
            kept = array.sum(axis=axes) if axes else array
            for place in np.ndindex(kept.shape[1:]):
                made[f"{name} summed over {axes} at {place}"] = kept[(slice(None), *place)]
    for name in ("leads", "deals", "bookings", "revenue", "spend"):
        made[f"total {name}"] = _flat(arrays[name]).sum(axis=1)
    for last in (-2, -1):
        made[f"total {('lost', 'won')[last + 1]}"] = _flat(arrays["entered"][..., last]).sum(axis=1)
    return {name: column.astype(float) for name, column in made.items()}


def check_conserved(arrays: Arrays) -> None:
    """In every run, leads up to a quarter's end = won + lost + open."""
    leads = arrays["leads"].sum(axis=(2, 3)).cumsum(axis=1)
    ended = arrays["entered"][..., -2:].sum(axis=(2, 3, 4)).cumsum(axis=1)
    np.testing.assert_array_equal(leads, ended + arrays["open"].sum(axis=2))
    np.testing.assert_array_equal(arrays["deals"].sum(axis=4), arrays["entered"][..., -2])


def disagreements(text: str, naive_runs: int, runs: int = 2**13) -> list[str]:
    """Compare both simulators on one scenario."""
    scenario = read_text(text)
    engine, naive = engine_arrays(scenario, runs), naive_arrays(scenario, naive_runs)
    check_conserved(engine)
    check_conserved(naive)
    return Comparison(engine, naive).alarms()


@pytest.mark.parametrize("seed", range(EVERYDAY))
def test_agrees_with_a_naive_simulator(seed: int) -> None:
    assert disagreements(random_scenario_text(seed), naive_runs=400) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(EVERYDAY, EVERYDAY + LONG))
def test_agrees_with_a_naive_simulator_at_length(seed: int) -> None:
    assert disagreements(random_scenario_text(seed), naive_runs=2_000, runs=2**15) == []


HEAD = "name: Corner\nstart: {}\nhorizon: {}\nperiod: {}\n"
WAYS = "{won: {conversion: 40%, lag: {gamma: {mean: 20 days, cv: 0.5}}}, lost: {lag: 10 days}}"
TEN = "channels: {a: {leads: {mean: 10, per: month}}}\n"
CORNERS = {
    "exact counts of a unit that began before the start and ends beyond the horizon": (
        HEAD.format("2027-04-23", "42 days", "day")
        + "channels: {a: {leads: {fixed: 65, per: quarter}}}\n"
        + f"journey: {{lead: {WAYS}}}"
    ),
    "exact counts that become random within a unit": (
        HEAD.format("2027-02-11", "3 quarters", "month")
        + "channels: {a: {leads: {fixed: 34, per: quarter}}}\n"
        + f"journey: {{lead: {WAYS}}}\n"
        + "changes: [{from: 2027-05-20, set: {channels.a.leads: {mean: 5, per: week}}}]"
    ),
    "conversion and lag that change together within a period": (
        HEAD.format("2027-02-11", "3 quarters", "month")
        + TEN
        + f"journey: {{lead: {WAYS}}}\n"
        + "changes: [{from: 2027-05-20, set: {journey.lead.won.conversion: 90%, "
        + "journey.lead.won.lag: {periods: {1: 1}}}}]"
    ),
    "an uncertain figure that comes back after a change": (
        HEAD.format("2027-01-01", "3 quarters", "month")
        + "channels: {a: {leads: {mean: {gamma: {mean: 10, cv: 0.3}}, per: month}}}\n"
        + f"journey: {{lead: {WAYS}}}\n"
        + "changes: [{from: 2027-03-01, set: {channels.a.leads.mean: {gamma: {mean: 20, cv: 1}}}},"
        + "{from: 2027-07-10, set: {channels.a.leads.mean: {gamma: {mean: 10, cv: 0.3}}}}]"
    ),
    "a loop through which items run many times in a period": (
        HEAD.format("2027-01-11", "2 quarters", "month")
        + TEN
        + "journey: {lead: {talk: {conversion: 90%}}, "
        + "talk: {lead: {conversion: 90%, lag: 3 days}, won: {conversion: 10%, lag: 5 days}}}"
    ),
}


@pytest.mark.parametrize("text", CORNERS.values(), ids=CORNERS)
def test_agrees_in_the_corners(text: str) -> None:
    assert disagreements(text, naive_runs=400) == []


# --- that the comparison can fail ---------------------------------------------------------------

BASE = """
name: Base
start: 2027-01-16
horizon: 9 months
fiscal_year_start: february
channels:
  web:
    leads: {mean: {gamma: {mean: 5, cv: 0.3}}, per: month}
    dispersion: 0.4
    seasonality: {mar: 1.6, jun: 0.5}
    growth: 8% per month
    cost: {fixed: 100 per month, per_lead: 10}
  list: {leads: {fixed: [20, 8], per: quarter, then: repeat}}
segments:
  small: {share: 60%}
  large: {share: 40%, journey: {talk: {won: {lag: {periods: {1: 1}}}}}}
journey:
  lead:
    talk: {conversion: 50%, lag: {gamma: {mean: 20 days, cv: 0.7}}}
    later: {share_of_rest: 60%, lag: 10 days}
  later:
    talk:
      conversion: 40%
      within: 2 months
      lag: {lognormal: {mean: {gamma: {mean: 40 days, cv: 0.3}}, cv: 0.9}}
  talk:
    won: {conversion: {beta: {won: 12, lost: 18}}, lag: {periods: {0: 0.2, 1: 0.5, 2: 0.3}}}
    lost: {lag: 1 month}
products:
  small: {mix: 70%, size: {lognormal: {mean: 100, cv: 0.8}}}
  large: {mix: 30%, size: 300}
market: {lognormal: {mean: 1, cv: 30%}}
correlation: [{between: [channels.web.leads.mean, journey.talk.won.conversion], rank: 0.8}]
changes: [{from: 2027-05-16, set: {journey.lead.talk.conversion: 80%}}]
"""

FAULTS = {
    "a conversion is 10% higher": ("talk: {conversion: 50%", "talk: {conversion: 55%"),
    "the changes are ignored": (BASE[BASE.index("changes:") :], ""),
    "a change comes at the month's end": ("from: 2027-05-16", "from: 2027-06-01"),
    "the dispersion is ignored": ("dispersion: 0.4", "dispersion: 0"),
    "the season is ignored": ("mar: 1.6, jun: 0.5", "mar: 1"),
    "growth is by the quarter": ("growth: 8% per month", "growth: 8% per quarter"),
    "the correlation is ignored": ("rank: 0.8", "rank: 0"),
    "within is ignored": ("within: 2 months", "within: 99 months"),
    "lost items leave at once": ("lost: {lag: 1 month}", "lost: {lag: 0 days}"),
    "a segment's override is ignored": (
        ", journey: {talk: {won: {lag: {periods: {1: 1}}}}}",
        "",
    ),
    "sizes do not vary": ("{lognormal: {mean: 100, cv: 0.8}}", "100"),
    "the mix is off": ("{mix: 70%, size", "{mix: 60%, size"),
    "costs of a lead are off": ("per_lead: 10", "per_lead: 12"),
}


@pytest.fixture(scope="module")
def naive_base() -> Arrays:
    return naive_arrays(read_text(BASE), runs=2_000)


@pytest.mark.parametrize(("right", "wrong"), FAULTS.values(), ids=FAULTS)
def test_notices_a_fault(naive_base: Arrays, right: str, wrong: str) -> None:
    assert BASE.count(right) == 1
    text = BASE.replace(right, wrong)
    text = text.replace("{mix: 30%", "{mix: 40%") if "mix: 60%" in text else text
    scenario = read_text(text)
    assert Comparison(engine_arrays(scenario, 2**13), naive_base).alarms() != []


def test_raises_no_alarm_without_a_fault(naive_base: Arrays) -> None:
    assert Comparison(engine_arrays(read_text(BASE), 2**13), naive_base).alarms() == []


def test_notices_assumptions_of_other_runs(naive_base: Arrays) -> None:
    arrays = engine_arrays(read_text(BASE), 2**13)
    arrays["assumption"] = np.roll(arrays["assumption"], 1, axis=0)
    assert Comparison(arrays, naive_base).alarms() != []


def test_notices_that_centres_do_not_matter(naive_base: Arrays, monkeypatch) -> None:
    monkeypatch.setattr(Values, "factor", lambda *_: None)
    assert Comparison(engine_arrays(read_text(BASE), 2**13), naive_base).alarms() != []


def test_notices_lags_that_begin_with_the_month(naive_base: Arrays, monkeypatch) -> None:
    monkeypatch.setattr(Calendar, "first_offset", 0.0)
    assert Comparison(engine_arrays(read_text(BASE), 2**13), naive_base).alarms() != []


def test_notices_lags_one_period_late(naive_base: Arrays, monkeypatch) -> None:
    right = tables.lag_chances

    def late(*given: object) -> np.ndarray:
        chances = right(*given)
        return np.column_stack([0 * chances[:, 0], chances[:, :-2], chances[:, -2:].sum(axis=1)])

    monkeypatch.setattr(tables, "lag_chances", late)
    assert Comparison(engine_arrays(read_text(BASE), 2**13), naive_base).alarms() != []
