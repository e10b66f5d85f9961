"""Closed-form means against published tables, numpy's own convolutions, scipy, and sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import (
    EXAMPLES,
    NAMES,
    SCENARIOS,
    bound,
    closed_form,
    exactly,
    expected,
    one_month,
    open_deals,
    per_period,
    scenario,
    z_mean,
)
from scipy import integrate, stats

import forecast
from forecast.engine import expected as engine
from forecast.engine.assumptions import Draws
from forecast.engine.limits import unknown_means
from forecast.engine.plan import make_blueprint
from forecast.scenario.calendar import DAYS_PER_MONTH

# Reference workload R1, found by an independent program: leads (what entered the stage lead, those
# that came back included), MQLs, SQLs, deals, bookings of each quarter; the last row is the sum.
R1 = """
1772.842 323.835  65.338  3.119    79575
1942.167 464.243 165.093 27.212   694272
1878.105 432.615 166.502 43.583  1111658
2562.901 597.986 204.639 47.817  1218999
2091.859 510.035 207.851 57.818  1473505
2209.583 532.942 200.866 56.251  1433096
2021.967 473.942 187.147 55.451  1412408
2601.525 610.470 213.098 53.603  1365123
17080.950 3946.068 1410.535 344.854 8788636
"""


def table(text: str) -> np.ndarray:
    return np.array([line.split() for line in text.strip().splitlines()], dtype=float)


def monthly(journey: str, leads: str = "leads: {mean: 100, per: month}", more: str = "") -> str:
    return (
        "name: Monthly\nstart: 2027-01-01\nhorizon: 12 months\n"
        f"channels: {{a: {{{leads}}}}}\njourney: {{{journey}}}\n{more}"
    )


def quad(function, family) -> float:
    """E[function(X)] for a distribution of scipy's."""
    low, high = family.support()
    found = integrate.quad(
        lambda x: function(x) * family.pdf(x), low, high, epsabs=0.0, epsrel=1e-12, limit=400
    )
    return found[0]


# --- the reference workload -----------------------------------------------------------------------


def test_r1_as_published() -> None:
    given = forecast.read_scenario(SCENARIOS / "reference-r1.yaml")
    entered, money = expected(given, "entered"), expected(given, "bookings")
    found = np.column_stack([entered[:, :4], money])
    found = np.vstack([found, found.sum(axis=0)])
    half_digits = [0.0005] * 4 + [0.5]
    assert np.all(np.abs(found - table(R1)) <= np.array(half_digits) * 1.001)


def test_r1_would_be_told_apart() -> None:
    """The mean at mean assumptions: without the curvature in the first conversion."""
    given = forecast.read_scenario(SCENARIOS / "reference-r1.yaml")
    blueprint = make_blueprint(given)
    means = engine.flow_at(blueprint, Draws(given, 0).means(), 1)
    leads = means.entered[0].sum(axis=(1, 2))[:, 0]
    assert np.abs(leads - table(R1)[:8, 0]).max() > 0.0005


# --- convolutions and loops -----------------------------------------------------------------------


CHAIN = {"first": [0.5, 0.3, 0.2], "second": [0.0, 0.25, 0.0, 0.75], "third": [0.1, 0.9]}


def periods(chances: list[float]) -> str:
    return "{periods: {" + ", ".join(f"{k}: {p}" for k, p in enumerate(chances)) + "}}"


def chain() -> str:
    first, second, third = (periods(chances) for chances in CHAIN.values())
    return monthly(
        f"lead: {{mql: {{conversion: 40%, lag: {first}}}}}, "
        f"mql: {{sql: {{conversion: 60%, lag: {second}}}, lost: {{lag: 1 month}}}}, "
        f"sql: {{won: {{conversion: 30%, lag: {third}}}}}",
        "leads: {mean: [90, 110, 130, 70], per: month, then: repeat}",
    )


def test_a_chain_is_a_convolution() -> None:
    found = expected(per_period(scenario(chain())), "entered")
    lead = np.tile([90.0, 110.0, 130.0, 70.0], 3)
    mql = 0.4 * np.convolve(lead, CHAIN["first"])[:12]
    sql = 0.6 * np.convolve(mql, CHAIN["second"])[:12]
    won = 0.3 * np.convolve(sql, CHAIN["third"])[:12]
    # leads and SQLs are lost at once, MQLs a month later: U + 1 whole month is exactly 1
    lost = 0.6 * lead + 0.7 * sql + 0.4 * np.append(0.0, mql[:-1])
    for i, right in enumerate((lead, mql, sql, won, lost)):
        assert found[:, i] == pytest.approx(right, rel=1e-9)


