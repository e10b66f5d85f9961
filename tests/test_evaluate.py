"""A plan against what came: causes by hand, quantiles from closed forms, sums that are exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import invoke
from helpers import scenario
from scipy import stats

import forecast
from forecast.analysis.actuals import Actuals, QuarterActuals, read_actuals
from forecast.analysis.evaluate import LUCK, as_dataset, evaluate, verdict
from forecast.analysis.posterior import update
from forecast.analysis.realised import Realised
from forecast.analysis.rewrite import rewrite, scale_conversions, times
from forecast.engine.request import RequestError
from forecast.scenario.errors import ScenarioError

LEAN = """
name: Lean
start: 2027-01-01
horizon: 2 quarters
channels:
  list: {leads: {fixed: [34], per: quarter, then: zero}}
journey:
  opportunity: {won: {conversion: 30%}}
products:
  one: {size: {lognormal: {mean: 75k, cv: 1}}}
"""
TWO = """
name: Two channels
start: 2027-01-01
horizon: 3 quarters
channels:
  web: {leads: {mean: 100, per: month}}
  fair:
    leads: {mean: 50, per: month}
    journey: {opportunity: {won: {conversion: 40%}}}
journey:
  lead: {opportunity: {conversion: 50%}}
  opportunity: {won: {conversion: 20%}}
changes:
  - {from: 2027-02-01, set: {journey.lead.opportunity.conversion: 50%}}
products:
  small: {mix: 75%, size: 10k}
  large: {mix: 25%, size: 50k}
