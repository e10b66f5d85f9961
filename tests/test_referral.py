"""Customers bring leads: means by a plain recursion, the law of generations, bits, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    bound,
    closed_form,
    conditional_chances,
    entered,
    exactly,
    expected,
    per_period,
    scenario,
    total,
    z_covariance,
    z_mean,
    z_moment,
)
from naive import MONTH_DAYS
from scipy import stats
from test_naive import disagreements

import forecast
from forecast.engine.assumptions import Draws
from forecast.engine.chance import ExactChances
from forecast.engine.expected import means_of
from forecast.engine.flows import by_period
from forecast.engine.layout import lay_out
from forecast.engine.plan import make_blueprint
from forecast.engine.referral import Customers
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator
from forecast.engine.stays import kinds_of
from forecast.scenario.referral import loop_of

HEAD = "name: Loop\nstart: 2027-01-01\nhorizon: {}\n"
PLAIN = """channels: {{a: {{leads: {{{leads}}}}}}}
journey: {{lead: {{won: {{conversion: {won}}}}}}}
referral: {{leads: {rate} per month, during: {during}}}
"""
RICH = """name: Rich
start: 2027-01-16
horizon: 5 quarters
channels:
  web: {leads: {mean: {gamma: {mean: 40, cv: 0.2}}, per: month}, cost: {per_lead: 7}}
  events: {leads: {mean: 30, per: month}, dispersion: 0.4}
  mouth:
    leads: {mean: 2, per: month}
    cost: {per_lead: 3}
    journey: {talk: {won: {conversion: 45%}}}
segments:
  small: {share: 60%}
  large: {share: 40%, journey: {talk: {won: {lag: {gamma: {mean: 50 days, cv: 0.5}}}}}}
journey:
  lead:
    talk: {conversion: 50%, lag: {lognormal: {median: 20 days, p90: 50 days}}}
  talk:
    won: {conversion: 30%, lag: {gamma: {mean: 40 days, cv: 0.5}}}
    lead: {conversion: 5%, lag: 1 month}
products:
  small: {mix: 70%, size: {lognormal: {mean: 1000, cv: 1}}}
  large: {mix: 30%, size: {gamma: {mean: 9000, cv: 0.6}}}
"""
REFERRAL = """referral:
  leads: {amount: {gamma: {mean: 0.1, cv: 0.3}}, per: month}
  during: 7 months
  lag: {gamma: {mean: 25 days, cv: 0.5}}
  channel: mouth
  existing: {gamma: {mean: 30, cv: 0.2}}
