"""The two details draw from one law: deals, bookings and spend, jointly, on random scenarios.

Run i of one detail is paired with run i of the other: the same assumptions and the same gammas of
the arrivals, all else drawn by keys of its own. Where the laws are equal, the two of a pair may be
swapped, so what they differ by is as likely with either sign, in a count, a square or a product
(about the closed-form means given the assumptions, so that what all runs have in common is left out
and what ties spend to deals stands out). So for the differences d of all pairs

    P(|sum of d| >= z sqrt(sum of d**2)) <= 2 exp(-z**2 / 2),

whatever the distribution (Hoeffding 1963, theorem 2, given the |d|): a z-score with its own
standard error, of fourth moments where d is a difference of products. Distributions are compared by
chi-square where they are counts, else by the largest difference of distribution functions, which
exceeds x with a chance of at most 2 exp(-n x**2) (Wei & Dudley 2012, "Two-sample
Dvoretzky-Kiefer-Wolfowitz inequalities", theorem 1); that pairs have something in common only
lowers these chances.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import numpy as np
import pytest
import test_naive
import yaml
from pairs import log_of_counts, log_of_distance, log_of_z, moments, z_scores
from scenario_maker import random_scenario_text, read_text
from test_naive import BASE, Comparison, naive_arrays

from forecast.engine import simulate as engine
from forecast.engine.assumptions import Draws
from forecast.engine.expected import flow_at
from forecast.engine.kernel.shapes import Plan, Tables
from forecast.engine.plan import make_blueprint, make_keys
from forecast.engine.simulate import Simulator
from forecast.engine.uses import needs_journey
from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario

FALSE_ALARM = 1e-6  # of this file, the long tests included
COMPARISONS = 400  # more scenarios than it compares
RUNS, SEED = 2**13, 1
EVERYDAY = (3, 4, 14, 15, 21, 33, 38, 52, 64, 66, 69, 99)  # seeds of scenarios rich in parts
PLAIN = (4, 13, 20, 38)  # the same, made plain
LONG = range(1_000, 1_150)
VARIABLES = ("deals", "bookings", "spend")
AXES = {  # what is summed over
    "deals": [(2, 3, 4), (1, 3, 4), (1, 2, 4), (1, 2, 3), (3, 4), (1, 2, 3, 4)],
    "bookings": [(2, 3, 4), (1, 3, 4), (1, 2, 3), (1, 2, 3, 4)],
    "spend": [(2,), (1,), (), (1, 2)],
}

Arrays = dict[str, np.ndarray]  # variable -> (run, ...)


# --- runs and what is made of them ----------------------------------------------------------------


def simulated(given: Scenario, detail: str, others: int = SEED) -> Arrays:
    """Draw the assumptions and gammas of one seed, and all else by the keys of another."""
    simulator = Simulator(make_blueprint(given), SEED, detail)
    keys = make_keys(simulator.blueprint.layout, others)
    simulator.keys = keys._replace(dispersion=simulator.keys.dispersion)
    part = simulator.whole(RUNS)
    arrays = {name: getattr(part.rows, name) for name in VARIABLES}
    return arrays | {"assumption": part.assumptions}


def expected(given: Scenario) -> Arrays:
    """What is to be expected given the assumptions of each run."""
    simulator = Simulator(make_blueprint(given), SEED)
    values = simulator.draws.draw(0, RUNS)
    means = flow_at(simulator.blueprint, values, RUNS)
    matrix = simulator.draws.matrix(values, RUNS)
    arrays = {name: getattr(means, name) for name in VARIABLES}
    return arrays | {"assumption": np.broadcast_to(matrix.mean(axis=0), matrix.shape)}


def features(arrays: Arrays) -> Arrays:
    """Sums over some axes, and the assumptions, by name: (run,) each."""
    made: Arrays = {}
    for name, ways in (AXES | {"assumption": [()]}).items():
        for axes in ways if name in arrays else ():
            kept = arrays[name].sum(axis=axes) if axes else arrays[name]
            for place in np.ndindex(kept.shape[1:]):
                column = kept[(slice(None), *place)].astype(float)
                whole = len(axes) + 1 == arrays[name].ndim
                made[f"{'total ' * whole}{name} over {axes} at {place}"] = column
    return made


# --- two samples of equal length ------------------------------------------------------------------


def comparisons(one: Arrays, other: Arrays, centre: Arrays) -> Iterator[tuple[str, float]]:
    """All that is compared, with (a bound on) the logarithm of its p-value."""
    flat = [part["deals"].reshape(len(part["deals"]), -1) for part in (one, other)]
    for i in range(flat[0].shape[1]):
        yield f"deals of cell {i}", log_of_counts(flat[0][:, i], flat[1][:, i])
    for i, z in enumerate(z_scores((flat[0] > 0).astype(float) - (flat[1] > 0))):
        yield f"chance of deals of cell {i}", log_of_z(float(z))
    difference = (one["bookings"] - other["bookings"]).reshape(len(flat[0]), -1)
    for i, z in enumerate(z_scores(difference)):
        yield f"mean bookings of cell {i}", log_of_z(float(z))
    ours, theirs, middle = features(one), features(other), features(centre)
    for name, column in ours.items():
        count = "deals" in name
        log = (log_of_counts if count else log_of_distance)(column, theirs[name])
        yield f"distribution of {name}", log
    columns = (np.column_stack([*made.values()]) for made in (ours, theirs, middle))
    names, (mean, covariance) = list(ours), moments(*columns)
    for i, name in enumerate(names):
        yield f"mean of {name}", log_of_z(float(mean[i]))
        for j in range(i + 1):
            yield f"covariance of {name} and {names[j]}", log_of_z(float(covariance[i, j]))


def alarms(one: Arrays, other: Arrays, centre: Arrays) -> list[str]:
    """What differs by more than chance."""
    assert {name: array.shape for name, array in one.items()} == {
        name: array.shape for name, array in other.items()
    }
    found = list(comparisons(one, other, centre))
    bound = math.log(FALSE_ALARM / COMPARISONS / len(found))
    return [f"{name}: ln chance {log:.0f}" for name, log in found if log < bound]


def disagreements(text: str) -> list[str]:
    given = read_text(text)
    return alarms(simulated(given, "outcome"), simulated(given, "journey", 2), expected(given))


# --- the law --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", EVERYDAY)
def test_outcome_has_the_law_of_journey(seed: int) -> None:
    assert disagreements(random_scenario_text(seed)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_outcome_has_the_law_of_journey_at_length(seed: int) -> None:
    assert disagreements(random_scenario_text(seed)) == []


@pytest.mark.parametrize("text", test_naive.CORNERS.values(), ids=test_naive.CORNERS)
def test_outcome_has_the_law_of_journey_in_the_corners(text: str) -> None:
    assert disagreements(text) == []


def plain_text(seed: int) -> str:
    """A random scenario in which arrivals and lags are certain and nothing changes."""
    for attempt in itertools.count(seed, 10_000):
        text = maybe_plain_text(attempt)
        with suppress(ScenarioError):  # what is left can sum up to more than 100%
            read_text(text)
            break
    return text


def maybe_plain_text(seed: int) -> str:
    made, rng = yaml.safe_load(random_scenario_text(seed)), Random(seed)
    made["start"] = made["start"][:8] + "01"
    for key in ("changes", "correlation", "referral"):
        made.pop(key, None)
    if "closing" in made:
        made["closing"] = {"month_of_quarter": [0.5, 0.8, 1.7]}
    for channel in made["channels"].values():
        for key in ("dispersion", "seasonality", "growth", "cost"):
            channel.pop(key, None)
        if "fixed" not in channel["leads"]:
            channel["leads"] = {"mean": round(rng.uniform(10.0, 30.0), 3), "per": "month"}
    holders = [made, *made["channels"].values(), *made.get("segments", {}).values()]
    stages = [item for holder in holders for item in holder.get("journey", {}).items()]
    for stage, ways in stages:
        for target, way in ways.items():
            way.pop("within", None)
            if target != "dirichlet" and target <= stage:  # a way back
                way["lag"] = {"periods": {"1": 0.4, "3": 0.6}}
            elif target != "dirichlet" and "lag" in way:
                mean = f"{round(rng.uniform(1.0, 60.0))} days"
                way["lag"] = {"gamma": {"mean": mean, "cv": 0.7}}
    return yaml.dump(made, sort_keys=False)


def groups_with_terms(text: str) -> np.ndarray:
    """Tell which groups' deals are expected by products of chances."""
    first = Simulator(make_blueprint(read_text(text)), SEED, "outcome").terms.first
    return np.diff(first) > 0


