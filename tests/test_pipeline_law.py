"""The law of open deals: against enumeration, formulas, the plain simulator, and closed forms."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
from helpers import bound, closed_form, scenario, z_mean
from open_deals import naive_runs, with_deals
from scipy import stats

from forecast.engine.dataset import simulate
from forecast.engine.kernel import ages, jit
from forecast.engine.laws import make_laws
from forecast.scenario.families import Periods, build

RUNS = 20_000
NAIVE_RUNS = 500
HEAD = "name: Open\nstart: 2027-01-01\nhorizon: 4 quarters\n"
CHANNELS = "channels: {web: {leads: {mean: 1, per: month}}, fair: {leads: {mean: 1, per: month}}}\n"
PRODUCTS = "products: {a: {mix: 50%, size: 10k}, b: {mix: 50%, size: 20k}}\n"
JOURNEYS = {
    "certain": """journey:
  lead:
    opportunity: {conversion: 40%, lag: {lognormal: {mean: 1 month, cv: 0.8}}}
  opportunity:
    won: {conversion: 30%, lag: {gamma: {mean: 3 months, cv: 0.5}}}
    lead: {conversion: 10%, lag: {periods: {1: 50%, 3: 50%}}}
    lost: {share_of_rest: 50%, lag: {uniform: {low: 1 month, high: 6 months}}}
""",
    "uncertain": """journey:
  lead:
    opportunity: {conversion: 40%, lag: {values: {20 days: 30%, 50 days: 70%}}}
  opportunity:
    won: {conversion: {beta: {won: 12, lost: 28}},
          lag: {gamma: {mean: {gamma: {mean: 3 months, cv: 0.3}}, cv: 0.5}}}
    lead: {conversion: 10%, lag: {lognormal: {mean: 2 months, cv: 0.5}}}
    lost: {lag: {weibull: {mean: 5 months, cv: 0.7}}}
""",
    "changing": """journey:
  lead:
    opportunity: {conversion: 40%, lag: {lognormal: {mean: 1 month, cv: 0.8}}}
  opportunity:
    won: {conversion: 30%, lag: {periods: {1: 20%, 3: 50%, 6: 30%}}}
changes: [{from: 2027-04-11, set: {journey.opportunity.won.conversion: 60%}}]
""",
}
DEALS = [
    {"stage": "lead", "age_days": 10, "age_periods": 1, "amount": 1_000},
    {"stage": "opportunity", "channel": "fair", "age_days": 40, "age_periods": 2, "product": "b"},
    {"stage": "opportunity", "age_days": 100, "age_periods": 3, "amount": 500},
    {"stage": "opportunity", "age_days": 100, "age_periods": 3, "amount": 700},
    {"stage": "lead", "age_days": 20, "age_periods": 1, "amount": 600, "probability": 0.3},
    {"stage": "opportunity", "age_days": 35, "age_periods": 2, "probability": 0.45},
    {"stage": "opportunity", "age_days": 70, "age_periods": 3, "close_period": 4},
    {"stage": "opportunity", "probability": 0.6, "close_period": 2, "close_days": 80},
    {"stage": "lead", "probability": 0.7, "close_period": 2, "close_days": 80, "close_cv": 0.8},
    {"stage": "lead", "age_days": 30, "age_periods": 1, "close_period": 1, "close_days": 50,
     "close_cv": 0.5},
]  # fmt: skip


@cache
def opened(journey: str, start: str = "2027-01-01"):
    text = HEAD.replace("2027-01-01", start) + CHANNELS + JOURNEYS[journey] + PRODUCTS
    return with_deals(scenario(text), DEALS)


@cache
def futures(journey: str, start: str = "2027-01-01"):
    return simulate(opened(journey, start), runs=RUNS, seed=4)


@cache
def plain(journey: str, start: str = "2027-01-01"):
    return naive_runs(opened(journey, start), NAIVE_RUNS, seed=9)


CASES = [(name, "2027-01-01") for name in JOURNEYS] + [("certain", "2027-01-20")]


@pytest.mark.parametrize("case", CASES)
def test_plain_simulator_agrees(case):
    """Every cell's mean, and the variance of all deals, within their errors."""
    data, records, given = futures(*case), plain(*case), opened(*case)
    labels = given.calendar.quarters
    zs = []
    for name, dims in (
        ("deals", ("channel", "segment", "product")),
        ("bookings", ("channel", "segment", "product")),
        ("entered", ("channel", "segment", "stage")),
        ("open", ("stage",)),
    ):
        for q, label in enumerate(labels):
            block = data[name].sel(quarter=label)
            for key in itertools.product(*(data[dim].values for dim in dims)):
                ours = block.sel(dict(zip(dims, key, strict=True))).values.astype(float)
                theirs = np.array([getattr(r, name)[q, *key] for r in records], dtype=float)
                error = (ours.var() / len(ours) + theirs.var() / len(theirs)) ** 0.5
                difference = ours.mean() - theirs.mean()
                if error == 0.0:
                    assert difference == 0.0
                elif min(np.count_nonzero(ours) / 10, np.count_nonzero(theirs)) >= 20:
                    zs.append(difference / error)
    assert len(zs) > 40
    assert max(map(abs, zs)) < bound(len(zs) * len(CASES))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("detail", ["journey", "outcome"])