"""


def quarter(**told) -> Actuals:
    """Actuals of the first quarter."""
    return Actuals({"2027Q1": QuarterActuals(**told)})


def effects(found):
    return {cause.name: cause.effect for cause in found.causes}


def test_volume_and_close_ratio_share_what_they_do_together():
    found = evaluate(scenario(LEAN), quarter(leads=40.0, deals=8.0), runs=200)
    assert (found.planned, found.actual) == (pytest.approx(10.2), 8.0)
    # 34 x 30% = 10.2; 40 x 30% = 12; 34 x 20% = 6.8; 40 x 20% = 8: means over both orders.
    assert effects(found) == pytest.approx(
        {"lead volume": 1.5, "close ratio": -3.7, LUCK: 0.0}, abs=1e-9
    )
    assert sum(effects(found).values()) == pytest.approx(found.total, abs=1e-12)
    assert found.untold == ("mix", "criteria", "follow-up", "cycle time", "deal size")


def test_what_came_as_planned_has_no_cause():
    actuals = quarter(
        leads={"web": 300.0, "fair": 150.0},
        entered={"opportunity": 225.0},
        deals={"small": 45.0, "large": 15.0},
        bookings={"small": 450e3, "large": 750e3},
    )
    found = evaluate(scenario(TWO), actuals, metric="bookings", runs=200)
    assert found.planned == pytest.approx(1.2e6)
    assert max(map(abs, effects(found).values())) < 1e-5
    assert verdict(found) == "As planned." or "within luck" in verdict(found)


def test_a_mix_of_channels_and_products_counts_by_what_each_brings():
    actuals = quarter(leads={"web": 150.0, "fair": 300.0}, deals=75.0)
    found = evaluate(scenario(TWO), actuals, runs=200)
    # The planned mix brings 60 deals, this one 150 x 10% + 300 x 20% = 75.
    assert effects(found) == pytest.approx(
        {"lead volume": 0.0, "mix": 15.0, "close ratio": 0.0, LUCK: 0.0}, abs=1e-6
    )
    bought = quarter(deals={"small": 30.0, "large": 30.0}, bookings=1.8e6)
    money = effects(evaluate(scenario(TWO), bought, metric="bookings", runs=200))
    # Half of 60 deals are large: 60 x 30k in place of 60 x 20k.
    assert money["mix"] == pytest.approx(600e3)
    assert money["deal size"] == pytest.approx(0.0, abs=1e-6)


def test_criteria_and_prices_by_hand():
    actuals = quarter(leads=450.0, entered={"opportunity": 180.0}, deals=48.0, bookings=1.2e6)
    found = evaluate(scenario(TWO), actuals, metric="bookings", runs=200)
    # 180 of 225 opportunities, of which as many are won as planned, at 25k in place of 20k:
    # criteria x 0.8 and size x 1.25 of 1.2M, shared by Shapley.
    assert effects(found)["criteria"] == pytest.approx(-0.5 * (0.24e6 + 0.3e6))
    assert effects(found)["deal size"] == pytest.approx(0.5 * (0.3e6 + 0.24e6))
    assert effects(found)["close ratio"] == pytest.approx(0.0, abs=1e-6)


def test_quantiles_are_those_of_the_closed_form():
    found = evaluate(scenario(LEAN), quarter(leads=34.0, deals=6.0), runs=20_000)
    law = stats.binom(34, 0.3)
    exact = law.cdf(5) + 0.5 * law.pmf(6)
    error = 5 * np.sqrt(exact * (1 - exact) / 20_000)
    close = next(cause for cause in found.causes if cause.name == "close ratio")
    assert found.quantile == pytest.approx(exact, abs=error)
    assert close.quantile == pytest.approx(exact, abs=error)
    assert (close.actual, close.planned) == (pytest.approx(6 / 34), pytest.approx(0.3))
    volume = found.causes[0]
    assert volume.quantile is None  # 34 are certain, and came


def test_verdicts_name_what_is_odd_and_nothing_else():
    within = evaluate(scenario(LEAN), quarter(leads=34.0, deals=8.0), runs=5_000)
    assert verdict(within).startswith("The miss is within luck: 2")
    assert "planned" not in verdict(within)
    beyond = evaluate(scenario(LEAN), quarter(leads=34.0, deals=2.0), runs=5_000)
    assert verdict(beyond).startswith("The miss is more than luck")
    assert "close ratio 5.9% against 30.0% planned" in verdict(beyond)
    better = evaluate(scenario(LEAN), quarter(leads=34.0, deals=12.0), runs=5_000)
    assert verdict(better).startswith("The beat is within luck")


def test_rates_are_those_that_the_plan_writes():
    slow = scenario(
        TWO.replace("journey: {opportunity: {won: {conversion: 40%}}}", ""),
        journey__opportunity__won__lag="30 days",
    )
    told = quarter(leads=450.0, entered={"opportunity": 180.0}, deals=16.0)
    found = evaluate(slow, told, runs=500)
    rates = {c.name: (c.actual, c.planned) for c in found.causes}
    assert rates["criteria"] == (pytest.approx(0.4), 0.5)
    # A month after they enter 20% are won, so what two of three months bring is to be expected.
    assert rates["close ratio"] == (pytest.approx(0.2 * 16 / (180 * 0.2 * 2 / 3), rel=0.02), 0.2)
    mixed = evaluate(scenario(TWO), told, runs=500)  # 20% of one channel and 40% of the other
    close = next(c for c in mixed.causes if c.name == "close ratio")
    assert (close.actual, close.planned) == (pytest.approx(16 / 180), pytest.approx(60 / 225))


def test_what_makes_most_of_a_miss_is_named():
    told = quarter(leads=420.0, entered={"opportunity": 212.0}, deals=44.0)
    found = evaluate(scenario(TWO), told, runs=5_000)
    assert verdict(found).startswith("The miss is hardly within luck: 1% of such plans do worse")
    assert ", mostly by close ratio 20.8% against 26.7%" in verdict(found)
    tiny = evaluate(scenario(TWO), quarter(leads=450.0, deals=10.0), runs=2_000)
    assert "less than 1 in 10,000 of such plans do worse" in verdict(tiny)


def test_what_chance_alone_does_is_called_luck_and_what_changed_is_named():
    plan, rng = scenario(LEAN.replace("34", "200")), np.random.default_rng(1)
    said = {0.3: [], 0.15: []}
    for rate, found in said.items():
        for deals in rng.binomial(200, rate, 30):
            told = quarter(leads=200.0, deals=float(deals))
            found.append(verdict(evaluate(plan, told, runs=2_000)))
    # One in ten lies in a tail of 5% on either side, one in fifty in one of 1%.
    assert sum(" more than luck (" in each for each in said[0.3]) <= 4
    assert sum("is within luck" in each or each == "As planned." for each in said[0.3]) >= 20
    assert all(" more than luck (" in each and "close ratio" in each for each in said[0.15])


def test_more_than_could_come_is_left_to_luck():
    found = evaluate(scenario(LEAN), quarter(leads=5.0, deals=8.0), runs=200)
    assert effects(found)[LUCK] == pytest.approx(3.0, abs=1e-3)
    assert sum(effects(found).values()) == pytest.approx(found.total)


def test_a_longer_cycle_takes_deals_out_of_the_quarter():
    plan = scenario(LEAN, journey__opportunity__won__lag="{periods: {0: 1}}")
    longer = Actuals(quarter(leads=34.0, deals=10.0).quarters, {("opportunity", "won"): 30.4375})
    found = evaluate(plan, longer, runs=2_000)
    assert effects(found)["cycle time"] < -2
    assert effects(found)["close ratio"] > 2
    assert sum(effects(found).values()) == pytest.approx(found.total)


def test_a_limit_is_simulated():
    plan = scenario(TWO, capacity="{opportunity: {per_period: 90, follow_up: 95%}}")
    told = quarter(leads=450.0, followed_up={"opportunity": 0.8}, deals=24.0)
    found = evaluate(plan, told, runs=500)
    assert effects(found)["follow-up"] < 0
    follow_up = next(cause for cause in found.causes if cause.name == "follow-up")
    assert follow_up.quantile < 0.01
    assert sum(effects(found).values()) == pytest.approx(found.total)


def test_later_quarters_stand_on_those_before():
    quarters = {
        "2027Q1": QuarterActuals(leads=450.0, deals=60.0),
        "2027Q2": QuarterActuals(leads=300.0, deals=50.0),
    }
    found = evaluate(scenario(TWO), Actuals(quarters), quarters=["2027Q2"], runs=200)
    assert (found.planned, found.actual) == (pytest.approx(60.0), 50.0)
    assert sum(effects(found).values()) == pytest.approx(-10.0)


def test_every_place_of_a_conversion_is_scaled():
    from forecast.analysis.levers import document_of

    document = scale_conversions(document_of(scenario(TWO)), "won", 0.5)
    assert document["journey"]["opportunity"]["won"]["conversion"] == "0.1"
    assert document["channels"]["fair"]["journey"]["opportunity"]["won"]["conversion"] == "0.2"
    changed = scale_conversions(document, "opportunity", 0.5)["changes"][0]["set"]
    assert changed["journey.lead.opportunity.conversion"] == "0.25"
    counted = scenario(
        LEAN, journey__opportunity="{dirichlet: {won: 6, lost: 14}, won: {lag: 1 month}}"
    )
    counts = scale_conversions(document_of(counted), "won", 0.5)["journey"]["opportunity"]
    assert {key: float(n) for key, n in counts["dirichlet"].items()} == {"won": 3, "lost": 17}
    sizes = rewrite(document, ("products", "*", "size"), times(2.0))["products"]
    assert [product["size"] for product in sizes.values()] == ["20000", "100000"]


def test_assumptions_learn_as_conjugate_laws_do():
    plan = scenario(
        LEAN,
        journey__opportunity__won__conversion="{beta: {won: 6, lost: 14}}",
        channels__list="{leads: {mean: {gamma: {mean: 30, cv: 0.3}}, per: quarter}}",
    )
    found = update(Realised(plan, quarter(leads=40.0, deals=8.0)))
    by_path = {each.path: each for each in found.updates}
    law = stats.beta(6 + 8, 14 + 32)
    won = by_path["journey.opportunity.won.conversion"]
    noise = 5 / np.sqrt(found.worth)
    assert won.after[0] == pytest.approx(law.mean(), abs=noise * law.std())
    assert won.after[1] == pytest.approx(law.std(), rel=noise)
    shape, rate = 1 / 0.09 + 40, 1 / (30 * 0.09) + 1
    leads = by_path["channels.list.leads.mean"]
    assert leads.after[0] == pytest.approx(shape / rate, abs=noise * shape**0.5 / rate)
    assert leads.after[1] == pytest.approx(shape**0.5 / rate, rel=noise)
    assert found.scenario.calendar == plan.calendar
    assert found.scenario.name == "Lean, updated"


@pytest.mark.parametrize(
    ("planned", "leads", "deals"), [(1_000, 1_500.0, 700.0), (100_000, 90_000.0, 20_000.0)]
)
def test_many_cases_leave_little_of_what_was_not_known(planned, leads, deals):
    mean = f"{{gamma: {{mean: {planned}, cv: 0.3}}}}"
    plan = scenario(
        LEAN,
        journey__opportunity__won__conversion="{beta: {won: 6, lost: 14}}",
        channels__list=f"{{leads: {{mean: {mean}, per: quarter}}}}",
    )
    found = update(Realised(plan, quarter(leads=leads, deals=deals)))
    by_path = {each.path: each.after for each in found.updates}
    law = stats.beta(6 + deals, 14 + leads - deals)
    noise = 5 / np.sqrt(found.worth)
    mean, sd = by_path["journey.opportunity.won.conversion"]
    assert mean == pytest.approx(law.mean(), abs=noise * law.std())
    assert sd == pytest.approx(law.std(), rel=noise)
    shape, rate = 1 / 0.09 + leads, 1 / (planned * 0.09) + 1
    mean, sd = by_path["channels.list.leads.mean"]
    assert mean == pytest.approx(shape / rate, abs=noise * shape**0.5 / rate)
    assert sd == pytest.approx(shape**0.5 / rate, rel=noise)
    assert found.worth > 2_000


def test_what_the_plan_hardly_allows_is_as_near_as_it_gets():
    plan = scenario(LEAN, journey__opportunity__won__conversion="{uniform: {low: 10%, high: 20%}}")
    told = quarter(leads=34.0, deals=0.0)
    assert 0.1 < update(Realised(plan, told)).updates[0].after[0] < 0.15
    few = scenario(LEAN, channels__list="{leads: {mean: {uniform: {low: 1, high: 2}}, per: year}}")
    found = update(Realised(few, quarter(leads=1_000.0)))
    assert found.updates[0].after[0] == pytest.approx(2.0, rel=0.01)
    assert found.scenario
    never = scenario(LEAN, journey__opportunity__won__conversion="{values: {0: 50%, 0.5: 50%}}")
    sure = update(Realised(never, quarter(leads=34.0, deals=17.0)))
    assert sure.updates[0].after[0] == pytest.approx(0.5)


def test_a_certain_plan_learns_nothing():
    with pytest.raises(RequestError, match="some uncertain ones"):
        update(Realised(scenario(LEAN), quarter(leads=40.0, deals=8.0)))


def test_a_dataset_has_the_dim_cause():
    found = evaluate(scenario(LEAN), quarter(leads=40.0, deals=8.0), runs=200)
    data = as_dataset(found)
    assert list(data["cause"].values) == ["lead volume", "close ratio", "luck"]
    assert float(data["effect"].sum()) == pytest.approx(data.attrs["total"])


BAD = """
quarters:
  2027Q2: {leads: {shop: 3}, entered: {oportunity: 3}, deals: 2.5}
