"""Open deals together with what else a scenario may have, against plain Python and closed forms."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache

import numpy as np
import pytest
from helpers import bound, closed_form, scenario, z_covariance, z_mean
from open_deals import naive_runs, with_deals

from forecast.engine.dataset import as_dataset, simulate
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator

RUNS = 20_000
NAIVE_RUNS = 800
HEAD = """
name: Together
start: 2027-01-01
horizon: 4 quarters
channels: {web: {leads: {mean: 2, per: month}}, fair: {leads: {mean: 1, per: month}}}
"""
JOURNEY = """
journey:
  lead:
    opportunity: {conversion: 50%, lag: {lognormal: {mean: 1 month, cv: 0.8}}}
  opportunity:
    won: {conversion: {beta: {won: 20, lost: 20}}, lag: {gamma: {mean: 2 months, cv: 0.5}}}
    lost: {share_of_rest: 50%, lag: {uniform: {low: 1 month, high: 6 months}}}
"""
PRODUCTS = "products: {a: {mix: 50%, size: 10k}, b: {mix: 50%, size: 20k}}\n"
RECURRING = """
products:
  a:
    mix: 50%
    size: 100
    recurring: {every: month, churn: 8% per month, expansion: 2% per month, term: 2 months}
  b:
    mix: 30%
    size: 900
    recurring: {every: quarter, churn: {amount: {beta: {won: 3, lost: 9}}, per: quarter}}
  c: {mix: 20%, size: 50}
changes: [{from: 2027-07-01, set: {products.a.recurring.churn: 30% per month}}]
"""
REFERRAL = """
referral:
  leads: 0.1 per month
  during: 8 months
  lag: {gamma: {mean: 1 month, cv: 0.5}}
  channel: fair
  existing: 5
changes: [{from: 2027-07-01, set: {referral.leads: 0.15 per month}}]
"""
WORKED = "cost: {worked: {lead: 5, opportunity: 70}}"
COSTS = HEAD.replace("month}}", "month}, " + WORKED + "}")
CAPACITY = """
capacity:
  lead: {follow_up: 80%}
  opportunity: {per_period: 1.2, waiting: {give_up: 25% per month}, follow_up: 90%}
