"""Every run checks itself: it passes what is right, and fails what is broken."""

from __future__ import annotations

import dataclasses
from statistics import NormalDist

import numpy as np
import pytest
from helpers import EXAMPLES, FALSE_ALARM, NAMES, scenario
from scipy import stats

import forecast
from forecast.engine import arrivals, selfcheck, simulate, tables
from forecast.engine.outcome import SelfCheck
from forecast.engine.run import forecast_run
from forecast.engine.selfcheck import check_means

PLAIN = """
name: Plain
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 4000, per: month}, cost: {per_lead: 10}}
  list: {leads: {fixed: 900, per: month}}
journey:
  lead: {o: {conversion: 40%, lag: {gamma: {mean: 40 days, cv: 0.5}}}}
  o: {won: {conversion: 30%, lag: {periods: {0: 0.5, 1: 0.5}}}}
products: {p: {size: {lognormal: {mean: 1000, cv: 0.5}}}}
"""


def run(text: str = PLAIN, runs: int = 2_000, seed: int = 0) -> SelfCheck:
    return forecast_run(scenario(text), runs=runs, seed=seed).check


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_examples_pass(path, seed: int) -> None:
    check = forecast_run(forecast.read_scenario(path), runs=2_000, seed=seed).check
    assert check.passed
    assert check.cells > 0


@pytest.mark.parametrize("runs", [1, 2, 3, 10])
@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_few_runs_raise_no_alarm(path, runs: int) -> None:
    for seed in range(5):
        assert forecast_run(forecast.read_scenario(path), runs=runs, seed=seed).check.passed


# --- what is broken is noticed --------------------------------------------------------------------


def breaks(monkeypatch, **edits) -> None:
    """Let the simulation, but not the closed forms, run on other tables."""

    def wrong(right):
        def call(plan, keys, tables, *rest) -> None:
            changed = {name: edit(getattr(tables, name)) for name, edit in edits.items()}
            right(plan, keys, tables._replace(**changed), *rest)

        return call

    for kernel in ("sweep", "add_worth"):
        monkeypatch.setattr(simulate, kernel, wrong(getattr(simulate, kernel)))


def one_late(cells: np.ndarray, first: float) -> np.ndarray:
    """Shift what is said of every lag by one period."""
    return np.column_stack([np.full(len(cells), first, cells.dtype), cells[:, :-1]])


FAULTS = {
    "conversions 3% higher": {"take": lambda take: np.minimum(take * 1.03, 1.0)},
    "leads 1% fewer": {"mean": lambda mean: mean * 0.99},
    "sizes 2% larger": {"scale": lambda scale: scale * 1.02},
    "costs 1% higher": {"lead_cost": lambda cost: cost * 1.01},
}


def test_the_breaking_itself_breaks_nothing(monkeypatch) -> None:
    breaks(monkeypatch, take=lambda take: take)
    assert run().passed


