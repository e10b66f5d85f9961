"""What customers are worth and cost, by channel: exact cases, laws, and the same for any slices."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray
from click.testing import CliRunner
from helpers import bound, exactly, scenario, z_mean, z_moment

import forecast
from forecast.analysis.customers import describe_runs
from forecast.analysis.summary import summarize
from forecast.cli.group import cli
from forecast.engine import customers
from forecast.engine.run import forecast_run

COMPARISONS = 60
RUNS = 20_000
FIGURES = ("cac", "return_on_spend", "payback_months", "ltv_to_cac")

FIXED = """
name: Fixed
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {fixed: [10], per: month, then: zero}, cost: {per_lead: 150}}
  free: {leads: {fixed: [10], per: month, then: zero}}
  idle: {leads: {fixed: [0], per: month, then: zero}, cost: {fixed: 100 per month}}
journey: {lead: {won: {conversion: 100%}}}
products:
  plan:
    size: 100
    recurring: {every: month, churn: 3% per month, discount: 1% per month, margin: 50%}
"""


def run(text: str, runs: int = RUNS, seed: int = 1):
    """The outcome of a scenario's text."""
    return forecast_run(scenario(text), runs=runs, seed=seed)


def entry(outcome, channel: str, product: str = "all"):
    """The entry of the customers of a channel and product."""
    (found,) = (
        each
        for each in summarize(outcome)["customers"]
        if (each["channel"], each["product"]) == (channel, product)
    )
    return found


@pytest.fixture(scope="module")
def fixed():
    return run(FIXED)


def test_a_customer_of_100_a_month_is_worth_2525(fixed) -> None:
    for product in ("plan", "all"):
        assert entry(fixed, "web", product)["ltv"]["expected"] == exactly(2_525 / 2)
    assert entry(run(FIXED.replace(", margin: 50%", ""), 10), "web")["ltv"]["expected"] == exactly(
        2_525.0
    )


def test_a_lifetime_value_has_its_exact_mean_and_deviation(fixed) -> None:
    # value = 50 (1 - q**L) / (1 - q), q = 1/1.01, L geometric with P(L > k) = 0.97**k
    q = 1 / 1.01

    def moment(power: int) -> float:
        return 0.03 * q**power / (1 - 0.97 * q**power)

    variance = (50 / (1 - q)) ** 2 * (moment(2) - moment(1) ** 2)
    values = fixed.customers.ltv[:, 0, 0]
    assert abs(z_mean(values, 1_262.5)) < bound(COMPARISONS)
    assert abs(z_moment(values, 1_262.5, 2, variance)) < bound(COMPARISONS)
    said = entry(fixed, "web")["ltv"]
    assert said["sd"] == pytest.approx(np.sqrt(variance), rel=0.03)
    assert said["standard_error"] == exactly(said["sd"] / RUNS**0.5)
    assert not np.array_equal(fixed.customers.ltv[:, 0, 0], fixed.customers.ltv[:, 1, 0])


def test_costs_are_those_of_the_channel(fixed) -> None:
    web = entry(fixed, "web")
    assert web["cac"]["mean"] == exactly(150.0)
    assert web["ltv_to_cac"]["mean"] == exactly(1_262.5 / 150)
    # 50 a month, 97% of it in the second month, ...: 150 = 50 + 48.5 + 47.045 + 4.455
    assert web["payback_months"]["mean"] == exactly(3 + 4.455 / (50 * 0.97**3))
    stays = [np.mean(sum(0.97**n for n in range(12)))]
    found = fixed.customers.figures["return_on_spend"][:, 0]
    assert abs(z_mean(found, 10 * 50 * stays[0] / 1_500)) < bound(COMPARISONS)
    revenue = fixed.totals["revenue"].sum(axis=1)
    free = fixed.customers.figures["return_on_spend"][:, 1]
    assert np.all(np.isinf(free))
    assert np.all(found * 1_500 / 0.5 < revenue)


def test_what_costs_nothing_or_wins_nothing_has_no_figure(fixed) -> None:
    free, idle = entry(fixed, "free"), entry(fixed, "idle")
    assert free["cac"]["mean"] == free["payback_months"]["p90"] == 0.0
    for name in ("return_on_spend", "ltv_to_cac"):
        assert free[name]["mean"] is free[name]["p50"] is None
        assert free[name]["without"] == 1.0
    assert idle["cac"]["mean"] is None
    assert idle["cac"]["without"] == 1.0
    assert idle["return_on_spend"]["mean"] == 0.0
    assert idle["ltv"]["expected"] == 0.0
    json.dumps(summarize(fixed), allow_nan=False)


