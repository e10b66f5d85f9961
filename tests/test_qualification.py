"""Thresholds on quality, against published tables, integrals, drawn pairs and naive leads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers import closed_form, exactly, expected, p_chance, scenario
from scipy import stats
from scipy.integrate import quad
from test_naive import disagreements

import forecast
from forecast.analysis.describe import describe_scenario
from forecast.scenario import quality
from forecast.scenario.errors import ScenarioError
from forecast.scenario.quality import both_below, correlation_of, win_rate_above

RATIOS = (0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95)
# Taylor and Russell (1939): (base rate, validity) -> success ratio by selection ratio
PUBLISHED = {
    (0.50, 0.25): (0.70, 0.67, 0.64, 0.62, 0.60, 0.58, 0.56, 0.55, 0.54, 0.52, 0.51),
    (0.50, 0.50): (0.88, 0.84, 0.78, 0.74, 0.70, 0.67, 0.63, 0.60, 0.57, 0.54, 0.52),
    (0.50, 0.75): (0.99, 0.97, 0.92, 0.87, 0.82, 0.77, 0.72, 0.66, 0.61, 0.55, 0.53),
    (0.50, 0.90): (1.00, 1.00, 0.99, 0.97, 0.92, 0.86, 0.78, 0.70, 0.62, 0.56, 0.53),
    (0.30, 0.50): (0.72, 0.65, 0.58, 0.52, 0.48, 0.44, 0.41, 0.38, 0.35, 0.33, 0.31),
}


@pytest.mark.parametrize(("setting", "published"), PUBLISHED.items())
def test_the_tables_of_taylor_and_russell(setting: tuple[float, float], published: tuple) -> None:
    base, validity = setting
    found = win_rate_above(base, 1.0 - np.array(RATIOS), validity)
    np.testing.assert_allclose(found, published, atol=0.005 + 1e-9)


def test_a_published_figure_of_six_digits() -> None:
    """``tr_classic(.50, .20, .35)`` of the R package personnelSelectionUtility."""
    assert float(win_rate_above(0.5, 0.8, 0.35)) == pytest.approx(0.696552, abs=5e-7)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("threshold", [0.001, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("base", [0.001, 0.2, 0.5, 0.97])
def test_win_rates_are_integrals_over_the_rank(base: float, threshold: float, rho: float) -> None:
    def wins(z: float) -> float:
        root = np.sqrt(1.0 - rho * rho)
        return stats.norm.pdf(z) * stats.norm.cdf((stats.norm.ppf(base) + rho * z) / root)

    jump = -stats.norm.ppf(base) / rho if rho else 0.0
    low = stats.norm.ppf(threshold)
    edges = sorted({low, *(x for x in (jump - 0.2, jump, jump + 0.2) if low < x < 9.0), 9.0})
    parts = (quad(wins, a, b, epsabs=1e-13)[0] for a, b in pairwise(edges))
    exact = sum(parts) / (1.0 - threshold)
    assert float(win_rate_above(base, threshold, rho)) == pytest.approx(exact, abs=1e-9)


def test_pairs_that_are_drawn_are_won_as_often() -> None:
    """The copula itself: a rank, a second normal correlated to its score, and who wins."""
    rng = np.random.default_rng(7)
    rank, noise = rng.random(400_000), rng.normal(size=400_000)
    drawn = 0.6 * stats.norm.ppf(rank) + 0.8 * noise
    won = drawn > stats.norm.ppf(1.0 - 0.2)
    for threshold in (0.3, 0.7):
        assert p_chance(won[rank > threshold], float(win_rate_above(0.2, threshold, 0.6))) > 1e-7


def test_the_bivariate_normal_at_its_known_points() -> None:
    zero = np.zeros(1)
    for rho in (0.0, 0.5, 0.99):
        quadrant = 0.25 + np.arcsin(rho) / (2.0 * np.pi)
        assert both_below(zero, zero, np.array([rho]))[0] == pytest.approx(quadrant, abs=1e-15)
    assert both_below(zero, np.array([1.3]), zero)[0] == pytest.approx(stats.norm.cdf(1.3) / 2)


@pytest.mark.parametrize("best", [0.2, 0.2001, 0.45, 0.9, 0.999])
def test_the_correlation_gives_the_best_tenth_its_win_rate(best: float) -> None:
    rho = correlation_of(0.2, best)
    assert float(win_rate_above(0.2, 0.9, rho)) == pytest.approx(best, abs=1e-10)


def test_a_row_of_correlations_depends_on_no_other() -> None:
    rng = np.random.default_rng(1)
    base, best = rng.uniform(0.1, 0.3, 1_000), rng.uniform(0.3, 0.99, 1_000)
    whole = correlation_of(base, best)
    parts = [correlation_of(base[i : i + 1], best[i : i + 1])[0] for i in range(0, 1_000, 37)]
    np.testing.assert_array_equal(whole[::37], parts)


def test_extremes_stay_what_they_are() -> None:
    np.testing.assert_array_equal(
        win_rate_above([0.0, 1.0, 0.3], [0.5, 0.5, 0.0], 0.7), [0, 1, 0.3]
    )


TEXT = """
name: Judged
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 300, per: month}}
segments:
  small: {share: 70%}
  large: {share: 30%, journey: {talk: {won: {conversion: 30%}}}}