def test_closed_form_agrees(case, detail):
    given = opened(*case)
    data = futures(*case) if detail == "journey" else simulate(given, runs=RUNS, detail=detail)
    means = closed_form(given).means
    names = [n for n in means._fields if n in data and n not in ("leads", "spend", "open")]
    zs = []
    for name in names:
        exact = getattr(means, name)[0].ravel()
        ours = data[name].values.reshape(RUNS, -1)
        zs += [z_mean(ours[:, i], exact[i]) for i in range(len(exact)) if exact[i] * RUNS > 100]
    if detail == "journey":
        exact = means.open[0].sum(axis=1)
        ours = data.open.values[:, :, : exact.shape[1]]
        zs += [z_mean(ours[:, q, j], exact[q, j]) for q, j in np.ndindex(exact.shape)]
    assert len(zs) > 20
    assert max(map(abs, zs)) < bound(len(zs) * 2 * len(CASES))


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_lost_from_sight(case):
    """In every run all leads and open deals are won, lost or open at the end."""
    data = futures(*case)
    ended = data.entered.sel(stage=["won", "lost"]).sum(["quarter", "channel", "segment", "stage"])
    still = data.open.isel(quarter=-1).sum("stage")
    begun = data.leads.sum(["quarter", "channel", "segment"]) + len(DEALS)
    assert bool((begun == ended + still).all())
    assert bool((data.pipeline_deals <= data.deals).all())
    assert int(data.open.min()) == 0


CHANCES = (0.1, 0.25, 0.5, 0.9, 0.3, 0.65, 0.05, 0.75, 0.4, 0.2, 0.55, 0.35)


def test_bookings_of_twelve_deals_have_their_exact_law():
    """All 2^12 subsets of deals with chances and amounts of their own."""
    text = (
        HEAD + "channels: {web: {leads: {mean: 0, per: month}}}\n" + JOURNEYS["certain"] + PRODUCTS
    )
    rows = [
        {"stage": "lead", "probability": p, "amount": i % 4 + 1, "close_period": 1}
        for i, p in enumerate(CHANCES)
    ]
    data = simulate(with_deals(scenario(text), rows), runs=RUNS, seed=1, detail="outcome")
    law = np.ones(1)
    for i, p in enumerate(CHANCES):
        law = np.convolve(law, np.concatenate([[1 - p], np.zeros(i % 4), [p]]))
    seen = data.bookings.values.reshape(RUNS, -1).sum(axis=1).astype(int)
    counts = np.bincount(seen, minlength=len(law))
    worst = min(stats.binomtest(int(k), RUNS, p).pvalue for k, p in zip(counts, law, strict=True))
    assert worst * len(law) > 1e-6
    kept = law * RUNS > 30
    found = stats.chisquare(counts[kept], law[kept] / law[kept].sum() * counts[kept].sum())
    assert found.pvalue > 1e-6


def test_deals_are_independent():
    """Of two deals with chances of their own both are won with the product."""
    text = (
        HEAD + "channels: {web: {leads: {mean: 0, per: month}}}\n" + JOURNEYS["certain"] + PRODUCTS
    )
    rows = [{"probability": 0.5, "close_period": 0, "amount": 2**i} for i in range(5)]
    data = simulate(with_deals(scenario(text), rows), runs=RUNS, seed=2, detail="outcome")
    which = Counter(data.bookings.values.reshape(RUNS, -1).sum(axis=1).astype(int).tolist())
    assert stats.chisquare([which[i] for i in range(32)]).pvalue > 1e-6