"""
CHANGED = "changes: [{from: 2027-08-10, set: {referral.leads.amount: 0.02}}]\n"


def plain(leads="fixed: [1000], per: month, then: zero", won="20%", rate=0.3, during="4 months"):
    """One channel, one stage, no lags."""
    text = HEAD.format("24 months") + PLAIN.format(leads=leads, won=won, rate=rate, during=during)
    return per_period(scenario(text))


def brought(given) -> np.ndarray:
    """What a customer is to expect to bring k + 1 periods after the win, at the means."""
    layout = lay_out(given)
    return Customers(layout, kinds_of(layout)).brought(Draws(given, 0).means())[0]


# --- what a customer brings -------------------------------------------------------------------


@pytest.mark.parametrize(
    "rate", ["0.05 per month", "0.02 per week", "0.7 per year", "0.001 per day"]
)
@pytest.mark.parametrize("during", ["3 days", "2.5 months", "40 weeks"])
@pytest.mark.parametrize("period", ["month", "week", "day"])
@pytest.mark.parametrize(
    "lag", ["0 days", "{gamma: {mean: 1 month, cv: 0.3}}", "{periods: {2: 1}}"]
)
def test_a_customer_brings_rate_times_during(rate, during, period, lag) -> None:
    text = HEAD.format("2 years") + f"period: {period}\n"
    text += (
        "channels: {a: {leads: {mean: 1, per: month}}}\njourney: {lead: {won: {conversion: 1%}}}\n"
    )
    given = scenario(text + f"referral: {{leads: {rate}, during: {during}, lag: {lag}}}\n")
    days = {"day": 1, "week": 7, "month": MONTH_DAYS, "year": 365.25}
    in_days = float(during.split()[0]) * days[during.split()[1].rstrip("s")]
    wanted = float(rate.split()[0]) / days[rate.split()[-1]] * in_days
    assert brought(given).sum() == exactly(wanted)
    assert loop_of(given, given.versions[0]).leads == exactly(wanted)


def test_the_last_part_of_a_period_counts_as_such() -> None:
    given = plain(during="2.25 months")
    np.testing.assert_allclose(brought(given), [[0.3, 0.3, 0.075]], rtol=1e-12)


def test_a_change_holds_for_customers_who_are_won_from_then_on() -> None:
    change = "changes: [{from: 2027-02-15, set: {referral.leads: 0.6 per month}}]\n"
    text = HEAD.format("4 months") + PLAIN.format(
        leads="fixed: 100, per: month", won="50%", rate=0.3, during="1 month"
    )
    of_them = expected(per_period(scenario(text + change)), "leads") - 100
    by_days = 0.3 * 14 / 28 + 0.6 * 14 / 28
    won = [50.0, 57.5]
    assert of_them[:2] == pytest.approx([0.0, 15.0])
    assert of_them[2] == pytest.approx(by_days * won[1])
    assert of_them[3] == pytest.approx(0.6 * 0.5 * (100 + of_them[2]))


# --- means ------------------------------------------------------------------------------------


def test_means_follow_the_plain_recursion() -> None:
    given = plain(leads="mean: 50, per: month", won="30%", rate=0.4, during="3.5 months")
    leads = [50.0] * 24
    for t in range(24):
        for u in range(t):
            part = min(max(3.5 - (t - u - 1), 0.0), 1.0)
            leads[t] += 0.3 * leads[u] * 0.4 * part
    np.testing.assert_allclose(expected(given, "leads"), leads, rtol=1e-12)
    np.testing.assert_allclose(expected(given, "deals"), [0.3 * x for x in leads], rtol=1e-12)


def test_existing_customers_bring_leads_from_the_first_period_on() -> None:
    text = HEAD.format("6 months").replace("01-01", "01-16") + PLAIN.format(
        leads="mean: 0, per: month", won="0%", rate=0.5, during="2 months"
    ).replace("months}", "months, existing: 100}")
    offset = 15 / 31
    wanted = [50 * (1 - offset), 50, 50 * offset, 0, 0, 0]
    given = per_period(scenario(text))
    assert given.calendar.first_offset == pytest.approx(offset)
    np.testing.assert_allclose(expected(given, "leads"), wanted, atol=1e-9)
    late = per_period(scenario(text, referral__lag="{periods: {2: 1}}"))
    np.testing.assert_allclose(expected(late, "leads"), [0, 0, *wanted[:4]], atol=1e-9)


def test_every_hundred_customers_bring_the_more_that_check_says() -> None:
    loop = loop_of(given := plain(won="20%", rate=0.5, during="3 months"), given.versions[0])
    assert (loop.leads, loop.won) == (exactly(1.5), exactly(0.2))
    deals = expected(given, "deals").sum()
    assert deals == pytest.approx(200 * (1 + 0.3 / 0.7), rel=1e-4)  # 24 months, not for ever


def test_a_loop_near_one_is_followed_to_its_end() -> None:
    given = plain(won="100%", rate=0.999, during="1 month")
    np.testing.assert_allclose(expected(given, "leads"), 1000 * 0.999 ** np.arange(24), rtol=1e-12)


def test_uncertain_rates_are_averaged_over() -> None:
    """Curved in the rate, and in what the other channel's customers are won by."""
    text = HEAD.format("4 quarters") + (
        "channels: {a: {leads: {mean: 30, per: month}, journey: {lead: {won: {conversion: W}}}},"
        " b: {leads: {mean: 0, per: month}}}\n"
        "journey: {lead: {won: {conversion: 40%, lag: 10 days}}}\n"
        "referral: {leads: {amount: R, per: month}, during: 5 months, channel: b}\n"
    )
    spread = "{values: {0.05: 50%, 0.25: 50%}}"
    wins = "{values: {20%: 30%, 30%: 70%}}"
    found = closed_form(scenario(text.replace("W", wins).replace("R", spread)))
    assert found.how == "closed form, by quadrature over uncertain assumptions"
    for name in ("leads", "deals", "spend", "open"):
        sums = 0.0
        for w, chance in ((0.2, 0.3), (0.3, 0.7)):
            for r in (0.05, 0.25):
                one = closed_form(scenario(text.replace("W", str(w)).replace("R", str(r))))
                sums = sums + 0.5 * chance * getattr(one.means, name)
        np.testing.assert_allclose(getattr(found.means, name), sums, rtol=1e-12, err_msg=name)


# --- the law ----------------------------------------------------------------------------------