def test_a_continuous_lag_spreads_over_its_neighbours() -> None:
    days = stats.gamma(4.0, scale=50.0 / 4.0)
    text = monthly("o: {won: {conversion: 100%, lag: {gamma: {mean: 50 days, cv: 0.5}}}}")
    found = expected(per_period(scenario(text)), "deals")
    # P(U + L < k + 1), L in months, by its definition
    below = [
        integrate.quad(lambda u, k=k: days.cdf((k + 1 - u) * DAYS_PER_MONTH), 0, 1)[0]
        for k in range(12)
    ]
    assert found == pytest.approx(100.0 * np.array(below), rel=1e-9)


def test_a_loop_without_lag_is_geometric() -> None:
    text = monthly(
        "talk: {pause: {conversion: 90%}, won: {conversion: 4%}}, pause: {talk: {conversion: 95%}}"
    )
    found = expected(per_period(scenario(text)), "entered")
    visits = 1.0 / (1.0 - 0.9 * 0.95)
    right = [100 * visits, 90 * visits, 4 * visits, 6 * visits + 4.5 * visits]
    assert found == pytest.approx(np.tile(right, (12, 1)), rel=1e-9)


def test_a_loop_with_lag_is_a_renewal() -> None:
    text = monthly(
        "lead: {lead: {conversion: 30%, lag: {periods: {2: 1}}}, won: {conversion: 20%}}"
    )
    lead = np.full(12, 100.0)
    for t in range(2, 12):
        lead[t] += 0.3 * lead[t - 2]
    assert expected(per_period(scenario(text)), "entered")[:, 0] == pytest.approx(lead, rel=1e-9)


def test_within_raises_the_conversion() -> None:
    """Three quarters are won in 40 days, so 40% in the end; no lag is longer than two months."""
    lag = "{uniform: {low: 10 days, high: 50 days}}"
    text = monthly(f"o: {{won: {{conversion: 30%, within: 40 days, lag: {lag}}}}}")
    found = expected(per_period(scenario(text)), "deals")
    assert found[3:] == pytest.approx([40.0] * 9, rel=1e-9)


# --- uncertain assumptions ----------------------------------------------------------------------


def test_a_curved_conversion_against_quadrature() -> None:
    text = monthly(
        "talk: {talk: {conversion: {beta: {alpha: 5, beta: 7}}}, won: {share_of_rest: 50%}}"
    )
    found = closed_form(scenario(text))
    assert "quadrature" in found.how
    right = 300.0 * quad(lambda p: 1.0 / (1.0 - p), stats.beta(5, 7))
    assert right == pytest.approx(300.0 * 11.0 / 6.0)  # B(5, 6) / B(5, 7)
    assert found.means.entered[0, :, 0, 0, 0] == pytest.approx([right] * 4, rel=1e-9)


def test_growth_that_is_uncertain_is_curved() -> None:
    growth = "growth: {amount: {uniform: {low: 0%, high: 8%}}, per: month}"
    text = monthly("o: {won: {conversion: 50%}}", f"leads: {{mean: 100, per: month}}, {growth}")
    found = expected(per_period(scenario(text)), "leads")
    t = np.arange(12)
    right = 100.0 * (1.08 ** (t + 1) - 1.0) / (0.08 * (t + 1))
    assert found == pytest.approx(right, rel=1e-9)


def test_an_uncertain_lag_against_quadrature() -> None:
    lag = "{gamma: {mean: {lognormal: {mean: 40 days, cv: 0.4}}, cv: 0.5}}"
    found = expected(
        per_period(scenario(monthly(f"o: {{won: {{conversion: 100%, lag: {lag}}}}}"))), "deals"
    )
    sigma = math.sqrt(math.log1p(0.16))

    def at_once(days: np.ndarray) -> np.ndarray:
        """P(U + L < 1) = E[(1 - L)+], L in months."""
        lag, scaled = stats.gamma(4.0, scale=days / 4.0), stats.gamma(5.0, scale=days / 4.0)
        return lag.cdf(DAYS_PER_MONTH) - days / DAYS_PER_MONTH * scaled.cdf(DAYS_PER_MONTH)

    nodes, weights = np.polynomial.legendre.leggauss(300)
    z = 8.5 * nodes
    days = 40.0 * np.exp(sigma * z - sigma**2 / 2.0)
    right = 850.0 * float(weights @ (stats.norm.pdf(z) * at_once(days)))
    assert found[0] == pytest.approx(right, rel=1e-8)


TIED = """
correlation: [{{between: [channels.a.leads.mean, market], rank: {rank}}}]
market: {{lognormal: {{mean: 1, cv: 0.6}}}}
"""