"""
FOLLOWED = "capacity: {lead: {follow_up: 80%}, opportunity: {follow_up: 70%}}\n"
CLOSING = "closing: {month_of_quarter: [40%, 0, 200%]}\n"
UNSURE = "closing: {month_of_quarter: [1, 0.4, {gamma: {mean: 4, cv: 0.6}}]}\n"
TEXTS = {
    "recurring": HEAD + JOURNEY + RECURRING,
    "referral": HEAD + JOURNEY + PRODUCTS + REFERRAL,
    "capacity": COSTS + JOURNEY + PRODUCTS + CAPACITY,
    "followed": COSTS + JOURNEY + PRODUCTS + FOLLOWED,
    "closing": HEAD.replace("-01-01", "-02-11") + JOURNEY + PRODUCTS + CLOSING,
    "unsure closing": HEAD.replace("-01-01", "-02-11") + JOURNEY + PRODUCTS + UNSURE,
    "all": COSTS + JOURNEY + RECURRING + REFERRAL.split("changes")[0] + CAPACITY + UNSURE,
}
ROWS = [
    {"stage": "lead", "age_days": 10, "age_periods": 1, "amount": 1_000},
    {"stage": "lead", "amount": 300, "channel": "fair"},
    {"stage": "opportunity", "channel": "fair", "age_days": 40, "age_periods": 2, "product": "b"},
    {"stage": "opportunity", "age_days": 90, "age_periods": 3, "amount": 500},
    {"stage": "opportunity", "age_days": 90, "age_periods": 3, "amount": 700, "product": "b"},
    {"stage": "lead", "age_days": 20, "age_periods": 1, "amount": 600, "probability": 0.7},
    {"stage": "opportunity", "age_days": 35, "age_periods": 2, "probability": 0.6},
    {"stage": "opportunity", "age_days": 70, "age_periods": 3, "close_period": 4, "amount": 50},
    {"stage": "opportunity", "probability": 0.9, "close_period": 1, "close_days": 50},
    {"stage": "lead", "probability": 0.7, "close_period": 2, "close_days": 80, "close_cv": 0.8},
]
MANY = [{"stage": "opportunity", "age_days": 20 + i, "age_periods": 1} for i in range(30)]
# In the order in which they take their slots.
MORE = {
    "capacity": [
        *({"stage": "lead", "age_days": a, "age_periods": 1} for a in (2, 4, 6)),
        *({"stage": "lead", "age_days": a, "age_periods": 1, "channel": "fair"} for a in (3, 5)),
        {"stage": "lead", "age_days": 20, "age_periods": 1, "probability": 0.7},
        {"stage": "lead", "age_days": 30, "age_periods": 1, "probability": 0.7},
        {"stage": "opportunity", "age_days": 20, "age_periods": 1},
        {"stage": "opportunity", "age_days": 30, "age_periods": 1, "close_period": 3},
    ],
    "closing": MANY,
    "unsure closing": MANY,
}
CASES = list(TEXTS)


@cache
def opened(name: str):
    return with_deals(scenario(TEXTS[name]), MORE.get(name, ROWS))


@cache
def futures(name: str):
    return simulate(opened(name), runs=RUNS, seed=4)


@cache
def plain(name: str):
    return naive_runs(opened(name), NAIVE_RUNS, seed=9)


DIMS = {
    **dict.fromkeys(("deals", "bookings", "revenue"), ("channel", "segment", "product")),
    "leads": ("channel", "segment"),
    "entered": ("channel", "segment", "stage"),
    "spend": ("channel",),
    **dict.fromkeys(("open", "backlog", "worked", "waited", "given_up", "unworked"), ("stage",)),
}


def cells(name: str):
    """Each cell that both count, by run: (what, ours, theirs)."""
    data, records = futures(name), plain(name)
    for what, dims in DIMS.items():
        if what not in data:
            continue
        for q, label in enumerate(opened(name).calendar.quarters):
            block = data[what].sel(quarter=label)
            for key in itertools.product(*(data[dim].values for dim in dims)):
                ours = block.sel(dict(zip(dims, key, strict=True))).values.astype(float)
                theirs = np.array([getattr(r, what)[q, *key] for r in records], dtype=float)
                yield (what, label, *key), ours, theirs


def z_two(ours, theirs) -> float | None:
    """How many standard errors two means are apart; None where too little happens to tell."""
    error = (ours.var() / len(ours) + theirs.var() / len(theirs)) ** 0.5
    difference = ours.mean() - theirs.mean()
    if error < 1e-12 * abs(ours.mean()) + 1e-300:
        assert abs(difference) <= 1e-9 * abs(ours.mean())
        return None
    enough = min(np.count_nonzero(ours) / 10, np.count_nonzero(theirs)) >= 20
    return difference / error if enough else None


@pytest.mark.parametrize("name", CASES)
def test_plain_simulator_agrees(name):
    """Every cell's mean, and the covariances of all of a variable with all of another."""
    zs, totals = {}, {}
    for what, ours, theirs in cells(name):
        zs[what] = z_two(ours, theirs)
        one, other = totals.setdefault(what[:2], (np.zeros_like(ours), np.zeros_like(theirs)))
        one += ours
        other += theirs
    for a, b in itertools.combinations_with_replacement(totals, 2):
        if a[0] in ("deals", "revenue", "worked", "leads") and b[0] == a[0]:
            ours, theirs = (
                (totals[a][i] - totals[a][i].mean()) * (totals[b][i] - totals[b][i].mean())
                for i in range(2)
            )
            zs[a, b] = z_two(ours, theirs)
    found = {what: z for what, z in zs.items() if z is not None}
    assert len(found) > 40
    limit = bound(len(found) * len(CASES))
    assert {what: z for what, z in found.items() if abs(z) >= limit} == {}


