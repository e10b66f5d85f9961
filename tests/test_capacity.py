"""Stages that take up only so many items: against an exact queue, and item by item."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import bound, closed_form, entered, expected, p_chance, per_period, scenario, z_mean
from scenario_maker import random_scenario_text
from scipy import stats
from test_naive import disagreements

import forecast
from forecast.engine.plan import make_blueprint
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator

QUEUE = ("backlog", "worked", "waited", "given_up", "unworked")
COMPARISONS = 100  # more than the z-scores of this file

HEAD = "name: Queue\nstart: 2027-01-01\nhorizon: {}\nperiod: {}\nchannels: {{{}}}\n"
TWO = (
    HEAD.format(
        "4 quarters",
        "month",
        "a: {leads: {mean: 30, per: month}}, b: {leads: {mean: 10, per: month}}",
    )
    + "segments: {x: {share: 70%}, y: {share: 30%}}\n"
    + "journey: {lead: {talk: {conversion: 50%, lag: 20 days}}, talk: {won: {conversion: 30%, "
    + "lag: 1 month}, lead: {conversion: 20%, lag: {periods: {0: 0.5, 1: 0.5}}}}}\n"
    + "products: {one: {size: 100}}\n"
)


def in_queue(data, name: str, stage: str) -> np.ndarray:
    """A variable of a stage by run and quarter."""
    return data[name].sel(stage=stage).values


# --- the slotted queue, for which all is known ---------------------------------------------------

# B' = max(B + A - 10, 0), A ~ Poisson(9): mean backlog after so many days.
BACKLOGS = {
    1: 0.7732090044176466,
    5: 1.9523899491185648,
    20: 2.878820740789811,
    65: 3.0945329761065126,
    260: 3.101238417434871,
}
SLOTTED = (
    HEAD.format("260 days", "day", "a: {leads: {mean: 9, per: day}}")
    + "journey: {o: {won: {conversion: 100%}}}\ncapacity: {o: {per_period: 10}}\n"
)


def backlog_law(days: int, most: int = 400) -> np.ndarray:
    """The law of the backlog after so many days, by convolution."""
    law = np.zeros(most)
    law[0] = 1.0
    arrivals = stats.poisson(9).pmf(np.arange(60))
    for _ in range(days):
        after = np.convolve(law, arrivals)
        law = np.concatenate([[after[:11].sum()], after[11 : most + 10]])
    return law


@pytest.fixture(scope="module")
def slotted():
    return forecast.simulate(per_period(scenario(SLOTTED)), runs=6_000, seed=3)


@pytest.mark.parametrize("day", BACKLOGS)
def test_backlog_is_that_of_the_exact_queue(slotted, day: int) -> None:
    backlog, law = in_queue(slotted, "backlog", "o")[:, day - 1], backlog_law(day)
    assert (law * np.arange(len(law))).sum() == pytest.approx(BACKLOGS[day], rel=1e-9)
    assert abs(z_mean(backlog, BACKLOGS[day])) < bound(COMPARISONS)
    for least in (1, 3, 10, 20):
        assert p_chance(backlog >= least, law[least:].sum()) > 1e-6 / COMPARISONS


def test_backlog_follows_the_rule_in_every_run_and_period(slotted) -> None:
    backlog, worked = in_queue(slotted, "backlog", "o"), in_queue(slotted, "worked", "o")
    before = np.pad(backlog, ((0, 0), (1, 0)))[:, :-1]
    came = before + entered(slotted, "o")
    np.testing.assert_array_equal(backlog, np.maximum(came - 10, 0))
    np.testing.assert_array_equal(worked, np.minimum(came, 10))


def test_the_time_waited_is_that_of_first_come_first_served(slotted) -> None:
    arrivals, waited = entered(slotted, "o")[:300], in_queue(slotted, "waited", "o")[:300]
    for came, found in zip(arrivals, waited, strict=True):
        queue: list[int] = []
        for t, count in enumerate(came):
            queue += [t] * count
            taken, queue = queue[:10], queue[10:]
            assert sum(t - since for since in taken) == found[t]


def test_fractions_of_slots_carry_over() -> None:
    data = forecast.simulate(
        per_period(scenario(SLOTTED, capacity__o__per_period="2.3")), runs=50, seed=1
    )
    worked = in_queue(data, "worked", "o")[:, :100].cumsum(axis=1)
    wanted = np.floor(2.3 * np.arange(1, 101) + 1e-9)
    np.testing.assert_array_equal(worked, np.tile(wanted, (50, 1)))


# --- giving up and not being followed up ----------------------------------------------------------


def test_items_that_nobody_takes_up_give_up_as_they_should() -> None:
    text = HEAD.format("4 quarters", "month", "a: {leads: {mean: 30, per: month}}")
    text += "journey: {o: {won: {conversion: 100%}}}\n"
    text += "capacity: {o: {per_period: 0, waiting: {give_up: 40% per quarter}}}\n"
    data = forecast.simulate(per_period(scenario(text)), runs=20_000, seed=2)
    stays = 0.6 ** (1 / 3)
    for t in (0, 3, 11):
        mean = 30 * sum(stays**k for k in range(1, t + 2))
        backlog = in_queue(data, "backlog", "o")[:, t]
        assert abs(z_mean(backlog, mean)) < bound(COMPARISONS)
        assert abs(z_mean((backlog - mean) ** 2, mean)) < bound(COMPARISONS)  # Poisson
    gone = in_queue(data, "given_up", "o").cumsum(axis=1)
    came = entered(data, "o").cumsum(axis=1)
    np.testing.assert_array_equal(came, gone + in_queue(data, "backlog", "o"))


def test_follow_up_has_a_closed_form() -> None:
    plain, part = scenario(TWO), scenario(TWO, **{"capacity": "{talk: {follow_up: 60%}}"})
    same = TWO.replace("conversion: 30%", "conversion: 18%").replace(
        "conversion: 20%", "conversion: 12%"
    )
    for name in ("deals", "entered", "open"):
        np.testing.assert_allclose(expected(part, name), expected(scenario(same), name), rtol=1e-12)
    assert expected(part, "deals").sum() < 0.7 * expected(plain, "deals").sum()
    data = forecast.simulate(part, runs=20_000, seed=4)
    means = closed_form(part).means
    for q in range(4):
        deals, aside = (
            data.deals[:, q].values.sum(axis=(1, 2, 3)),
            in_queue(data, "unworked", "talk"),
        )
        assert abs(z_mean(deals, expected(part, "deals")[q])) < bound(COMPARISONS)
        assert abs(z_mean(aside[:, q], means.unworked[0, q, :, 1].sum())) < bound(COMPARISONS)
        worked = in_queue(data, "worked", "talk")[:, q]
        np.testing.assert_array_equal(worked, entered(data, "talk")[:, q] - aside[:, q])


def test_follow_up_keeps_outcomes_and_exact_chances() -> None:
    goal = "goals: [{metric: deals, quarter: 2027Q3, target: 14, confidence: 80%}]\n"
    part = scenario(TWO + goal + "capacity: {talk: {follow_up: 60%}}\n")
    outcome = Simulator(make_blueprint(part), 0, "outcome")
    assert outcome.collapses
    deals = outcome.whole(20_000).rows.deals.sum(axis=(2, 3, 4))
    mean = expected(part, "deals")
    assert abs(z_mean(deals[:, 2], mean[2])) < bound(COMPARISONS)
    hits = deals[:, 2] >= 14
    assert p_chance(hits, float(stats.poisson(mean[2]).sf(13))) > 1e-6 / COMPARISONS
    exact = forecast_run(part, runs=200, seed=0).exact
    ((chance,),) = [[found.probability] for found in exact.values()]
    assert chance == pytest.approx(stats.poisson(mean[2]).sf(13), rel=1e-9)


# --- whose turn it is ----------------------------------------------------------------------------


def test_channels_have_their_share_of_the_slots() -> None:
    text = HEAD.format(
        "1 month",
        "month",
        "a: {leads: {fixed: 7, per: month}}, b: {leads: {fixed: 2, per: month}}, "
        "c: {leads: {fixed: 1, per: month}}",
    )
    text += "journey: {o: {won: {conversion: 100%}}}\ncapacity: {o: {per_period: 4}}\n"
    data = forecast.simulate(scenario(text), runs=20_000, seed=5)
    won = data.deals.values.sum(axis=(1, 3, 4))
    assert (won.sum(axis=1) == 4).all()
    for c, n in enumerate((7, 2, 1)):
        share = 4 * n / 10
        assert set(np.unique(won[:, c])) <= {math.floor(share), math.ceil(share)}
        assert abs(z_mean(won[:, c], share)) < bound(COMPARISONS)


def test_the_first_of_the_priority_are_served_first() -> None:
    text = TWO.replace("{0: 0.5, 1: 0.5}", "{1: 1}")  # else some come when all slots are gone
    limited = {"capacity": "{talk: {per_period: 9, priority: [b]}}"}
    data = forecast.simulate(per_period(scenario(text, **limited)), runs=2_000, seed=6)
    assert in_queue(data, "worked", "talk").max() == 9
    assert in_queue(data, "backlog", "talk")[:, -1].mean() > 20
    alone = scenario(text, **limited, channels__a__leads__mean="0")
    other = forecast.simulate(per_period(alone), runs=2_000, seed=6)
    for name in ("deals", "entered"):  # what comes of b does not depend on how many of a wait
        np.testing.assert_array_equal(data[name].values[:, :, 1], other[name].values[:, :, 1])


# --- reps ---------------------------------------------------------------------------------------


def test_reps_are_hired_ramp_up_and_leave() -> None:
    text = HEAD.format("8 months", "month", "a: {leads: {fixed: 900, per: month}}")
    text += "journey: {o: {won: {conversion: 100%}}}\ncapacity: {o: {reps: {each: 12 per month, "
    text += "now: 3, hires: [{from: 2027-03-01, count: 2}, {from: 2027-07-01, count: -4}], "
    text += "ramp: [0%, 25%, 50%, 100%]}}}\n"
    data = forecast.simulate(per_period(scenario(text)), runs=3, seed=1)
    heads = [3, 3, 3, 3.5, 4, 5, 1, 1]
    np.testing.assert_array_equal(in_queue(data, "worked", "o")[0], [12 * n for n in heads])


def test_an_uncertain_limit_is_drawn_once_per_run() -> None:
    text = HEAD.format("6 months", "month", "a: {leads: {fixed: 900, per: month}}")
    text += "journey: {o: {won: {conversion: 100%}}}\n"
    text += "capacity: {o: {per_period: {uniform: {low: 10, high: 30}}}}\n"
    data = forecast.simulate(per_period(scenario(text)), runs=500, seed=1)
    limit = data.assumption.values[:, 0]
    worked = in_queue(data, "worked", "o").cumsum(axis=1)
    until = np.floor(limit[:, None] * np.arange(1, 7) + 1e-9)
    np.testing.assert_array_equal(worked, until)


# --- item by item --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_a_naive_queue(seed: int) -> None:
    assert disagreements(random_scenario_text(seed, capacity=True), naive_runs=300) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 150))
def test_agrees_with_a_naive_queue_at_length(seed: int) -> None:
    assert disagreements(random_scenario_text(seed, capacity=True), 1_500, 2**15) == []