journey:
  lead:
    talk: {conversion: 40%}
    nurture: {share_of_rest: 50%}
  nurture: {talk: {share_of_rest: 10%, lag: 1 month}}
  talk: {won: {conversion: 20%, lag: 1 month}, lost: {lag: 10 days}}
QUALITY
"""
QUALITY = "qualification: {talk: {threshold: 25%, best_tenth: 45%}}"


def text(qualification: str = QUALITY) -> str:
    return TEXT.replace("QUALITY", qualification)


def shares(given: forecast.Scenario, quarter: int = 3) -> dict[str, float]:
    """Of a steady flow's entries of a quarter: what goes where, segment by segment."""
    entered = closed_form(given).means.entered[0, quarter, 0]
    lead, nurture, talk, won = (entered[:, i] for i in (0, 1, 2, 3))
    return {"lead": lead, "nurture": nurture, "talk": talk, "won": won}


def test_a_threshold_turns_away_and_raises_the_win_rate() -> None:
    found = shares(scenario(text()))
    through = 0.4 * 0.75
    nurtured = (1.0 - through) * 0.5
    rho = correlation_of(0.2, 0.45)
    assert found["nurture"] / found["lead"] == exactly([nurtured] * 2)
    assert found["talk"] / found["lead"] == exactly([through + nurtured * 0.1 * 0.75] * 2)
    rates = [float(win_rate_above(w, 0.25, rho)) for w in (0.2, 0.3)]
    assert found["won"] / found["talk"] == exactly(rates)


def test_no_threshold_changes_nothing() -> None:
    plain = scenario(text(""))
    none = scenario(text(QUALITY.replace("25%", "0%")))
    one, other = (forecast.simulate(each, runs=300) for each in (plain, none))
    np.testing.assert_array_equal(one.entered, other.entered)


def test_a_conversion_counted_within_a_time_is_raised_as_its_eventual_one() -> None:
    lag = "lag: {gamma: {mean: 40 days, cv: 0.5}}"
    counted = scenario(text().replace("lag: 1 month}, lost", f"within: 45 days, {lag}}}, lost"))
    chance = float(stats.gamma(4.0, scale=10.0).cdf(45.0))
    written = f"{{conversion: {0.2 / chance!r}, {lag}}}"
    whole = text().replace("{conversion: 20%, lag: 1 month}", written)
    other = scenario(whole.replace("conversion: 30%", f"conversion: {0.3 / chance!r}"))
    np.testing.assert_allclose(expected(counted, "deals"), expected(other, "deals"), rtol=1e-9)


def test_is_set_changed_and_drawn_like_any_assumption() -> None:
    spread = text(QUALITY.replace("25%", "{beta: {won: 10, lost: 30}}"))
    drawn = forecast.simulate(scenario(spread), runs=50)
    assert "qualification.talk.threshold" in drawn.path.values
    certain = scenario(text(), qualification__talk__threshold="40%")
    assert certain.versions[0].qualification["talk"].threshold == 0.4
    change = "changes: [{from: 2027-07-01, set: {qualification.talk.threshold: 50%}}]"
    later = scenario(text(f"{QUALITY}\n{change}"))
    rho = correlation_of(0.2, 0.45)
    for quarter, threshold in ((0, 0.25), (3, 0.5)):
        found = shares(later, quarter)
        assert found["nurture"] / found["lead"] == exactly([0.5 * (1 - 0.4 * (1 - threshold))] * 2)
    assert found["won"][0] / found["talk"][0] == exactly(float(win_rate_above(0.2, 0.5, rho)))