GENERATIONS, FIRST, WIN, BRINGS = 5, 40, 0.4, 1.5


@pytest.fixture(scope="module")
def generations():
    """40 leads in the first month; a customer brings 1.5 leads in the next one."""
    text = HEAD.format(f"{GENERATIONS} months") + PLAIN.format(
        leads="fixed: [40], per: month, then: zero", won="40%", rate=BRINGS, during="1 month"
    )
    return forecast.simulate(per_period(scenario(text)), runs=40_000, seed=3)


def test_generations_have_the_moments_of_a_branching_process(generations) -> None:
    """Galton and Watson: a lead has Poisson(1.5) offspring with chance 0.4, else none."""
    growth = WIN * BRINGS
    spread = WIN * BRINGS + WIN * (1 - WIN) * BRINGS**2
    leads = generations.leads.values.sum(axis=(2, 3)).astype(float)
    limit = bound(40)
    assert (leads[:, 0] == FIRST).all()
    before = None
    for t in range(1, GENERATIONS):
        mean = FIRST * growth**t
        variance = FIRST * spread * growth ** (t - 1) * (growth**t - 1) / (growth - 1)
        assert abs(z_mean(leads[:, t], mean)) < limit
        assert abs(z_moment(leads[:, t], mean, 2, variance)) < limit
        if before is not None:
            means, wanted = (before[0], mean), growth * before[1]
            assert abs(z_covariance(leads[:, t - 1], leads[:, t], means, wanted)) < limit
        before = mean, variance


def test_total_progeny_has_its_mean_and_variance(generations) -> None:
    """S_n = 1 + the S_(n-1) of each offspring, so V_n = m V_(n-1) + s^2 E_(n-1)^2."""
    growth = WIN * BRINGS
    spread = WIN * BRINGS + WIN * (1 - WIN) * BRINGS**2
    mean, variance = 1.0, 0.0
    for _ in range(GENERATIONS - 1):
        mean, variance = 1 + growth * mean, growth * variance + spread * mean**2
    leads = total(generations, "leads").astype(float)
    assert abs(z_mean(leads, FIRST * mean)) < bound(40)
    assert abs(z_moment(leads, FIRST * mean, 2, FIRST * variance)) < bound(40)


def test_leads_of_the_next_month_are_poisson_given_the_customers(generations) -> None:
    won = entered(generations, "won")[:, 0]
    n = int(np.bincount(won).argmax())
    counts = generations.leads.values.sum(axis=(2, 3))[won == n, 1]
    law = stats.poisson(BRINGS * n)
    edges = np.unique(law.ppf(np.linspace(0.05, 0.95, 10)))
    cells = np.searchsorted(edges, counts, side="left")
    chances = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    seen = np.bincount(cells, minlength=len(chances))
    assert stats.chisquare(seen, chances * len(counts)).pvalue > 1e-6


@pytest.mark.parametrize("more", ["", CHANGED])
def test_agrees_with_customers_who_bring_leads_one_by_one(more: str) -> None:
    smaller = RICH.replace("mean: 40", "mean: 6").replace("mean: 30", "mean: 4")
    many = REFERRAL.replace("mean: 0.1,", "mean: 0.18,").replace("mean: 30", "mean: 8")
    assert disagreements(smaller + many + more, naive_runs=1_500) == []


def test_every_run_conserves_its_leads_and_checks_itself() -> None:
    given = scenario(RICH + REFERRAL + CHANGED)
    data = forecast.simulate(given, runs=300)
    leads = data.leads.values.sum(axis=(2, 3)).cumsum(axis=1)
    ended = (entered(data, "won") + entered(data, "lost")).cumsum(axis=1)
    np.testing.assert_array_equal(leads, ended + data.open.values.sum(axis=2))
    costs = data.leads.values.sum(axis=3) * np.array([7.0, 0.0, 3.0])
    np.testing.assert_allclose(data.spend.values, costs)
    assert forecast_run(given, runs=4_000, seed=2).check.passed


# --- bits -------------------------------------------------------------------------------------


def test_runs_are_the_same_however_they_are_cut() -> None:
    given = scenario(RICH + REFERRAL + CHANGED)
    whole = Simulator(make_blueprint(given), 1).whole(300, threads=1).rows
    other = Simulator(make_blueprint(given), 1)
    threads = other.whole(300, threads=3).rows
    few = other.whole(130).rows
    parts = [other.empty(77) for _ in range(2)]
    for first, part in zip((50, 127), parts, strict=True):
        other.into(first, part)
    for name, array in whole._asdict().items():
        np.testing.assert_array_equal(getattr(threads, name), array, err_msg=name)
        np.testing.assert_array_equal(getattr(few, name), array[:130], err_msg=name)
        cut = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(cut, array[50:204], err_msg=name)