@pytest.mark.parametrize("rank", [0.0, 0.7, -0.5])
def test_correlated_lognormals_have_a_product_of_their_own(rank: float) -> None:
    leads = "leads: {mean: {lognormal: {mean: 100, cv: 0.5}}, per: month}"
    given = scenario(monthly("o: {won: {conversion: 50%}}", leads, TIED.format(rank=rank)))
    sigmas = math.sqrt(math.log1p(0.25)), math.sqrt(math.log1p(0.36))
    covariance = 2.0 * math.sin(math.pi * rank / 6.0) * sigmas[0] * sigmas[1]
    found = expected(given, "deals")
    assert found == pytest.approx([150.0 * math.exp(covariance)] * 4, rel=1e-8)


def test_three_correlated_lognormals() -> None:
    cvs, ranks = (0.5, 0.6, 0.8), {(0, 1): 0.5, (0, 2): -0.3, (1, 2): 0.1}
    jan, mean, market = (f"{{lognormal: {{mean: 1, cv: {cv}}}}}" for cv in cvs)
    paths = "channels.a.seasonality.jan", "channels.a.leads.mean", "market"
    pairs = [f"{{between: [{paths[i]}, {paths[j]}], rank: {r}}}" for (i, j), r in ranks.items()]
    leads = f"leads: {{mean: {mean}, per: month}}, seasonality: {{jan: {jan}}}"
    more = f"market: {market}\ncorrelation: [{', '.join(pairs)}]\n"
    sigmas = [math.sqrt(math.log1p(cv**2)) for cv in cvs]
    covariances = {
        (i, j): 2.0 * math.sin(math.pi * r / 6.0) * sigmas[i] * sigmas[j]
        for (i, j), r in ranks.items()
    }
    found = expected(
        per_period(scenario(monthly("o: {won: {conversion: 50%}}", leads, more))), "leads"
    )
    assert found[0] == pytest.approx(math.exp(sum(covariances.values())), rel=1e-7)
    assert found[1:] == pytest.approx([math.exp(covariances[1, 2])] * 11, rel=1e-7)


def test_dirichlet_means() -> None:
    text = monthly(
        "o: {dirichlet: {won: 6, nurture: 2, lost: 12}, won: {}, nurture: {}}, "
        "nurture: {won: {conversion: 10%}}"
    )
    found = expected(scenario(text), "entered")
    assert found[0] == pytest.approx([300.0, 30.0, 93.0, 207.0], rel=1e-9)


def test_too_many_curved_assumptions_are_averaged_over_runs() -> None:
    again = "{conversion: {uniform: {low: 10%, high: 60%}}}"
    after = ["s1", "s2", "s3", "won"]
    ways = [f"s{i}: {{s{i}: {again}, {a}: {{conversion: 30%}}}}" for i, a in enumerate(after)]
    given = scenario(monthly(", ".join(ways)))
    found = closed_form(given, runs=4_000)
    assert (found.how, found.runs) == ("average of 4,000 runs' closed-form means", 4_000)
    runs = Draws(given, 0).draw(0, 4_000)
    won = engine.flow_at(make_blueprint(given), runs, 4_000).deals[:, 0].sum(axis=(1, 2, 3))
    assert found.means.deals[0, 0].sum() == exactly(won.mean())
    visits = math.log(0.9 / 0.4) / 0.5  # E[1 / (1 - p)]
    assert abs(z_mean(won, 300.0 * (0.3 * visits) ** 4)) < bound(1)


# --- time: plans, seasons, growth, changes --------------------------------------------------------


def test_seasons_and_growth_by_hand() -> None:
    leads = (
        "leads: {mean: [100, 200], per: month, then: repeat}, "
        "seasonality: {mar: 1.5, dec: 0}, growth: 3% per quarter"
    )
    found = expected(per_period(scenario(monthly("o: {won: {conversion: 10%}}", leads))), "leads")
    right = [
        100.0 * (1 + t % 2) * {2: 1.5, 11: 0.0}.get(t, 1.0) * 1.03 ** (t / 3) for t in range(12)
    ]
    assert found == pytest.approx(right, rel=1e-9)