@pytest.mark.parametrize("edits", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_noticed(monkeypatch, edits: dict) -> None:
    breaks(monkeypatch, **edits)
    check = run()
    assert not check.passed
    assert abs(check.largest_z) > check.bound
    assert check.where.split()[1] in ("2027Q1", "2027Q2", "2027Q3", "2027Q4")


def test_a_lag_one_period_late_is_noticed(monkeypatch) -> None:
    # many items go by the chance of so many periods or more, few by cumulative chances
    breaks(
        monkeypatch,
        lag_beyond=lambda beyond: one_late(beyond, 1.0),
        lag_cumulative=lambda below: one_late(below, 0.0),
        lag_guide=lambda guide: 0 * guide - 1,
    )
    check = run()
    assert not check.passed
    assert check.where.split()[0] in ("o", "deals", "bookings")


def test_closed_forms_that_are_wrong_are_noticed(monkeypatch) -> None:
    right = tables.lag_chances

    def late(*given):
        chances = right(*given)
        return np.column_stack([0 * chances[:, 0], chances[:, :-2], chances[:, -2:].sum(axis=1)])

    text = PLAIN.replace(
        "lag: {periods: {0: 0.5, 1: 0.5}}", "lag: {uniform: {low: 1 day, high: 9 days}}"
    )
    outcome = forecast_run(scenario(text), runs=2_000, seed=0)
    monkeypatch.setattr(tables, "lag_chances", late)
    wrong = forecast_run(scenario(text), runs=2_000, seed=0)
    # both sides are late alike, which only a comparison with the right side shows
    assert wrong.check.passed
    totals = {name: array for name, array in outcome.totals.items() if name != "revenue"}
    assert not check_means(totals, wrong.expected, outcome.scenario.calendar.quarters).passed
    assert check_means(totals, outcome.expected, outcome.scenario.calendar.quarters).passed


def test_counts_that_never_come_are_noticed(monkeypatch) -> None:
    breaks(monkeypatch, mean=lambda mean: 0.0 * mean)
    check = run()
    assert not check.passed
    assert np.isinf(check.largest_z)


def test_growth_is_part_of_both_sides(monkeypatch) -> None:
    """A fault before the tables is beyond this check: other tests must find it."""
    right = arrivals.growth
    monkeypatch.setattr(arrivals, "growth", lambda *given: 1.02 * right(*given))
    assert run().passed


# --- the bound and the z-scores -------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 7, 400])
def test_the_bound_is_family_wise(cells: int) -> None:
    rng = np.random.default_rng(1)
    labels = tuple(f"q{i}" for i in range(cells))
    values = rng.standard_normal((1_000, cells))
    check = check_means({"x": values}, {"x": np.zeros(cells)}, labels)
    assert check.cells == cells
    assert 2.0 * NormalDist().cdf(-check.bound) * cells == pytest.approx(FALSE_ALARM, rel=1e-6)
    means = values.mean(axis=0) / values.std(axis=0) * 1_000**0.5
    assert check.where == f"x q{np.abs(means).argmax()}"
    assert check.largest_z == pytest.approx(means[np.abs(means).argmax()], rel=0.02)


def one_cell(values: np.ndarray, expected: float) -> SelfCheck:
    return check_means({"x": values[:, None]}, {"x": np.array([expected])}, ("q",))


def test_rare_and_skewed_cells_are_left_out() -> None:
    rare = np.zeros(10_000, dtype=np.int64)
    rare[:3] = 1
    assert one_cell(rare, 3e-4).cells == 0
    assert one_cell(np.append(np.zeros(999), 1e9), 1.0).cells == 0
    often = np.tile([0, 1], 5_000)
    assert one_cell(often, 0.5).cells == 1


@pytest.mark.parametrize(("events", "passes"), [(50.0, True), (70.0, False)])
def test_none_seen_where_some_are_expected(events: float, passes: bool) -> None:
    """e**-60: no chance to see none where so many are expected."""
    assert one_cell(np.zeros(1_000, dtype=np.int64), events / 1_000).passed == passes
    # money is as rare as its deals, which have a cell of their own
    assert one_cell(np.zeros(1_000), events / 1_000).cells == 0


def test_what_is_certain_must_be_right_to_the_last_digits() -> None:
    certain = np.full(500, 34, dtype=np.int64)
    assert one_cell(certain, 34.0).largest_z == 0.0
    assert one_cell(certain, 34.0 + 1e-8).largest_z == 0.0
    assert not one_cell(certain, 33.0).passed


@pytest.mark.parametrize("cells", [1, 2])
def test_not_a_number_fails(cells: int) -> None:
    rng = np.random.default_rng(1)
    values, right = rng.standard_normal((500, cells)), np.zeros(cells)
    right[0] = np.nan
    assert not check_means({"x": values}, {"x": right}, ("q",) * cells).passed


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.poisson(0.5, 1_000).astype(np.int64) - 0.5,
        lambda rng: rng.exponential(1.0, 2_000) - 1.0,
        lambda rng: rng.binomial(34, 0.3, 1_000) - 10.2,
        lambda rng: rng.normal(0.0, 1.0, 1_000),
    ],
    ids=["poisson", "exponential", "binomial", "normal"],
)
def test_z_scores_are_standard_normal(draw) -> None:
    rng = np.random.default_rng(5)
    z = [selfcheck._z_of(draw(rng), 0.0, money=True) for _ in range(4_000)]
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM / 4
    assert stats.kstest(np.array(z) * 1.3, "norm").pvalue < FALSE_ALARM / 4


@pytest.fixture(scope="module")
def many_checks() -> list[SelfCheck]:
    text = PLAIN.replace("mean: 4000", "mean: 40").replace("fixed: 900", "fixed: 9")
    given = scenario(text)
    return [forecast_run(given, runs=300, seed=seed).check for seed in range(400)]


def test_no_false_alarm_over_many_seeds(many_checks) -> None:
    assert all(check.passed for check in many_checks)
    largest = np.abs([check.largest_z for check in many_checks])
    # the largest of some 24 cells, most of them independent of each other
    cells = np.array([check.cells for check in many_checks])
    assert np.all((largest > 0.3) & (cells >= 20))
    # P(largest > x) <= cells P(|z| > x), and a share of seeds cannot be far above it
    for x in (2.5, 3.0, 3.5, 4.0):
        most = float(cells.max() * 2.0 * stats.norm.sf(x))
        if most < 1.0:
            hits = int(np.sum(largest > x))
            assert stats.binom.sf(hits - 1, len(largest), most) > FALSE_ALARM / 4


def test_one_cell_is_standard_normal_over_many_seeds() -> None:
    given = scenario(PLAIN.replace("mean: 4000", "mean: 40").replace("fixed: 900", "fixed: 9"))
    z = []
    for seed in range(300):
        outcome = forecast_run(given, runs=300, seed=seed)
        deals = outcome.totals["deals"][:, 2].astype(float)
        z.append(selfcheck._z_of(deals, float(outcome.expected["deals"][2]), money=False))
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM
    assert np.std(z) > 0.5


def test_passed_says_what_the_bound_says() -> None:
    check = SelfCheck(3.0, "deals 2027Q1", 5.0, 10)
    assert check.passed
    assert not dataclasses.replace(check, largest_z=-5.1).passed
    assert dataclasses.replace(check, largest_z=5.0).passed