HARD = (
    text(
        "qualification: {talk: {threshold: {beta: {won: 10, lost: 30}}, "
        "best_tenth: {beta: {won: 22, lost: 28}}, win_rate: {beta: {won: 50, lost: 200}}}}\n"
        "changes: [{from: 2027-05-11, set: {qualification.talk.threshold: 60%}}]"
    )
    .replace("mean: 300", "mean: 30")
    .replace("{conversion: 20%,", "{conversion: {beta: {won: 40, lost: 160}}, within: 2 months,")
)


def test_runs_agree_with_the_closed_form() -> None:
    given = scenario(HARD)
    runs = forecast.simulate(given, runs=8_000)
    means = closed_form(given, 8_000).means.entered[0].sum(axis=(1, 2))
    entered = runs.entered.sum(["channel", "segment"]).values
    z = (entered.mean(axis=0) - means) / (entered.std(axis=0) / np.sqrt(len(entered)) + 1e-9)
    assert np.abs(z).max() < 5.3


def test_agrees_with_a_naive_simulator() -> None:
    assert disagreements(HARD, naive_runs=400) == []


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "win_rate_above", lambda base, *_: base)
    assert disagreements(HARD, naive_runs=400) != []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("{talk: {thr", "{talks: {thr", "the unknown stage talks"),
        ("{talk: {thr", "{lead: {thr", "where the leads of web enter at once"),
        ("best_tenth: 45%", "best_tenth: 15%", "got a win rate of the best tenth of 15%"),
        ("best_tenth: 45%", "best_tenth: 100%", "from 20%, the win rate of all, to below"),
        ("best_tenth: 45%", "best_tenth: 45%, to: nurture", "no way from talk to nurture"),
        ("threshold: 25%", "threshold: 100%", "a threshold from 0 to 0.999"),
        (", best_tenth: 45%", "", "got no best_tenth"),
        (
            "talk: {won: {conversion: 20%, lag: 1 month}",
            "talk: {dirichlet: {won: 2, lost: 8}, won: {lag: 1 month}",
            "dirichlet counts in talk; must be conversions that a threshold can act on",
        ),
        ("{conversion: 20%,", "{share_of_rest: 20%,", "no conversion from talk to won"),
        (
            "lost: {lag: 10 days}",
            "nurture: {conversion: 75%}",
            "sum to more than 100%",
        ),
    ],
)
def test_faults_are_told(right: str, wrong: str, told: str) -> None:
    whole = text().replace("won: {conversion: 30%}", "won: {lag: 2 months}")
    whole = whole.replace("threshold: 25%", "threshold: 60%") if "75%" in wrong else whole
    assert whole.count(right) == 1
    with pytest.raises(ScenarioError) as caught:
        scenario(whole.replace(right, wrong))
    assert told in str(caught.value)


def test_check_shows_the_curve() -> None:
    (described,) = describe_scenario(scenario(text()))["qualification"]
    curve = described["curve"]
    assert [row["threshold"] for row in curve] == pytest.approx(np.arange(10) / 10)
    assert curve[0]["win_rate"] == 0.2
    assert curve[0]["deals_per_100"] == pytest.approx(100.0)
    assert curve[9]["win_rate"] == pytest.approx(0.45)  # the best tenth
    assert curve[9]["deals_per_100"] == pytest.approx(100 * 0.1 * 0.45 / 0.2)
    now = float(win_rate_above(0.2, 0.25, described["correlation"]))
    assert described["now"]["win_rate"] == pytest.approx(now)
    assert described["now"]["opportunities_per_100"] == pytest.approx(75.0)


def test_win_rates_of_a_check_are_those_above_the_threshold() -> None:
    """What is said to be won in the end is what a long horizon shows."""
    given = scenario(text().replace("mean: 300, per: month", "mean: 300, per: month, then: zero"))
    said = {each["segment"]: each["won"] for each in describe_scenario(given)["segments"]}
    long = scenario(
        text()
        .replace("mean: 300, per: month", "mean: [300], per: month, then: zero")
        .replace("4 quarters", "40 quarters")
    )
    means = closed_form(long).means
    won = means.entered[0, :, 0, :, -2].sum(axis=0) / means.leads[0, :, 0].sum(axis=0)
    assert list(said.values()) == exactly(list(won))