def test_a_quarterly_figure_is_spread_by_days() -> None:
    text = monthly("o: {won: {conversion: 10%}}", "leads: {mean: 90, per: quarter}")
    found = expected(per_period(scenario(text)), "leads")
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    right = [90.0 * d / sum(days[t // 3 * 3 : t // 3 * 3 + 3]) for t, d in enumerate(days)]
    assert found == pytest.approx(right, rel=1e-9)


def test_a_first_month_that_has_begun() -> None:
    """From 16 January on 16 of 31 days are left; a lag counts from the days that are left."""
    text = monthly("o: {won: {conversion: 100%, lag: {fixed: 10 days}}}").replace("01-01", "01-16")
    given = per_period(scenario(text))
    leads, deals = expected(given, "leads"), expected(given, "deals")
    assert leads[:2] == pytest.approx([100.0 * 16 / 31, 100.0], rel=1e-9)
    lag, begun = 10.0 / DAYS_PER_MONTH, 15 / 31
    stay = (1.0 - lag - begun) / (1.0 - begun)  # P(U + lag < 1), U uniform on [15/31, 1)
    assert deals[0] == exactly(leads[0] * stay)
    assert deals[1] == exactly(leads[0] * (1.0 - stay) + 100.0 * (1.0 - lag))


def test_a_change_within_a_month_counts_by_days() -> None:
    change = (
        "changes:\n  - {from: 2027-03-11, set: {journey.o.won.conversion: 40%, "
        "channels.a.leads.mean: 200}}\n"
    )
    given = per_period(scenario(monthly("o: {won: {conversion: 10%}}", more=change)))
    leads, deals = expected(given, "leads"), expected(given, "deals")
    march = (10 * 100.0 + 21 * 200.0) / 31
    assert leads == pytest.approx([100.0] * 2 + [march] + [200.0] * 9, rel=1e-9)
    rate = (10 * 0.1 + 21 * 0.4) / 31
    assert deals == pytest.approx([10.0] * 2 + [march * rate] + [80.0] * 9, rel=1e-9)


def test_a_change_is_for_items_that_enter_from_that_day_on() -> None:
    lag = "{periods: {2: 1}}"
    change = "changes: [{from: 2027-04-01, set: {journey.o.won.conversion: 50%}}]\n"
    text = monthly(f"o: {{won: {{conversion: 10%, lag: {lag}}}}}", more=change)
    found = expected(per_period(scenario(text)), "deals")
    assert found == pytest.approx([0.0] * 2 + [10.0] * 3 + [50.0] * 7, rel=1e-9)


@pytest.mark.parametrize(
    ("per", "count", "units", "period"),
    [
        ("month", 7, 12, "month"),
        ("quarter", 34, 4, "month"),
        ("year", 101, 1, "month"),
        ("week", 3, 52, "week"),
        ("month", 7, 12, "day"),
    ],
)
def test_exact_counts_stay_exact(per: str, count: int, units: int, period: str) -> None:
    text = monthly("o: {won: {conversion: 10%}}", f"leads: {{fixed: {count}, per: {per}}}")
    horizon = "52 weeks" if period == "week" else "12 months"
    given = scenario(text.replace("12 months", f"{horizon}\nperiod: {period}"))
    leads = expected(per_period(given), "leads")
    assert leads.sum() == count * units
    assert np.array_equal(leads, np.round(leads))
    if period != "day":
        assert [part.sum() for part in np.split(leads, units)] == [count] * units


# --- money and conservation -----------------------------------------------------------------------


def test_money_by_hand() -> None:
    more = "products: {a: {mix: 75%, size: {gamma: {mean: 2k, cv: 2}}}, b: {mix: 25%, size: 10k}}\n"
    given = one_month(
        "leads: {mean: 80, per: month}, cost: {fixed: 1k per month, per_lead: 5}",
        "o: {won: {conversion: 25%}}",
        more,
    )
    assert expected(given, "bookings").sum() == exactly(20.0 * (0.75 * 2e3 + 0.25 * 10e3))
    assert expected(given, "spend").sum() == exactly(1e3 + 80 * 5)


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_means_are_conserved(path) -> None:
    given = forecast.read_scenario(path)
    if unknown_means(given):
        pytest.skip("there is no closed form behind a limit")
    means = closed_form(given, runs=200).means
    leads = means.leads[0].sum(axis=2).cumsum(axis=0) + open_deals(given)
    ended = means.entered[0, ..., -2:].sum(axis=(2, 3)).cumsum(axis=0)
    still = means.open[0].sum(axis=2)
    assert ended + still == pytest.approx(leads, rel=1e-9)
    assert means.deals[0].sum(axis=3) == pytest.approx(means.entered[0, ..., -2], rel=1e-9)


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_means_are_those_of_the_runs(path) -> None:
    """Each example's own runs, cell by cell; its largest cells only, whose means are normal."""
    given = forecast.read_scenario(path)
    runs = 4_000
    means = closed_form(given, runs, seed=5)
    data = forecast.simulate(given, runs=runs, seed=5)
    for name in ("leads", "entered", "deals", "bookings", "spend"):
        values = data[name].values.reshape(runs, -1).astype(float)
        right = getattr(means.means, name)[0].ravel()
        for i in np.flatnonzero(values.mean(axis=0) > 20.0):
            skew = abs(stats.skew(values[:, i])) if values[:, i].std() > 1e-9 * right[i] else 0.0
            if skew < 3.0 and not np.isnan(right[i]):  # unknown behind a limit
                assert abs(z_mean(values[:, i], right[i])) < bound(20_000)
