"""What several test files need: scenarios from text, closed forms, and tests of estimates.

An estimate is held against its exact value by a z-score, its own Monte Carlo error being the
yardstick, or by the exact binomial test for a chance. A file that makes fewer than n comparisons
asks ``bound(n)`` of them, so that all of it raises a false alarm once in a million seeds.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from forecast.engine.assumptions import Draws
from forecast.engine.chance import ExactChances
from forecast.engine.expected import Expectation, expectation
from forecast.engine.plan import make_blueprint
from forecast.scenario.model import Scenario
from forecast.scenario.reader import read_scenario

SCENARIOS = Path(__file__).parent.parent / "scenarios"
EXAMPLES = sorted(SCENARIOS.glob("*.yaml"))
NAMES = [path.stem for path in EXAMPLES]
FALSE_ALARM = 1e-6
DATA = ("leads", "entered", "deals", "bookings", "revenue", "spend", "open", "assumption")


def scenario(text: str, **sets: str) -> Scenario:
    """Write a scenario to a file and read it; ``__`` in a keyword stands for a dot."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return read_scenario(path, {key.replace("__", "."): value for key, value in sets.items()})


def one_month(
    leads: str, journey: str = "o: {won: {conversion: 100%}}", more: str = ""
) -> Scenario:
    """A scenario of one channel and one month; ``more`` is what else the file says."""
    head = "name: One\nstart: 2027-01-01\nhorizon: 1 month\n"
    return scenario(f"{head}channels: {{a: {{{leads}}}}}\njourney: {{{journey}}}\n{more}")


def with_goal(target: float, metric: str = "deals") -> str:
    """A goal of the quarter that ``one_month`` is in."""
    return f"goals: [{{metric: {metric}, quarter: 2027Q1, target: {target}, confidence: 80%}}]\n"


def exactly(value: float) -> object:
    """What a closed form must give: the same to nine digits."""
    return pytest.approx(value, rel=1e-9, abs=0.0)


def per_period(whole: Scenario) -> Scenario:
    """Report every period by itself: a quarter of one period each."""
    periods = range(whole.calendar.periods)
    labels = tuple(f"p{t}" for t in periods)
    calendar = dataclasses.replace(whole.calendar, quarter_of=tuple(periods), quarters=labels)
    return dataclasses.replace(whole, calendar=calendar, goals=())


def closed_form(given: Scenario, runs: int = 1_000, seed: int = 0) -> Expectation:
    """Closed-form means of a scenario."""
    return expectation(make_blueprint(given), Draws(given, seed), runs)


def expected(given: Scenario, name: str) -> np.ndarray:
    """Closed-form means without the axis of rows, summed over channels, segments, products."""
    found = closed_form(given)
    assert found.how.startswith("closed form")
    array = getattr(found.means, name)[0]
    axes = {"leads": (1, 2), "entered": (1, 2), "open": (1,), "spend": (1,)}
    return array.sum(axis=axes.get(name, (1, 2, 3)))


def conditional_chances(given: Scenario, runs: int = 1, seed: int = 0) -> np.ndarray:
    """Exact chances of all goals given each run's assumptions, shape (goal, run)."""
    blueprint, draws = make_blueprint(given), Draws(given, seed)
    exact = ExactChances(blueprint, bool(draws.names), runs)
    return exact.conditional(blueprint.maker.tables(draws.draw(0, runs)), runs)


def exact_chance(given: Scenario) -> float:
    """The exact chance of the one goal of a scenario without uncertain assumptions."""
    found = conditional_chances(given)
    assert found.shape == (1, 1)
    return float(found[0, 0])


def open_deals(given: Scenario) -> np.ndarray:
    """The deals that are open at the start, by channel."""
    channels = given.pipeline.deals.channel if given.pipeline else np.zeros(0, dtype=np.int64)
    return np.bincount(channels, minlength=len(given.channels))


def total(data, name: str) -> np.ndarray:
    """The sum of a variable in every run of a dataset."""
    return data[name].values.reshape(data.sizes["run"], -1).sum(axis=1)


def entered(data, stage: str) -> np.ndarray:
    """Items that entered a stage, by run and quarter."""
    return data.entered.sel(stage=stage).values.sum(axis=(2, 3))


def bound(comparisons: int) -> float:
    """The z-score that a two-sided family of comparisons exceeds with chance 1e-6."""
    return NormalDist().inv_cdf(1.0 - FALSE_ALARM / (2.0 * comparisons))


def z_mean(values: np.ndarray, expected: float) -> float:
    """How many standard errors the mean of independent values is from what it should be."""
    spread = float(np.std(values, ddof=1))
    difference = float(np.mean(values)) - expected
    if spread == 0.0:
        return 0.0 if abs(difference) <= 1e-9 * max(abs(expected), 1.0) else float("inf")
    return difference / (spread / len(values) ** 0.5)


def z_moment(values: np.ndarray, mean: float, power: int, moment: float) -> float:
    """z-score of a central moment; the exact mean is known, so the estimate has no bias."""
    return z_mean((values - mean) ** power, moment)


def z_covariance(
    one: np.ndarray, other: np.ndarray, means: tuple[float, float], covariance: float
) -> float:
    """z-score of a covariance about the exact means."""
    return z_mean((one - means[0]) * (other - means[1]), covariance)


def p_chance(hits: np.ndarray, chance: float) -> float:
    """p-value of the exact binomial test that runs hit with a chance."""
    return float(stats.binomtest(int(np.sum(hits)), len(hits), chance).pvalue)