def test_the_leads_of_other_channels_stay_where_they_were() -> None:
    alone = forecast.simulate(scenario(RICH), runs=200)
    loop = forecast.simulate(scenario(RICH + REFERRAL), runs=200)
    for channel in ("web", "events"):
        for name in ("leads", "entered"):
            one, other = (d[name].sel(channel=channel) for d in (alone, loop))
            if name == "entered":  # the ways that end the journey go by periods here
                one, other = (x.sel(stage=["lead", "talk"]) for x in (one, other))
            np.testing.assert_array_equal(one.values, other.values)
    more = loop.leads.sel(channel="mouth").values - alone.leads.sel(channel="mouth").values
    assert more.sum() > 0  # its own leads are divided into segments together with those brought
    assert (more.sum(axis=2) >= 0).all()


def test_outcome_detail_gives_the_deals_of_the_journey() -> None:
    given = scenario(RICH + REFERRAL)
    journey = forecast.simulate(given, runs=200)
    outcome = forecast.simulate(given, runs=200, detail="outcome")
    for name in ("deals", "bookings", "revenue", "spend"):
        np.testing.assert_array_equal(outcome[name].values, journey[name].values)


def test_a_rate_of_zero_brings_nothing() -> None:
    none = forecast.simulate(plain(rate=0), runs=100)
    assert (total(none, "leads") == 1000).all()


# --- chances and reports ----------------------------------------------------------------------


def test_goals_have_no_exact_chance() -> None:
    goals = "goals: [{metric: leads, every: quarter, target: 10, confidence: 80%}]\n"
    given = scenario(RICH + REFERRAL + goals)
    exact = ExactChances(make_blueprint(given), True, 100)
    assert (
        exact.of_slice(make_blueprint(given).maker.tables(Draws(given, 0).draw(0, 9)), 0, 9) is None
    )
    assert set(exact.chances([]).values()) == {None}
    assert conditional_chances(scenario(RICH + goals)).shape == (5, 1)


def test_uncertain_rates_are_assumptions_that_can_be_set() -> None:
    given = scenario(RICH + REFERRAL, referral__leads__amount="{uniform: {low: 0.05, high: 0.1}}")
    data = forecast.simulate(given, runs=50)
    paths = list(data.path.values)
    assert "referral.leads.amount" in paths
    assert "referral.existing" in paths
    values = data.assumption.values[:, paths.index("referral.leads.amount")]
    assert ((values > 0.05) & (values < 0.1)).all()


# --- what is left out -----------------------------------------------------------------------------

BARE = """\
name: Plain
start: 2027-01-01
horizon: 12 months
channels:
  web: {leads: {fixed: [100], per: month, then: zero}}
  referral: {leads: {mean: 0, per: month}}
journey: {lead: {won: {conversion: 20%}}}
referral: {leads: 0.05 per month}
"""


def expected_leads(text: str) -> np.ndarray:
    """Leads to expect of the referral channel by period."""
    blueprint = make_blueprint(scenario(text))
    finer = by_period(blueprint)
    means = means_of(finer, blueprint.maker.tables(Draws(blueprint.scenario, 0).means()), 1)
    return means.leads[0, :, 1].sum(axis=1)


@pytest.mark.parametrize("churn", [0.0, 0.1])
def test_customers_bring_leads_to_the_end_or_as_long_as_they_stay(churn: float) -> None:
    text = BARE
    if churn:
        recurring = f"{{every: month, churn: {churn} per month}}"
        text += f"products: {{a: {{size: 10, recurring: {recurring}}}}}\n"
    won, leads = np.zeros(12), np.zeros(12)
    for t in range(12):
        leads[t] = sum(0.05 * won[u] * (1.0 - churn) ** (t - u) for u in range(t))
        won[t] = 0.2 * (leads[t] + (100.0 if t == 0 else 0.0))
    np.testing.assert_allclose(expected_leads(text), leads, rtol=1e-12, atol=1e-12)
    data = forecast.simulate(scenario(text), runs=4_000, seed=3)
    mine = data.leads.sel(channel="referral").sum(["quarter", "segment"]).values
    assert abs(mine.mean() - leads.sum()) < 5 * mine.std() / 4_000**0.5