@pytest.mark.parametrize("seed", PLAIN)
def test_outcome_has_the_law_of_journey_where_only_chances_vary(seed: int) -> None:
    assert groups_with_terms(plain_text(seed)).any()
    assert disagreements(plain_text(seed)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_outcome_has_the_law_of_journey_where_only_chances_vary_at_length(seed: int) -> None:
    assert disagreements(plain_text(seed)) == []


MIXED = """
name: Mixed
start: 2027-01-01
horizon: 2 quarters
channels:
  a: {leads: {mean: 60, per: month}, dispersion: 0.1}
  b: {leads: {mean: 9, per: month}}
segments:
  small: {share: 50%}
  large: {share: 50%, journey: {o: {won: {lag: {fixed: {value: {gamma: {mean: 20 days, cv: 1}}}}}}}}
journey: {o: {won: {conversion: 50%, lag: 1 month}}}
"""


def test_segments_whose_lags_are_uncertain_beside_others() -> None:
    assert groups_with_terms(MIXED).tolist() == [False, False, True, False]
    assert disagreements(MIXED) == []


@pytest.mark.parametrize("seed", EVERYDAY[:4])
def test_outcome_agrees_with_a_naive_simulator(monkeypatch, seed: int) -> None:
    given = read_text(random_scenario_text(seed))
    monkeypatch.setattr(test_naive, "features", features)
    outcome, naive = simulated(given, "outcome"), naive_arrays(given, 400)
    assert Comparison(outcome, {name: naive[name] for name in outcome}).alarms() == []


def parts_of(given: Scenario) -> set[str]:
    """What a scenario has that is drawn in a way of its own."""
    blueprint = make_blueprint(given)
    plan = blueprint.plan
    tables = blueprint.maker.tables(Draws(given, 1).draw(0, 64))
    costs, bursts = tables.lead_cost.any(axis=(0, 2)), tables.shape.any(axis=(0, 2))
    fixed, back = plan.fixed.any(axis=1), plan.target <= plan.source
    at_once = (tables.lag_chance[tables.lag_first[plan.lag_of], 0] > 0.0).any(axis=0)
    found = {
        "fixed leads": fixed.any(),
        "negative binomial leads": bursts.any(),
        "uncertain lags": tables.lag_step.any(),
        "loops without lag": np.any(at_once & back & tables.take.any(axis=(0, 1))),
        "lags by the calendar": given.versions[0].closing is not None,
        "thresholds": any(version.qualification for version in given.versions),
        "leads that answer to money": any(
            channel.leads.response for v in given.versions for channel in v.channels.values()
        ),
        "phases": len(given.versions) > 1,
        "segments": len(given.segments) > 1,
        "mixes": len(given.products) > 1,
        "fixed leads that cost": np.any(fixed & costs),
        "negative binomial leads that cost": np.any(bursts & costs),
        "random leads that cost nothing": np.any(~costs & (tables.mean > 0).any(axis=(0, 2))),
    }
    return {name for name, is_there in found.items() if is_there}


def test_every_part_is_in_every_third_scenario() -> None:
    every_given = [read_text(random_scenario_text(seed)) for seed in EVERYDAY]
    assert not any(map(needs_journey, every_given))  # both details would be one simulation
    found = [parts_of(given) for given in every_given]
    every = set.union(*found)
    assert len(every) == 13
    assert {part for part in every if 3 * sum(part in f for f in found) < len(found)} == set()


# --- that the comparison can fail -----------------------------------------------------------------

TEXT = BASE.replace(
    "{journey.lead.talk.conversion: 80%}",
    "{journey.lead.talk.conversion: 80%, products.small.mix: 40%, products.large.mix: 60%}",
)


@pytest.fixture(scope="module")
def right() -> tuple[Arrays, Arrays]:
    """What outcomes are held against: the journey, and the closed form."""
    given = read_text(TEXT)
    return simulated(given, "journey", 2), expected(given)


@pytest.fixture
def wrong(monkeypatch) -> Callable[[Callable[[Plan, Tables], tuple[Plan, Tables]]], Arrays]:
    """Draws outcomes from a changed plan and changed tables."""

    def drawn(change: Callable[[Plan, Tables], tuple[Plan, Tables]]) -> Arrays:
        collapse = engine.collapse

        def changed(plan: Plan, keys: object, tables: Tables, *rest: object) -> None:
            plan, tables = change(plan, tables)
            collapse(plan, keys, tables, *rest)

        monkeypatch.setattr(engine, "collapse", changed)
        return simulated(read_text(TEXT), "outcome")

    return drawn


def test_raises_no_alarm_without_a_fault(wrong, right) -> None:
    assert TEXT != BASE
    assert alarms(wrong(lambda plan, tables: (plan, tables)), *right) == []


def test_notices_spend_that_deals_do_not_go_with(right) -> None:
    """The leads of other draws are paid: each count by itself is as it should be."""
    rows, others = (simulated(read_text(TEXT), "outcome", seed) for seed in (1, 3))
    found = alarms(rows | {"spend": others["spend"]}, *right)
    assert found != []
    assert all(name.startswith("covariance") and "spend" in name for name in found)
    assert all("deals" in name or "bookings" in name for name in found)


def test_notices_leads_that_are_paid_when_they_are_won(right) -> None:
    """Spend and deals are tied in the year, but not by the quarters they belong to."""
    rows = simulated(read_text(TEXT), "outcome")
    link = 10.0 * rows["deals"].sum(axis=(3, 4))
    link -= link.mean(axis=0)
    moved = rows["spend"] + np.roll(link, 1, axis=1) - link
    found = alarms(rows | {"spend": moved}, *right)
    assert any(name.startswith("covariance") for name in found)


def test_notices_that_the_dispersion_is_left_out(wrong, right) -> None:
    found = alarms(wrong(lambda p, t: (p, t._replace(shape=np.zeros_like(t.shape)))), *right)
    assert any(name.startswith("covariance of total deals") for name in found)


def test_notices_the_mix_of_the_first_phase(wrong, right) -> None:
    def first(plan: Plan, tables: Tables) -> tuple[Plan, Tables]:
        mix = np.repeat(tables.mix[:, :1], tables.mix.shape[1], axis=1)
        return plan, tables._replace(mix=mix)

    assert any(name.startswith("deals of cell") for name in alarms(wrong(first), *right))


def test_notices_shares_of_other_segments(wrong, right) -> None:
    def even(plan: Plan, tables: Tables) -> tuple[Plan, Tables]:
        share = tables.share.copy()
        share[:, :, 0] = 0.5
        return plan, tables._replace(share=share)

    assert alarms(wrong(even), *right) != []


def test_notices_exact_leads_that_are_drawn_as_poisson(wrong, right) -> None:
    def poisson(plan: Plan, tables: Tables) -> tuple[Plan, Tables]:
        mean = tables.mean + plan.fixed / tables.market[:, None, None]
        return plan._replace(fixed=np.zeros_like(plan.fixed)), tables._replace(mean=mean)

    found = alarms(wrong(poisson), *right)
    assert found != []
    assert not any(name.startswith("mean") for name in found)


def test_notices_assumptions_of_other_runs(right) -> None:
    journey, centre = right
    rolled = {name: np.roll(array, 1, axis=0) for name, array in journey.items()}
    assert alarms(simulated(read_text(TEXT), "outcome"), rolled, centre) != []