lags: {opportunity: {lost to: 3 days}}
"""


def test_every_fault_of_the_actuals_is_told(tmp_path):
    path = tmp_path / "actuals.yaml"
    path.write_text(BAD.replace("2.5", "2"))
    with pytest.raises(ScenarioError) as caught:
        read_actuals(path, scenario(TWO))
    told = str(caught.value)
    assert "actuals.yaml:3: quarters.2027Q2.leads.shop: got shop; must be a channel" in told
    assert "Did you mean opportunity?" in told
    assert "all quarters from 2027Q1" in told
    assert "a way out of opportunity" in told
    path.write_text(BAD)
    with pytest.raises(ScenarioError, match=r"deals: got 2\.5; must be a number of deals from 0"):
        read_actuals(path, scenario(TWO))


def test_what_is_not_told_is_refused():
    with pytest.raises(RequestError, match="Add bookings to 2027Q1"):
        evaluate(scenario(LEAN), quarter(deals=3.0), metric="bookings")
    with pytest.raises(RequestError, match="got 2027Q2; must be one of the actuals"):
        evaluate(scenario(LEAN), quarter(deals=3.0), quarters=["2027Q2"])


def test_the_command(tmp_path):
    plan, actuals, new = (tmp_path / name for name in ("plan.yaml", "actuals.yaml", "new.yaml"))
    plan.write_text(LEAN.replace("conversion: 30%", "conversion: {beta: {won: 6, lost: 14}}"))
    actuals.write_text("quarters:\n  2027Q1: {leads: 34, deals: 4, bookings: 280k}\n")
    told = invoke("evaluate", str(plan), str(actuals), "--updated", str(new))
    assert told.exit_code == 0, told.output
    assert "Planned 10.2, came 4: -6.20" in told.output
    assert "close ratio" in told.output
    assert forecast.read_scenario(new).name == "Lean, updated"
    again = invoke("evaluate", str(plan), str(actuals), "--updated", str(new))
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    found = json.loads(invoke("evaluate", str(plan), str(actuals), "--json").output)
    assert found["total"] == pytest.approx(sum(c["effect"] for c in found["causes"]))
    assert {"cause", "effect", "quantile"} <= set(found["causes"][0])
    assert found["verdict"]