def won_chance(journey: str, **deal) -> float:
    """The closed-form chance that a deal is won within ten years."""
    text = HEAD.replace("4 quarters", "40 quarters").replace("month\n", "month\n")
    text += "channels: {web: {leads: {mean: 0, per: month}}}\n" + f"journey: {journey}\n"
    means = closed_form(with_deals(scenario(text), [deal])).means
    return float(means.pipeline_deals.sum())


def test_an_old_deal_is_won_as_a_mixture_of_the_cured_says():
    lag = build("lognormal", {"mean": 60.0, "cv": 1.0})
    journey = "{o: {won: {conversion: 30%, lag: {lognormal: {mean: 60 days, cv: 1}}}}}"
    for age in (1.0, 30.0, 150.0, 700.0):
        longer = 0.3 * (1.0 - lag.cdf(np.array([age]))[0])
        found = won_chance(journey, age_days=age, age_periods=int(age // 30) + 1)
        assert found == pytest.approx(longer / (longer + 0.7), rel=1e-4)  # ten years only


def test_competing_risks_share_what_is_left():
    journey = (
        "{o: {won: {conversion: 30%, lag: {weibull: {mean: 60 days, cv: 1}}},"
        " lost: {lag: {weibull: {mean: 120 days, cv: 1}}}}}"
    )
    won, lost = 0.3 * np.exp(-90 / 60), 0.7 * np.exp(-90 / 120)
    found = won_chance(journey, age_days=90.0, age_periods=3)
    assert found == pytest.approx(won / (won + lost), rel=1e-7)


def test_whole_periods_move_on_from_where_they_are():
    journey = "{o: {won: {conversion: 40%, lag: {periods: {1: 50%, 4: 50%}}}}}"
    found = won_chance(journey, age_days=70.0, age_periods=3)
    assert found == pytest.approx(0.2 / (0.2 + 0.6), rel=1e-12)
    assert won_chance(journey, age_days=170.0, age_periods=5) == 0.0


def test_a_deal_of_known_chance_is_won_with_it():
    """By the model's ways: through all stages, loops included (Doob's h-transform)."""
    journey = (
        "{lead: {o: {conversion: 20%, lag: 20 days}, lead: {conversion: 30%, lag: 1 month}},"
        " o: {won: {conversion: 30%, lag: 2 months}, lead: {conversion: 20%, lag: 1 month}}}"
    )
    found = won_chance(journey, stage="lead", probability=0.37)
    assert found == pytest.approx(0.37, rel=1e-6)
    # h(lead) = 0.2 h(o) + 0.3 h(lead), h(o) = 0.3 + 0.2 h(lead)
    hope = np.linalg.solve([[0.7, -0.2], [-0.2, 1.0]], [0.0, 0.3])
    found = won_chance(journey, stage="lead", age_days=5.0, age_periods=1, close_period=3)
    assert found == pytest.approx(hope[0], rel=1e-9)


@jit(entry=True)
def beyond(laws, law, x):
    return ages.beyond(laws, law, x)


FAMILIES = [
    ("lognormal", {"mean": 60.0, "cv": 0.8}),
    ("lognormal", {"mean": 60.0, "cv": 0.05}),
    ("gamma", {"mean": 90.0, "cv": 0.5}),
    ("gamma", {"mean": 30.0, "cv": 1.4}),
    ("weibull", {"mean": 45.0, "cv": 0.6}),
    ("uniform", {"low": 30.0, "high": 90.0}),
    ("pert", {"low": 10.0, "mode": 30.0, "high": 90.0}),
    ("triangular", {"low": 10.0, "mode": 30.0, "high": 90.0}),
]


@pytest.mark.parametrize(("name", "parameters"), FAMILIES)
def test_laws_are_those_of_the_families(name, parameters):
    """As exact as smooth families allow; a kink costs a little beside it."""
    family = build(name, parameters)
    laws = make_laws([None, family])
    days = np.random.default_rng(1).uniform(0.0, 300.0, 4_000)
    found = np.array([beyond(laws, 1, x) for x in days])
    off = np.abs(found - (1.0 - family.cdf(days)))
    tolerance = 1e-10 if name in ("lognormal", "gamma", "weibull") else 1e-5
    assert off.max() < tolerance


def test_laws_of_lists_and_periods_are_exact():
    laws = make_laws([build("fixed", {"value": 30.0}), Periods(((1, 0.25), (4, 0.75)))])
    assert [beyond(laws, 0, x) for x in (29.999, 30.0, 31.0)] == [1.0, 0.0, 0.0]
    assert [beyond(laws, 1, x) for x in (0.5, 1.5, 3.5, 4.5)] == [1.0, 0.75, 0.75, 0.0]