def test_figures_that_not_all_runs_have() -> None:
    found = describe_runs(np.array([4.0, 2.0, np.inf, np.nan, np.inf]))
    assert (found["mean"], found["p10"], found["p90"]) == (3.0, 2.0, None)
    assert found["sd"] == exactly(2**0.5)
    assert found["standard_error"] == exactly(1.0)
    assert found["without"] == exactly(0.6)


MIXED = """
name: Mixed
start: 2027-01-01
horizon: 4 quarters
channels:
  web:
    leads: {mean: {gamma: {mean: 30, cv: 0.3}}, per: month}
    cost: {fixed: 1_000 per month, per_lead: {gamma: {mean: 20, cv: 0.3}}}
  fair: {leads: {mean: 4, per: month}, cost: {fixed: 500 per month}}
segments:
  small: {share: 80%}
  large: {share: 20%, products: {plan: {size: 900}}}
journey: {lead: {won: {conversion: {beta: {won: 20, lost: 40}}}}}
products:
  plan:
    mix: 70%
    size: {lognormal: {mean: {lognormal: {mean: 300, cv: 0.2}}, cv: 0.7}}
    margin: {beta: {won: 70, lost: 30}}
    recurring:
      every: quarter
      churn: {amount: {beta: {won: 30, lost: 270}}, per: quarter}
      discount: 8% per year
  setup: {mix: 30%, size: {gamma: {mean: 500, cv: 0.5}}, margin: 40%}
"""


@pytest.fixture(scope="module")
def mixed():
    return run(MIXED)


def test_each_run_has_its_own_quotient(mixed) -> None:
    data = forecast.simulate(mixed.scenario, runs=RUNS, seed=1)
    won = data.deals.sum(["quarter", "segment", "product"]).values
    spend = data.spend.sum("quarter").values
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(mixed.customers.figures["cac"], spend / won)
    margin = data.assumption.values[:, list(data.path.values).index("products.plan.margin")]
    brought = data.revenue.sum(["quarter", "segment"])
    earned = brought.sel(product="plan") * margin[:, None] + 0.4 * brought.sel(product="setup")
    found = mixed.customers.figures["return_on_spend"]
    np.testing.assert_allclose(found, earned.values / spend, rtol=1e-9)
    web = entry(mixed, "web")["cac"]
    assert web["mean"] == exactly((spend / won)[:, 0].mean())  # no quotient of means
    assert abs(web["mean"] - spend[:, 0].mean() / won[:, 0].mean()) > 5 * web["standard_error"]


def test_lifetime_values_mix_segments_and_products(mixed) -> None:
    data = forecast.simulate(mixed.scenario, runs=RUNS, seed=1)
    paths = list(data.path.values)

    def drawn(path: str) -> np.ndarray:
        return data.assumption.values[:, paths.index(path)]

    ratio = 1 / (1 - (1 - drawn("products.plan.recurring.churn.amount")) * 1.08**-0.25)
    size = 0.8 * drawn("products.plan.size.lognormal.mean") + 0.2 * 900
    plan_worth = size * drawn("products.plan.margin") * ratio
    expected = plan_worth.mean(), 200.0, 0.7 * plan_worth.mean() + 0.3 * 200.0
    for c in (0, 1):
        for p in range(3):
            assert mixed.customers.expected[c, p] == exactly(expected[p])
            assert abs(z_mean(mixed.customers.ltv[:, c, p], expected[p])) < bound(COMPARISONS)
    won = data.deals.sum(["quarter", "segment"]).values[:, 0].astype(float)
    value = (won[:, 0] * plan_worth + won[:, 1] * 200.0) / won.sum(axis=1)
    cac = mixed.customers.figures["cac"][:, 0]
    np.testing.assert_allclose(mixed.customers.figures["ltv_to_cac"][:, 0], value / cac, rtol=1e-9)
    payback = mixed.customers.figures["payback_months"][:, 0]
    share = won / won.sum(axis=1, keepdims=True)
    for i in range(20):  # payment by payment
        repaid, months = share[i, 1] * 200.0, 0
        each = share[i, 0] * size[i] * drawn("products.plan.margin")[i] / 3
        stay = 1 - drawn("products.plan.recurring.churn.amount")[i]
        while repaid < cac[i] and months < 600:
            paid = each * stay ** (months // 3)
            repaid, months = repaid + paid, months + 1
        if repaid < cac[i]:
            assert np.isinf(payback[i])
        elif months > 0:
            assert payback[i] == pytest.approx(months - (repaid - cac[i]) / paid, rel=1e-9)


def test_the_first_runs_are_the_same_however_many_there_are(mixed) -> None:
    few = run(MIXED, runs=700)
    np.testing.assert_array_equal(few.customers.ltv, mixed.customers.ltv[:700])
    for name in FIGURES:
        wanted = mixed.customers.figures[name][:700]
        np.testing.assert_array_equal(few.customers.figures[name], wanted, err_msg=name)


def test_of_very_many_runs_as_many_are_kept_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers, "MOST_KEPT", 2 * 7 * 1_500)
    some = run(MIXED, runs=4_000)
    assert len(some.customers.ltv) == 1_500
    whole = run(MIXED, runs=1_500)
    np.testing.assert_array_equal(some.customers.ltv, whole.customers.ltv)
    np.testing.assert_allclose(some.customers.expected, whole.customers.expected, rtol=1e-12)