@pytest.mark.parametrize("name", CASES)
def test_closed_form_agrees(name):
    given, data = opened(name), futures(name)
    means = closed_form(given).means
    zs = {}
    for what, array in means._asdict().items():
        if what not in data or array.size == 0:
            continue
        ours = data[what].values.astype(float)
        exact = array[0]
        if what in ("open", "unworked"):
            exact = exact.sum(axis=1)
            ours = ours[:, :, : exact.shape[1]]
        for place in np.ndindex(exact.shape):
            if np.isfinite(exact[place]) and np.count_nonzero(ours[:, *place]) > 100:
                zs[what, place] = z_mean(ours[:, *place], exact[place])
    if name == "all":  # customers won behind a limit bring leads: nothing is known
        assert all(np.isnan(means.leads).ravel())
        assert all(np.isnan(means.pipeline_deals).ravel())
        return
    assert len(zs) > 20
    limit = bound(len(zs) * len(CASES))
    assert {what: z for what, z in zs.items() if abs(z) >= limit} == {}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_from_sight(name):
    """In every run all leads and open deals are won, lost or open at the end."""
    data = futures(name)
    ended = data.entered.sel(stage=["won", "lost"]).sum(["quarter", "channel", "segment", "stage"])
    still = data.open.isel(quarter=-1).sum("stage")
    begun = data.leads.sum(["quarter", "channel", "segment"]) + len(MORE.get(name, ROWS))
    assert bool((begun == ended + still).all())
    assert bool((data.pipeline_deals <= data.deals).all())
    assert int(data.open.min()) == 0


@pytest.mark.parametrize("name", CASES)
def test_slices_threads_and_first_runs(name):
    given, data = opened(name), futures(name)
    simulator = Simulator(make_blueprint(given), 4)
    for first, end in itertools.pairwise((0, 1, 130, 259, 600)):
        rows = simulator.empty(end - first)
        simulator.into(first, rows)
        for field, array in rows._asdict().items():
            if field in data and array.size:
                assert np.array_equal(array, data[field].values[first:end]), field
    one = as_dataset(simulator, simulator.whole(600, 1), {})
    assert all(np.array_equal(one[n], data[n].isel(run=slice(0, 600))) for n in one.data_vars)


def test_amounts_are_the_bookings_and_customers_stay():
    """One deal that is surely won in the first period: means and covariances of its revenue."""
    text = HEAD.replace("mean: 2", "mean: 0").replace("mean: 1,", "mean: 0,") + JOURNEY
    text += "products: {a: {size: 10, recurring: {every: month, churn: 10% per month}}}\n"
    row = {"stage": "opportunity", "probability": 1.0, "close_period": 0, "amount": 100}
    given = per_month(with_deals(scenario(text), [row]))
    data = simulate(given, runs=RUNS, seed=3, detail="outcome")
    assert float(data.bookings.sum()) == 100 * RUNS
    stay = 0.9 ** np.arange(12)
    revenue = data.revenue.sum(["channel", "segment", "product"]).values
    exact = closed_form(given).means.revenue[0].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(exact, 100 * stay, rtol=1e-12)
    for k in range(1, 12):
        assert abs(z_mean(revenue[:, k], 100 * stay[k])) < bound(200)
        for later in range(k, 12):
            exact = 100**2 * (stay[later] - stay[k] * stay[later])
            means = 100 * stay[k], 100 * stay[later]
            z = z_covariance(revenue[:, k], revenue[:, later], means, exact)
            assert abs(z) < bound(200)


def per_month(whole):
    """Report every month by itself, the deals kept."""
    periods = range(whole.calendar.periods)
    labels = tuple(f"p{t}" for t in periods)
    calendar = dataclasses.replace(whole.calendar, quarter_of=tuple(periods), quarters=labels)
    return dataclasses.replace(whole, calendar=calendar)


@pytest.mark.parametrize("name", ["recurring", "followed"])
def test_a_further_deal_leaves_the_others_alone(name):
    """All that comes of deals is the sum of what comes of each."""
    rows = [{**row, "id": f"D-{i}"} for i, row in enumerate(ROWS)]
    bare = dataclasses.replace(opened(name), pipeline=None)
    parts = [rows, rows[:4] + rows[5:], [rows[4]], []]
    whole, rest, alone, none = (simulate(with_deals(bare, p), runs=300, seed=3) for p in parts)
    for what in ("deals", "entered", "open", "bookings", "revenue"):
        np.testing.assert_allclose(whole[what] + none[what], rest[what] + alone[what], rtol=1e-12)
