"""What the file says of capacities, what every part of the house makes of it, and what stays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import DATA, SCENARIOS, scenario
from test_capacity import QUEUE, TWO, in_queue

import forecast
from forecast.analysis.describe import describe_scenario
from forecast.analysis.summary import summarize
from forecast.engine.desks import NO_LIMIT, slots
from forecast.engine.plan import make_blueprint
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator
from forecast.engine.uses import needs_journey
from forecast.engine.variables import variables_of
from forecast.scenario.errors import ScenarioError

LIMITED = TWO + "capacity: {talk: {per_period: 9, waiting: {give_up: 10% per month}}}\n"
GOALS = (
    "goals: [{metric: deals, every: year, target: 20, confidence: 80%}, "
    "{metric: leads, quarter: 2027Q2, target: 100, confidence: 80%}]\n"
)
CAPACITY = "capacity.talk"

FAULTS = {
    "an unknown stage": (
        {"capacity": "{tlak: {per_period: 3}}"},
        "capacity.tlak: got the unknown stage tlak; must be a stage of the journey. "
        "Did you mean talk?",
    ),
    "two limits": (
        {f"{CAPACITY}.reps": "{each: 3 per month, now: 2}"},
        "capacity.talk: got per_period and reps; must be one of them.",
    ),
    "nothing said": (
        {"capacity": "{talk: {}}"},
        "capacity.talk: got a capacity that says nothing; must be per_period, reps or follow_up.",
    ),
    "waiting for nothing": (
        {"capacity": "{talk: {follow_up: 90%, waiting: {give_up: 1% per day}}}"},
        "capacity.talk.waiting: got waiting without a limit; must be left out",
    ),
    "a list that ends too soon": (
        {f"{CAPACITY}.per_period": "[1, 2, 3]"},
        "capacity.talk.per_period: got a list of 3 without then; must be 12 figures",
    ),
    "an unknown channel": (
        {f"{CAPACITY}.priority": "[c]"},
        "capacity.talk.priority: got the unknown channel c; must be a channel of the scenario.",
    ),
    "a channel twice": (
        {f"{CAPACITY}.priority": "[a, b, a]"},
        "capacity.talk.priority: got a twice; must be each channel once.",
    ),
    "more than all give up": (
        {f"{CAPACITY}.waiting.give_up": "120% per month"},
        "capacity.talk.waiting.give_up: got '120% per month'; must be the share that gives up",
    ),
    "less than nothing is followed up": (
        {f"{CAPACITY}.follow_up": "{uniform: {low: -10%, high: 10%}}"},
        "must be a share that is followed up between 0% and 100% in every case.",
    ),
    "costs of an unknown stage": (
        {"channels.a.cost": "{worked: {won: 3}}"},
        "channels.a.cost.worked.won: got won; must be a name for the stage other than won and lost",
    ),
    "a priority that changes": (
        {"changes": "[{from: 2027-07-01, set: {capacity.talk.priority: [b]}}]"},
        "capacity.talk: got another priority from 2027-07-01 on; must be the same priority",
    ),
    "a change of what is not there": (
        {"changes": "[{from: 2027-07-01, set: {capacity.lead: {per_period: 3}}}]"},
        "got the unknown name lead; must be a change that keeps the capacity of the file",
    ),
}


@pytest.mark.parametrize(("sets", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told(sets: dict[str, str], message: str) -> None:
    keys = {path.replace(".", "__"): value for path, value in sets.items()}
    with pytest.raises(ScenarioError) as raised:
        scenario(LIMITED, **keys)
    assert message in str(raised.value)


def test_every_number_may_be_uncertain() -> None:
    text = TWO + (
        "capacity: {talk: {reps: {each: {amount: {gamma: {mean: 5, cv: 0.1}}, per: month}, "
        "now: {values: {1: 50%, 2: 50%}}, hires: [{from: 2027-05-01, "
        "count: {uniform: {low: -1, high: 2}}}], ramp: [{beta: {won: 2, lost: 8}}, 1]}, "
        "waiting: {give_up: {amount: {beta: {won: 1, lost: 9}}, per: month}}, "
        "follow_up: {beta: {won: 19, lost: 1}}}}\n"
    )
    data = forecast.simulate(scenario(text), runs=60, seed=1)
    kept = [path for path in data.path.values if path.startswith("capacity.")]
    assert len(kept) == 6
    assert len(np.unique(data.worked.sel(stage="talk").sum("quarter"))) > 10


def test_changes_hold_from_their_day_on() -> None:
    text = TWO + "capacity: {talk: {per_period: [10, 20], then: repeat}}\nchanges: "
    text += "[{from: 2027-04-16, set: {capacity.talk: {per_period: 4}}}, "
    text += "{from: 2027-08-01, set: {capacity.talk: {follow_up: 50%}}}]\n"
    given = make_blueprint(scenario(text))
    known = Simulator(given, 0).draws.means()
    found = slots(given.layout, known)[0, 0]
    # half of April is under the plan: 10 + 2; what follows has no limit
    np.testing.assert_array_equal(found[:8], [10, 20, 10, 12, 4, 4, 4, NO_LIMIT])


# --- what is told ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome():
    text = LIMITED.replace("waiting", "follow_up: 80%, waiting") + GOALS
    return forecast_run(scenario(text), runs=400, seed=1)


def test_run_tells_of_queues(outcome) -> None:
    document = json.loads(json.dumps(summarize(outcome), allow_nan=False))
    for span in (*document["quarters"], *document["years"]):
        found = span["capacity"]["talk"]
        assert set(found) == {"backlog", "worked", "waiting_periods", "share_given_up", "unworked"}
        assert found["worked"]["mean"] <= 9 * 3 * len(document["quarters"])
        assert {"mean", "sd", "p10", "p50", "p90", "standard_error"} <= set(found["backlog"])
    last, year = (
        document["quarters"][-1]["capacity"]["talk"],
        document["years"][0]["capacity"]["talk"],
    )
    assert year["backlog"] == last["backlog"]
    mean = sum(q["capacity"]["talk"]["worked"]["mean"] for q in document["quarters"])
    assert year["worked"]["mean"] == pytest.approx(mean)
    gone, came = outcome.totals["talk.given_up"][:, 3], outcome.totals["talk"][:, 3]
    assert last["share_given_up"]["mean"] == pytest.approx(np.mean(gone[came > 0] / came[came > 0]))


def test_no_closed_form_is_told_behind_a_limit(outcome) -> None:
    document = summarize(outcome)
    quarter = document["quarters"][2]
    assert quarter["deals"]["expected"] is None
    assert quarter["bookings"]["expected"] is None
    assert quarter["entered"]["lead"]["expected"] is None  # talk leads back to it
    assert quarter["leads"]["expected"] == pytest.approx(120)
    assert quarter["spend"]["expected"] == 0.0
    deals, leads = document["goals"]
    assert deals["exact"] is None
    assert leads["exact"] is not None
    assert document["check"]["passed"]
    assert document["check"]["cells"] > 0


def test_what_comes_before_a_limit_keeps_its_closed_form() -> None:
    once = LIMITED.replace("lead: {conversion: 20%, lag: {periods: {0: 0.5, 1: 0.5}}}", "lost: {}")
    once = once.replace("products", "market: {lognormal: {mean: 1, cv: 0.1}}\nproducts")
    found = forecast_run(scenario(once), runs=300, seed=1)
    assert not np.isnan(found.expected["talk"]).any()
    assert not np.isnan(found.expected["talk.unworked"]).any()
    assert np.isnan(found.expected["talk.worked"]).all()
    assert np.isnan(found.expected["deals"]).all()
    costly = scenario(once, channels__a__cost="{worked: {talk: 3}}")
    assert np.isnan(forecast_run(costly, runs=100, seed=1).expected["spend"]).all()


def test_costs_of_worked_items_have_a_closed_form_without_a_limit() -> None:
    given = scenario(
        TWO + "capacity: {talk: {follow_up: 50%}}\n",
        channels__a__cost="{worked: {talk: 3, lead: 1}}",
        changes="[{from: 2027-05-16, set: {channels.a.cost.worked.talk: 5}}]",
    )
    assert needs_journey(given)
    found = forecast_run(given, runs=4_000, seed=1)
    assert found.check.passed
    assert found.expected["spend"].min() > 0
    data = forecast.simulate(given, runs=500, seed=1)
    assert (data.spend.values[..., 1] == 0).all()
    late = data.entered.sel(stage=["lead"]).values[:, 3, 0].sum(axis=(1, 2))
    assert ((data.spend.values[:, 3, 0] - late) % 5 == 0).all()


def test_check_explains_slots() -> None:
    (found,) = describe_scenario(scenario(LIMITED))["capacity"]
    assert found["stage"] == "talk"
    assert found["slots"] == [27.0] * 4
    assert found["arrivals"] == found["followed_up"]
    assert found["arrivals"][3] > 60
    both = scenario(TWO, capacity="{talk: {follow_up: 50%}}")
    (found,) = describe_scenario(both)["capacity"]
    assert found["slots"] == [None] * 4
    np.testing.assert_allclose(found["followed_up"], 0.5 * np.array(found["arrivals"]))


def test_check_counts_as_won_what_is_followed_up() -> None:
    plain = describe_scenario(scenario(TWO.replace("conversion: 20%", "conversion: 0%")))
    part = scenario(
        TWO.replace("conversion: 20%", "conversion: 0%"), capacity="{talk: {follow_up: 40%}}"
    )
    for one, other in zip(plain["wins"], describe_scenario(part)["wins"], strict=True):
        assert other["won"] == pytest.approx(0.4 * one["won"])


def test_only_scenarios_with_a_capacity_have_its_variables() -> None:
    assert not set(QUEUE) & set(variables_of(scenario(TWO), "journey"))
    assert set(QUEUE) <= set(variables_of(scenario(LIMITED), "journey"))


# --- what stays ----------------------------------------------------------------------------------


def test_a_limit_that_never_binds_changes_no_bit() -> None:
    plain = forecast.simulate(scenario(TWO), runs=300, seed=3)
    wide = TWO + "capacity: {talk: {per_period: 10_000}, lead: {per_period: 900}}\n"
    other = forecast.simulate(scenario(wide), runs=300, seed=3)
    for name in DATA:
        np.testing.assert_array_equal(plain[name].values, other[name].values)
    assert (other.backlog == 0).all()


MANY = (
    TWO.replace("products", "market: {lognormal: {mean: 1, cv: 0.2}}\nproducts")
    + "capacity: {lead: {per_period: {gamma: {mean: 33, cv: 0.2}}, priority: [b], "
    + "waiting: {give_up: 20% per month}, follow_up: 95%}, "
    + "talk: {per_period: [9, 12, 0], then: repeat, waiting: {give_up: 10% per quarter}}}\n"
)


def test_runs_are_the_same_however_they_are_cut() -> None:
    simulator = Simulator(make_blueprint(scenario(MANY)), 7)
    whole = simulator.whole(300, threads=1)
    other = Simulator(make_blueprint(scenario(MANY)), 7)
    threads = other.whole(300, threads=3)
    rows = other.empty(77)
    other.into(200, rows)
    for name, array in whole.rows._asdict().items():
        np.testing.assert_array_equal(array, getattr(threads.rows, name))
        np.testing.assert_array_equal(array[200:277], getattr(rows, name))


def test_outcomes_are_those_of_the_whole_journey() -> None:
    given = scenario(MANY)
    assert needs_journey(given)
    journey = forecast.simulate(given, runs=200, seed=2)
    outcome = forecast.simulate(given, runs=200, seed=2, detail="outcome")
    for name in ("deals", "bookings", "spend"):
        np.testing.assert_array_equal(journey[name].values, outcome[name].values)


def test_a_plan_with_a_limit_stands_beside_one_without() -> None:
    plans = {"free": scenario(TWO), "limited": scenario(LIMITED)}
    for order in (["free", "limited"], ["limited", "free"]):
        both = forecast.simulate_many({name: plans[name] for name in order}, runs=200, seed=2)
        for name in order:
            alone = forecast.simulate(plans[name], runs=200, seed=2)
            for variable in alone.data_vars:
                found = both[variable].sel(scenario=name).values
                np.testing.assert_array_equal(found, alone[variable].values)
        assert (both.backlog.sel(scenario="free") == 0).all()


def test_nothing_is_lost_with_two_limits_in_a_loop() -> None:
    data = forecast.simulate(scenario(MANY), runs=500, seed=2)
    leads = data.leads.sum(["channel", "segment"]).values.cumsum(axis=1)
    ended = data.entered.sel(stage=["won", "lost"]).sum(["channel", "segment", "stage"]).values
    np.testing.assert_array_equal(leads, ended.cumsum(axis=1) + data.open.sum("stage").values)
    for stage in ("lead", "talk"):
        came = data.entered.sel(stage=stage).sum(["channel", "segment"]).values.cumsum(axis=1)
        gone = sum(
            in_queue(data, name, stage).cumsum(axis=1)
            for name in ("worked", "given_up", "unworked")
        )
        np.testing.assert_array_equal(came, gone + in_queue(data, "backlog", stage))
        assert (in_queue(data, "backlog", stage) <= data.open.sel(stage=stage).values).all()
    assert in_queue(data, "worked", "talk")[:, 0].max() == 9 + 12


def test_more_slots_serve_more(  # common random numbers: run by run, not only on average
) -> None:
    few, many = (
        forecast.simulate(scenario(LIMITED, capacity__talk__per_period=n), runs=300, seed=1)
        for n in ("9", "12")
    )
    first = in_queue(few, "worked", "talk")[:, 0], in_queue(many, "worked", "talk")[:, 0]
    assert (first[0] <= first[1]).all()
    assert few.deals.sum() < many.deals.sum()


def test_the_example_suffers_from_its_limit() -> None:
    path = SCENARIOS / "capacity-limited.yaml"
    free = {"capacity.opportunity.reps.now": "60"}
    limited = forecast_run(forecast.read_scenario(path), runs=1_000, seed=1)
    unlimited = forecast_run(forecast.read_scenario(path, free), runs=1_000, seed=1)
    for goal in limited.scenario.goals:
        (_, quarters) = goal.quarters[0]
        chances = [o.reached(goal, quarters).mean() for o in (limited, unlimited)]
        assert chances[0] < 0.75 < chances[1]