def test_another_channel_leaves_the_customers_where_they_were(mixed) -> None:
    more = run(
        MIXED.replace("segments:", "  new: {leads: {mean: 4, per: month}}\nsegments:"), 2_000
    )
    np.testing.assert_array_equal(more.customers.ltv[:, :2], mixed.customers.ltv[:2_000])


def test_a_margin_changes_for_the_revenue_of_its_days() -> None:
    text = FIXED.replace("churn: 3%", "churn: 0%") + (
        "changes: [{from: 2027-07-01, set: {products.plan.recurring.margin: 80%}}]\n"
    )
    found = entry(run(text, 10), "web")
    earned = 10 * 100 * (6 * 0.5 + 6 * 0.8)
    assert found["return_on_spend"]["mean"] == exactly(earned / 1_500)


def test_a_product_paid_once_is_worth_its_margin() -> None:
    text = FIXED[: FIXED.index("    recurring:")] + "    margin: 30%\n"
    found = entry(run(text, 200), "web", "plan")
    assert found["ltv"] == {
        "mean": 30.0, "sd": 0.0, "p10": 30.0, "p50": 30.0, "p90": 30.0,
        "standard_error": 0.0, "expected": 30.0,
    }  # fmt: skip
    assert found["payback_months"]["p50"] is None
    assert found["return_on_spend"]["mean"] == exactly(0.2)


def test_a_scenario_without_products_has_one_entry_a_channel() -> None:
    found = summarize(run(FIXED[: FIXED.index("products:")], 200))["customers"]
    assert [(each["channel"], each["product"]) for each in found] == [
        ("web", "all"), ("free", "all"), ("idle", "all")
    ]  # fmt: skip


def said(*arguments: str) -> str:
    """What the command says."""
    result = CliRunner(env={"COLUMNS": "110"}).invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_customers_where_there_is_something_to_say(tmp_path) -> None:
    (tmp_path / "plan.yaml").write_text(FIXED, encoding="utf-8")
    shown = said("run", str(tmp_path / "plan.yaml"), "--runs", "200")
    (line,) = (line for line in shown.splitlines() if line.startswith("web "))
    assert line.split()[-4:] == ["150", "8.4x", "3.1", "3.4x"]
    assert "revenue" in shown
    once = FIXED[: FIXED.index("    recurring:")].replace(
        "cost: {per_lead: 150}", "growth: 0% per month"
    )
    once = once.replace("cost: {fixed: 100 per month}", "growth: 0% per month")
    once = once.replace("fixed: [10], per: month, then: zero", "mean: 10, per: month")
    once = once.replace("fixed: [0], per: month, then: zero", "mean: 1, per: month")
    (tmp_path / "once.yaml").write_text(once, encoding="utf-8")
    shown = said("run", str(tmp_path / "once.yaml"), "--runs", "200")
    assert "customers" not in shown
    assert "revenue" not in shown


def test_check_explains_recurring_products(tmp_path) -> None:
    (tmp_path / "plan.yaml").write_text(FIXED, encoding="utf-8")
    shown = said("check", str(tmp_path / "plan.yaml"))
    (line,) = (line for line in shown.splitlines() if line.startswith("plan ") and "month" in line)
    # 0.97**12, 1 / 0.03 months, 2,525 / 2
    assert line.split() == ["plan", "month", "69.4%", "33.3", "50%", "1.26k"]


def test_every_run_of_revenue_is_written(tmp_path) -> None:
    (tmp_path / "plan.yaml").write_text(FIXED, encoding="utf-8")
    file = tmp_path / "out.nc"
    said("run", str(tmp_path / "plan.yaml"), "--runs", "300", "--output", str(file))
    with xarray.open_dataset(file, engine="h5netcdf") as data:
        alone = forecast.simulate(scenario(FIXED), runs=300)
        np.testing.assert_array_equal(data.revenue.values, alone.revenue.values)
        assert not np.array_equal(data.revenue.values, data.bookings.values)
